package update

import (
	"errors"
	"strings"
	"testing"

	"bzmage/internal/patch"
	"bzmage/internal/series"
)

// What others wrote is neither Markdown nor HTML, tells nobody, and has an end.
func TestBodyHostile(t *testing.T) {
	evil := "</td><script>x</script> @all [a](http://b) | `c` #1\n\n# big\n" + strings.Repeat("`", 5)
	p := Proposal{Line: "5.4", From: "5.4.1", To: "5.4.2", Err: errors.New(strings.Repeat(evil, 9000))}
	for range 3000 {
		p.Rebased.Report.Patches = append(p.Rebased.Report.Patches, patch.Status{Name: evil, State: patch.Conflict, Why: evil})
	}
	p.Warnings = []string{strings.Repeat(evil, 9000)}
	for name, body := range map[string]string{"request": p.Body(), "conflict": p.Conflict(), "patches": p.patches()} {
		if len(body) > bodyMax+2000 || len([]rune(body)) > 65_000 {
			t.Errorf("%s: %d bytes", name, len(body))
		}
		mark := "" // of the fence that is open
		for line := range strings.Lines(body) {
			if open, ok := strings.CutSuffix(line, "text\n"); mark == "" && ok && strings.Trim(open, "`") == "" && len(open) > 2 {
				mark = open
			} else if mark != "" && line == mark+"\n" {
				mark = ""
			}
			if mark == "" && (strings.Contains(line, "<script") || strings.Contains(line, "@all") || strings.Contains(line, "[a](") || strings.HasPrefix(line, "# ")) {
				t.Fatalf("%s: %q", name, line)
			}
		}
		if mark != "" {
			t.Errorf("%s: a fence is left open", name)
		}
	}
}

func FuzzFence(f *testing.F) {
	f.Add("```\n````", 10)
	f.Add(strings.Repeat("`", 300), 1000)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(0, min(limit, 1<<16))
		text := fenceOf(s, limit)
		mark, rest, _ := strings.Cut(text, "text\n")
		if strings.Count(rest, mark) != 1 || !strings.HasSuffix(rest, mark+"\n") || len(text) > limit+300 {
			t.Errorf("%d bytes of %d: %q", len(text), limit, text)
		}
		if c := cell(s); strings.ContainsAny(c, "<>\n") || len(c) > 3000 {
			t.Errorf("cell %q", c)
		}
	})
}

func TestMessage(t *testing.T) {
	p := Proposal{Line: "5.4", From: "5.4.1", To: "5.4.2", Rebased: series.Rebased{Dropped: []patch.Status{{Name: "a\nb"}}}}
	m := p.Message()
	if !strings.HasPrefix(m, "linux 5.4.1 -> 5.4.2\n\n") || !strings.HasSuffix(m, "\n\n"+Trailer+"5.4 5.4.2\n") || !strings.Contains(m, "upstream: a b\n") {
		t.Errorf("%q", m)
	}
}
