package series

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
	"bzmage/internal/patch"
	"bzmage/internal/testkernel"
	"bzmage/internal/unpack"
)

// On a real kernel: the series of this checkout fits and is what git would
// write; put twice into a series, each patch is upstream the second time; and
// what was made for 5.4 fits where 6.1 has the same places.
func TestRealSeries(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks a kernel")
	}
	needs(t, "git")
	tree := realTree(t)
	_, here, _, _ := runtime.Caller(0)
	top := filepath.Join(filepath.Dir(here), "..", "..", "patches")
	line := strings.Join(strings.SplitN(tree.Release, ".", 3)[:2], ".")
	own := filepath.Join(top, line)
	got, err := Rebase(t.Context(), tree, own)
	if err != nil {
		t.Fatal(err)
	}
	if got.Err() != nil || len(got.Report.Patches) == 0 {
		t.Fatalf("%s: %v", Count(got.Report.Patches), got.Err())
	}
	clean := !slices.ContainsFunc(got.Report.Patches, func(s patch.Status) bool { return s.State != patch.Clean })
	t.Logf("%s on %s: %s, %d written anew", line, tree.Release, Count(got.Report.Patches), len(got.Changed))
	for _, name := range got.Changed {
		old, err := os.ReadFile(filepath.Join(own, name))
		if err != nil {
			t.Fatal(err)
		}
		if clean && !patch.SameLines(string(old), string(got.Files[name]), 1) {
			t.Errorf("%s is clean, and its lines changed", name)
		}
	}
	twice := map[string][]byte{}
	var list, again string
	for _, s := range got.Report.Patches {
		twice[s.Name], twice["again-"+s.Name] = got.Files[s.Name], got.Files[s.Name]
		list, again = list+s.Name+"\n", again+"again-"+s.Name+"\n"
	}
	twice["series"] = []byte(list + again)
	r, err := patch.Try(t.Context(), patch.Params{Tree: tree, Series: written(t, twice)})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range r.Patches {
		want := patch.Clean
		if i >= len(got.Report.Patches) {
			want = patch.Upstream
		}
		if s.State != want {
			t.Errorf("%s is %s, want %s: %s", s.Name, s.State, want, s.Why)
		}
	}
	if line != "6.1" {
		return
	}
	other, err := Rebase(t.Context(), tree, filepath.Join(top, "5.4"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []patch.State{patch.Conflict, patch.Offset, patch.Conflict} {
		if s := other.Report.Patches[i]; s.State != want {
			t.Errorf("%s is %s, want %s", s.Name, s.State, want)
		}
	}
}

// realTree unpacks a kernel.
func realTree(t testing.TB) unpack.Tree {
	t.Helper()
	line := kernels.Line{Name: "5.4"}
	var archive fetch.Archive
	if source := os.Getenv("KERNEL_SOURCE"); source != "" {
		release, err := unpack.Release(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		line.Name = strings.Join(strings.SplitN(release, ".", 3)[:2], ".")
		if archive, err = fetch.Fetch(t.Context(), fetch.Params{Line: line, Override: source, Cache: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
	} else {
		line, _ = testkernel.Line(t)
		archive = testkernel.Archive(t)
	}
	tree, err := unpack.Unpack(t.Context(), unpack.Params{Archive: archive, Line: line, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
