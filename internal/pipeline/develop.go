package pipeline

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
	"bzmage/internal/run"
	"bzmage/internal/unpack"
)

// goEnv is what the go command is given beside the common environment.
var goEnv = []string{"GO*", "CGO_ENABLED=1", "CI", "KERNEL_SOURCE"}

// goTool returns the go command of this machine.
func goTool() string {
	if path, err := exec.LookPath("go"); err == nil {
		return path
	}
	return filepath.Join(runtime.GOROOT(), "bin", "go")
}

// step is one command of lint or test.
type step struct {
	name  string
	argv  []string
	quiet bool // any output is a finding
	hint  string
}

// Lint runs gofmt, vet and staticcheck over all packages and the magefile,
// and checks that go.mod is tidy and the modules are the ones it names.
func (p Project) Lint(ctx context.Context) error {
	g := goTool()
	gofmt := filepath.Join(filepath.Dir(g), "gofmt")
	return p.steps(ctx, []step{
		{"gofmt", []string{gofmt, "-l", "magefile.go", "internal", "cmd", "verify"}, true, "gofmt -w on these files"},
		{"vet", []string{g, "vet", "./..."}, false, ""},
		{"vet-mage", []string{g, "vet", "-tags", "mage", "."}, false, ""},
		{"staticcheck", []string{g, "tool", "staticcheck", "./..."}, false, ""},
		{"staticcheck-mage", []string{g, "tool", "staticcheck", "-tags", "mage", "."}, false, ""},
		{"mod-tidy", []string{g, "mod", "tidy", "-diff"}, false, "go mod tidy"},
		{"mod-verify", []string{g, "mod", "verify"}, false, "go clean -modcache"},
	})
}

// Test runs lint, all tests that are short with the race detector, and then
// those on real kernels.
func (p Project) Test(ctx context.Context) error {
	if err := p.Lint(ctx); err != nil {
		return err
	}
	g := goTool()
	return p.steps(ctx, []step{
		{"test", []string{g, "test", "-short", "-race", "-timeout", "20m", "./..."}, false, ""},
		{"test-kernels", []string{g, "test", "-v", "-count=1", "-timeout", "80m", "-p", "1", "-run", "^TestReal", "./internal/fetch", "./internal/unpack", "./internal/checkpatch", "./internal/pipeline"}, false, ""},
	})
}

func (p Project) steps(ctx context.Context, steps []step) error {
	for _, s := range steps {
		start := time.Now()
		log, err := p.log("develop", s.name)
		if err != nil {
			return err
		}
		p.UI.Log.Infof("%s: %s", s.name, strings.Join(s.argv[1:], " "))
		var out strings.Builder
		err = run.Run(ctx, run.Cmd{Argv: s.argv, Dir: p.Root, Env: run.Env(goEnv...), Log: log, Stdout: &out, Stderr: os.Stderr, Grace: 2 * time.Second})
		if ctx.Err() != nil {
			return err
		}
		if err != nil || s.quiet && out.Len() > 0 {
			p.UI.Log.Error(out.String())
			if err == nil {
				return fault.New(fault.CheckFailed, s.hint, "%s found something", s.name)
			}
			return fault.New(fault.CheckFailed, "look at "+p.short(log), "%s: %w", s.name, err)
		}
		p.UI.Log.Infof("%s: ok, %.1f s", s.name, time.Since(start).Seconds())
	}
	return nil
}

// Clean removes what builds left in the checkout. Downloads stay in the cache.
// Changes made by hand in a tree would be lost, so they stop it.
func (p Project) Clean(ctx context.Context) error {
	if err := p.keepEdits(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(p.build()); err != nil {
		return fault.New(fault.Machine, "look at who owns the files in "+p.build(), "clean: %w", err)
	}
	return nil
}

// keepEdits returns an error that names what a person changed in any tree.
func (p Project) keepEdits(ctx context.Context) error {
	marks, err := filepath.Glob(p.build("tree", "*", "*", "tree.json"))
	if err != nil {
		return err
	}
	for _, mark := range marks {
		tree := unpack.Tree{Root: filepath.Dir(mark)}
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
