package pipeline

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
	"bzmage/internal/run"
	"bzmage/internal/tools"
	"bzmage/internal/unpack"
)

// goEnv is what the go command is given beside the common environment.
var goEnv = []string{"GO*", "CGO_ENABLED=1", "CI", "KERNEL_SOURCE"}

// step is one command of lint or test.
type step struct {
	name  string
	argv  []string
	quiet bool // any output is a finding
	live  bool // the output is shown as it comes, as it takes minutes
	hint  string
}

// Lint runs gofmt, vet and staticcheck over all packages and the magefile,
// and checks that go.mod is tidy and the modules are the ones it names.
func (p Project) Lint(ctx context.Context) error {
	g, err := tools.Go()
	if err != nil {
		return err
	}
	gofmt := filepath.Join(filepath.Dir(g), "gofmt")
	return p.steps(ctx, []step{
		{"gofmt", []string{gofmt, "-l", "magefile.go", "internal", "cmd", "verify"}, true, false, "gofmt -w on these files"},
		{"vet", []string{g, "vet", "./..."}, false, false, ""},
		{"vet-mage", []string{g, "vet", "-tags", "mage", "."}, false, false, ""},
		{"staticcheck", []string{g, "tool", "staticcheck", "./..."}, false, false, ""},
		{"staticcheck-mage", []string{g, "tool", "staticcheck", "-tags", "mage", "."}, false, false, ""},
		{"mod-tidy", []string{g, "mod", "tidy", "-diff"}, false, false, "go mod tidy"},
		{"mod-verify", []string{g, "mod", "verify"}, false, false, "go clean -modcache"},
	})
}

// Test runs lint, all tests that are short with the race detector, and then
// those on real kernels.
func (p Project) Test(ctx context.Context) error {
	if err := p.Lint(ctx); err != nil {
		return err
	}
	g, err := tools.Go()
	if err != nil {
		return err
	}
	return p.steps(ctx, []step{
		{"test", []string{g, "test", "-short", "-race", "-timeout", "20m", "./..."}, false, true, ""},
		{"test-kernels", []string{g, "test", "-v", "-count=1", "-timeout", "80m", "-p", "1", "-run", "^TestReal", "./internal/fetch", "./internal/unpack", "./internal/series", "./internal/checkpatch", "./internal/kconfig", "./internal/pipeline"}, false, true, ""},
	})
}

// TestSlow runs the tests that CI has no time for, on the line KERNEL, or 6.1.
func (p Project) TestSlow(ctx context.Context) error {
	g, err := tools.Go()
	if err != nil {
		return err
	}
	return p.steps(ctx, []step{
		{"test-slow", []string{g, "test", "-v", "-count=1", "-timeout", "3h", "-run", "^TestSlow", "./internal/pipeline"}, false, true, ""},
		{"test-slow-reproduce", []string{g, "test", "-v", "-count=1", "-timeout", "1h", "-run", "^TestScripts$/^reproduce$", "./internal/target"}, false, true, ""},
	}, "BZMAGE_SLOW=1", "KERNEL", "ARCH")
}

func (p Project) steps(ctx context.Context, steps []step, env ...string) error {
	env = append(env, goEnv...)
	for _, s := range steps {
		start := time.Now()
		log, err := p.log("develop", s.name)
		if err != nil {
			return err
		}
		p.UI.Log.Infof("%s: %s", s.name, strings.Join(s.argv[1:], " "))
		var out strings.Builder
		cmd := run.Cmd{Argv: s.argv, Dir: p.Root, Env: run.Env(env...), Log: log, Stdout: &out, Merge: true, Grace: 2 * time.Second}
		tests := newTestLog(os.Stderr)
		if s.live {
			cmd.Stdout = tests
		}
		err = run.Run(ctx, cmd)
		out.WriteString(tests.Failures())
		if ctx.Err() != nil {
			return err
		}
		if err != nil || s.quiet && out.Len() > 0 {
			return s.failed(p, err, out.String(), log)
		}
		p.UI.Log.Infof("%s: ok, %.1f s", s.name, time.Since(start).Seconds())
	}
	return nil
}

func (s step) failed(p Project, err error, out, log string) error {
	if out != "" {
		p.UI.Log.Error(out)
	}
	if err == nil {
		return fault.New(fault.Code, s.hint, "%s found something", s.name)
	}
	hint := "the whole output: " + p.short(log)
	if s.hint != "" {
		hint = s.hint
	}
	if !run.Failed(err) {
		return fault.New(fault.Machine, hint, "%s: %w", s.name, err)
	}
	return fault.New(fault.Code, hint, "%s: %w", s.name, err)
}

// Clean removes what builds left in the checkout. Downloads stay in the cache.
// Changes made by hand in a tree would be lost, so they stop it.
func (p Project) Clean(ctx context.Context) error {
	if err := p.keepEdits(ctx); err != nil {
		return err
	}
	entries, err := os.ReadDir(p.build())
	if err != nil {
		return fault.New(fault.Machine, "look at who owns "+p.build(), "clean: %w", err)
	}
	for _, e := range entries {
		if e.Name() == lockName {
			continue // held by this run, and waited for by the next
		}
		if err := os.RemoveAll(p.build(e.Name())); err != nil {
			return fault.New(fault.Machine, "look at who owns the files in "+p.build(), "clean: %w", err)
		}
	}
	return nil
}

// keepEdits returns an error that names what a person changed in any tree.
func (p Project) keepEdits(ctx context.Context) error {
	// Not filepath.Glob: the checkout's own path may hold its characters.
	marks, err := fs.Glob(os.DirFS(p.build()), "tree/*/*/tree.json")
	if err != nil {
		return err
	}
	own, err := fs.Glob(os.DirFS(p.build()), "compile/tree/*/*/tree.json") // of series:compile
	if err != nil {
		return err
	}
	marks = append(marks, own...)
	// Unpack sets a tree aside that is damaged; nobody knows what is in it.
	aside, err := fs.Glob(os.DirFS(p.build()), "tree/*/*.damaged-*")
	if err != nil {
		return err
	}
	replaced, err := fs.Glob(os.DirFS(p.build()), "series/before-*")
	if err != nil {
		return err
	}
	if len(replaced) > 0 {
		return fault.New(fault.Patch, "if they are not needed any more: rm -r "+p.short(p.build("series")),
			"series:rebase has kept series here that it replaced: %s", strings.Join(replaced, ", "))
	}
	if len(aside) > 0 {
		return fault.New(fault.Patch, "copy what is worth keeping, then: rm -r "+p.build(aside[0]),
			"damaged trees were set aside and may hold changes of yours: %s", strings.Join(aside, ", "))
	}
	for _, mark := range marks {
		tree := unpack.Tree{Root: filepath.Dir(p.build(mark))}
		edits, err := patch.Edits(ctx, tree)
		if err != nil {
			return fault.New(fault.KindOf(err), "if nothing in it is worth keeping: rm -r "+p.build(), "look for changes in %s: %w", p.short(tree.Src()), err)
		}
		if len(edits) > 0 {
			return fault.New(fault.Patch, "copy what is worth keeping, then: rm -r "+p.build(),
				"%s holds changes that are in no patch: %s", p.short(tree.Src()), listEdits(edits))
		}
	}
	return nil
}
