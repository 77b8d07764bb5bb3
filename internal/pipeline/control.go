package pipeline

import (
	"context"
	"errors"
	"path/filepath"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/control"
	"bzmage/internal/fault"
	"bzmage/internal/initramfs"
	"bzmage/internal/patch"
	"bzmage/internal/report"
	"bzmage/internal/series"
	"bzmage/internal/tools"
)

// VerifyControl is the negative control: it boots the line with its series,
// which must pass (a kept verdict will do), and without it, and compares. It
// works in the tree and the objects of the line and brings the tree back to
// the whole series; what it builds is kept in build/control for the next time.
func (p Project) VerifyControl(ctx context.Context) (control.Report, error) {
	known, err := control.Load(p.checksFile())
	if err != nil {
		return control.Report{}, err
	}
	versions, err := p.need(ctx, tools.ForBuild, tools.ForBoot)
	if err != nil {
		return control.Report{}, err
	}
	src, err := p.Patch(ctx)
	if err != nil {
		return control.Report{}, err
	}
	if err := wholeTree(src); err != nil {
		return control.Report{}, err
	}
	k := p.newKernel(src, versions)
	defer k.close()
	with, err := each(ctx, p, func(ctx context.Context, a arch.Arch) (boot.Verdict, error) {
		v, err := k.verify(ctx, a)
		return v, errors.Join(err, v.Err())
	})
	if err != nil {
		return control.Report{}, fault.New(fault.KindOf(err), "go tool mage verify", "with its series the line has to pass before a control means anything: %w", err)
	}
	without, err := k.withoutSeries(ctx)
	if err != nil {
		return control.Report{}, err
	}
	a := p.Settings.Archs[0]
	rd, err := initramfs.Load(filepath.Join(p.initramfsDir(src.Line.Name, a), "initramfs-"+a.GOARCH+".cpio"))
	if err != nil {
		return control.Report{}, fault.New(fault.Machine, "run the same again", "the list of the checks: %w", err)
	}
	r := control.Compare(known.Of(src.Line.Name, p.Settings.Flavour), rd.Checks, with, without)
	r.Line, r.Release, r.Series = src.Line.Name, src.Tree.Release, src.Series.Digest
	text, err := r.JSON()
	if err != nil {
		return r, err
	}
	return r, errors.Join(r.Err(), writeFile(p.build("reports", src.Line.Name, "control.json"), text))
}

// checksFile is where it stands what is known of the checks.
func (p Project) checksFile() string { return p.path("configs", "checks.toml") }

// wholeTree refuses a tree that holds more than the series.
func wholeTree(src Patched) error {
	if len(src.Edits) == 0 {
		return nil
	}
	return fault.New(fault.Patch, "fold them into the series first: go tool mage series:refresh, or series:new TITLE",
		"the tree holds changes that are in no patch: %s", listEdits(src.Edits))
}

// withoutSeries builds and boots the line with an empty series. The tree goes
// back to the whole one, also when it was stopped.
func (k *kernel) withoutSeries(ctx context.Context) ([]boot.Verdict, error) {
	folder := k.p.build("series", k.src.Line.Name, "control")
	if err := series.Prefix(k.p.path(k.src.Line.Patches), 0, folder); err != nil {
		return nil, err
	}
	empty, err := patch.Apply(ctx, patch.Params{Tree: k.src.Tree, Series: folder, Log: k.p.UI.Log})
	if err != nil {
		return nil, err
	}
	bare := *k
	bare.src.Series, bare.partial = empty, true
	bare.aside = k.p.build("control", k.src.Line.Name)
	verdicts, err := each(ctx, k.p, bare.verify)
	_, back := patch.Apply(context.WithoutCancel(ctx), patch.Params{Tree: k.src.Tree, Series: k.p.path(k.src.Line.Patches), Log: k.p.UI.Log})
	if err != nil {
		err = fault.New(fault.KindOf(err), "see whether the line builds and boots without patches", "the kernel without the series: %w", err)
	}
	return verdicts, errors.Join(err, back)
}

// skips notes in the report what was skipped. The error is about what was
// skipped in every target of the line; a run of some arches cannot know that,
// and only warns.
func (p Project) skips(r *report.Report) error {
	known, err := control.Load(p.checksFile())
	if err != nil {
		return err
	}
	r.Skipped = report.Skips(r.Verdicts)
	bad := report.NowhereRun(r.Skipped, known.Of(r.Line, p.Settings.Flavour).Skipped)
	whole := len(r.Verdicts) == len(arch.All())
	for _, v := range r.Verdicts {
		whole = whole && v.Guest != nil
	}
	var errs []error
	for _, s := range bad {
		if !whole {
			p.UI.Log.Warnf("%s was skipped: %s; whether it runs in another target only a run of all arches can say", s.Check, s.Reason)
			continue
		}
		r.NowhereRun = append(r.NowhereRun, s.Check)
		errs = append(errs, fault.New(fault.CheckFailed, "let it run somewhere, or name it under skipped in configs/checks.toml",
			"%s was skipped in every target, and proved nothing: %s", s.Check, s.Reason))
	}
	return errors.Join(errs...)
}
