package patch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
	"bzmage/internal/run"
	"bzmage/internal/unpack"
)

// The whole way with the real neighbour: a tarball is unpacked, patched,
// edited, and what the edit replaced is had from the tarball again.
func TestTreeOfATarball(t *testing.T) {
	needs(t, "tar")
	needs(t, "xz")
	odd := overlay(origin, content{
		"drivers/[a]*.c": "odd\n", "drivers/aa.c": "other\n", "scripts/checkpatch.pl": "exec:#!/usr/bin/perl\n",
		"arch/x86/Makefile": "#\n", "arch/arm64/Makefile": "#\n", "with space/ü": "x\n",
	})
	dir := t.TempDir()
	put(t, filepath.Join(dir, "linux-5.4.1"), odd)
	put(t, filepath.Join(dir, "linux-5.4.1/copy"), content{"kernel/fork.c": "not this one\n"})
	odd["copy/kernel/fork.c"] = "not this one\n"
	ball := filepath.Join(dir, "linux.tar.xz")
	if err := run.Run(t.Context(), run.Cmd{Argv: []string{"tar", "-C", dir, "-cJf", ball, "linux-5.4.1"}, Env: run.Env()}); err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(ball)
	r, err := hashPath(root, filepath.Base(ball))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := unpack.Unpack(t.Context(), unpack.Params{
		Archive: fetch.Archive{Path: ball, SHA256: r, Source: fetch.OverrideName, Origin: ball},
		Line:    kernels.Line{Name: "5.4", Release: "5.4.1"}, Dir: filepath.Join(t.TempDir(), "tree"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if edits := mustEdits(t, tree); len(edits) > 0 {
		t.Fatalf("edits in a new tree: %v", edits)
	}
	mustApply(t, tree, seriesFor(t, origin, overlay(origin, first)))
	wantFiles(t, tree, overlay(odd, first))
	put(t, tree.Src(), content{"kernel/fork.c": "mine\n", "drivers/[a]*.c": "mine\n"})
	for _, name := range []string{"kernel/fork.c", "drivers/[a]*.c", "kernel/core.c"} {
		f, err := Original(t.Context(), tree, name)
		if err != nil || f == nil || string(f.Data) != overlay(odd, first)[name] {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	edits := []Edit{{"drivers/[a]*.c", Modified, sum("mine\n")}, {"kernel/fork.c", Modified, sum("mine\n")}}
	if d := cmp.Diff(edits, mustEdits(t, tree)); d != "" {
		t.Errorf("edits (-want +got):\n%s", d)
	}
	if _, err := Restore(t.Context(), tree, "kernel/fork.c", "drivers/[a]*.c"); err != nil {
		t.Fatal(err)
	}
	mustApply(t, tree, newSeries(t))
	wantFiles(t, tree, odd)
}

func hashPath(dir, name string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	return hashFile(root, name)
}

func TestPristineIsGone(t *testing.T) {
	tree := newTree(t, origin)
	tree.Archive.Path = filepath.Join(t.TempDir(), "gone")
	put(t, tree.Src(), content{"kernel/fork.c": "mine\n"})
	if _, err := Original(t.Context(), tree, "kernel/fork.c"); err == nil {
		t.Error("no error")
	}
}
