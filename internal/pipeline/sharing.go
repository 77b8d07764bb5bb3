package pipeline

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"bzmage/internal/arch"
	"bzmage/internal/build"
	"bzmage/internal/ccache"
	"bzmage/internal/farm"
	"bzmage/internal/fault"
	"bzmage/internal/plain"
	"bzmage/internal/run"
	"bzmage/internal/settings"
	"bzmage/internal/tools"
)

// sharingTools are the programs that ccache and a farm take: wanted, or needed
// where a setting asks for them; in CI those of the tests too, and
// those that its tests of packages take.
func (p Project) sharingTools() []tools.Tool {
	set := p.Settings.Sharing
	var list []tools.Tool
	switch {
	case set.Remote.Set():
		list = append(list, tools.RemoteCCache())
	case set.CCache == settings.CCacheOn:
		t := tools.CCache()
		t.Use = tools.ForBuild
		list = append(list, t)
	case set.CCache != settings.CCacheOff:
		list = append(list, tools.CCache())
	}
	if set.Farm.Set() {
		list = append(list, tools.FarmClient(set.Farm.Client()))
	}
	if p.Settings.CI {
		for _, t := range append(tools.SharingTests(), tools.PackageTests()...) {
			if !slices.ContainsFunc(list, func(have tools.Tool) bool { return have.Name == t.Name }) {
				list = append(list, t)
			}
		}
	}
	return list
}

// sharing is what stands before the compilers. It is set up when the first
// make starts: a run that has nothing to compile asks no node and no cache.
type sharing struct {
	p    Project
	once sync.Once
	err  error

	cache  *ccache.Setup
	farm   farm.Farm // the nodes that will do
	failed []string  // the others, and why
	plain  []string  // the environment without both
}

// compilers returns the compilers of the settings, by the names make has for
// them: those of the kernel, which may be compiled elsewhere, and all.
func (p Project) compilers() (kernel []farm.Compiler, all []string) {
	tc := p.Settings.Toolchain
	for _, a := range p.Settings.Archs {
		if name := tc.Compiler(a); !slices.Contains(all, name) {
			all = append(all, name)
			if path := ccache.Real(os.Getenv("PATH"), name); path != "" {
				kernel = append(kernel, farm.Compiler{Name: name, Path: path})
			}
		}
	}
	host := tc.HostCompiler()
	for _, name := range []string{host, strings.NewReplacer("gcc", "g++", "clang", "clang++").Replace(host)} {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return kernel, all
}

// env returns the environment for a make of the target whose logs are log.
func (s *sharing) env(ctx context.Context, log string) ([]string, error) {
	s.once.Do(func() { s.err = s.setUp(ctx) })
	if s.err != nil {
		return nil, s.err
	}
	env := slices.Clone(s.plain)
	if s.cache != nil {
		env = append(env, s.cache.Env(os.Getenv("PATH"), log+".ccache")...)
	}
	if s.farm.Set() {
		env = append(env, s.farm.Env(s.p.build("farm"), log+".farm")...)
		if s.cache == nil {
			env = append(env, "PATH="+s.p.build("compilers")+":"+os.Getenv("PATH"))
		}
	}
	return env, nil
}

func (s *sharing) setUp(ctx context.Context) error {
	kernel, all := s.p.compilers()
	set := s.p.Settings.Sharing
	wrapper, err := s.setUpFarm(ctx, kernel)
	if err != nil {
		return err
	}
	program := ""
	if set.CCache != settings.CCacheOff {
		program, _ = exec.LookPath("ccache")
	}
	links := s.p.build("compilers")
	if program == "" {
		s.plain = ccache.Off()
		if wrapper == "" {
			return nil
		}
		return trouble(errors.Join(os.RemoveAll(links), farm.Masquerade(links, wrapper, kernel)))
	}
	parts, err := s.parts(ctx, kernel)
	if err != nil {
		return err
	}
	s.cache = &ccache.Setup{Program: program, Dir: filepath.Join(s.p.Settings.Cache, "ccache"), Links: links,
		Base: ccache.Base(s.p.Root), Names: all, Parts: parts, Prefix: wrapper}
	if set.Remote.Set() {
		if err := set.Remote.Reach(ctx); err == nil {
			s.cache.Remote = set.Remote
		} else if ctx.Err() != nil {
			return context.Cause(ctx)
		} else {
			s.p.UI.Log.Warnf("ccache: %s; this run does without it", plain.Text(err.Error()))
		}
	}
	return trouble(s.cache.Write())
}

func trouble(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Machine, "CCACHE=off, or make the build and cache folders writable", "%w", err)
}

// setUpFarm finds the nodes that will do, and returns what is put before the
// compilers; empty: nothing.
func (s *sharing) setUpFarm(ctx context.Context, kernel []farm.Compiler) (string, error) {
	f := s.p.Settings.Sharing.Farm
	if !f.Set() {
		return "", nil
	}
	client, err := exec.LookPath(f.Client())
	if err != nil {
		return "", fault.New(fault.Machine, s.p.setupLine(), "FARM=%s: %w", f, err)
	}
	if err := os.MkdirAll(s.p.build("farm"), 0o755); err != nil {
		return "", trouble(err)
	}
	s.farm = f
	if f.Kind == farm.Icecream {
		kernel, err = s.icecream(ctx, kernel)
	} else {
		err = s.distcc(ctx, kernel)
	}
	if err != nil || !s.farm.Set() {
		return "", err
	}
	wrapper := s.p.build("farm", "send")
	return wrapper, trouble(farm.Write(wrapper, client, kernel))
}

// distcc takes the nodes that will do.
func (s *sharing) distcc(ctx context.Context, kernel []farm.Compiler) error {
	s.farm.Nodes = nil
	for node, err := range s.p.nodes(ctx, kernel) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			s.farm.Nodes = append(s.farm.Nodes, node)
			continue
		}
		s.failed = append(s.failed, node+": "+plain.Line(err.Error(), 300))
		s.p.UI.Log.Warnf("farm: %s is left out: %s", node, plain.Text(err.Error()))
	}
	if len(s.farm.Nodes) == 0 {
		s.p.UI.Log.Warnf("farm: no node is left: all is compiled on this machine")
		s.farm = farm.Farm{}
	}
	return nil
}

// nodes tries each node of a distcc farm, all at once, and yields them in
// order with what is wrong with them.
func (p Project) nodes(ctx context.Context, compilers []farm.Compiler) func(func(string, error) bool) {
	return tried(p.Settings.Sharing.Farm.Nodes, func(node string) error {
		return farm.Check(ctx, node, compilers, p.build("farm"))
	})
}

// tried tries all at once, and yields them in order with their errors.
func tried(list []string, try func(string) error) func(func(string, error) bool) {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, node := range list {
		wg.Go(func() { errs[i] = try(node) })
	}
	wg.Wait()
	return func(yield func(string, error) bool) {
		for i, node := range list {
			if !yield(node, errs[i]) {
				return
			}
		}
	}
}

// parts returns the programs a compiler starts, which are other ones after an
// update of a package, while the compiler's own program may stay what it is.
func (s *sharing) parts(ctx context.Context, compilers []farm.Compiler) ([]string, error) {
	parts := map[string]bool{}
	for _, c := range compilers {
		for _, name := range []string{"cc1", "as"} {
			out, err := run.Output(ctx, run.Cmd{Argv: []string{c.Path, "-print-prog-name=" + name}, Env: run.Env(ccache.Off()...)})
			if err != nil {
				return nil, fault.New(fault.Machine, s.p.setupLine(), "ask %s for its %s: %w", c.Name, name, err)
			}
			if !filepath.IsAbs(out) {
				out, _ = exec.LookPath(out)
			}
			if out != "" { // clang is its own cc1
				parts[out] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(parts)), nil
}

// shareLog is where ccache and a farm note what they do for a target.
func (k *kernel) shareLog(a arch.Arch) string {
	return k.p.build("log", k.src.Line.Name, "share-"+k.p.target(a))
}

// newShare forgets what was noted in an earlier run.
func (k *kernel) newShare(a arch.Arch) error {
	for _, end := range []string{".ccache", ".farm"} {
		if err := os.Remove(k.shareLog(a) + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return trouble(err)
		}
	}
	return nil
}

// help returns what ccache and the farm did for a target, and tells of what
// went wrong there.
func (k *kernel) help(a arch.Arch) build.Help {
	var h build.Help
	if k.share.cache != nil {
		stats, err := ccache.ReadLog(k.shareLog(a) + ".ccache")
		if h.CCache = &stats; err != nil {
			k.p.UI.Log.Warnf("ccache: %s: %v", a.Name, err)
		}
		if stats.Failed > 0 {
			k.p.UI.Log.Warnf("ccache: %s: %d calls to %s failed; their objects were compiled here", a.Name, stats.Failed, k.share.cache.Remote)
		}
	}
	if k.p.Settings.Sharing.Farm.Set() {
		stats, err := k.share.farm.ReadLog(k.shareLog(a) + ".farm")
		stats.Failed = k.share.failed
		if h.Farm = &stats; err != nil {
			k.p.UI.Log.Warnf("farm: %s: %v", a.Name, err)
		}
		if stats.Local > 0 {
			k.p.UI.Log.Warnf("farm: %s: %d objects were not compiled elsewhere, as they were to be: see %s.farm", a.Name, stats.Local, k.p.short(k.shareLog(a)))
		}
		if stats.Own > 0 && stats.Remote == 0 {
			k.p.UI.Log.Warnf("farm: %s: %s", a.Name, allHere)
		}
	}
	return h
}

func helped(h build.Help) string {
	var text string
	if h.CCache != nil {
		text += "; ccache had " + h.CCache.String()
	}
	if h.Farm != nil {
		text += "; farm: " + h.Farm.String()
	}
	return text
}

// addHelp puts the help of this run's build into the facts of a verdict.
func addHelp(facts map[string]string, b build.Result) {
	if b.Kept {
		return
	}
	if b.Help.CCache != nil {
		facts["ccache"] = b.Help.CCache.String()
	}
	if b.Help.Farm != nil {
		facts["farm"] = b.Help.Farm.String()
	}
}
