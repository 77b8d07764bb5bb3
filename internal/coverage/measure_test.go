package coverage

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/event"
	"bzmage/internal/fault"
	"bzmage/internal/run"
)

// flags are those that the pipeline compiles with, as far as a program of a
// user can have them.
var flags = []string{"-O2", "-fprofile-arcs", "-ftest-coverage", "-fno-tree-loop-im", "-fprofile-update=prefer-atomic", "-fdisable-tree-early_optimizations"}

// built is testdata/c compiled into two objects with counters and a program:
// what a tree of the kernel and its guest are to the pipeline.
type built struct {
	src, obj string
	params   Params
}

func command(t testing.TB, dir string, argv ...string) {
	t.Helper()
	if err := run.Run(t.Context(), run.Cmd{Argv: argv, Dir: dir, Env: run.Env()}); err != nil {
		t.Fatal(err)
	}
}

func compiled(t testing.TB, prefix string) built {
	t.Helper()
	needs(t, prefix+"gcc", prefix+"gcov")
	b := built{src: t.TempDir(), obj: t.TempDir()}
	state := tree{}
	for _, name := range []string{"inc.h", "left.c", "main.c"} {
		text, err := os.ReadFile(filepath.Join("testdata/c", name))
		if err != nil {
			t.Fatal(err)
		}
		state["lib/"+name] = string(text)
	}
	if err := os.CopyFS(filepath.Join(b.src, "lib"), os.DirFS("testdata/c")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(b.obj, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, o := range []string{"lib/left", "lib/main"} {
		argv := append([]string{prefix + "gcc"}, flags...)
		command(t, b.obj, append(argv, "-ffile-prefix-map="+b.src+"/=", "-c", filepath.Join(b.src, o+".c"), "-o", o+".o")...)
	}
	// The whole of main.c was there before the series.
	main := state["lib/main.c"]
	b.params = Params{
		Changes: changes(t, tree{"lib/main.c": main}, tree{"lib/main.c": main, "lib/inc.h": state["lib/inc.h"]}, state),
		Folder:  "patches/6.1", Notes: b.obj, Built: b.obj, Src: b.src, Gcov: prefix + "gcov", Scratch: filepath.Join(t.TempDir(), "scratch"),
		Objects: []Object{{Name: "lib/left.o", Files: []string{"lib/inc.h", "lib/left.c"}, Notes: true}, {Name: "lib/main.o", Files: []string{"lib/inc.h"}, Notes: true}},
	}
	return b
}

// check runs the program as a check does and gathers what it counted.
func (b *built) check(t testing.TB, name string, args ...string) {
	t.Helper()
	for _, o := range b.params.Objects {
		_ = os.Remove(filepath.Join(b.obj, strings.TrimSuffix(o.Name, ".o")+".gcda"))
	}
	command(t, b.obj, append([]string{"./prog"}, args...)...)
	for _, o := range b.params.Objects {
		path := filepath.Join(b.obj, strings.TrimSuffix(o.Name, ".o")+".gcda")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := event.NewCoverage(name, path, text)
		if err != nil {
			t.Fatal(err)
		}
		b.params.Guest = append(b.params.Guest, *rec.Coverage)
	}
}

func measured(t testing.TB) built {
	t.Helper()
	b := compiled(t, "")
	command(t, b.obj, "gcc", "-fprofile-arcs", "lib/left.o", "lib/main.o", "-o", "prog")
	b.check(t, "")
	b.check(t, "big", "big", "1000")
	b.check(t, "err", "err", "3")
	return b
}

var reSays = regexp.MustCompile(`/\* run:([a-z ]*)\*/`)

// Each line of the series is what the comment on it says: run by these checks,
// or code that none ran, or, without a comment, no code.
func TestMeasure(t *testing.T) {
	b := measured(t)
	r, err := Measure(t.Context(), b.params)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, name := range []string{"inc.h", "left.c"} {
		text, err := os.ReadFile(filepath.Join("testdata/c", name))
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range strings.Split(string(text), "\n") {
			if m := reSays.FindStringSubmatch(row); m != nil {
				want = append(want, fmt.Sprintf("lib/%s:%d %v", name, i+1, strings.Fields(m[1])))
			}
		}
	}
	for _, p := range r.Patches {
		for _, l := range p.Lines {
			got = append(got, fmt.Sprintf("%s:%d %v", l.File, l.Line, l.By))
			if row := strings.Split(string(b.params.Changes[slices.IndexFunc(r.Patches, func(q Patch) bool { return q.Name == p.Name })].Mail.Text), "\n")[l.At-1]; row != "+"+l.Text {
				t.Errorf("line %d of the patch is %q, want %q", l.At, row, l.Text)
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"big", "err"}, r.Patches[0].Checks); d != "" {
		t.Error(d)
	}
	if r.Unknown != nil {
		t.Errorf("not measured: %q", r.Unknown)
	}
	if _, err := os.Stat(b.params.Scratch); err == nil {
		t.Error("the scratch folder is still there")
	}
	twice, err := Measure(t.Context(), b.params)
	if d := cmp.Diff(r, twice); d != "" || err != nil {
		t.Errorf("the same again is not the same: %v\n%s", err, d)
	}
}

// A header's line that two objects have was run as often as in both.
func TestMeasureMergesObjects(t *testing.T) {
	b := measured(t)
	r, err := Measure(t.Context(), b.params)
	if err != nil {
		t.Fatal(err)
	}
	runs := map[string]uint64{}
	for _, l := range r.Patches[0].Lines {
		runs[strings.TrimSpace(reSays.ReplaceAllString(l.Text, ""))] = l.Runs
	}
	// Both from main.c and left.c; err goes through left.c alone.
	if runs["return 100;"] != 2 || runs["if (a > 100)"] != 3 {
		t.Errorf("runs %v", runs)
	}
}

// Taking out the check of an error path makes the number fall.
func TestMeasureWithoutACheck(t *testing.T) {
	b := measured(t)
	all, err := Measure(t.Context(), b.params)
	if err != nil {
		t.Fatal(err)
	}
	b.params.Guest = slices.DeleteFunc(b.params.Guest, func(c event.Coverage) bool { return c.Check == "err" })
	less, err := Measure(t.Context(), b.params)
	if err != nil {
		t.Fatal(err)
	}
	if a, l := all.Sum(), less.Sum(); l.Percent() >= a.Percent() || l.Executable != a.Executable || l.Covered != a.Covered-2 {
		t.Errorf("with the check %+v, without %+v", a, l)
	}
	missed := strings.Join(less.Missed(), "\n")
	if want := "patches/6.1/0002-change.patch:"; !strings.Contains(missed, "lib/left.c:12: return -22;") || !strings.Contains(missed, want) {
		t.Errorf("missed %s", missed)
	}
}

// What ran before the first check is run by none.
func TestMeasureAtBoot(t *testing.T) {
	b := measured(t)
	for i := range b.params.Guest {
		if b.params.Guest[i].Check == "big" {
			b.params.Guest[i].Check = "" // in place of the run that did nothing
		}
	}
	b.params.Guest = b.params.Guest[2:]
	r, err := Measure(t.Context(), b.params)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Patches[1].Sum()
	if s.Boot != 5 || s.Covered != 9 || !slices.Equal(r.Patches[0].Checks, []string{"err"}) {
		t.Errorf("%+v, %q", s, r.Patches[0].Checks)
	}
}

// The lines that code is made of are the same for a kernel of another arch.
func TestMeasureCross(t *testing.T) {
	host, cross := measured(t), compiled(t, "aarch64-linux-gnu-")
	a, err := Measure(t.Context(), host.params)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Measure(t.Context(), cross.params)
	if err != nil {
		t.Fatal(err)
	}
	if x, y := a.Sum(), b.Sum(); x.Executable != y.Executable || y.Covered != 0 || x.Added != y.Added {
		t.Errorf("host %+v, cross %+v", x, y)
	}
}

func TestMeasureRefuses(t *testing.T) {
	one := func(check, object string, text []byte) []event.Coverage {
		rec, err := event.NewCoverage(check, object, text)
		if err != nil {
			t.Fatal(err)
		}
		return []event.Coverage{*rec.Coverage}
	}
	tests := []struct {
		name   string
		change func(b *built)
		kind   fault.Kind
		want   string
	}{
		{"an object of nobody", func(b *built) { b.params.Guest = one("A", b.obj+"/lib/other.gcda", nil) }, fault.NoVerdict, "was not built with any"},
		{"a path elsewhere", func(b *built) { b.params.Guest = one("A", "/etc/../lib/left.gcda", nil) }, fault.NoVerdict, "was not built with any"},
		{"no counters", func(b *built) { b.params.Guest = one("A", b.obj+"/lib/left.gcda", []byte("nonsense")) }, fault.Machine, "not a gcov data file"},
		{"those of another build", func(b *built) {
			other := measured(t)
			text, err := other.params.Guest[3].Counters() // of main.o
			if err != nil {
				t.Fatal(err)
			}
			b.params.Guest = one("A", b.obj+"/lib/left.gcda", text)
		}, fault.Machine, "lib/left.o: 0.gcda:stamp mismatch"},
		{"notes that are gone", func(b *built) { b.params.Notes = b.src }, fault.Machine, "no such file"},
		{"no gcov", func(b *built) { b.params.Gcov = "gcov-of-nobody" }, fault.Machine, "gcov-of-nobody"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := measured(t)
			tt.change(&b)
			_, err := Measure(t.Context(), b.params)
			if err == nil || fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: %v, want %v: %q", fault.KindOf(err), err, tt.kind, tt.want)
			}
		})
	}
}

func TestMeasureNamesWhatItCannot(t *testing.T) {
	b := measured(t)
	b.params.Objects[0].Notes = false
	b.params.Objects = b.params.Objects[:1]
	b.params.Guest = nil
	b.params.Edited = []string{"lib/inc.h"}
	r, err := Measure(t.Context(), b.params)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"lib/inc.h: it was edited in the tree; go tool mage series:refresh folds that into the series",
		"lib/left.c: the kernel compiles lib/left.o without counters"}
	if d := cmp.Diff(want, r.Unknown); d != "" {
		t.Error(d)
	}
	b.params.Objects = nil
	if r, err = Measure(t.Context(), b.params); err != nil || r.Unknown[1] != "lib/left.c: no object is made of it with this config" {
		t.Errorf("%q, %v", r.Unknown, err)
	}
}
