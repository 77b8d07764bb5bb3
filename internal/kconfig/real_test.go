package kconfig

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/kbuild"
	"bzmage/internal/testkernel"
	"bzmage/internal/unpack"
)

// TestRealDecisions61 holds the reader against the conf of line 6.1: every
// symbol of three whole .configs, and hundreds of options that are asked for
// on top of this checkout's fragments, or to be off. Each that is lost must
// have a reason, and what a reason advises must work.
func TestRealDecisions61(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a kernel's conf a hundred times: 5 minutes on two cores")
	}
	line, _ := testkernel.Line(t)
	tree, err := unpack.Unpack(t.Context(), unpack.Params{Archive: testkernel.Archive(t), Line: line, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	decisions(t, tree.Src())
}

// TestRealDecisionsSource is the same for the folder KERNEL_SOURCE names, such
// as a 5.4 tree. Nothing is written to it.
func TestRealDecisionsSource(t *testing.T) {
	src := os.Getenv("KERNEL_SOURCE")
	if info, err := os.Stat(src); testing.Short() || err != nil || !info.IsDir() {
		t.Skip("KERNEL_SOURCE names no folder, or the tests are to be short")
	}
	decisions(t, src)
}

func decisions(t *testing.T, src string) {
	for _, a := range arch.All() {
		t.Run(a.Name, func(t *testing.T) {
			r := newReal(t, src, a)
			r.whole(t)
			r.askedFor(t)
			r.turnedOff(t)
		})
	}
}

// real is a tree, read, and a folder where its conf works.
type real struct {
	make  kbuild.Make
	tree  *Tree
	weak  bool              // imply is as before 5.7
	asked []Ask             // this checkout's fragments
	base  map[string]string // tinyconfig
	log   string
}

func newReal(t *testing.T, src string, a arch.Arch) *real {
	t.Helper()
	dir := t.TempDir()
	r := &real{make: kbuild.Make{Src: src, Obj: filepath.Join(dir, "obj"), Arch: a}, log: filepath.Join(dir, "log")}
	if err := os.Mkdir(r.make.Obj, 0o755); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var err error
	if r.tree, err = Read(os.DirFS(src), Env(a.Make)); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files, %d symbols read in %.2f s", r.tree.Files, len(r.tree.Symbols), time.Since(start).Seconds())
	if len(r.tree.Skipped) > 0 {
		t.Errorf("not understood: %q", r.tree.Skipped)
	}
	release, err := unpack.Release(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	r.weak = strings.HasPrefix(release, "5.4.")
	names := []string{"base", a.Name}
	if !r.weak {
		names = append(names, "line-6.1")
	}
	for _, name := range names {
		for n, v := range parse(t, filepath.Join("..", "..", "configs", name+".config")) {
			r.asked = append(r.asked, Ask{Name: n, Value: v, Pos: Pos{name + ".config", 1}})
		}
	}
	slices.SortFunc(r.asked, func(a, b Ask) int { return strings.Compare(a.Name, b.Name) })
	r.run(t, "tinyconfig")
	r.base = parse(t, filepath.Join(r.make.Obj, ".config"))
	return r
}

func (r *real) run(t *testing.T, target string) {
	t.Helper()
	if err := r.make.Run(t.Context(), r.log, nil, target); err != nil {
		text, _ := os.ReadFile(r.log)
		t.Fatalf("make %s: %v\n%s", target, err, text)
	}
}

// parse reads a .config or fragment; "is not set" is n.
func parse(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "CONFIG_"); ok {
			n, v, _ := strings.Cut(rest, "=")
			values[n] = v
		} else if rest, ok := strings.CutPrefix(line, "# CONFIG_"); ok {
			if n, ok := strings.CutSuffix(rest, " is not set"); ok {
				values[n] = "n"
			}
		}
	}
	return values
}

// conf has the tree's conf make a .config of tinyconfig, with what is asked
// laid over.
func (r *real) conf(t *testing.T, asked []Ask) map[string]string {
	t.Helper()
	base := maps.Clone(r.base)
	for _, a := range asked {
		delete(base, a.Name)
	}
	var b strings.Builder
	for _, n := range slices.Sorted(maps.Keys(base)) {
		fmt.Fprintln(&b, Ask{Name: n, Value: base[n]})
	}
	for _, a := range asked {
		fmt.Fprintln(&b, a)
	}
	if err := os.WriteFile(filepath.Join(r.make.Obj, ".config"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	r.run(t, "olddefconfig")
	return parse(t, filepath.Join(r.make.Obj, ".config"))
}

// whole checks every symbol of whole .configs.
func (r *real) whole(t *testing.T) {
	for _, target := range []string{"tinyconfig", "defconfig", "allmodconfig"} {
		r.run(t, target)
		c := r.tree.check(parse(t, filepath.Join(r.make.Obj, ".config")), r.weak)
		t.Logf("%s: %d symbols agree, %d are up to a probe, %d disagree", target, c.known, c.unknown, len(c.wrong))
		for i, w := range c.wrong {
			if i < 20 {
				t.Error(w)
			}
		}
		if c.known < 10000 || c.unknown > 100 {
			t.Errorf("%s: only %d symbols were compared, %d are unknown", target, c.known, c.unknown)
		}
	}
}

// some returns n symbols with a prompt, spread evenly over all that want.
func (r *real) some(n int, want func(*Symbol) bool) []*Symbol {
	var all []*Symbol
	for _, name := range slices.Sorted(maps.Keys(r.tree.Symbols)) {
		if s := r.tree.Symbols[name]; s.Defined() && !s.isChoice && want(s) {
			all = append(all, s)
		}
	}
	if len(all) <= n {
		return all
	}
	var some []*Symbol
	for i := range n {
		some = append(some, all[i*len(all)/n])
	}
	return some
}

// askedFor asks for hundreds of options at once.
func (r *real) askedFor(t *testing.T) {
	have := map[string]bool{}
	for _, a := range r.asked {
		have[a.Name] = true
	}
	asked := slices.Clone(r.asked)
	for i, s := range r.some(600, func(s *Symbol) bool { return (s.Type == Bool || s.Type == Tristate) && !have[s.Name] }) {
		asked = append(asked, Ask{Name: s.Name, Value: "y", Pos: Pos{"asked.config", i + 1}})
	}
	r.judge(t, asked, asked[len(r.asked):], 12)
}

// turnedOff asks for all that is on to be off.
func (r *real) turnedOff(t *testing.T) {
	final := r.conf(t, r.asked)
	asked := slices.Clone(r.asked)
	var off []Ask
	for i, s := range r.some(300, func(s *Symbol) bool { return final[s.Name] == "y" }) {
		a := Ask{Name: s.Name, Value: "n", Pos: Pos{"off.config", i + 1}}
		if i := slices.IndexFunc(asked, func(b Ask) bool { return b.Name == a.Name }); i >= 0 {
			asked = slices.Delete(asked, i, i+1)
		}
		off = append(off, a)
	}
	r.judge(t, append(asked, off...), off, 1)
}

// judge compares what conf decided about each ask with what the reader says,
// and tries what it advises.
//
// Of what it advises each nth is tried.
func (r *real) judge(t *testing.T, asked, about []Ask, nth int) {
	final := r.conf(t, asked)
	c := Case{Tree: r.tree, Final: final, Asked: asked, Base: r.base, BaseName: "make tinyconfig", Source: os.DirFS(r.make.Src)}
	kinds := map[Kind]int{}
	survived, tried, works := 0, 0, 0
	var slowest time.Duration
	for i, a := range about {
		got := final[a.Name]
		if got == "" {
			got = "n"
		}
		start := time.Now()
		reason := c.Explain(a)
		slowest = max(slowest, time.Since(start))
		if got == a.Value {
			survived++
			if may, _ := r.may(&c, a); !may {
				t.Errorf("conf took %s, the reader would not: %s %q", a, reason.Kind, reason.Why)
			}
			continue
		}
		kinds[reason.Kind]++
		if reason.Kind == Unexplained || len(reason.Why) == 0 {
			t.Errorf("%s became %s: %s %q", a, got, reason.Kind, reason.Why)
			continue
		}
		if _, must := r.may(&c, a); must {
			t.Errorf("conf did not take %s, the reader would: %s %q", a, reason.Kind, reason.Why)
		}
		if os.Getenv("SHOW") != "" {
			t.Logf("%s\n   %s: %s\n   add %s", a, reason.Kind, strings.Join(reason.Why, "\n   "), strings.Join(reason.Add, ", "))
		}
		if len(reason.Add) > 0 && reason.Kind != Choice && i%nth == 0 {
			tried++
			if r.works(t, a, reason) {
				works++
			}
		}
	}
	t.Logf("asked %d, survived %d, lost with a reason: %v; of %d advices %d work; slowest %.3f s", len(about), survived, kinds, tried, works, slowest.Seconds())
}

// may says whether the reader finds that a can be in the .config, and must
// that it has to be.
func (r *real) may(c *Case, a Ask) (may, must bool) {
	s := c.Tree.Symbols[a.Name]
	want := map[string]tri{"n": no, "y": yes}[a.Value]
	_, value := c.values.expect(s, r.weak)
	vis, rev := c.values.visible(s), c.values.forced(s)
	may = value.lo <= want && want <= value.hi
	if vis.hi == no {
		return may, value == exactly(want)
	}
	return may, s.choice == nil && vis.lo >= want && rev.hi <= want
}

// works lays what was advised over this checkout's fragments and asks again;
// a second advice is followed too.
func (r *real) works(t *testing.T, a Ask, reason Reason) bool {
	asked := append(slices.Clone(r.asked), a)
	said := reason
	for range 3 {
		for _, l := range said.Add {
			asked = with(asked, l)
		}
		final := r.conf(t, asked)
		if v := final[a.Name]; v == a.Value || a.Value == "n" && v == "" {
			return true
		}
		c := Case{Tree: r.tree, Final: final, Asked: asked, Base: r.base}
		if said = c.Explain(a); len(said.Add) == 0 {
			break
		}
	}
	t.Errorf("%s: the advice does not help: %q\n%q\nthen %q %q", a, reason.Add, reason.Why, said.Why, said.Add)
	return false
}

// with returns asks with one line of an advice, which takes the place of
// another about the same symbol.
func with(asked []Ask, text string) []Ask {
	text, _, _ = strings.Cut(text, " (instead of")
	text, _, _ = strings.Cut(text, " or ")
	name, value, ok := strings.Cut(strings.TrimPrefix(text, "CONFIG_"), "=")
	if !ok {
		name, value = strings.TrimSuffix(strings.TrimPrefix(text, "# CONFIG_"), " is not set"), "n"
	}
	asked = slices.DeleteFunc(slices.Clone(asked), func(a Ask) bool { return a.Name == name })
	return append(asked, Ask{Name: name, Value: value, Pos: Pos{"advice", len(asked)}})
}
