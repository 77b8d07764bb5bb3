package pipeline

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bzmage/internal/arch"
	"bzmage/internal/compile"
	"bzmage/internal/fault"
)

// grown is a series that a person works on, in the tree.
type grown struct {
	p      Project
	folder string
	src    string
	good   []string // the patches there were
}

// edit replaces a text of a file of the tree.
func (g grown) edit(t *testing.T, file, old, fresh string) {
	t.Helper()
	path := filepath.Join(g.src, filepath.FromSlash(file))
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%s does not hold %q: %v", file, old, err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, fresh, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// patch makes a patch of what was edited.
func (g grown) patch(t *testing.T, title string) string {
	t.Helper()
	if err := g.p.SeriesNew(t.Context(), title); err != nil {
		t.Fatal(err)
	}
	all := readSeries(t, g.folder)
	return all[len(all)-1]
}

// realSeries makes patches of edits in a real tree, and then looks for the one
// that warns, the one that does not link, and the one that breaks a check.
func realSeries(t *testing.T, p Project, line string) {
	t.Setenv("GIT_AUTHOR_NAME", "A Developer")
	t.Setenv("GIT_AUTHOR_EMAIL", "a@example.com")
	folder := filepath.Join(p.Root, "patches", line)
	tree, err := p.Patch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// What a failed test edited would stop the next one, as it should.
		if t.Failed() {
			os.RemoveAll(tree.Tree.Root)
		}
	})
	g := grown{p: p, folder: folder, src: tree.Tree.Src(), good: readSeries(t, folder)}
	g.edit(t, "fs/proc/base.c", "\tp = get_proc_task(inode);\n\tif (!p)\n\t\treturn -ESRCH;\n\trand_count(", "\tint bzmage_unused;\n\n\tp = get_proc_task(inode);\n\tif (!p)\n\t\treturn -ESRCH;\n\trand_count(")
	warns := g.patch(t, "proc: declare what nobody uses")
	g.edit(t, "kernel/sched/base.c", "get_random_bytes(&count, sizeof(count));", "count = 4;")
	constant := g.patch(t, "sched: print a constant")
	g.edit(t, "MAINTAINERS", "THE REST\n", "THE REST OF IT\n")
	g.patch(t, "MAINTAINERS: rename the last entry")

	t.Run("compile", func(t *testing.T) { g.compile(t, warns) })
	t.Run("does not link", func(t *testing.T) { g.doesNotLink(t, warns) })
	t.Run("bisect", func(t *testing.T) { g.bisect(t, constant) })
	writeSeries(t, folder, g.good)
	if _, err := p.Patch(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (g grown) compile(t *testing.T, warns string) {
	r, err := g.p.SeriesCompile(t.Context())
	if fault.KindOf(err) != fault.Build {
		t.Fatalf("got %v", err)
	}
	wantSaid(t, r, map[string]string{warns: "unused variable"}, "bzmage_unused")
	text, err := os.ReadFile(filepath.Join(g.folder, warns))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range r.Patches {
		if e.Name == warns && len(e.Said) == 1 && strings.Split(string(text), "\n")[max(e.Said[0].At, 1)-1] != "+\tint bzmage_unused;" {
			t.Errorf("the warning is said to be on line %d of the patch", e.Said[0].At)
		}
	}
}

func (g grown) doesNotLink(t *testing.T, warns string) {
	g.edit(t, "kernel/sched/base.c", "\tcount = 4;", "\tint rand_gone(void);\n\tcount = rand_gone();")
	gone := g.patch(t, "sched: call what is not there")
	r, err := g.p.SeriesCompile(t.Context())
	if fault.KindOf(err) != fault.Build {
		t.Fatalf("got %v", err)
	}
	wantSaid(t, r, map[string]string{warns: "unused variable", gone: "rand_gone"}, "")
	for _, e := range r.Patches {
		if known := e.Name != gone; e.Kept != known {
			t.Errorf("%s: known from the run before: %v", e.Name, e.Kept)
		}
	}
	all := readSeries(t, g.folder)
	writeSeries(t, g.folder, all[:len(all)-1])
}

func (g grown) bisect(t *testing.T, guilty string) {
	b, err := g.p.SeriesBisect(t.Context(), "TestRandBits")
	if err != nil || b.Guilty != guilty {
		t.Errorf("guilty is %q, want %q; %v\n%+v", b.Guilty, guilty, err, b.Trials)
	}
	if after, err := g.p.Patch(t.Context()); err != nil || len(after.Series.Patches) != len(g.good)+3 || len(after.Edits) > 0 {
		t.Errorf("the tree is not that of the whole series: %v", err)
	}
	if _, err := g.p.SeriesBisect(t.Context(), "TestNobodyWrote"); fault.KindOf(err) != fault.Usage {
		t.Errorf("a check that is none: %v", err)
	}
	if _, err := g.p.SeriesBisect(t.Context(), "TestRelease"); fault.KindOf(err) != fault.Usage {
		t.Errorf("a check that passes: %v", err)
	}
}

// wantSaid compares what was found with what was put there: a text by patch.
func wantSaid(t *testing.T, r compile.Report, want map[string]string, about string) {
	t.Helper()
	said := map[string]bool{}
	for _, e := range r.Patches {
		for _, s := range e.Said {
			said[e.Name] = true
			if w := want[e.Name]; w == "" || !strings.Contains(s.String(), w) || !strings.Contains(s.String(), about) {
				t.Errorf("%s: %s", e.Name, s)
			}
			if len(s.Archs) != len(arch.All()) {
				t.Errorf("%s: %s: only on %v", e.Name, s, s.Archs)
			}
		}
		for a, res := range e.Archs {
			if touches := strings.Contains(e.Name, "MAINTAINERS") || strings.Contains(e.Name, "Documentation"); res.Objects == 0 != touches {
				t.Errorf("%s on %s: %d objects", e.Name, a, res.Objects)
			}
			t.Logf("%s on %s: %d objects, %.1f s", e.Name, a, res.Objects, res.Seconds)
		}
	}
	if !maps.Equal(said, mapOf(slices.Collect(maps.Keys(want)))) {
		t.Errorf("something was said of %v, want %v", said, want)
	}
}

func mapOf(names []string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}
