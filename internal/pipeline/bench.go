package pipeline

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"bzmage/internal/bench"
	"bzmage/internal/fault"
	"bzmage/internal/settings"
	"bzmage/internal/tools"
	"bzmage/internal/unpack"
)

// Bench measures this very program beside plain tooling, in copies of the
// checkout below build/bench, and prints the table. With write it is put into
// docs/performance.md, too.
func (p Project) Bench(ctx context.Context, out io.Writer, write bool) error {
	versions, err := p.need(ctx, tools.ForBuild, tools.ForBoot)
	if err != nil {
		return err
	}
	more, err := tools.Look(ctx, append(tools.ForBench(), tools.Tool{Name: "ccache"}), p.Settings.Toolchain.HostCompiler())
	if err != nil {
		return err
	}
	for _, f := range more {
		if f.Problem == "" {
			versions[f.Name] = f.Version
		}
	}
	line, _, archive, err := p.archive(ctx)
	if err != nil {
		return err
	}
	release, err := unpack.Release(ctx, archive.Path)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fault.New(fault.Machine, "", "find bzmage's own program: %w", err)
	}
	r, err := bench.Run(ctx, bench.Params{
		Root: p.Root, Dir: p.build("bench"), Reports: p.build("reports"), Program: program,
		Line: line, Guest: p.File.Guest(line, p.Settings.Flavour), Archive: archive, Release: release,
		Target: p.target, Set: p.Settings, Tools: versions, CCache: knows("CCACHE"), Log: p.UI.Log,
	})
	if len(r.Rows) == 0 {
		return err
	}
	err = errors.Join(err, r.Table(out))
	if write && ctx.Err() == nil {
		err = errors.Join(err, bench.Insert(p.path("docs", "performance.md"), r.Markdown()))
	}
	return err
}

// knows says whether there is a setting of that name.
func knows(name string) bool {
	return slices.ContainsFunc(settings.Table(), func(r settings.Row) bool { return r.Name == name })
}
