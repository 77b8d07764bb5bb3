package pipeline

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bzmage/internal/event"
	"bzmage/internal/fault"
)

// reCheck finds the names of functions that `go test` runs.
var reCheck = regexp.MustCompile(`^(Test|Benchmark|Fuzz|Example)([^a-z]|$)`)

// checkSelection refuses a VERIFY_RUN that selects nothing, before anything is
// built: the names of the checks stand in their sources. What these do not
// say, the compiler will.
func (p Project) checkSelection() error {
	run := p.Settings.Checks.Run
	if run == "" {
		return nil
	}
	names, err := checksIn(filepath.Join(p.Module, "verify"))
	if err != nil {
		return nil // it does not compile: the next stage shows why
	}
	_, err = p.selected(names)
	return err
}

// selected returns the checks to run.
func (p Project) selected(names []string) ([]string, error) {
	selected, err := event.Select(names, p.Settings.Checks.Run)
	if err != nil {
		return nil, fault.New(fault.Usage, "", "VERIFY_RUN: %w", err)
	}
	if len(selected) == 0 {
		return nil, fault.New(fault.Usage, "VERIFY_RUN="+names[0], "VERIFY_RUN=%s selects none of the %d checks: %s", p.Settings.Checks.Run, len(names), strings.Join(names, ", "))
	}
	return selected, nil
}

// checksIn reads the names of the checks in a package.
func checksIn(dir string) ([]string, error) {
	pkg, err := build.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range slices.Concat(pkg.TestGoFiles, pkg.XTestGoFiles) {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && fn.Recv == nil && reCheck.MatchString(fn.Name.Name) && fn.Name.Name != "TestMain" {
				names = append(names, fn.Name.Name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}
