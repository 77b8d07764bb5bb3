package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bzmage/internal/checkpatch"
	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
	"bzmage/internal/keyring"
	"bzmage/internal/patch"
	"bzmage/internal/trace"
	"bzmage/internal/unpack"
)

// Source is a line with its tree.
type Source struct {
	Line   kernels.Line
	Choice string // why this line
	Tree   unpack.Tree
}

// Patched is a source with its series applied.
type Patched struct {
	Source
	Series patch.Result
	Edits  []patch.Edit // what a person changed in the tree
}

// Fetch gets the source of the line and unpacks it.
func (p Project) Fetch(ctx context.Context) (_ Source, err error) {
	defer trace.Stage(&ctx, "fetch and unpack")(&err)
	line, choice, archive, err := p.archive(ctx)
	if err != nil {
		return Source{}, err
	}
	tree, err := unpack.Unpack(ctx, unpack.Params{
		Archive: archive, Line: line, Dir: p.build("tree", line.Name), Keys: p.Keys.Ring(keyring.Developers),
		Jobs: p.Jobs, Log: p.UI.Log, Progress: p.progress("unpack", "unpacked"),
	})
	p.UI.Progress("unpack", "")
	if err != nil {
		return Source{}, err
	}
	if err := line.Check(tree.Release); err != nil {
		return Source{}, fault.New(fault.Usage, "KERNEL="+strings.Join(p.File.LineNames(), " or "), "the tree: %w", err)
	}
	if err := p.proved(line, tree.Archive); err != nil {
		return Source{}, err
	}
	p.UI.Log.Infof("tree: Linux %s in %s", tree.Release, tree.Src())
	return Source{Line: line, Choice: choice, Tree: tree}, nil
}

// proved says which proofs were made of an archive, and that none is missing.
func (p Project) proved(line kernels.Line, a fetch.Archive) error {
	if lacks := p.fetchParams(line).Missing(a); len(lacks) > 0 {
		return fault.New(fault.Source, "change demand in [[line]] "+line.Name+" of configs/kernels.toml", "%s lacks proofs: %s", a.Origin, strings.Join(lacks, ", "))
	}
	if !a.Verified() {
		p.UI.Log.Warnf("the source is unverified: %s", a.Origin)
	}
	p.UI.Log.Infof("source: %s from %s (%s)", a.Origin, a.Source, strings.Join(orNone(a.Proofs), ", "))
	return nil
}

func orNone(proofs []string) []string {
	if len(proofs) == 0 {
		return []string{"unverified"}
	}
	return proofs
}

// archive chooses the line, says so, and fetches its archive.
func (p Project) archive(ctx context.Context) (kernels.Line, string, fetch.Archive, error) {
	line, choice, err := p.choose(ctx)
	if err != nil {
		return line, "", fetch.Archive{}, err
	}
	p.UI.Log.Infof("line %s: %s", line.Name, choice)
	params := p.fetchParams(line)
	params.Progress = p.progress("fetch", "fetched")
	archive, err := fetch.Fetch(ctx, params)
	p.UI.Progress("fetch", "")
	return line, choice, archive, err
}

func (p Project) fetchParams(line kernels.Line) fetch.Params {
	return fetch.Params{
		Line: line, Sources: p.File.Sources, Override: p.Settings.KernelSource,
		Cache: p.Settings.Cache, Log: p.UI.Log, Offline: p.Settings.Offline, Look: p.looking, Keys: p.Keys,
	}
}

// choose returns the line to build and why.
func (p Project) choose(ctx context.Context) (kernels.Line, string, error) {
	if p.Settings.Kernel != "" {
		line, _ := p.File.Line(p.Settings.Kernel)
		return line, "KERNEL=" + line.Name + " asks for it", nil
	}
	if p.Settings.KernelSource != "" {
		return p.chooseBySource(ctx)
	}
	if p.chosen != nil && p.chosen.line.Name != "" {
		return p.chosen.line, p.chosen.why, nil
	}
	line, choice, err := p.firstLine(ctx, false)
	if err != nil && ctx.Err() == nil {
		// What could not be reached a moment ago is asked after all.
		line, choice, err = p.firstLine(ctx, true)
	}
	if p.chosen != nil && err == nil {
		*p.chosen = chosen{line, choice}
	}
	return line, choice, err
}

// chosen is the line that a run chose, so that it asks the sources once.
type chosen struct {
	line kernels.Line
	why  string
}

// firstLine returns the first line whose source can be had. Fresh asks also
// what could not be reached a moment ago.
func (p Project) firstLine(ctx context.Context, fresh bool) (kernels.Line, string, error) {
	var reasons []string
	var errs []error
	for _, line := range p.File.Lines {
		params := p.fetchParams(line)
		params.Fresh = fresh
		source, err := fetch.Available(ctx, params)
		if ctx.Err() != nil {
			return kernels.Line{}, "", context.Cause(ctx)
		}
		if err == nil {
			reasons = append(reasons, fmt.Sprintf("the first line that can be had here (from %s)", source))
			return line, strings.Join(reasons, "; "), nil
		}
		reasons = append(reasons, fmt.Sprintf("%s cannot be had", line.Name))
		errs = append(errs, fmt.Errorf("line %s: %w", line.Name, err))
	}
	return kernels.Line{}, "", fault.New(fault.Source,
		"connect this machine to the network, or set KERNEL_SOURCE to a kernel tarball or folder",
		"no line of configs/kernels.toml can be had:\n%w", errors.Join(errs...))
}

// chooseBySource returns the line a given source belongs to.
func (p Project) chooseBySource(ctx context.Context) (kernels.Line, string, error) {
	release, err := unpack.Release(ctx, p.Settings.KernelSource)
	if err != nil {
		return kernels.Line{}, "", err
	}
	for _, line := range p.File.Lines {
		if line.Check(release) == nil {
			return line, "KERNEL_SOURCE is Linux " + release, nil
		}
	}
	return kernels.Line{}, "", fault.New(fault.Usage, "add a [[line]] for it to configs/kernels.toml",
		"KERNEL_SOURCE is Linux %s; there are only lines %s", release, strings.Join(p.File.LineNames(), ", "))
}

// Patch applies the series of the line to its tree.
func (p Project) Patch(ctx context.Context) (_ Patched, err error) {
	src, err := p.Fetch(ctx)
	if err != nil {
		return Patched{}, err
	}
	defer trace.Stage(&ctx, "patch")(&err)
	res, err := patch.Apply(ctx, patch.Params{Tree: src.Tree, Series: p.path(src.Line.Patches), Log: p.UI.Log})
	if err != nil {
		return Patched{}, err
	}
	edits, err := patch.Edits(ctx, src.Tree)
	if err != nil {
		return Patched{}, err
	}
	p.UI.Log.Infof("series: %d patches of %s, %d files changed in the tree", len(res.Patches), src.Line.Patches, len(res.Changed))
	if len(res.Patches) == 0 {
		p.UI.Log.Warnf("%s/series names no patch: this is the release as it came", src.Line.Patches)
	}
	if len(edits) > 0 {
		p.UI.Log.Warnf("the tree holds changes that are in no patch, and they are built too: %s", listEdits(edits))
	}
	return Patched{Source: src, Series: res, Edits: edits}, nil
}

func listEdits(edits []patch.Edit) string {
	const most = 10
	var names []string
	for i, e := range edits {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(edits)-most))
			break
		}
		names = append(names, e.Path+" ("+e.Kind+")")
	}
	return strings.Join(names, ", ")
}

// Checkpatch has the tree's own checkpatch look at the series. What it found is
// returned beside an error, too.
func (p Project) Checkpatch(ctx context.Context) (Patched, checkpatch.Result, error) {
	src, err := p.toCheck(ctx)
	if err != nil {
		return Patched{}, checkpatch.Result{}, err
	}
	res, err := p.checkpatch(ctx, src)
	if err != nil {
		return Patched{}, res, err
	}
	return src, res, nil
}

// toCheck applies the series; reports of an earlier look at it are gone then.
func (p Project) toCheck(ctx context.Context) (Patched, error) {
	line, _, err := p.choose(ctx)
	if err != nil {
		return Patched{}, err
	}
	if err := checkpatch.Forget(p.build("reports", line.Name)); err != nil {
		return Patched{}, err
	}
	return p.Patch(ctx)
}

func (p Project) checkpatch(ctx context.Context, src Patched) (_ checkpatch.Result, err error) {
	defer trace.Stage(&ctx, "checkpatch")(&err)
	dir, err := p.log(src.Line.Name, "checkpatch")
	if err != nil {
		return checkpatch.Result{}, err
	}
	params, err := p.checkpatchParams(src)
	if err != nil {
		return checkpatch.Result{}, err
	}
	params.LogDir, params.Reports = strings.TrimSuffix(dir, ".log"), p.build("reports", src.Line.Name)
	res, err := checkpatch.Run(ctx, params)
	if err == nil {
		p.UI.Log.Infof("checkpatch: %d patches, nothing new found, %d accepted%s", len(res.Patches), len(res.Findings), ifKept(res.Kept))
	}
	return res, err
}
