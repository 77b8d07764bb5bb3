package patch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/run"
	"bzmage/internal/unpack"
)

func mustEdits(t *testing.T, tree unpack.Tree) []Edit {
	t.Helper()
	edits, err := Edits(t.Context(), tree)
	if err != nil {
		t.Fatal(err)
	}
	return edits
}

func TestEdits(t *testing.T) {
	tree := newTree(t, origin)
	mustApply(t, tree, newSeries(t, diff(t, origin, overlay(overlay(origin, first), second))))
	if edits := mustEdits(t, tree); len(edits) > 0 {
		t.Fatalf("edits in a tree nobody edited: %v", edits)
	}
	put(t, tree.Src(), content{
		"kernel/core.c":      "mine\n",                 // of the series
		"kernel/new/base.c":  "int y;\n",               // made by the series, with the size it had
		"Kbuild":             "# pot\n",                // of nobody
		"kernel/Makefile":    "exec:obj-y += core.o\n", // the mode only
		"dts/link":           "link:../kernel/fork.c",
		"drivers/old/only.c": "back\n", // removed by the series
		"mm/mine.c":          "added\n",
	})
	if err := errors.Join(os.Remove(filepath.Join(tree.Src(), "scripts/run.sh")),
		syscall.Mkfifo(filepath.Join(tree.Src(), "pipe"), 0o644),
		os.Mkdir(filepath.Join(tree.Src(), "empty"), 0o755)); err != nil {
		t.Fatal(err)
	}
	want := []Edit{
		{"Kbuild", Modified, sum("# pot\n")},
		{"drivers/old/only.c", Added, sum("back\n")},
		{"dts/link", Modified, sum("../kernel/fork.c")},
		{"kernel/Makefile", Modified, sum("obj-y += core.o\n")},
		{"kernel/core.c", Modified, sum("mine\n")},
		{"kernel/new/base.c", Modified, sum("int y;\n")},
		{"mm/mine.c", Added, sum("added\n")},
		{"pipe", Added, ""},
		{"scripts/run.sh", Removed, ""},
	}
	if d := cmp.Diff(want, mustEdits(t, tree)); d != "" {
		t.Errorf("edits (-want +got):\n%s", d)
	}
}

func TestTouchedFileIsNoEdit(t *testing.T) {
	tree := newTree(t, origin)
	put(t, tree.Src(), content{"Kbuild": "# top\n"}) // another inode and, below, another mtime
	now := mtimes(t, tree.Root)["manifest"]
	if err := os.Chtimes(filepath.Join(tree.Src(), "Kbuild"), now, now); err != nil {
		t.Fatal(err)
	}
	if edits := mustEdits(t, tree); len(edits) > 0 {
		t.Errorf("edits: %v", edits)
	}
}

func TestEditsStopsWithItsContext(t *testing.T) {
	tree := newTree(t, origin)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Edits(ctx, tree)
	wantKind(t, err, fault.Interrupted)
}

// What a person wrote is in the way of a series that changes the same files.
func TestApplyKeepsEdits(t *testing.T) {
	for name, tc := range map[string]struct {
		applied, next content // what the series makes before and after the edit
		edit          content
		kind, path    string
		compare       bool // the message offers a diff
	}{
		"of the series":         {first, second, content{"kernel/core.c": "mine\n"}, Modified, "kernel/core.c", true},
		"of the next series":    {first, second, content{"kernel/fork.c": "mine\n"}, Modified, "kernel/fork.c", true},
		"next, same size":       {nil, second, content{"kernel/fork.c": strings.ToUpper(lines(100, 140))}, Modified, "kernel/fork.c", true},
		"same size":             {first, nil, content{"kernel/new/base.c": "int y;\n"}, Modified, "kernel/new/base.c", true},
		"to be created":         {nil, first, content{"kernel/new/base.c": "mine\n"}, Added, "kernel/new/base.c", false},
		"to be removed":         {nil, second, content{"drivers/old/only.c": "mine\n"}, Modified, "drivers/old/only.c", true},
		"a link for a file":     {nil, second, content{"kernel/fork.c": "link:core.c"}, Modified, "kernel/fork.c", true},
		"a file for a folder":   {nil, first, content{"kernel/new": "mine\n"}, Added, "kernel/new", false},
		"a link for a folder":   {nil, first, content{"kernel/new": "link:../dts"}, Added, "kernel/new", false},
		"in a folder to become": {nil, content{"kernel/new": "file\n"}, content{"kernel/new/mine.c": "mine\n"}, Added, "kernel/new/mine.c", false},
		"mode":                  {nil, content{"scripts/run.sh": "exec:x\n"}, content{"scripts/run.sh": "#!/bin/sh\n"}, Modified, "scripts/run.sh", true},
	} {
		t.Run(name, func(t *testing.T) {
			tree := newTree(t, origin)
			mustApply(t, tree, seriesFor(t, origin, overlay(origin, tc.applied)))
			put(t, tree.Src(), tc.edit)
			before := read(t, tree.Src())
			next := overlay(origin, tc.next)
			_, err := Apply(t.Context(), Params{Tree: tree, Series: seriesFor(t, origin, next)})
			wantKind(t, err, fault.Patch)
			var e *ObstacleError
			if !errors.As(err, &e) || len(e.Obstacles) != 1 {
				t.Fatalf("obstacles: %v", err)
			}
			o := e.Obstacles[0]
			if o.Kind != tc.kind || o.Path != tc.path || (o.Original != "") != tc.compare {
				t.Errorf("obstacle: %+v", o)
			}
			wantFiles(t, tree, before)
			if tc.compare {
				wantOriginal(t, o, overlay(origin, tc.applied)[tc.path])
			}

			// What the hint says: one command, and the next run is through.
			if err := run.Run(t.Context(), run.Cmd{Argv: []string{"rm", "-r", o.Edited}, Env: run.Env()}); err != nil {
				t.Fatal(err)
			}
			mustApply(t, tree, seriesFor(t, origin, next))
			wantFiles(t, tree, next)
		})
	}
}

func wantOriginal(t *testing.T, o Obstacle, want string) {
	t.Helper()
	text, err := os.ReadFile(o.Original)
	if err != nil {
		t.Fatal(err)
	}
	if program, ok := cutExec(want); ok {
		want = program
	}
	if string(text) != want {
		t.Errorf("the original is %q, want %q", text, want)
	}
}

func cutExec(s string) (string, bool) {
	if len(s) > 5 && s[:5] == "exec:" {
		return s[5:], true
	}
	return s, false
}

// seriesFor is the series of one patch that leads from one state to another.
func seriesFor(t *testing.T, from, to content) string {
	t.Helper()
	if p := diff(t, from, to); p != "" {
		return newSeries(t, p)
	}
	return newSeries(t)
}

// An edit that the series does not touch is no reason to stop, even in a file
// that it changed before.
func TestApplyLeavesOtherEdits(t *testing.T) {
	tree := newTree(t, origin)
	one := diff(t, origin, overlay(origin, first))
	mustApply(t, tree, newSeries(t, one))
	mine := content{"kernel/core.c": "mine\n", "Kbuild": "# mine\n", "mm/mine.c": "mine\n"}
	put(t, tree.Src(), mine)
	want := overlay(overlay(origin, first), mine)

	mustApply(t, tree, newSeries(t, one))
	wantFiles(t, tree, want)
	two := diff(t, overlay(origin, first), overlay(overlay(origin, first), second))
	mustApply(t, tree, newSeries(t, one, two))
	wantFiles(t, tree, overlay(want, second))
	if got := len(mustEdits(t, tree)); got != 3 {
		t.Errorf("%d edits", got)
	}
}

// Somebody applied the patch by hand: the file is as it should be.
func TestApplyTakesWhatIsRightAlready(t *testing.T) {
	tree := newTree(t, origin)
	put(t, tree.Src(), first)
	when := mtimes(t, tree.Src())
	res := mustApply(t, tree, seriesFor(t, origin, overlay(origin, first)))
	if len(res.Changed) > 0 {
		t.Errorf("changed: %v", res.Changed)
	}
	if d := cmp.Diff(when, mtimes(t, tree.Src())); d != "" {
		t.Errorf("mtimes (-before +after):\n%s", d)
	}
	mustApply(t, tree, newSeries(t))
	wantFiles(t, tree, origin)
}

func TestDeletedFilesComeBack(t *testing.T) {
	tree := newTree(t, origin)
	series := seriesFor(t, origin, overlay(origin, first))
	mustApply(t, tree, series)
	if err := os.RemoveAll(filepath.Join(tree.Src(), "kernel/new")); err != nil {
		t.Fatal(err)
	}
	res := mustApply(t, tree, series)
	if d := cmp.Diff([]string{"kernel/new/base.c"}, res.Changed); d != "" {
		t.Errorf("changed (-want +got):\n%s", d)
	}
	wantFiles(t, tree, overlay(origin, first))
}

func TestRestoreAndOriginal(t *testing.T) {
	tree := newTree(t, origin)
	mustApply(t, tree, seriesFor(t, origin, overlay(origin, first)))
	want := overlay(origin, first)
	put(t, tree.Src(), content{"kernel/core.c": "mine\n", "Kbuild": "# mine\n", "mm/mine.c": "mine\n", "dts/link": "link:x", "kernel/fork.c": ""})
	for name, text := range map[string]string{"kernel/core.c": want["kernel/core.c"], "Kbuild": want["Kbuild"]} {
		got, err := Original(t.Context(), tree, name)
		if err != nil || got == nil || string(got.Data) != text || got.Mode != 0o644 {
			t.Errorf("original of %s: %+v, %v", name, got, err)
		}
	}
	if f, err := Original(t.Context(), tree, "mm/mine.c"); f != nil || err != nil {
		t.Errorf("original of an added file: %v, %v", f, err)
	}
	if _, err := Original(t.Context(), tree, "../manifest"); err == nil {
		t.Error("original of a file outside of the tree")
	}
	names := []string{"kernel/core.c", "Kbuild", "mm/mine.c", "kernel/fork.c", "Makefile", "Kbuild"}
	changed, err := Restore(t.Context(), tree, names...)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"Kbuild", "kernel/core.c", "kernel/fork.c", "mm/mine.c"}, changed); d != "" {
		t.Errorf("changed (-want +got):\n%s", d)
	}
	wantFiles(t, tree, overlay(want, content{"dts/link": "link:x"}))
	if got := mustEdits(t, tree); len(got) != 1 || got[0].Path != "dts/link" {
		t.Errorf("edits: %v", got)
	}
	mustApply(t, tree, newSeries(t))
	wantFiles(t, tree, overlay(origin, content{"dts/link": "link:x"}))
}
