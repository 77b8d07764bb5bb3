package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/build"
	"bzmage/internal/config"
	"bzmage/internal/fault"
	"bzmage/internal/jobserver"
	"bzmage/internal/kbuild"
	"bzmage/internal/patch"
	"bzmage/internal/tools"
)

// kernel builds targets of one patched tree; they share the job slots.
type kernel struct {
	p     Project
	src   Patched
	tools map[string]string // name: version
	jobs  *jobserver.Server
	share *sharing

	partial bool   // only a part of the series is applied
	aside   string // where the results of a trial lie; empty: where a user looks for them
}

// look looks for the tools of the uses, or for all.
func (p Project) look(ctx context.Context, uses ...tools.Use) ([]tools.Found, error) {
	table := append(tools.Table(p.Settings.Archs, p.Settings.Toolchain), p.sharingTools()...)
	if len(uses) > 0 {
		table = tools.Of(table, uses...)
	}
	return tools.Look(ctx, table, p.Settings.Toolchain.HostCompiler())
}

// setupLine installs what look did not find.
func (p Project) setupLine() string {
	line := "go tool mage setup"
	if v := p.Settings.Toolchain.Variant(); v != "" {
		line = "TOOLCHAIN=" + v + " " + line
	}
	return line
}

// need returns the versions of the tools of the uses. It is asked before a
// source is: what is missing on this machine is better known at once.
func (p Project) need(ctx context.Context, uses ...tools.Use) (map[string]string, error) {
	found, err := p.look(ctx, uses...)
	if err != nil {
		return nil, err
	}
	if missing := problems(found); len(missing) > 0 {
		return nil, fault.New(fault.Machine, p.setupLine(), "this machine lacks what it takes: %s", strings.Join(missing, "; "))
	}
	versions := map[string]string{}
	for _, f := range found {
		if f.Version != "" {
			versions[f.Name] = f.Version
		}
	}
	return versions, nil
}

// newKernel makes the job slots; versions are those of [Project.need]. Close it.
func (p Project) newKernel(src Patched, versions map[string]string) (*kernel, error) {
	jobs, err := jobserver.New(p.Settings.Jobs)
	if err != nil {
		return nil, fault.New(fault.Machine, "", "%w", err)
	}
	return &kernel{p: p, src: src, tools: versions, jobs: jobs, share: &sharing{p: p}}, nil
}

// close gives the job slots back, and notes that the tree is on the disk: by
// now it has been for long.
func (k *kernel) close() {
	_ = k.jobs.Close()
	_ = k.src.Tree.Settle()
}

func problems(found []tools.Found) []string {
	var missing []string
	for _, f := range found {
		if f.Problem != "" {
			missing = append(missing, f.Name+" "+f.Problem)
		}
	}
	return missing
}

// each runs f for every arch at once and returns all results and all errors:
// one arch's failure does not hide another's.
func each[T any](ctx context.Context, archs []arch.Arch, f func(context.Context, arch.Arch) (T, error)) ([]T, error) {
	results := make([]T, len(archs))
	errs := make([]error, len(archs))
	var wg sync.WaitGroup
	for i, a := range archs {
		wg.Go(func() { results[i], errs[i] = f(ctx, a) })
	}
	wg.Wait()
	return results, errors.Join(errs...)
}

func (k *kernel) make(a arch.Arch) kbuild.Make {
	id := k.src.Tree.ID
	return kbuild.Make{
		Src: k.src.Tree.Src(), Obj: k.p.build("obj", k.src.Line.Name, id, k.p.target(a)),
		Arch: a, Toolchain: k.p.Settings.Toolchain, Version: k.src.Tree.Release,
		LocalVersion: k.src.Line.LocalVersion, Time: k.time(), Jobs: k.jobs,
		Env: func(ctx context.Context) ([]string, error) { return k.share.env(ctx, k.shareLog(a)) },
	}
}

// out returns where a result of the target lies.
func (k *kernel) out(kind, name string) string {
	if k.aside != "" {
		return filepath.Join(k.aside, kind, name)
	}
	return k.p.build(kind, k.src.Line.Name, name)
}

// time is what the kernel says it was built at: the date of the newest patch,
// so that the same series gives the same bytes.
func (k *kernel) time() time.Time {
	newest := time.Unix(0, 0)
	for _, a := range k.src.Series.Patches {
		if a.Date.After(newest) {
			newest = a.Date
		}
	}
	return newest
}

// inputs is everything that goes into a target's build, by hash or version.
func (k *kernel) inputs(a arch.Arch) map[string]string {
	in := map[string]string{
		"source":       k.src.Tree.ID,
		"source.from":  k.src.Tree.Archive.Origin,
		"series":       k.src.Series.Digest,
		"localversion": k.src.Line.LocalVersion,
	}
	if len(k.src.Edits) > 0 {
		text, _ := json.Marshal(k.src.Edits)
		in["edits"] = fmt.Sprintf("%x", sha256.Sum256(text))
	}
	for _, t := range tools.Of(tools.Table([]arch.Arch{a}, k.p.Settings.Toolchain), tools.ForBuild) {
		if v := k.tools[t.Name]; v != "" {
			in["tool."+t.Name] = v
		}
	}
	return in
}

// configure makes the .config of a target.
func (k *kernel) configure(ctx context.Context, a arch.Arch) (config.Result, error) {
	log, err := k.p.log(k.src.Line.Name, "config-"+k.p.target(a))
	if err != nil {
		return config.Result{}, err
	}
	in, err := json.Marshal(k.inputs(a))
	if err != nil {
		return config.Result{}, err
	}
	m := k.make(a)
	res, err := config.Configure(ctx, config.Params{
		Make: m, Base: k.src.Line.Base, Fragments: k.fragments(a), Root: k.p.Root, Partial: k.partial,
		Target: []string{k.src.Line.Name, a.Name, k.p.Settings.Flavour}, Inputs: string(in), Log: log,
	})
	if err != nil {
		// A patch that breaks Kconfig, a disk that is full: make says so here.
		why := build.Params{Make: m, Compiler: k.tools[m.Toolchain.Compiler(a)], Touched: k.touched(), Log: log}
		return res, why.Explain(err)
	}
	if !k.partial {
		k.configured(a, res)
	}
	return res, nil
}

func (k *kernel) fragments(a arch.Arch) []string {
	var paths []string
	all := append(append([]string(nil), k.src.Line.Fragments...), k.p.File.Flavours[k.p.Settings.Flavour].Fragments...)
	for _, f := range all {
		paths = append(paths, k.p.path(strings.ReplaceAll(f, "{arch}", a.Name)))
	}
	return paths
}

func ifKept(kept bool) string {
	if kept {
		return " (kept: same inputs)"
	}
	return ""
}

// build configures and compiles a target.
func (k *kernel) build(ctx context.Context, a arch.Arch) (build.Result, error) {
	cfg, err := k.configure(ctx, a)
	if err != nil {
		return build.Result{}, err
	}
	log, err := k.p.log(k.src.Line.Name, "build-"+k.p.target(a))
	if err != nil {
		return build.Result{}, err
	}
	in := k.inputs(a)
	in["config"] = cfg.SHA256
	tc := k.p.Settings.Toolchain
	dist := k.out("dist", k.p.target(a))
	if err := os.MkdirAll(filepath.Dir(dist), 0o755); err != nil {
		return build.Result{}, fault.New(fault.Machine, "make "+k.p.build()+" writable", "build: %w", err)
	}
	if err := k.newShare(a); err != nil {
		return build.Result{}, err
	}
	start := time.Now()
	res, err := k.compile(ctx, a, build.Params{
		Make: k.make(a), Config: cfg, Release: k.src.Tree.Release + k.src.Line.LocalVersion, Inputs: in,
		Compiler: k.tools[tc.Compiler(a)], Linker: k.tools[tc.Linker(a)], Touched: k.touched(),
		Dist: dist, Log: log, Count: k.p.UI.Terminal(), Help: func() build.Help { return k.help(a) },
		Progress: func(done, total int, file string) {
			k.p.UI.Progress(a.Name, steps(done, total)+fmt.Sprintf(", %.0f s, %s", time.Since(start).Seconds(), file))
		},
	})
	k.p.UI.Progress(a.Name, "")
	if err == nil && !res.Kept {
		err = k.unchanged(ctx, res)
	}
	if err == nil {
		k.p.UI.Log.Infof("build: %s: %s in %s%s", a.Name, res.Release, k.p.short(res.Path(res.Image)), took(res))
	}
	return res, err
}

// touched returns who touched which files of the tree: the patches of the
// series, and a person.
func (k *kernel) touched() []build.Touch {
	var all []build.Touch
	for _, a := range k.src.Series.Patches {
		all = append(all, build.Touch{By: "patch: " + a.Name, Files: a.Files})
	}
	for _, e := range k.src.Edits {
		all = append(all, build.Touch{By: "an edit of yours, in no patch,", Files: []string{e.Path}})
	}
	return all
}

// unchanged makes sure that the tree is still what the build's key says: who
// edits it while make runs must not find a kernel kept that holds half of it.
func (k *kernel) unchanged(ctx context.Context, res build.Result) error {
	edits, err := patch.Edits(ctx, k.src.Tree)
	if err != nil || slices.Equal(edits, k.src.Edits) {
		return err
	}
	if err := os.Remove(res.Path("build.json")); err != nil {
		return fault.New(fault.Machine, "rm -r "+res.Dist, "forget a build: %w", err)
	}
	return fault.New(fault.Patch, "run the same again", "%s was edited while it was built: %s", k.p.short(k.src.Tree.Src()), listEdits(edits))
}

func steps(done, total int) string {
	if total <= done {
		return fmt.Sprintf("%d objects", done)
	}
	return fmt.Sprintf("%d of %d objects", done, total)
}

func took(r build.Result) string {
	if r.Kept {
		return " (kept: same inputs)"
	}
	return fmt.Sprintf(", %d steps in %.1f s", r.Steps, r.Seconds) + helped(r.Help)
}

// short returns a path below the checkout as the user would type it.
func (p Project) short(path string) string {
	return strings.TrimPrefix(path, p.Root+string(os.PathSeparator))
}

// Config makes the .config of every target.
func (p Project) Config(ctx context.Context) ([]config.Result, error) {
	return targets(ctx, p, p.Patch, (*kernel).configure)
}

// Build compiles every target, all at once.
func (p Project) Build(ctx context.Context) ([]build.Result, error) {
	checked := func(ctx context.Context) (Patched, error) {
		src, _, err := p.Checkpatch(ctx)
		return src, err
	}
	return targets(ctx, p, checked, (*kernel).build)
}

// targets runs f for every target of the tree that source delivers.
func targets[T any](ctx context.Context, p Project, source func(context.Context) (Patched, error), f func(*kernel, context.Context, arch.Arch) (T, error)) ([]T, error) {
	versions, err := p.need(ctx, tools.ForBuild)
	if err != nil {
		return nil, err
	}
	src, err := source(ctx)
	if err != nil {
		return nil, err
	}
	k, err := p.newKernel(src, versions)
	if err != nil {
		return nil, err
	}
	defer k.close()
	return each(ctx, p.Settings.Archs, func(ctx context.Context, a arch.Arch) (T, error) { return f(k, ctx, a) })
}
