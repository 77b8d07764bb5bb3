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

	"github.com/google/renameio/v2"

	"bzmage/internal/arch"
	"bzmage/internal/compile"
	"bzmage/internal/fault"
	"bzmage/internal/patch"
	"bzmage/internal/run"
	"bzmage/internal/series"
	"bzmage/internal/tools"
)

// compiler compiles a tree of its own, as it is after each patch of the
// series. The tree people edit, and its objects, stay as they are: these are
// made with other warnings, and at every step of the series.
type compiler struct {
	*kernel
	history []series.Change
	made    []string // what the tree is before the first patch and after each
	sparse  string   // its version; empty: not installed
	extra   string   // what else the results depend on
}

// SeriesCompile compiles the kernel before and after each patch, on every
// arch, and returns what each patch brought. A warning that was not there
// before, and a kernel that does not compile, is an error.
func (p Project) SeriesCompile(ctx context.Context) (compile.Report, error) {
	p.Work = filepath.Join("build", "compile")
	versions, err := p.need(ctx, tools.ForBuild)
	if err != nil {
		return compile.Report{}, err
	}
	src, err := p.Fetch(ctx)
	if err != nil {
		return compile.Report{}, err
	}
	c, err := p.newCompiler(ctx, src, versions)
	if err != nil {
		return compile.Report{}, err
	}
	defer c.close()
	r := compile.Report{Line: src.Line.Name, Release: src.Tree.Release, Sparse: c.sparse}
	first := c.firstUnknown()
	for i, change := range c.history {
		if i == first {
			if err := c.base(ctx, i); err != nil {
				return r, err
			}
		}
		entry, err := c.patch(ctx, i, i < first)
		if err != nil {
			return r, err
		}
		p.UI.Log.Infof("compile: %s: %s", change.Name, entry.Summary())
		r.Patches = append(r.Patches, entry)
	}
	return r, errors.Join(r.Err(), c.write(r))
}

func (p Project) newCompiler(ctx context.Context, src Source, versions map[string]string) (*compiler, error) {
	folder := p.path(src.Line.Patches)
	history, err := series.History(ctx, series.Params{Tree: src.Tree, Folder: folder})
	if err != nil {
		return nil, err
	}
	k := p.newKernel(Patched{Source: src}, versions)
	c := &compiler{kernel: k, history: history}
	if err := c.prepare(ctx, folder); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// prepare lays out the parts of the series and notes what results depend on.
func (c *compiler) prepare(ctx context.Context, folder string) error {
	for n := range len(c.history) + 1 {
		if err := series.Prefix(folder, n, c.part(n)); err != nil {
			return err
		}
		c.made = append(c.made, series.Fingerprint(c.history[:n]))
	}
	if path, err := exec.LookPath("sparse"); err == nil {
		if c.sparse, err = run.Output(ctx, run.Cmd{Argv: []string{path, "--version"}, Env: run.Env()}); err != nil {
			return fault.New(fault.Machine, "install sparse again, or remove it", "ask for sparse's version: %w", err)
		}
	}
	h := sha256.New()
	for _, a := range c.p.Settings.Archs {
		for _, f := range c.fragments(a) {
			text, err := os.ReadFile(f)
			if err != nil {
				return fault.New(fault.Usage, "see [[line]] in configs/kernels.toml", "read a fragment: %w", err)
			}
			fmt.Fprintf(h, "%s %d\n%s", filepath.Base(f), len(text), text)
		}
	}
	c.extra = fmt.Sprintf("compile 1 %x %s %s", h.Sum(nil), c.src.Line.Base, c.sparse)
	return nil
}

// part is the folder of the series' first n patches.
func (c *compiler) part(n int) string {
	return c.p.build("series", c.src.Line.Name, fmt.Sprintf("%04d", n))
}

// targets is what make is asked for. A link tells, beside the warnings,
// whether a patch uses what a later one brings.
func (c *compiler) targets() []string {
	t := []string{"W=1", "vmlinux"}
	if c.sparse != "" {
		t = append(t, "C=1")
	}
	return t
}

// key names what patch i (from 0) did on an arch, by all that goes in.
func (c *compiler) key(i int, a arch.Arch) string {
	text, _ := json.Marshal([]any{c.inputs(a), c.made[i], c.made[i+1], c.extra, c.make(a).Argv(c.targets()...)})
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

func (c *compiler) keptPath(i int, a arch.Arch) string {
	return c.p.build("kept", c.src.Line.Name, c.key(i, a)+".json")
}

// kept returns the result of an earlier run over the same two states.
func (c *compiler) kept(i int, a arch.Arch) (compile.Result, bool) {
	var r compile.Result
	text, err := os.ReadFile(c.keptPath(i, a))
	return r, err == nil && json.Unmarshal(text, &r) == nil
}

func (c *compiler) keep(i int, a arch.Arch, r compile.Result) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(c.keptPath(i, a), text)
}

// firstUnknown returns the first patch without a result of an earlier run.
func (c *compiler) firstUnknown() int {
	for i := range c.history {
		for _, a := range c.p.Settings.Archs {
			if _, ok := c.kept(i, a); !ok {
				return i
			}
		}
	}
	return len(c.history)
}

// state brings the tree to the first n patches and returns the kernel of it.
func (c *compiler) state(ctx context.Context, n int) (*kernel, error) {
	res, err := patch.Apply(ctx, patch.Params{Tree: c.src.Tree, Series: c.part(n), Log: c.p.UI.Log})
	if err != nil {
		return nil, err
	}
	k := *c.kernel
	k.src.Series = res
	k.partial = true
	return &k, nil
}

// base compiles what is there before patch i.
func (c *compiler) base(ctx context.Context, i int) error {
	c.p.UI.Log.Infof("compile: the kernel before %s", c.history[i].Name)
	k, err := c.state(ctx, i)
	if err != nil {
		return err
	}
	_, err = each(ctx, c.p, func(ctx context.Context, a arch.Arch) (struct{}, error) {
		res, err := c.run(ctx, k, a)
		if err == nil && len(res.Errors) > 0 && i == 0 {
			err = fault.New(fault.Build, "the whole log: "+c.p.short(c.logPath(a)),
				"%s: the kernel does not compile before the series: %s", a.Name, res.Errors[0])
		}
		return struct{}{}, err
	})
	return err
}

// patch compiles what patch i reaches, or takes the results of an earlier run.
func (c *compiler) patch(ctx context.Context, i int, known bool) (compile.Patch, error) {
	change := c.history[i]
	entry := compile.Patch{Name: change.Name, Kept: known}
	var k *kernel
	if !known {
		var err error
		if k, err = c.state(ctx, i+1); err != nil {
			return entry, err
		}
	}
	results, err := each(ctx, c.p, func(ctx context.Context, a arch.Arch) (compile.Result, error) {
		if known {
			res, _ := c.kept(i, a)
			return res, nil
		}
		res, err := c.run(ctx, k, a)
		if err != nil {
			return res, err
		}
		if res.Unreached, err = unreached(c.make(a).Obj, change); err != nil {
			return res, err
		}
		return res, c.keep(i, a, res)
	})
	if err != nil {
		return entry, err
	}
	for j, a := range c.p.Settings.Archs {
		entry.Add(a.Name, results[j], change.Added())
	}
	return entry, nil
}

// run configures and compiles one arch.
func (c *compiler) run(ctx context.Context, k *kernel, a arch.Arch) (compile.Result, error) {
	if _, err := k.configure(ctx, a); err != nil {
		return compile.Result{}, err
	}
	if _, err := c.p.log(c.src.Line.Name, ""); err != nil {
		return compile.Result{}, err
	}
	defer c.p.UI.Progress(a.Name, "")
	// c.make, not k.make: the date of the newest patch would change with each.
	return compile.Run(ctx, compile.Params{
		Make: c.make(a), Targets: c.targets(), Log: c.logPath(a),
		Each: func(done int, file string) {
			c.p.UI.Progress(a.Name, fmt.Sprintf("%d steps, %s", done, file))
		},
	})
}

func (c *compiler) logPath(a arch.Arch) string {
	return c.p.build("log", c.src.Line.Name, "compile-"+c.p.target(a)+".log")
}

// unreached returns the files of a change that no object is made of: nothing
// was learned about them.
func unreached(obj string, c series.Change) ([]string, error) {
	var names []string
	for name := range c.After {
		if !slices.Contains([]string{".c", ".h", ".S"}, filepath.Ext(name)) {
			continue
		}
		ok, err := compile.Reaches(obj, name)
		if err != nil {
			return nil, fault.New(fault.Machine, "", "%w", err)
		}
		if !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// write leaves the report beside the others.
func (c *compiler) write(r compile.Report) error {
	p := c.p
	p.Work = ""
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	path := p.build("reports", r.Line, "series-compile.json")
	if err := writeFile(path, append(text, '\n')); err != nil {
		return err
	}
	c.p.UI.Log.Infof("compile: report in %s", strings.TrimPrefix(path, p.Root+"/"))
	return nil
}

// writeFile writes a file of the build folder, whole or not at all.
func writeFile(path string, text []byte) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = renameio.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return fault.New(fault.Machine, "free some disk space", "write a file of the build folder: %w", err)
	}
	return nil
}
