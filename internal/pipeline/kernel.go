package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	"bzmage/internal/kbuild"
	"bzmage/internal/key"
	"bzmage/internal/patch"
	"bzmage/internal/tools"
	"bzmage/internal/trace"
)

// kernel builds targets of one patched tree.
type kernel struct {
	p     Project
	src   Patched
	tools map[string]string // name: version; and what they are made of, as [tools.Identity] has it
	share *sharing

	checked func() error // waits for what looks at the series beside the build; nil: nothing does
	partial bool         // only a part of the series is applied
	aside   string       // where the results of a trial lie; empty: where a user looks for them
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
	if !slices.Contains(uses, tools.ForBuild) {
		return versions, nil
	}
	made, err := tools.Identity(ctx, p.Hashes, p.Settings.Archs, p.Settings.Toolchain)
	maps.Copy(versions, made)
	return versions, err
}

// newKernel returns the kernel of a tree; versions are those of
// [Project.need]. Close it.
func (p Project) newKernel(src Patched, versions map[string]string) *kernel {
	return &kernel{p: p, src: src, tools: versions, share: &sharing{p: p}}
}

// close notes that the tree is on the disk: by now it has been for long.
func (k *kernel) close() { _ = k.src.Tree.Settle() }

func problems(found []tools.Found) []string {
	var missing []string
	for _, f := range found {
		if f.Problem != "" {
			missing = append(missing, f.Name+" "+f.Problem)
		}
	}
	return missing
}

// each runs f for every arch at once, as far as there are job slots, and
// returns all results and all errors: one arch's failure does not hide
// another's. An arch keeps its slot from its configuration to its verdict: it
// has one thing to do at a time, its makes take more for themselves, and so
// its guest waits for nobody and shares its core with nobody.
func each[T any](ctx context.Context, p Project, f func(context.Context, arch.Arch) (T, error)) ([]T, error) {
	archs := p.Settings.Archs
	results := make([]T, len(archs))
	errs := make([]error, len(archs))
	var wg sync.WaitGroup
	for i, a := range archs {
		wg.Go(func() {
			errs[i] = p.Jobs.With(ctx, func(ctx context.Context) (err error) {
				results[i], err = f(ctx, a)
				return err
			})
		})
	}
	wg.Wait()
	return results, errors.Join(errs...)
}

func (k *kernel) make(a arch.Arch) kbuild.Make {
	id := k.src.Tree.ID
	return kbuild.Make{
		Src: k.src.Tree.Src(), Obj: k.p.build("obj", k.src.Line.Name, id, k.p.target(a)),
		Arch: a, Toolchain: k.p.Settings.Toolchain, Version: k.src.Tree.Release,
		LocalVersion: k.src.Line.LocalVersion, Time: k.time(),
		GNUMake: k.tools["make"], Jobs: k.p.Jobs,
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
// so that the same series gives the same bytes, or what the user says it is.
func (k *kernel) time() time.Time {
	if t := k.p.Settings.Time; t != nil {
		return *t
	}
	newest := time.Unix(0, 0)
	for _, a := range k.src.Series.Patches {
		if a.Date.After(newest) {
			newest = a.Date
		}
	}
	return newest
}

// inputs is everything that goes into a target's build, by hash or version.
func (k *kernel) inputs(a arch.Arch) key.Inputs {
	return k.toolInputs(a).With(key.Inputs{
		"source":       k.src.Tree.ID,
		"series":       k.src.Series.Digest,
		"localversion": k.src.Line.LocalVersion,
		"edits":        k.src.edits(),
	})
}

// edits is a hash of what a person changed in the tree; empty: nothing.
func (s Patched) edits() string {
	if len(s.Edits) == 0 {
		return ""
	}
	text, _ := json.Marshal(s.Edits)
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// configure makes the .config of a target.
func (k *kernel) configure(ctx context.Context, a arch.Arch) (res config.Result, err error) {
	defer trace.Stage(&ctx, "configure "+a.Name)(&err)
	log, err := k.p.log(k.src.Line.Name, "config-"+k.p.target(a))
	if err != nil {
		return config.Result{}, err
	}
	p := k.configParams(a)
	p.Log = log
	res, err = config.Configure(ctx, p)
	if err != nil {
		// A patch that breaks Kconfig, a disk that is full: make says so here.
		why := build.Params{Make: p.Make, Compiler: k.tools[p.Make.Toolchain.Compiler(a)], Touched: k.touched(), Log: log}
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
func (k *kernel) build(ctx context.Context, a arch.Arch) (res build.Result, err error) {
	cfg, err := k.configure(ctx, a)
	if err != nil {
		return build.Result{}, err
	}
	defer trace.Stage(&ctx, "build "+a.Name)(&err)
	log, err := k.p.log(k.src.Line.Name, "build-"+k.p.target(a))
	if err != nil {
		return build.Result{}, err
	}
	p := k.buildParams(a, cfg)
	if err := os.MkdirAll(filepath.Dir(p.Dist), 0o755); err != nil {
		return build.Result{}, fault.New(fault.Machine, "make "+k.p.build()+" writable", "build: %w", err)
	}
	if err := k.newShare(a); err != nil {
		return build.Result{}, err
	}
	start := time.Now()
	p.Touched, p.Log, p.Count, p.Gate = k.touched(), log, k.p.UI.Terminal(), k.wait
	p.Help = func() build.Help { return k.help(a) }
	p.Progress = func(done, total int, file string) {
		k.p.UI.Progress(a.Name, steps(done, total)+fmt.Sprintf(", %.0f s, %s", time.Since(start).Seconds(), file))
	}
	res, err = k.compile(ctx, a, p)
	k.p.UI.Progress(a.Name, "")
	if err == nil && !res.Kept {
		err = k.unchanged(ctx, res)
	}
	if err == nil {
		err = k.wait()
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
	return targets(ctx, p, p.Patch, configures)
}

func configures(ctx context.Context, k *kernel) ([]config.Result, error) {
	return each(ctx, k.p, k.configure)
}

// targets runs f for the targets of the tree that source delivers.
func targets[T any](ctx context.Context, p Project, source func(context.Context) (Patched, error), f func(context.Context, *kernel) ([]T, error)) ([]T, error) {
	versions, err := p.need(ctx, tools.ForBuild)
	if err != nil {
		return nil, err
	}
	src, err := source(ctx)
	if err != nil {
		return nil, err
	}
	k := p.newKernel(src, versions)
	defer k.close()
	return f(ctx, k)
}
