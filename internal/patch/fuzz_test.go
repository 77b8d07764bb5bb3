package patch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
)

// small is the tree that the fuzzer's patches meet.
var small = content{"Makefile": makefile, "Kbuild": "# top\n", "kernel/Makefile": "obj-y += core.o\n",
	"a": "1\n2\n3\n", "d/b": "1\n", "d/e/c": "exec:x", "in": "link:d", "d/up": "link:../a"}

// FuzzApply applies whatever text as a patch to a tree on the disk: nothing
// outside of the tree changes, a refused patch changes nothing, and the empty
// series leads back to the pristine tree.
func FuzzApply(f *testing.F) {
	for _, s := range []string{
		mailed,
		"--- a/a\n+++ b/a\n@@ -1,3 +1,4 @@\n 1\n+x\n 2\n 3\n",
		"--- a/a\n+++ b/a\n@@ -2,2 +2,1 @@\n 2\n-3\n",
		"diff --git a/a b/d/n\nrename from a\nrename to d/n\n",
		"diff --git a/d/e/c b/c\nold mode 100755\nnew mode 100644\ncopy from d/e/c\ncopy to c\n",
		"diff --git a/d/b b/d/b\ndeleted file mode 100644\n--- a/d/b\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n",
		"diff --git a/n b/n\nnew file mode 120000\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+d/e\n\\ No newline at end of file\n",
		"diff --git a/in b/in\ndeleted file mode 120000\n--- a/in\n+++ /dev/null\n@@ -1 +0,0 @@\n-d\n\\ No newline at end of file\n" +
			"diff --git a/in/x b/in/x\nnew file mode 100644\n--- /dev/null\n+++ b/in/x\n@@ -0,0 +1 @@\n+1\n",
		"--- a/../out\n+++ b/../out\n@@ -0,0 +1 @@\n+1\n",
		"diff --git a/in/b b/in/b\n--- a/in/b\n+++ b/in/b\n@@ -1 +1 @@\n-1\n+2\n",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, strip bool) {
		series := newSeries(t, text)
		if !strip {
			put(t, series, content{"series": "a.patch -p0\n"})
		}
		tree := newTree(t, small)
		top := filepath.Dir(tree.Root)
		put(t, top, content{"out": "sentinel\n"})
		res, err := Apply(t.Context(), Params{Tree: tree, Series: series})
		names := func(dir string) (names []string) {
			list, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				names = append(names, e.Name())
			}
			return names
		}
		if got := names(top); !slices.Contains(got, "out") || slices.ContainsFunc(got, func(n string) bool { return n != "out" && len(n) != 3 }) {
			t.Fatalf("beside the tree: %q", got)
		}
		for _, n := range names(tree.Root) {
			if !slices.Contains([]string{"src", "manifest", ".lock", stateFile, objectsDir}, n) {
				t.Errorf("in the tree's folder: %q", n)
			}
		}
		if out, err := os.ReadFile(filepath.Join(top, "out")); err != nil || string(out) != "sentinel\n" {
			t.Fatalf("the file outside: %q, %v", out, err)
		}
		after := read(t, tree.Src())
		if err != nil {
			if k := fault.KindOf(err); k != fault.Patch || fault.HintOf(err) == "" {
				t.Errorf("error of kind %v with hint %q: %v", k, fault.HintOf(err), err)
			}
			if d := cmp.Diff(small, after); d != "" {
				t.Errorf("refused, but (-before +after):\n%s", d)
			}
			return
		}
		for name, text := range after {
			target, link := strings.CutPrefix(text, "link:")
			if link && !filepath.IsLocal(filepath.Join(filepath.Dir(name), target)) {
				t.Errorf("%s points to %s", name, target)
			}
			if text != small[name] && !slices.Contains(res.Changed, name) {
				t.Errorf("%s is not listed as changed", name)
			}
		}
		mustApply(t, tree, newSeries(t))
		wantFiles(t, tree, small)
	})
}
