package patch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The lines that Lines names are those of the files before and after a patch,
// wherever its hunks are applied.
func TestLinesOfTheFiles(t *testing.T) {
	base := lines(1, 80)
	at := split(base)
	changed := strings.Join(at[:10], "") + "new 11\nnew 12\n" + strings.Join(at[11:40], "") + strings.Join(at[42:60], "") +
		"new 61\n" + strings.Join(at[60:79], "") + "new 80\n"
	for name, tree := range map[string]string{"where it says": base, "two lines down": "0\n0\n" + base, "two lines up": strings.Join(at[2:], "")} {
		t.Run(name, func(t *testing.T) {
			text := diff(t, content{"f.c": base, "gone.c": "a\nb\n"}, content{"f.c": changed, "new.c": "c\nd\n"})
			var n int
			p := Params{Tree: newTree(t, content{"f.c": tree, "gone.c": "a\nb\n"}), Series: newSeries(t, text)}
			p.Visit = func(s Status, before, after map[string]File) error {
				files, err := Lines(Text{Text: text, Strip: 1}, s.Moved)
				if err != nil {
					return err
				}
				for _, f := range files {
					old, now := split(string(before[f.From].Data)), split(string(after[f.To].Data))
					n += len(f.Removed) + len(f.Added)
					if len(old)-len(f.Removed)+len(f.Added) != len(now) {
						t.Errorf("%s: %d - %d + %d lines are not %d", f.To, len(old), len(f.Removed), len(f.Added), len(now))
					}
					for _, a := range f.Added {
						if got := strings.TrimSuffix(now[a.Line-1], "\n"); got != a.Text || a.File != f.To || strings.Split(text, "\n")[a.At-1] != "+"+a.Text {
							t.Errorf("%s: line %d is %q, not %q", f.To, a.Line, got, a.Text)
						}
					}
					for _, r := range f.Removed {
						if !strings.Contains(text, "\n-"+old[r-1]) {
							t.Errorf("%s: line %d, %q, is not removed", f.From, r, old[r-1])
						}
					}
				}
				return nil
			}
			if _, err := Try(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if n != 4+4+2+2 {
				t.Errorf("%d lines were looked at", n)
			}
		})
	}
}

func TestLinesOfNames(t *testing.T) {
	body := lines(1, 30)
	text := diff(t, content{"a.c": body, "b.c": "x\n"}, content{"moved.c": strings.Replace(body, split(body)[20], "new\n", 1)})
	files, err := Lines(Text{Text: text, Strip: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.From+" -> "+f.To)
	}
	if d := cmp.Diff([]string{"b.c -> ", "a.c -> moved.c"}, got); d != "" {
		t.Errorf("%s\n%s", d, text)
	}
	if _, err := Lines(Text{Text: "no diff\n", Strip: 1}, nil); err == nil {
		t.Error("a text without a diff has lines")
	}
}
