package series

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/patch"
)

// chain returns the changes of a series that makes file the texts, one after
// the other. An empty text is no file.
func chain(texts ...string) []Change {
	files := func(text string) map[string]patch.File {
		m := map[string]patch.File{}
		if text != "" {
			m["f"] = patch.File{Data: []byte(text), Mode: 0o644}
		}
		return m
	}
	var all []Change
	for i := range texts[1:] {
		all = append(all, Change{Name: fmt.Sprint(i + 1), Before: files(texts[i]), After: files(texts[i+1])})
	}
	return all
}

func edited(was, now string) []Edited {
	e := Edited{Path: "f"}
	if was != "" {
		e.Was = &patch.File{Data: []byte(was), Mode: 0o644}
	}
	if now != "" {
		e.Now = &patch.File{Data: []byte(now), Mode: 0o644}
	}
	return []Edited{e}
}

// texts is the reverse of chain.
func texts(changes []Change) []string {
	all := []string{string(changes[0].Before["f"].Data)}
	for _, c := range changes {
		all = append(all, string(c.After["f"].Data))
	}
	return all
}

// rows makes a file of words.
func rows(words string) string { return strings.ReplaceAll(words, " ", "\n") + "\n" }

func TestFold(t *testing.T) {
	tests := []struct {
		name   string
		series []string // what the file holds before and after each patch, a word a line
		now    string
		into   int
		want   []string
		bad    []string
	}{
		{"in the lines of the first of two", []string{"a b c d e", "a 1 b c d e", "a 1 b c d 2 e"}, "a one b c d 2 e", -1,
			[]string{"a b c d e", "a one b c d e", "a one b c d 2 e"}, nil},
		{"in the lines of the second", []string{"a b c d e", "a 1 b c d e", "a 1 b c d 2 e"}, "a 1 b c d two e", -1,
			[]string{"a b c d e", "a 1 b c d e", "a 1 b c d two e"}, nil},
		{"both at once", []string{"a b c d e", "a 1 b c d e", "a 1 b c d 2 e"}, "a one b c d two e", -1,
			[]string{"a b c d e", "a one b c d e", "a one b c d two e"}, nil},
		{"next to a patch's line", []string{"a b c d e", "a 1 b c d e", "a 1 b c d 2 e"}, "a 1 new b c d 2 e", -1,
			[]string{"a b c d e", "a 1 new b c d e", "a 1 new b c d 2 e"}, nil},
		{"where a patch took lines away", []string{"a b c d e", "a d e", "a d e 2"}, "a new d e 2", -1,
			[]string{"a b c d e", "a new d e", "a new d e 2"}, nil},
		{"lines of two patches belong to the later one", []string{"a b", "a 1 b", "a 1 2 b"}, "a x b", -1,
			[]string{"a b", "a 1 b", "a x b"}, nil},
		{"elsewhere, and one patch touches the file", []string{"a b c d e f", "a 1 b c d e f"}, "a 1 b c d x f", -1,
			[]string{"a b c d e f", "a 1 b c d x f"}, nil},
		{"elsewhere, and two patches touch it", []string{"a b c d e f g", "a 1 b c d e f g", "a 1 b c d e f 2 g"}, "a 1 b c x e f 2 g", -1,
			nil, []string{"f:5: it is in no patch's lines"}},
		{"into the first", []string{"a b c d e f g", "a 1 b c d e f g", "a 1 b c d e f 2 g"}, "a 1 b c x e f 2 g", 0,
			[]string{"a b c d e f g", "a 1 b c x e f g", "a 1 b c x e f 2 g"}, nil},
		{"into the first, lines of the second", []string{"a b c", "a 1 b c", "a 1 b 2 c"}, "a 1 b x c", 0,
			nil, []string{"f:4: it changes lines that a later patch made"}},
		{"into the first, between lines of the second", []string{"a b c", "a 1 b c", "a 1 b 2 3 c"}, "a 1 b 2 x 3 c", 0,
			nil, []string{"f:5: it adds lines between those that a later patch made"}},
		{"over what a later patch took away", []string{"a b c d", "1 a b c d", "1 a d"}, "1 x", 0,
			nil, []string{"f:2: it changes lines that a later patch made"}},
		{"at the end", []string{"a b", "a b 1", "0 a b 1"}, "0 a b 1 x", -1,
			[]string{"a b", "a b 1 x", "0 a b 1 x"}, nil},
		{"at the begin", []string{"a b", "1 a b", "1 a b 2"}, "x 1 a b 2", -1,
			[]string{"a b", "x 1 a b", "x 1 a b 2"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var series []string
			for _, s := range tt.series {
				series = append(series, rows(s))
			}
			changes := chain(series...)
			got, misplaced := Fold(changes, edited(series[len(series)-1], rows(tt.now)), tt.into)
			var bad []string
			for _, m := range misplaced {
				bad = append(bad, m.String())
			}
			if d := cmp.Diff(tt.bad, bad); d != "" {
				t.Fatalf("misplaced (-want +got):\n%s", d)
			}
			if tt.want == nil {
				return
			}
			var want []string
			for _, s := range tt.want {
				want = append(want, rows(s))
			}
			if d := cmp.Diff(want, texts(got)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if d := cmp.Diff(series, texts(changes)); d != "" {
				t.Errorf("the series that was given changed:\n%s", d)
			}
		})
	}
}

func TestFoldWholeFiles(t *testing.T) {
	tests := []struct {
		name     string
		series   []string
		was, now string
		into     int
		want     []string
		bad      string
	}{
		{"a patch's own file is removed", []string{"", "a\n"}, "a\n", "", -1, []string{"", ""}, ""},
		{"a file of the kernel is removed", []string{"a\n", "b\n"}, "b\n", "", -1, nil, "f: the file was removed, and no patch is named that should remove it"},
		{"by the one that is named", []string{"a\n", "b\n"}, "b\n", "", 0, []string{"a\n", ""}, ""},
		{"but a later one touches it", []string{"a\n", "b\n", "c\n"}, "c\n", "", 0, nil, "f: a later patch touches it too"},
		{"a new file", []string{"", ""}, "", "a\n", -1, nil, "f: the file is new, and no patch is named that should add it"},
		{"for the one that is named", []string{"", ""}, "", "a\n", 0, []string{"", "a\n"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, bad := Fold(chain(tt.series...), edited(tt.was, tt.now), tt.into)
			if tt.bad != "" {
				if len(bad) != 1 || bad[0].String() != tt.bad {
					t.Errorf("got %v, want %s", bad, tt.bad)
				}
				return
			}
			if len(bad) > 0 {
				t.Fatal(bad)
			}
			if d := cmp.Diff(tt.want, texts(got)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestFoldMode(t *testing.T) {
	e := edited("b\n", "b\n")
	e[0].Now.Mode = 0o755
	got, bad := Fold(chain("a\n", "b\n"), e, -1)
	if len(bad) > 0 || got[0].After["f"].Mode != 0o755 || got[0].Before["f"].Mode != 0o644 {
		t.Errorf("%+v %v", got, bad)
	}
	if _, bad := Fold(chain("a\n", "b\n", "a\n", "b\n"), e, -1); len(bad) != 1 {
		t.Errorf("three patches touch the file, and one of them took the mode: %v", bad)
	}
}

// TestFoldHolds folds edits at random into series at random. Whatever patch
// takes an edit, the series must come to the edited file, each patch must go
// on from the one before, and no patch before the first that takes an edit
// may change.
func TestFoldHolds(t *testing.T) {
	placed := 0
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 1))
		series := []string{randomText(r, 12)}
		for range 1 + r.IntN(4) {
			series = append(series, mutate(r, series[len(series)-1]))
		}
		now := mutate(r, mutate(r, series[len(series)-1]))
		into := r.IntN(len(series)) - 1
		got, bad := Fold(chain(series...), edited(series[len(series)-1], now), into)
		if len(bad) > 0 {
			continue
		}
		placed++
		for i, c := range got {
			if i > 0 && !same(c.Before, got[i-1].After) {
				t.Fatalf("seed %d: patch %d does not go on from the one before", seed, i+1)
			}
			if i < into && !same(c.After, chain(series...)[i].After) {
				t.Fatalf("seed %d: patch %d changed, the edit is for patch %d", seed, i+1, into+1)
			}
		}
		if all := texts(got); all[0] != series[0] || all[len(all)-1] != now {
			t.Fatalf("seed %d: the series goes from %q to %q, want %q to %q", seed, all[0], all[len(all)-1], series[0], now)
		}
	}
	if placed < 1000 {
		t.Errorf("only %d of the edits were folded", placed)
	}
}

func randomText(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "%c\n", 'a'+r.IntN(6))
	}
	return b.String()
}

// mutate replaces, adds or removes some lines.
func mutate(r *rand.Rand, text string) string {
	lines := splitLines(text)
	at := r.IntN(len(lines) + 1)
	end := min(at+r.IntN(3), len(lines))
	var fresh []string
	for range r.IntN(3) {
		fresh = append(fresh, fmt.Sprintf("%c%d\n", 'a'+r.IntN(6), r.IntN(3)))
	}
	out := strings.Join(slices.Concat(lines[:at], fresh, lines[end:]), "")
	if out == "" {
		return "a\n"
	}
	return out
}

// The fingerprint is of the files alone: a mail's other text does not count,
// and a file that is taken away does.
func TestFingerprint(t *testing.T) {
	one := chain("a\n", "b\n")
	again := chain("a\n", "b\n")
	again[0].Mail.Text = []byte("another message")
	if Fingerprint(one) != Fingerprint(again) || Fingerprint(one) == Fingerprint(nil) {
		t.Error("the message counts, or the files do not")
	}
	if two := chain("a\n", "c\n", "b\n"); Fingerprint(two) != Fingerprint(one) || Fingerprint(two[:1]) == Fingerprint(one) {
		t.Error("the way counts, or the files do not")
	}
	if gone := chain("a\n", ""); Fingerprint(gone) == Fingerprint(nil) {
		t.Error("a file that is taken away does not count")
	}
}
