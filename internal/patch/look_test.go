package patch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
)

// Look says what Apply then does, whatever was applied before, and leaves the
// tree alone.
func TestLookTellsWhatApplyDoes(t *testing.T) {
	tree := newTree(t, origin)
	none, one, two := newSeries(t), newSeries(t, diff(t, origin, overlay(origin, first))), newSeries(t, diff(t, origin, overlay(origin, second)))
	for _, tt := range []struct {
		name, series, why string
		before            func()
	}{
		{name: "the first", series: one, why: "no result yet"},
		{name: "the same", series: one},
		{name: "another", series: two, why: "a.patch: "},
		{name: "none", series: none, why: "a.patch: "},
		{name: "none again", series: none},
		{name: "the first again", series: one, why: "a.patch: new, "},
		{name: "a file is gone", series: one, why: "the tree is not as", before: func() {
			if err := os.Remove(filepath.Join(tree.Src(), "kernel", "core.c")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		if tt.before != nil {
			tt.before()
		}
		files, when := read(t, tree.Root), mtimes(t, tree.Root)
		want, why, err := Look(t.Context(), Params{Tree: tree, Series: tt.series})
		if err != nil {
			t.Fatal(err)
		}
		if cmp.Diff(files, read(t, tree.Root))+cmp.Diff(when, mtimes(t, tree.Root)) != "" {
			t.Errorf("%s: Look wrote", tt.name)
		}
		says := ""
		for _, c := range why {
			says += c.String() + "\n"
		}
		if (says == "") != (tt.why == "") || !strings.Contains(says, tt.why) {
			t.Errorf("%s: %q, want %q", tt.name, says, tt.why)
		}
		got := mustApply(t, tree, tt.series)
		if kept := len(why) == 0; kept && len(got.Changed) > 0 {
			t.Errorf("%s: it was to be kept, and %v changed", tt.name, got.Changed)
		}
		if tt.before != nil {
			want.Changed = got.Changed // one file is gone; Look names all that may be
		}
		if len(got.Changed) == 0 {
			got.Changed, want.Changed = nil, nil
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("%s: Apply (-) and Look (+): %s", tt.name, d)
		}
	}
	bad := newSeries(t, diff(t, content{"kernel/core.c": "a\nb\n"}, content{"kernel/core.c": "a\nc\n"}))
	_, _, err := Look(t.Context(), Params{Tree: tree, Series: bad})
	wantKind(t, err, fault.Patch, "a.patch")
}
