package series

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
	"bzmage/internal/patch"
	"bzmage/internal/unpack"
)

// newTree unpacks a tree with these files.
func newTree(t *testing.T, files map[string]patch.File) unpack.Tree {
	t.Helper()
	from := t.TempDir()
	put(t, from, files)
	put(t, from, map[string]patch.File{"Makefile": text("VERSION = 5\nPATCHLEVEL = 4\nSUBLEVEL = 1\nEXTRAVERSION =\n"), "Kbuild": text("#\n"), "kernel/Makefile": text("#\n"), "scripts/checkpatch.pl": text("#\n"), "arch/x86/Makefile": text("#\n"), "arch/arm64/Makefile": text("#\n")})
	line := kernels.Line{Name: "5.4", Release: "5.4.1"}
	a, err := fetch.Fetch(t.Context(), fetch.Params{Line: line, Override: from, Cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := unpack.Unpack(t.Context(), unpack.Params{Archive: a, Line: line, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// editLines changes some places of a text.
func editLines(r *rand.Rand, s string, n int) string {
	lines := strings.SplitAfter(s, "\n")
	for range n {
		at := r.IntN(len(lines))
		lines[at] += fmt.Sprintf("\tcall_%d();\n", r.IntN(1e6))
	}
	return strings.Join(lines, "")
}

func written(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "patches")
	if err := WriteNew(dir, files); err != nil {
		t.Fatal(err)
	}
	return dir
}

// gitSeries makes a series with git, of commits with changes by chance, and
// returns it and the files it begins with.
func gitSeries(t *testing.T, rnd *rand.Rand) (origin map[string]patch.File, files map[string][]byte) {
	t.Helper()
	r := newRepo(t)
	state := map[string]patch.File{"a.c": text(source(20)), "d/b.c": text(source(30)), "c.h": text(source(5))}
	r.commit(state, "Begin")
	origin = state
	files = map[string][]byte{}
	list := "# of seed\n"
	for i := range 3 + rnd.IntN(3) {
		state = maps.Clone(state)
		for _, name := range []string{"a.c", "d/b.c", "c.h"} {
			if rnd.IntN(2) == 0 || name == "d/b.c" {
				state[name] = text(editLines(rnd, string(state[name].Data), 1+rnd.IntN(2)))
			}
		}
		r.commit(state, fmt.Sprintf("Change %d\n\nWhy.", i))
		name := fmt.Sprintf("%04d.patch", i+1)
		files[name] = []byte(r.git("format-patch", "--stdout", "-1"))
		list += name + "\n"
	}
	files["series"] = []byte(list)
	return origin, files
}

// A series of real git's, on a release that has drifted: the new series applies
// clean, makes the same tree as the old one, changes no mail beyond its diff,
// and made anew once more it stays as it is.
func TestRebase(t *testing.T) {
	moved, unfit := 0, 0
	for seed := range uint64(16) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		origin, files := gitSeries(t, rnd)
		folder := written(t, files)
		release := map[string]patch.File{}
		for name, f := range origin {
			release[name] = text("/* new */\n" + editLines(rnd, string(f.Data), rnd.IntN(2)))
		}
		tree := newTree(t, release)
		got, err := Rebase(t.Context(), tree, folder)
		if err != nil {
			t.Fatal(err)
		}
		if got.Err() != nil {
			unfit++
			continue
		}
		moved += len(got.Changed)
		anew := written(t, got.Files)
		again, err := Rebase(t.Context(), tree, anew)
		if err != nil || len(again.Changed) > 0 {
			t.Errorf("seed %d: made anew once more, %v changed: %v", seed, again.Changed, err)
		}
		if c := Count(again.Report.Patches); c != fmt.Sprintf("%d clean", len(files)-1) {
			t.Errorf("seed %d: the new series is %s", seed, c)
		}
		if d := cmp.Diff(applied(t, tree, folder, release), applied(t, tree, anew, release)); d != "" {
			t.Errorf("seed %d: trees (-old +new):\n%s", seed, d)
		}
		for name, old := range files {
			now := string(got.Files[name])
			if name != "series" && message(t, string(old)) != message(t, now) {
				t.Errorf("seed %d: %s lost something:\n%s", seed, name, cmp.Diff(string(old), now))
			}
		}
	}
	t.Logf("%d patches moved, %d series did not fit", moved, unfit)
	if moved < 20 || unfit > 10 {
		t.Error("the test has lost its balance")
	}
}

// applied returns the files of the tree with a series applied.
func applied(t *testing.T, tree unpack.Tree, series string, names map[string]patch.File) map[string]string {
	t.Helper()
	if _, err := patch.Apply(t.Context(), patch.Params{Tree: tree, Series: series}); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for name := range names {
		b, err := os.ReadFile(filepath.Join(tree.Src(), name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(b)
	}
	return texts
}

// message returns a mail without its diff.
func message(t *testing.T, mail string) string {
	t.Helper()
	from, to, err := patch.Extent(mail, 1)
	if err != nil {
		t.Fatal(err)
	}
	return mail[:from] + mail[to:]
}

func TestFolders(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "patches", "6.1")
	one := map[string][]byte{"series": []byte("a\n"), "sub/a": []byte("1\n")}
	two := map[string][]byte{"series": []byte("b\n"), "b": []byte("2\n")}
	for range 2 {
		if err := WriteNew(dir, one); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteNew(dir, two); !errors.Is(err, fs.ErrExist) || !Holds(dir, one) {
		t.Errorf("over another series: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "old")
	if err := Exchange(dir, old, two, []string{"sub/a"}); err != nil {
		t.Fatal(err)
	}
	two["mine"], one["mine"] = []byte("x"), []byte("x")
	if !Holds(dir, two) || !Holds(old, one) {
		t.Errorf("after the exchange: %v, %v", Holds(dir, two), Holds(old, one))
	}
	if err := Exchange(dir, old, one, []string{}); err == nil || !Holds(dir, two) {
		t.Errorf("over an old folder that is there: %v", err)
	}
	if list, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(list) != 1 {
		t.Errorf("left over: %v, %v", list, err)
	}
	stub := filepath.Join(t.TempDir(), "5.4")
	put(t, stub, map[string]patch.File{"series": text("\n")})
	if err := WriteNew(stub, two); err != nil || !Holds(stub, two) {
		t.Errorf("over a series without a patch: %v", err)
	}
}

// A report survives the way to the disk and back, and its table names all.
func TestReport(t *testing.T) {
	files := map[string]patch.File{"a.c": text(source(20))}
	folder := written(t, map[string][]byte{
		"series":  []byte("a.patch\nb.patch\n"),
		"a.patch": []byte("--- a/a.c\n+++ b/a.c\n@@ -7,3 +7,4 @@\n \treturn y;\n }\n \n+new\n"),
		"b.patch": []byte("--- a/a.c\n+++ b/a.c\n@@ -1,2 +1,2 @@\n \x1b[31mred\n-x\n+y\n"),
	})
	got, err := Rebase(t.Context(), newTree(t, files), folder)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "r", "series.json")
	if err := got.Report.Save(path); err != nil {
		t.Fatal(err)
	}
	back, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got.Report, back); d != "" {
		t.Errorf("round trip (-want +got):\n%s", d)
	}
	var b strings.Builder
	if err := back.Table(&b); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{b.String(), got.Conflicts()} {
		if strings.ContainsRune(text, '\x1b') || !strings.Contains(text, "b.patch") {
			t.Errorf("%s", text)
		}
	}
}
