package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
	"bzmage/internal/patch"
	"bzmage/internal/series"
	"bzmage/internal/unpack"
)

// SeriesStatus tries the series of the line on its source, in memory, and
// writes what came of it to build/reports/<line>/series.json. The error names
// all that does not apply.
func (p Project) SeriesStatus(ctx context.Context) (series.Report, error) {
	src, err := p.Fetch(ctx)
	if err != nil {
		return series.Report{}, err
	}
	tried, err := patch.Try(ctx, patch.Params{Tree: src.Tree, Series: p.path(src.Line.Patches), Log: p.UI.Log})
	if err != nil {
		return series.Report{}, err
	}
	edits, err := patch.Edits(ctx, src.Tree)
	if err != nil {
		return series.Report{}, err
	}
	r := series.Report{Line: src.Line.Name, Release: src.Tree.Release, Folder: src.Line.Patches, Report: tried,
		Edits: append([]patch.Edit{}, edits...)}
	path := p.build("reports", src.Line.Name, "series.json")
	if err := r.Save(path); err != nil {
		return r, err
	}
	p.UI.Log.Infof("series: %s on Linux %s: %s; see %s", r.Folder, r.Release, series.Count(r.Patches), p.short(path))
	if len(edits) > 0 {
		p.UI.Log.Warnf("%s holds changes that are in no patch: %s", p.short(src.Tree.Src()), listEdits(edits))
	}
	return r, tried.Err()
}

// SeriesRebase makes the series of the line that KERNEL names fit another
// release, given as such or by the name of its line, and writes it to the
// folder of that line. No tree is touched.
func (p Project) SeriesRebase(ctx context.Context, release string) (series.Report, error) {
	from, to, err := p.rebaseLines(release)
	if err != nil {
		return series.Report{}, err
	}
	q := p
	q.Settings.Kernel = to.Name
	if err := q.sourceIsOf(ctx, to, from); err != nil {
		return series.Report{}, err
	}
	src, err := q.Fetch(ctx)
	if err != nil {
		return series.Report{}, err
	}
	if release != to.Name && release != src.Tree.Release {
		return series.Report{}, fault.New(fault.Usage,
			fmt.Sprintf("KERNEL=%s KERNEL_SOURCE=<linux-%s.tar.xz> go tool mage series:rebase %s", from.Name, release, release),
			"the source of line %s that can be had is Linux %s, not %s", to.Name, src.Tree.Release, release)
	}
	r, err := series.Rebase(ctx, src.Tree, p.path(from.Patches))
	if err != nil {
		return series.Report{}, err
	}
	r.Report.Line, r.Report.Folder = from.Name, from.Patches
	for _, s := range r.Dropped {
		p.UI.Log.Infof("dropped: %s: %s", s.Name, s.Why)
	}
	p.UI.Log.Infof("rebase: %s on Linux %s: %s; %d written anew", from.Patches, src.Tree.Release, series.Count(r.Report.Patches), len(r.Changed))
	return r.Report, p.writeRebased(r, from, to)
}

// sourceIsOf looks whether KERNEL_SOURCE is of the line that a series moves to,
// before it is unpacked: it is easily left set to that of the line it leaves.
func (p Project) sourceIsOf(ctx context.Context, to, from kernels.Line) error {
	if p.Settings.KernelSource == "" {
		return nil
	}
	release, err := unpack.Release(ctx, p.Settings.KernelSource)
	if err != nil || to.Check(release) == nil {
		return err
	}
	return fault.New(fault.Usage, fmt.Sprintf("KERNEL=%s KERNEL_SOURCE=<a source of line %s> go tool mage series:rebase %s, or no KERNEL_SOURCE", from.Name, to.Name, to.Name),
		"KERNEL_SOURCE is Linux %s, and the series is to move to line %s", release, to.Name)
}

// rebaseLines returns the line whose series is moved, and the one it moves to.
func (p Project) rebaseLines(release string) (from, to kernels.Line, err error) {
	for _, l := range p.File.Lines {
		if l.Name == release || l.Check(release) == nil {
			to = l
		}
	}
	if to.Name == "" {
		return from, to, fault.New(fault.Usage, "go tool mage series:rebase "+p.File.Lines[0].Name+", or add a [[line]] to configs/kernels.toml",
			"%q is neither a line of configs/kernels.toml nor a release of one; there are lines %s", release, strings.Join(p.File.LineNames(), ", "))
	}
	from, ok := p.File.Line(p.Settings.Kernel)
	if !ok {
		return from, to, fault.New(fault.Usage, "KERNEL="+p.otherLine(to)+" go tool mage series:rebase "+release,
			"KERNEL is not set: it says whose series is to move to %s", release)
	}
	return from, to, nil
}

// otherLine returns the name of a line that is not l, if there is one.
func (p Project) otherLine(l kernels.Line) string {
	names := slices.DeleteFunc(p.File.LineNames(), func(n string) bool { return n == l.Name })
	return append(names, l.Name)[0]
}

// writeRebased writes the new series: to the folder of its line if all of it
// fits, beside a report below build/ if not.
func (p Project) writeRebased(r series.Rebased, from, to kernels.Line) error {
	name := fmt.Sprintf("%s-to-%s", from.Name, r.Report.Release)
	if err := r.Err(); err != nil {
		return p.leaveRebased(r, name, to, err)
	}
	dir := p.path(to.Patches)
	if to.Patches == from.Patches {
		if len(r.Changed)+len(r.Dropped) == 0 {
			p.UI.Log.Infof("rebase: %s fits as it is", to.Patches)
			return nil
		}
		old, err := free(p.build("series", "before-"+r.Report.Release+"-"+r.Report.Digest[:8]), nil)
		if err != nil {
			return err
		}
		var dropped = []string{}
		for _, s := range r.Dropped {
			dropped = append(dropped, s.Name)
		}
		if err := series.Exchange(dir, old, r.Files, dropped); err != nil {
			return err
		}
		p.UI.Log.Infof("rebase: wrote %s; what was there is in %s", to.Patches, p.short(old))
		return nil
	}
	err := series.WriteNew(dir, r.Files)
	if errors.Is(err, fs.ErrExist) {
		left, ferr := p.leave(r, name)
		if ferr != nil {
			return ferr
		}
		return fault.New(fault.Patch, fmt.Sprintf("compare: diff -r %s %s; to take the new one, move %s away and run again", to.Patches, p.short(left), to.Patches),
			"%s holds another series, which is left as it is; the rebased one is in %s", to.Patches, p.short(left))
	}
	if err == nil {
		p.UI.Log.Infof("rebase: wrote %s, %d patches", to.Patches, len(r.Files)-1)
	}
	return err
}

// leaveRebased leaves a series that does not fit for a person to mend.
func (p Project) leaveRebased(r series.Rebased, name string, to kernels.Line, why error) error {
	conflicts, report := p.build("reports", to.Name, "rebase", name+".txt"), p.build("reports", to.Name, "rebase", name+".json")
	if err := r.Report.Save(report); err != nil {
		return err
	}
	if err := os.WriteFile(conflicts, []byte(r.Conflicts()), 0o644); err != nil {
		return fault.New(fault.Machine, "make "+p.build()+" writable", "write the conflicts: %w", err)
	}
	left, err := p.leave(r, name)
	if err != nil {
		return err
	}
	return fault.New(fault.Patch, fmt.Sprintf("both sides of each conflict are in %s; copy %s to %s, mend the patches named there, and see: KERNEL=%s go tool mage series:status",
		p.short(conflicts), p.short(left), to.Patches, to.Name),
		"%s does not fit Linux %s as a whole, so %s is left as it is: %w", r.Report.Folder, r.Report.Release, to.Patches, why)
}

// leave writes the new series below build/.
func (p Project) leave(r series.Rebased, name string) (string, error) {
	dir, err := free(p.build("series", name), r.Files)
	if err != nil {
		return "", err
	}
	return dir, series.WriteNew(dir, r.Files)
}

// free returns dir, or dir with a number if something else than files is there:
// a person may have mended it.
func free(dir string, files map[string][]byte) (string, error) {
	for n := 1; n < 1000; n++ {
		name := dir
		if n > 1 {
			name = fmt.Sprintf("%s-%d", dir, n)
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) || files != nil && series.Holds(name, files) {
			return name, nil
		}
	}
	return "", fault.New(fault.Machine, "rm -r "+filepath.Dir(dir), "%s and 999 like it are there", dir)
}
