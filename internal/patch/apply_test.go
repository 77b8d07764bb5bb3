package patch

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
)

var (
	origin = content{
		"Makefile": makefile, "Kbuild": "# top\n", "kernel/Makefile": "obj-y += core.o\n",
		"kernel/core.c": lines(1, 40), "kernel/fork.c": lines(100, 140), "drivers/old/only.c": lines(1, 5),
		"scripts/run.sh": "exec:#!/bin/sh\n", "dts/link": "link:../kernel/core.c",
	}
	first  = content{"kernel/core.c": strings.Replace(lines(1, 40), "line xxxxx", "LINE", 1), "kernel/new/base.c": "int x;\n"}
	second = content{"kernel/fork.c": "#include <x>\n" + lines(100, 140), "drivers/old/only.c": "", "scripts/run.sh": "#!/bin/sh\n"}
)

func TestApplyChangesOnlyWhatDiffers(t *testing.T) {
	tree := newTree(t, origin)
	after1 := overlay(origin, first)
	after2 := overlay(after1, second)
	one, two := diff(t, origin, after1), diff(t, after1, after2)
	start := mtimes(t, tree.Src())

	res := mustApply(t, tree, newSeries(t, one, two))
	wantFiles(t, tree, after2)
	want := []string{"drivers/old/only.c", "kernel/core.c", "kernel/fork.c", "kernel/new/base.c", "scripts/run.sh"}
	if d := cmp.Diff(want, res.Changed); d != "" {
		t.Errorf("changed (-want +got):\n%s", d)
	}
	if _, err := os.Stat(filepath.Join(tree.Src(), "drivers")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a removed file is still there: %v", err)
	}
	both := mtimes(t, tree.Src())
	for n, m := range both {
		moved := n == "kernel/core.c" || n == "kernel/fork.c" || n == "kernel/new/base.c"
		if moved != !m.Equal(start[n]) {
			t.Errorf("%s: mtime %v, was %v", n, m, start[n])
		}
	}

	// The second patch goes: the files of the first keep their mtimes.
	res = mustApply(t, tree, newSeries(t, one))
	wantFiles(t, tree, after1)
	if d := cmp.Diff([]string{"drivers/old/only.c", "kernel/fork.c", "scripts/run.sh"}, res.Changed); d != "" {
		t.Errorf("changed (-want +got):\n%s", d)
	}
	now := mtimes(t, tree.Src())
	for _, n := range []string{"kernel/core.c", "kernel/new/base.c", "Makefile", "kernel/Makefile"} {
		if !now[n].Equal(both[n]) {
			t.Errorf("%s got another mtime", n)
		}
	}
	if !now["kernel/fork.c"].After(both["kernel/fork.c"]) {
		t.Error("kernel/fork.c went back to its content without a newer mtime: make would not see it")
	}

	// The unpatched control.
	mustApply(t, tree, newSeries(t))
	wantFiles(t, tree, origin)
	if edits, err := Edits(t.Context(), tree); err != nil || len(edits) > 0 {
		t.Errorf("edits after going back: %v, %v", edits, err)
	}
}

func TestApplyTwiceWritesNothing(t *testing.T) {
	tree := newTree(t, origin)
	series := newSeries(t, diff(t, origin, overlay(origin, first)))
	res := mustApply(t, tree, series)
	before := mtimes(t, tree.Root)
	again := mustApply(t, tree, series)
	if d := cmp.Diff(before, mtimes(t, tree.Root)); d != "" {
		t.Errorf("something was written (-before +after):\n%s", d)
	}
	if len(again.Changed) != 0 || again.Changed == nil {
		t.Errorf("changed: %#v", again.Changed)
	}
	res.Changed = again.Changed
	if d := cmp.Diff(res, again); d != "" {
		t.Errorf("result (-first +again):\n%s", d)
	}
	for _, r := range []Result{res, again} {
		r.Contents = nil // stands elsewhere in the file
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Result
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, back); d != "" {
			t.Errorf("round trip (-want +got):\n%s", d)
		}
	}
}

func TestEmptySeriesIsTheControl(t *testing.T) {
	tree := newTree(t, origin)
	dir := newSeries(t)
	if err := os.WriteFile(filepath.Join(dir, "series"), []byte("# nothing\n\n   # yet\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	res := mustApply(t, tree, dir)
	if len(res.Patches) != 0 || len(res.Changed) != 0 || len(res.Digest) != 64 {
		t.Errorf("result: %+v", res)
	}
	wantFiles(t, tree, origin)
}

func TestDigestFollowsNamesContentsAndOrder(t *testing.T) {
	a, b := diff(t, origin, overlay(origin, first)), diff(t, origin, overlay(origin, second))
	seen := map[string]bool{}
	for _, s := range [][]string{{}, {a}, {b}, {a, b}, {b, a}} {
		d, err := Digest(newSeries(t, s...))
		if err != nil || seen[d] {
			t.Errorf("digest %q of %d patches: %v", d, len(s), err)
		}
		seen[d] = true
	}
	named := newSeries(t, a)
	if err := errors.Join(os.Rename(filepath.Join(named, "a.patch"), filepath.Join(named, "x.patch")),
		os.WriteFile(filepath.Join(named, "series"), []byte("x.patch # why\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if d, err := Digest(named); err != nil || seen[d] {
		t.Errorf("digest %q of a renamed patch: %v", d, err)
	}
}

func TestFailedApplyLeavesTheTree(t *testing.T) {
	tree := newTree(t, origin)
	good := diff(t, origin, overlay(origin, first))
	mustApply(t, tree, newSeries(t, good))
	before, when := read(t, tree.Root), mtimes(t, tree.Root)
	bad := diff(t, content{"kernel/fork.c": "a\nb\n"}, content{"kernel/fork.c": "a\nc\n"})
	_, err := Apply(t.Context(), Params{Tree: tree, Series: newSeries(t, bad)})
	wantKind(t, err, fault.Patch, "a.patch", "kernel/fork.c", "hunk 1 of 1", "@@ -1,2 +1,2 @@")
	if d := cmp.Diff(before, read(t, tree.Root)); d != "" {
		t.Errorf("tree (-before +after):\n%s", d)
	}
	if d := cmp.Diff(when, mtimes(t, tree.Root)); d != "" {
		t.Errorf("mtimes (-before +after):\n%s", d)
	}
}

func TestErrorOnTheWayIsUndone(t *testing.T) {
	after1 := overlay(origin, first)
	after2 := overlay(overlay(origin, second), content{"kernel/core.c": "", "kernel/core.c/in": "folder now\n"})
	one, two := diff(t, origin, after1), diff(t, origin, after2)
	for n := 1; ; n++ {
		tree := newTree(t, origin)
		mustApply(t, tree, newSeries(t, one))
		before, when := read(t, tree.Src()), mtimes(t, tree.Src())
		count, at := 0, ""
		_, err := Apply(t.Context(), Params{Tree: tree, Series: newSeries(t, two), step: func(point string) error {
			if count++; count == n {
				at = point
				return errors.New("no more room")
			}
			return nil
		}})
		if at == "" {
			if err != nil || n < 12 {
				t.Fatalf("after %d steps: %v", n, err)
			}
			return
		}
		if err == nil {
			t.Fatalf("step %d, %s: no error", n, at)
		}
		if at == "state" || at == "done" {
			continue // the tree is whole by then; the next run records it
		}
		wantKind(t, err, fault.Machine, "no more room")
		if d := cmp.Diff(before, read(t, tree.Src())); d != "" {
			t.Fatalf("step %d, %s: tree (-before +after):\n%s", n, at, d)
		}
		if d := cmp.Diff(when, mtimes(t, tree.Src())); d != "" {
			t.Errorf("step %d, %s: mtimes (-before +after):\n%s", n, at, d)
		}
		if edits, err := Edits(t.Context(), tree); err != nil || len(edits) > 0 {
			t.Errorf("step %d, %s: edits %v, %v", n, at, edits, err)
		}
		mustApply(t, tree, newSeries(t, two))
		wantFiles(t, tree, after2)
	}
}

func TestMtimeOfTheFuture(t *testing.T) {
	tree := newTree(t, origin)
	series := newSeries(t, diff(t, origin, overlay(origin, first)))
	mustApply(t, tree, series)
	path, future := filepath.Join(tree.Src(), "kernel/core.c"), time.Now().Add(time.Hour)
	if err := os.Chtimes(path, future, future); err != nil {
		t.Fatal(err)
	}
	mustApply(t, tree, newSeries(t))
	if m := mtimes(t, tree.Src())["kernel/core.c"]; !m.After(future) {
		t.Errorf("mtime %v is not later than %v", m, future)
	}
}

func TestOffsetIsReported(t *testing.T) {
	moved := overlay(origin, content{"kernel/core.c": "one\ntwo\n" + lines(1, 40)})
	tree := newTree(t, moved)
	text := lines(1, 40)
	at := strings.Index(text, "\n") * 12
	at = strings.Index(text[at:], "\n") + at + 1
	p := diff(t, content{"kernel/core.c": text}, content{"kernel/core.c": text[:at] + "added\n" + text[at:]})
	log, said := logrus.New(), &strings.Builder{}
	log.SetOutput(said)
	res, err := Apply(t.Context(), Params{Tree: tree, Series: newSeries(t, p), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if res.Patches[0].Offset != 2 || !strings.Contains(said.String(), "offset=2 patch=a.patch") {
		t.Errorf("offset %d, log %q", res.Patches[0].Offset, said)
	}
	if !slices.Equal(res.Patches[0].Files, []string{"kernel/core.c"}) {
		t.Errorf("files %v", res.Patches[0].Files)
	}
	wantFiles(t, tree, overlay(moved, content{"kernel/core.c": "one\ntwo\n" + text[:at] + "added\n" + text[at:]}))
}
