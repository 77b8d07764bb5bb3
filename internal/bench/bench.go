// Package bench measures bzmage side by side with plain tooling: curl, tar,
// quilt, make one arch after the other, QEMU.
//
// In go a checkout, a kernel's source and the user's settings; out come
// bench.json, its schema and bench.md in the folder of reports. bzmage is
// measured as users run it, as a program of its own in a copy of the checkout
// with a build folder and a cache of its own. The two sides take turns, see
// [measure]; both work on the same source and the same final .config, with the
// same compilers and as many jobs, without ccache.
package bench

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
	"bzmage/internal/settings"
)

// Params says what to measure.
type Params struct {
	Root    string // the checkout
	Dir     string // where it is done; what is kept there saves the next run time
	Reports string // where the results go
	Program string // bzmage
	Line    kernels.Line
	Guest   kernels.Guest
	Archive fetch.Archive
	Release string                 // of the archive's kernel
	Target  func(arch.Arch) string // what a target is called in paths
	Set     settings.Settings
	Tools   map[string]string // versions, by name
	CCache  bool              // bzmage can use ccache, unless CCACHE=off
	Log     *logrus.Logger
}

// lasts is how often a row is measured when nobody says: rows that take
// minutes only once.
const (
	usual = 3
	once  = 1
)

// row is a row to be.
type row struct {
	name, title string
	long        bool // it takes minutes
	goal        Goal
	needs       []string // programs
	sides       func(context.Context) (pair, error)
}

// pair is the two sides of a row, brought about as far as is not timed.
type pair struct {
	ours, other side
	after       func(context.Context) error // puts things back when all went well; may be nil
	stop        func()                      // in any case; may be nil
}

// skip says why a row cannot be measured here.
type skip string

func (s skip) Error() string { return string(s) }

// Run measures the rows that the settings select and returns the report, which
// is written after each row. A row that fails is in it, with the reason, and
// does not keep the others from being measured; the error tells of all of them.
func Run(ctx context.Context, p Params) (Report, error) {
	only, err := regexp.Compile(p.Set.Bench.Run)
	if err != nil {
		return Report{}, fault.New(fault.Usage, "BENCH_RUN=^patches/", "BENCH_RUN=%s: %w", p.Set.Bench.Run, err)
	}
	l, err := newLab(ctx, p)
	if err != nil {
		return Report{}, err
	}
	all := l.rows()
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.name
	}
	r := l.report(ctx, names)
	var failed []string
	some := false
	for _, spec := range all {
		if !only.MatchString(spec.name) {
			continue
		}
		some = true
		done := l.measure(ctx, spec)
		if ctx.Err() != nil {
			return r, context.Cause(ctx) // the rows so far are written
		}
		done.Date, done.Commit, done.Load = time.Now().UTC().Truncate(time.Second), r.Commit, r.Machine.Load
		r.put(done, names)
		if done.Failed != "" {
			failed = append(failed, done.Name)
		}
		if err := r.Save(p.Reports); err != nil {
			return r, err
		}
	}
	if !some {
		return r, fault.New(fault.Usage, "BENCH_RUN=^patches/", "BENCH_RUN=%s selects none of the rows: %s", p.Set.Bench.Run, strings.Join(names, ", "))
	}
	if len(failed) > 0 {
		return r, fault.New(fault.Machine, "look at the logs in "+l.dir("log"), "rows that could not be measured: %s", strings.Join(failed, ", "))
	}
	return r, nil
}

// report begins a report with what is known before anything is measured.
func (l *lab) report(ctx context.Context, names []string) Report {
	p := l.p
	r := Report{Date: time.Now().UTC().Truncate(time.Second), Commit: commit(ctx, p.Root), Machine: look(p.Dir, p.Tools)}
	r.Subject = Subject{
		Line: p.Line.Name, Release: p.Release, Source: filepath.Base(p.Archive.Path), Flavour: p.Set.Flavour,
		Toolchain: p.Set.Toolchain.String(), Jobs: p.Set.Jobs,
	}
	for _, a := range p.Set.Archs {
		r.Subject.Archs = append(r.Subject.Archs, a.Name)
	}
	p.Log.Infof("bench: %s on %s", r.Subject, r.Machine.name())
	if r.Machine.Loaded {
		p.Log.Warnf("bench: this machine is busy (load %.2f, %.2f is quiet): the figures will say so", r.Machine.Load, r.Machine.quiet())
	}
	old, err := Load(p.Reports)
	if err == nil {
		if left := r.inherit(old, names); left != "" {
			p.Log.Warnf("bench: rows of an earlier run are dropped: %s", left)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		p.Log.Warnf("bench: rows of an earlier run are dropped: %v", err)
	}
	return r
}

// measure measures one row; what goes wrong is in it.
func (l *lab) measure(ctx context.Context, spec row) Row {
	r := Row{Name: spec.name, Title: spec.title, Goal: spec.goal}
	count := l.p.Set.Bench.Count
	switch {
	case count > 0:
	case spec.long:
		count = once
	default:
		count = usual
	}
	l.row = strings.ReplaceAll(spec.name, "/", "-")
	err := l.lacks(spec)
	if err == nil {
		l.p.Log.Infof("bench: %s: %s", spec.name, spec.title)
		err = l.fill(ctx, spec, count, &r)
	}
	var why skip
	switch {
	case errors.As(err, &why):
		r.Skipped = why.Error()
		l.p.Log.Warnf("bench: %s: skipped: %s", spec.name, r.Skipped)
	case err != nil && ctx.Err() == nil:
		r.Failed = err.Error()
		l.p.Log.Errorf("bench: %s: %v", spec.name, err)
	}
	return r
}

func (l *lab) lacks(spec row) error {
	for _, name := range spec.needs {
		if _, err := exec.LookPath(name); err != nil {
			return skip(name + " is not installed")
		}
	}
	return nil
}

func (l *lab) fill(ctx context.Context, spec row, count int, r *Row) error {
	if err := l.ours.refresh(l.p.Root); err != nil {
		return err
	}
	both, err := spec.sides(ctx)
	if err != nil {
		return err
	}
	r.Ours.What, r.Other.What = both.ours.what, both.other.what
	err = measure(ctx, count, both.ours, both.other, &r.Ours, &r.Other, func(n int, s side, seconds float64) {
		l.p.Log.Infof("bench: %s: %d of %d: %s: %.2f s", spec.name, n+1, count, s.what, seconds)
	})
	if both.stop != nil {
		both.stop()
	}
	if both.after != nil && err == nil {
		err = both.after(ctx)
	}
	r.conclude()
	return err
}
