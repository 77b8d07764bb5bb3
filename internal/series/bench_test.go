package series

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
	"bzmage/internal/patch"
	"bzmage/internal/run"
	"bzmage/internal/testkernel"
	"bzmage/internal/unpack"
)

// BenchmarkSeries applies 75, 150 and 300 patches to a real kernel, with
// patch.Apply and with quilt push -a, each from a tree that nothing was ever
// applied to. KERNEL_SOURCE names another kernel than that of the package:
//
//	go test -run - -bench Series -benchtime 3x ./internal/series
func BenchmarkSeries(b *testing.B) {
	needs(b, "quilt")
	tree := realTree(b)
	entries, err := unpack.ReadManifest(tree.Manifest())
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{75, 150, 300} {
		dir := b.TempDir()
		files := writeSeries(b, tree, entries, dir, n)
		b.Run(fmt.Sprintf("bzmage/%d", n), func(b *testing.B) {
			for range b.N {
				if _, err := patch.Apply(b.Context(), patch.Params{Tree: tree, Series: dir}); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				reset(b, tree, entries, files)
				b.StartTimer()
			}
		})
		quilt := func(args ...string) {
			cmd := run.Cmd{Argv: append([]string{"quilt"}, args...), Dir: tree.Src(), Env: run.Env("HOME="+dir, "QUILT_PATCHES="+dir)}
			if err := run.Run(b.Context(), cmd); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprintf("quilt/%d", n), func(b *testing.B) {
			for range b.N {
				quilt("push", "-a", "-q")
				b.StopTimer()
				quilt("pop", "-a", "-q")
				if err := os.RemoveAll(filepath.Join(tree.Src(), ".pc")); err != nil {
					b.Fatal(err)
				}
				reset(b, tree, entries, files)
				b.StartTimer()
			}
		})
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

// writeSeries writes n patches to dir, as git writes them, and returns the
// files they touch. Each changes two places of a file of its own, and every
// third one place of a file that others change too.
func writeSeries(t testing.TB, tree unpack.Tree, entries []unpack.Entry, dir string, n int) []string {
	t.Helper()
	var long []string
	for _, e := range entries {
		if strings.HasSuffix(e.Path, ".c") && e.Mode == 0o644 && e.Size > 6000 && e.Size < 40000 {
			long = append(long, e.Path)
		}
	}
	state := map[string]string{}
	var names, series []string
	for i := range n {
		before, after := map[string]patch.File{}, map[string]patch.File{}
		edit := func(name string, places ...int) {
			if state[name] == "" {
				b, err := os.ReadFile(filepath.Join(tree.Src(), name))
				if err != nil {
					t.Fatal(err)
				}
				state[name] = string(b)
				names = append(names, name)
			}
			before[name] = text(state[name])
			lines := strings.SplitAfter(state[name], "\n")
			for _, at := range places {
				at %= len(lines) - 1
				lines[at] += fmt.Sprintf("/* patch %d, line %d */\n", i, at)
			}
			state[name] = strings.Join(lines, "")
			after[name] = text(state[name])
		}
		edit(long[(i+10)*(len(long)/(n+10))], 20, 90)
		if i%3 == 0 {
			edit(long[i%10], 40+7*i)
		}
		d, err := Render(t.Context(), before, after, Mail{})
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%04d-generated.patch", i+1)
		mail := fmt.Sprintf("From: A <a@example.com>\nSubject: [PATCH %d/%d] Change %d\n\n---\n%s\n%s-- \n2.39.5\n", i+1, n, i+1, d.Stat, d.Text)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(mail), 0o644); err != nil {
			t.Fatal(err)
		}
		series = append(series, name+"\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "series"), []byte(strings.Join(series, "")), 0o644); err != nil {
		t.Fatal(err)
	}
	return names
}

// reset makes the tree one that nothing was ever applied to.
func reset(t testing.TB, tree unpack.Tree, entries []unpack.Entry, files []string) {
	t.Helper()
	empty := t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, "series"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := patch.Apply(t.Context(), patch.Params{Tree: tree, Series: empty}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"objects", "series.json"} {
		if err := os.RemoveAll(filepath.Join(tree.Root, name)); err != nil {
			t.Fatal(err)
		}
	}
	touched := map[string]bool{}
	for _, f := range files {
		touched[f] = true
	}
	for _, e := range entries {
		if touched[e.Path] && e.Mode&fs.ModeSymlink == 0 {
			m := time.Unix(0, e.MTime)
			if err := os.Chtimes(filepath.Join(tree.Src(), e.Path), m, m); err != nil {
				t.Fatal(err)
			}
		}
	}
	if edits, err := patch.Edits(t.Context(), tree); err != nil || len(edits) > 0 {
		t.Fatalf("the tree is not pristine: %v, %v", edits, err)
	}
}
