package pipeline

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/fault"
	"bzmage/internal/patch"
	"bzmage/internal/series"
	"bzmage/internal/tools"
)

// wholeVerdict is the name under which the verdict itself can be bisected.
const wholeVerdict = "verdict"

// bisector tries a check on parts of the series.
type bisector struct {
	*kernel
	check  string
	names  []string // the patches
	result *series.Bisection
}

// SeriesBisect finds the first patch with which a check of the guest fails, or
// the verdict as a whole. It works in the tree and the objects of the line, so
// that each step compiles only what differs, and brings the tree back to the
// whole series; what it builds is kept in build/bisect for the next time.
func (p Project) SeriesBisect(ctx context.Context, check string) (series.Bisection, error) {
	versions, err := p.need(ctx, tools.ForBuild, tools.ForBoot)
	if err != nil {
		return series.Bisection{}, err
	}
	src, err := p.Patch(ctx)
	if err != nil {
		return series.Bisection{}, err
	}
	if err := wholeTree(src); err != nil {
		return series.Bisection{}, err
	}
	k := p.newKernel(src, versions)
	defer k.close()
	b := &bisector{kernel: k, check: check, result: &series.Bisection{Line: src.Line.Name, Release: src.Tree.Release, Check: check}}
	for _, a := range src.Series.Patches {
		b.names = append(b.names, a.Name)
	}
	guilty, err := series.Bisect(len(b.names), func(n int) (bool, error) { return b.try(ctx, n) })
	// The tree goes back to the whole series, also when the search was stopped.
	_, back := patch.Apply(context.WithoutCancel(ctx), patch.Params{Tree: src.Tree, Series: p.path(src.Line.Patches), Log: p.UI.Log})
	if err = b.outcome(guilty, err); err != nil || back != nil {
		return *b.result, errors.Join(err, back)
	}
	text, err := b.result.JSON()
	if err != nil {
		return *b.result, err
	}
	p.UI.Log.Infof("bisect: %s: %s fails with it, and not with the patches before it", b.result.Guilty, check)
	return *b.result, writeFile(p.build("reports", src.Line.Name, "series-bisect.json"), text)
}

// outcome notes the guilty patch, or says why there is none.
func (b *bisector) outcome(guilty int, err error) error {
	switch {
	case err == nil:
		b.result.Guilty = b.names[guilty-1]
		return nil
	case errors.Is(err, series.ErrPasses):
		return fault.New(fault.Usage, "go tool mage verify shows which checks fail", "there is nothing to bisect: %s: %w", b.check, err)
	case errors.Is(err, series.ErrNoPass):
		return fault.New(fault.CheckFailed, "it is no patch of the series that breaks it", "bisect %s: %w", b.check, err)
	}
	return err
}

// try builds and boots the first n patches on every arch.
func (b *bisector) try(ctx context.Context, n int) (bool, error) {
	folder := b.p.build("series", b.src.Line.Name, "bisect")
	if err := series.Prefix(b.p.path(b.src.Line.Patches), n, folder); err != nil {
		return false, err
	}
	res, err := patch.Apply(ctx, patch.Params{Tree: b.src.Tree, Series: folder, Log: b.p.UI.Log})
	if err != nil {
		return false, err
	}
	k := *b.kernel
	k.src.Series, k.partial = res, n < len(b.names)
	k.aside = b.p.build("bisect", b.src.Line.Name, res.Digest[:16])
	t := series.Trial{Patches: n, Good: true, Archs: map[string]string{}}
	if n > 0 {
		t.Last = b.names[n-1]
	}
	verdicts, err := each(ctx, b.p, k.verify)
	if err != nil {
		return false, fault.New(fault.KindOf(err), "see whether each patch compiles alone: go tool mage series:compile",
			"the kernel with %d patches, the last being %s: %w", n, orUnpatched(t.Last), err)
	}
	for i, a := range b.p.Settings.Archs {
		status, err := b.status(verdicts[i], a)
		if err != nil {
			return false, err
		}
		t.Archs[a.Name] = status
		t.Good = t.Good && status == boot.Pass
	}
	b.result.Trials = append(b.result.Trials, t)
	b.p.UI.Log.Infof("bisect: %d patches, up to %s: %s", n, orUnpatched(t.Last), goodOrBad(t.Good))
	return t.Good, nil
}

// status returns what came of the check: pass, fail, or why it said nothing.
func (b *bisector) status(v boot.Verdict, a arch.Arch) (string, error) {
	if v.Verdict == boot.Infra {
		return "", fault.New(fault.Machine, "run it again", "boot %s: %s", a.Name, v.Reason)
	}
	if b.check == wholeVerdict {
		return v.Verdict, nil
	}
	var names []string
	for _, c := range v.Checks {
		if c.Name == b.check {
			if c.Status == "" {
				return v.Verdict, nil // it crashed, or hung
			}
			return c.Status, nil
		}
		names = append(names, c.Name)
	}
	if v.Verdict != boot.Pass && v.Verdict != boot.CheckFailed || slices.Contains(v.Missing, b.check) {
		return v.Verdict, nil
	}
	return "", fault.New(fault.Usage, "the checks are: "+wholeVerdict+" "+strings.Join(names, " "), "there is no check %s", b.check)
}

func orUnpatched(last string) string {
	if last == "" {
		return "no patch"
	}
	return filepath.Base(last)
}

func goodOrBad(good bool) string {
	if good {
		return "passes"
	}
	return "fails"
}
