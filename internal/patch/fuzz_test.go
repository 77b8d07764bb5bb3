package patch

import (
	"fmt"
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

// FuzzApply applies whatever text as a patch: nothing
// outside of the tree changes, what is accepted is on the disk what it was in
// memory, and the empty series leads back to the pristine tree.
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
		e := entry{name: "a.patch", strip: 1}
		if !strip {
			e.strip = 0
		}
		p, err := parsePatch(patchFile{entry: e, text: text})
		if err != nil {
			return
		}
		d := newDraft(inMemory(small))
		list, err := replay(t.Context(), d, []*parsed{p}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := (Report{Patches: list}).Err(); err != nil {
			if k := fault.KindOf(err); k != fault.Patch || fault.HintOf(err) == "" || strings.ContainsRune(err.Error(), '\x1b') {
				t.Errorf("error of kind %v with hint %q: %v", k, fault.HintOf(err), err)
			}
			return
		}
		onDisk(t, text, e.strip, drafted(d))
	})
}

// onDisk applies a patch that makes want of the small tree, and takes it back.
func onDisk(t *testing.T, text string, strip int, want content) {
	series := newSeries(t, text)
	put(t, series, content{"series": fmt.Sprintf("a.patch -p%d\n", strip)})
	tree := newTree(t, small)
	top := t.TempDir()
	if err := os.Rename(tree.Root, filepath.Join(top, "tree")); err != nil {
		t.Fatal(err)
	}
	tree.Root = filepath.Join(top, "tree")
	put(t, top, content{"out": "sentinel\n"})
	res := mustApply(t, tree, series)
	wantFiles(t, tree, overlay(small, want))
	wantNames(t, top, "out", "tree")
	wantNames(t, tree.Root, ".lock", "manifest", objectsDir, stateFile, "src")
	if out, err := os.ReadFile(filepath.Join(top, "out")); err != nil || string(out) != "sentinel\n" {
		t.Fatalf("the file outside: %q, %v", out, err)
	}
	for name, text := range want {
		target, link := strings.CutPrefix(text, "link:")
		if !filepath.IsLocal(name) || link && !filepath.IsLocal(filepath.Join(filepath.Dir(name), target)) {
			t.Errorf("%s with %q", name, text)
		}
		if text != small[name] && !slices.Contains(res.Changed, name) {
			t.Errorf("%s is not listed as changed", name)
		}
	}
	mustApply(t, tree, newSeries(t))
	wantFiles(t, tree, small)
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Name())
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", dir, d)
	}
}
