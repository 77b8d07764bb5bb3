package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/reproduce"
	"bzmage/internal/run"
	"bzmage/internal/tools"
)

// made is what a build has to give the same bytes of each time.
type made struct {
	src   Patched
	time  time.Time
	names []string // files, or folders with all in them, below the checkout
}

// makers returns what makes it, in order. Each gets the targets that the ones
// before it built, and returns the names of what it made.
func (p Project) makers() []func(context.Context, *kernel) ([]string, error) {
	return []func(context.Context, *kernel) ([]string, error){makeTargets, makePackages}
}

// makeTargets builds the dists and what boots with them.
func makeTargets(ctx context.Context, k *kernel) ([]string, error) {
	names, err := each(ctx, k.p, func(ctx context.Context, a arch.Arch) ([]string, error) {
		built, rd, err := k.buildAndPack(ctx, a)
		return []string{k.p.short(built.Dist), k.p.short(rd.Path)}, err
	})
	return slices.Concat(names...), err
}

// aboutRun says that a file tells of the very run that made it: how long make
// took, in which folder. What it lists by hash is compared itself.
func aboutRun(base string) bool { return base == "build.json" }

// Reproducible makes all that [Project.Reproduce] compares: the dists, the
// initramfs, and what else a maker makes.
func (p Project) Reproducible(ctx context.Context) error {
	_, err := p.reproducible(ctx)
	return err
}

func (p Project) reproducible(ctx context.Context) (made, error) {
	versions, err := p.need(ctx, tools.ForBuild)
	if err != nil {
		return made{}, err
	}
	src, err := p.Patch(ctx)
	if err != nil {
		return made{}, err
	}
	if err := wholeTree(src); err != nil {
		return made{}, err
	}
	k := p.newKernel(src, versions)
	defer k.close()
	m := made{src: src, time: k.time()}
	for _, f := range p.makers() {
		names, err := f(ctx, k)
		if err != nil {
			return made{}, err
		}
		m.names = append(m.names, names...)
	}
	return m, nil
}

// Reproduce builds a second time, in a copy of the checkout and in another
// environment, and compares every file. The first build is the checkout's own,
// kept or made. Program is a bzmage that builds what [Project.Reproducible] does when it is
// started with args.
//
// A difference is an error of kind [fault.NotSame]; the copy is kept then. The
// report is complete in any case, and lies in build/reports.
func (p Project) Reproduce(ctx context.Context, program string, args ...string) (reproduce.Report, error) {
	first, err := p.reproducible(ctx)
	if err != nil {
		return reproduce.Report{}, err
	}
	params, err := p.second(ctx, first)
	if err != nil {
		return reproduce.Report{}, err
	}
	params.Program, params.Args = program, args
	again, err := reproduce.Prepare(ctx, params)
	if err != nil {
		return reproduce.Report{}, fault.New(fault.Machine, "free some disk space, or set TMPDIR to a folder with more", "prepare a second build: %w", err)
	}
	r, err := p.reproduce(ctx, first, again)
	if r.Kept == "" {
		err = errors.Join(err, again.Remove())
	}
	return r, err
}

func (p Project) reproduce(ctx context.Context, first made, again *reproduce.Second) (reproduce.Report, error) {
	line := first.src.Line.Name
	log, err := p.log(line, "reproduce")
	if err != nil {
		return reproduce.Report{}, err
	}
	for _, c := range again.Changes {
		if c.Why != "" {
			p.UI.Log.Warnf("reproduce: %s is the same in both builds: %s", c.What, c.Why)
		}
	}
	p.UI.Log.Infof("reproduce: building again in %s; its messages are in %s", again.Root, p.short(log))
	start := time.Now()
	if err := again.Run(ctx, log); err != nil {
		return reproduce.Report{}, p.secondFailed(err, log)
	}
	r := reproduce.Report{
		Line: line, Release: first.src.Tree.Release, Time: first.time.UTC().Format(time.RFC3339),
		Seconds: time.Since(start).Round(time.Second / 10).Seconds(), Changes: again.Changes, Differ: []reproduce.Difference{},
	}
	p.UI.Log.Infof("reproduce: built again in %.0f s", r.Seconds)
	if r.Files, err = reproduce.Files([]string{p.Root, again.Root}, first.names, aboutRun); err != nil {
		return reproduce.Report{}, fault.New(fault.Machine, "", "compare two builds: %w", err)
	}
	differ, err := reproduce.Compare(p.Root, again.Root, r.Files)
	if err != nil {
		return reproduce.Report{}, fault.New(fault.Machine, "", "compare two builds: %w", err)
	}
	if r.Differ = append(r.Differ, differ...); len(r.Differ) > 0 {
		r.Kept = again.Root
	}
	r.Same = len(r.Differ) == 0
	text, err := r.JSON()
	if err == nil {
		err = writeFile(p.build("reports", line, "reproduce.json"), text)
	}
	return r, errors.Join(err, differs(r))
}

// differs returns the error of a report: the first difference of each file.
func differs(r reproduce.Report) error {
	if r.Same {
		return nil
	}
	var files []string
	for _, d := range r.Differ {
		files = append(files, d.File+": "+d.Where[0])
	}
	hint := "the second build is kept in " + r.Kept
	if _, err := exec.LookPath("diffoscope"); err == nil {
		hint += "; diffoscope shows all of it: diffoscope " + r.Differ[0].File + " " + filepath.Join(r.Kept, r.Differ[0].File)
	}
	return fault.New(fault.NotSame, hint, "%d of %d files are not the same in a second build:\n  %s", len(r.Differ), len(r.Files), strings.Join(files, "\n  "))
}

// secondFailed says whose fault it is that the second build failed: its own
// exit code does, which mage gives on.
func (p Project) secondFailed(err error, log string) error {
	var exit *run.ExitError
	kind := fault.Machine
	if errors.As(err, &exit) {
		for _, row := range fault.Kinds() {
			if row.Code == exit.Code {
				kind = row.Kind
			}
		}
		for _, line := range exit.Tail {
			if _, why, ok := strings.Cut(line, "error: "); ok {
				err = fmt.Errorf("%s: %w", why, err)
				break
			}
		}
	}
	return fault.New(kind, "see "+p.short(log), "the second build, in another environment, does not come to its end: %w", err)
}

// second says what the second build is of, and what it needs to read.
func (p Project) second(ctx context.Context, first made) (reproduce.Params, error) {
	s := p.Settings
	archive := first.src.Tree.Archive
	env := []string{
		"KERNEL=" + first.src.Line.Name, "FLAVOUR=" + s.Flavour, "TOOLCHAIN=" + s.Toolchain.String(),
		"SOURCE_DATE_EPOCH=" + strconv.FormatInt(first.time.Unix(), 10), "CI=" + strconv.FormatBool(s.CI),
	}
	if len(s.Archs) == 1 {
		env = append(env, "ARCH="+s.Archs[0].Name)
	}
	if archive.Source == fetch.OverrideName {
		env = append(env, "KERNEL_SOURCE="+archive.Path)
	}
	g, err := tools.Go()
	if err != nil {
		return reproduce.Params{}, err
	}
	out, err := run.Output(ctx, run.Cmd{Argv: []string{g, "env", "GOMODCACHE", "GOFLAGS", "GOROOT"}, Dir: p.Module, Env: run.Env("GO*")})
	values := strings.Split(out, "\n")
	if err != nil || len(values) != 3 {
		return reproduce.Params{}, fault.New(fault.Machine, "go env", "ask go for its folders: %w", err)
	}
	return reproduce.Params{
		Root: p.Root, Env: env, Cache: s.Cache, Jobs: s.Jobs, Space: diskNeeded,
		Reads: []string{archive.Path, values[0], values[2]},
		Go:    []string{"GOMODCACHE=" + values[0], "GOFLAGS=" + values[1], "GOPROXY=off", "GOTOOLCHAIN=local", "GOENV=off"},
	}, nil
}
