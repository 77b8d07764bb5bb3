package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/build"
	"bzmage/internal/coverage"
	"bzmage/internal/event"
	"bzmage/internal/fault"
	"bzmage/internal/kernels"
	"bzmage/internal/series"
)

// counterFlags compile an object with counters in place of the kernel's own
// CFLAGS_GCOV. Without gcc's early optimizations, which come before the
// counters do, each statement has its line, the `return -ESRCH` of an error
// path too; those behind stay, and a kernel compiles only with them. Updates
// are atomic, as several CPUs count at once.
const counterFlags = "-fprofile-arcs -ftest-coverage -fno-tree-loop-im -fprofile-update=prefer-atomic -fdisable-tree-early_optimizations"

// coverage is what the flavour wants measured; nil: nothing.
func (k *kernel) coverage() *kernels.Coverage {
	if k.partial {
		return nil
	}
	return k.p.File.Flavours[k.p.Settings.Flavour].Coverage
}

// history is what each patch of the series makes of the tree.
func (k *kernel) history(ctx context.Context) ([]series.Change, error) {
	return series.History(ctx, series.Params{Tree: k.src.Tree, Folder: k.p.path(k.src.Line.Patches)})
}

// measured are the objects of a target that count what is run of them.
type measured struct {
	Key     string            `json:"key"` // of all that decides which they are
	Objects []coverage.Object `json:"objects"`
}

func (k *kernel) measuredPath(a arch.Arch) string {
	return k.out("dist", k.p.target(a)+".objects.json")
}

// measured returns the objects an earlier build of the same things found.
func (k *kernel) measured(a arch.Arch) (m measured, ok bool) {
	text, err := os.ReadFile(k.measuredPath(a))
	return m, err == nil && json.Unmarshal(text, &m) == nil
}

// compile builds a target; in a flavour that measures coverage the objects
// that lines of the series are compiled into count what is run. Which those
// are make knows when it has compiled them: where a header of the series has
// code, a first build is followed by one that compiles what includes it anew.
func (k *kernel) compile(ctx context.Context, a arch.Arch, p build.Params) (build.Result, error) {
	if k.coverage() == nil {
		return build.Build(ctx, p)
	}
	used, files, known, err := k.counted(ctx, a, p)
	if err != nil {
		return build.Result{}, err
	}
	tree := k.src.Tree.Src()
	for {
		if err := k.count(a, &p, used); err != nil {
			return build.Result{}, err
		}
		res, err := build.Build(ctx, p)
		if err != nil || known && res.Kept {
			return res, err
		}
		found, err := coverage.Find(p.Make.Obj, tree, files)
		if err != nil {
			return res, fault.New(fault.Machine, "", "coverage: %w", err)
		}
		done := coverage.Same(found, used.Objects)
		if used.Objects = found; done {
			return res, k.remember(a, used)
		}
	}
}

// counted returns which objects are to count, of which sources, and whether an
// earlier build of the same things found them; else they are a guess.
func (k *kernel) counted(ctx context.Context, a arch.Arch, p build.Params) (used measured, files []string, known bool, err error) {
	if files, err = k.sources(ctx, a); err != nil {
		return used, nil, false, err
	}
	text, err := json.Marshal([]any{p.Inputs, files})
	if err != nil {
		return used, nil, false, err
	}
	used = measured{Key: fmt.Sprintf("%x", sha256.Sum256(text)), Objects: coverage.Guess(files)}
	if old, ok := k.measured(a); ok && old.Key == used.Key {
		return old, files, true, nil
	}
	return used, files, false, nil
}

// count has the objects count what is run of them.
func (k *kernel) count(a arch.Arch, p *build.Params, used measured) (err error) {
	if p.Make.Extra, err = variables(a, k.src.Tree.Src(), used.Objects); err != nil {
		return fault.New(fault.Usage, "FLAVOUR=release go tool mage verify", "coverage: %w", err)
	}
	p.Notes = coverage.NotesOf(used.Objects)
	return nil
}

// sources are the files of the series that code is made of, if this machine
// can read what a guest will count of it.
func (k *kernel) sources(ctx context.Context, a arch.Arch) ([]string, error) {
	if _, err := exec.LookPath(k.p.Settings.Toolchain.Gcov(a)); err != nil {
		return nil, fault.New(fault.Machine, k.p.setupLine(), "coverage: %w", err)
	}
	changes, err := k.history(ctx)
	if err != nil {
		return nil, err
	}
	added, err := coverage.Lines(changes)
	if err != nil {
		return nil, fault.New(fault.Internal, "", "coverage: %w", err)
	}
	files, err := coverage.Sources(added, func(name string) (string, error) {
		text, err := os.ReadFile(filepath.Join(k.src.Tree.Src(), filepath.FromSlash(name)))
		return string(text), err
	})
	if err != nil {
		return nil, fault.New(fault.Machine, "", "coverage: %w", err)
	}
	return files, nil
}

// variables are make's variables for these objects.
func variables(a arch.Arch, tree string, objects []coverage.Object) ([]string, error) {
	flags := counterFlags
	if a.Name == "arm64" {
		flags += " -mno-outline-atomics" // they would need a function of libgcc's
	}
	v, err := coverage.Variable(tree, objects)
	return []string{v, "CFLAGS_GCOV=" + flags}, err
}

func (k *kernel) remember(a arch.Arch, m measured) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(k.measuredPath(a), append(text, '\n'))
}

// cover puts what the guest ran of the series into the verdict.
func (k *kernel) cover(ctx context.Context, a arch.Arch, b build.Result, v *boot.Verdict, guest []event.Coverage) error {
	if k.coverage() == nil || v.Verdict != boot.Pass && v.Verdict != boot.CheckFailed {
		return nil // of a guest that did not come to its end, not all is known
	}
	changes, err := k.history(ctx)
	if err != nil {
		return err
	}
	m, _ := k.measured(a)
	var edited []string
	for _, e := range k.src.Edits {
		edited = append(edited, e.Path)
	}
	r, err := coverage.Measure(ctx, coverage.Params{
		Changes: changes, Folder: k.src.Line.Patches, Objects: m.Objects, Notes: filepath.Join(b.Dist, build.NotesDir),
		Built: k.make(a).Obj, Src: k.src.Tree.Src(), Edited: edited, Gcov: k.p.Settings.Toolchain.Gcov(a),
		Scratch: k.p.build("coverage", k.src.Line.Name, k.p.target(a)), Guest: guest,
	})
	v.Coverage = &r
	return err
}

// covered settles what the targets' guests ran of the series: it excuses the
// lines that nobody can run, writes the reports, and returns an error for each
// target of which too little was run.
func (k *kernel) covered(verdicts []boot.Verdict) error {
	c := k.coverage()
	if c == nil {
		return nil
	}
	excuses, err := coverage.Excuses(k.p.path(k.src.Line.Patches))
	if err != nil {
		return err
	}
	least := c.Min
	if set := k.p.Settings.CoverageMin; set != nil {
		least = *set
	}
	where := filepath.Join(k.src.Line.Patches, coverage.ExcuseName)
	var targets []coverage.Target
	var errs []error
	idle := map[coverage.Excuse]int{}
	for _, v := range verdicts {
		if v.Coverage == nil {
			continue
		}
		for _, e := range v.Coverage.Settle(excuses) {
			idle[e]++
		}
		for _, why := range v.Coverage.Unknown {
			k.p.UI.Log.Warnf("coverage: %s: not measured: %s", v.Arch, why)
		}
		t := coverage.Target{Name: v.Target(), Report: *v.Coverage}
		targets = append(targets, t)
		errs = append(errs, t.Gate(least, where))
	}
	for _, e := range slices.Compact(excuses) {
		if n := len(targets); n > 0 && idle[e] == n {
			k.p.UI.Log.Warnf("coverage: %s excuses nothing any more: %s: %s", where, e.Patch, strings.TrimSpace(e.Text))
		}
	}
	errs = append(errs, coverage.Write(k.p.build("reports", k.src.Line.Name), k.src.Line.Name, least, targets))
	return errors.Join(errs...)
}
