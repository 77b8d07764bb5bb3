package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/build"
	"bzmage/internal/coverage"
	"bzmage/internal/fault"
	"bzmage/internal/initramfs"
	"bzmage/internal/qemu"
	"bzmage/internal/report"
	"bzmage/internal/tools"
	"bzmage/internal/trace"
)

// Verify builds every target, boots it, and reports the verdicts. An arch is
// booted as soon as its image is there. A target that could not be built is in
// the report too, with the reason; the error is that of every target that did
// not pass.
func (p Project) Verify(ctx context.Context) (_ report.Report, err error) {
	defer p.traced(&ctx)(&err)
	if err := p.checkShell(); err != nil {
		return report.Report{}, err
	}
	k, r, err := p.verifyAll(ctx)
	if k != nil {
		k.close()
	}
	return r, err
}

// verifyAll is Verify, and returns the kernels beside their report; close them.
// They are nil where there is no report.
func (p Project) verifyAll(ctx context.Context) (*kernel, report.Report, error) {
	if err := p.checkSelection(); err != nil {
		return nil, report.Report{}, err
	}
	if p.Force {
		p.Hashes.Distrust()
	}
	line, _, err := p.choose(ctx)
	if err != nil {
		return nil, report.Report{}, err
	}
	// An old report must not be taken for the one of this run.
	if err := errors.Join(report.Remove(p.build("reports", line.Name)), coverage.Remove(p.build("reports", line.Name))); err != nil {
		return nil, report.Report{}, err
	}
	versions, err := p.need(ctx, tools.ForBuild, tools.ForBoot)
	if err != nil {
		return nil, report.Report{}, err
	}
	src, err := p.toCheck(ctx)
	if err != nil {
		return nil, report.Report{}, err
	}
	k := p.newKernel(src, versions)
	verdicts, err := beside(ctx, k, k.verdict)
	if ctx.Err() != nil || verdicts == nil {
		k.close()
		return nil, report.Report{}, err
	}
	err = errors.Join(err, k.covered(verdicts))
	r := k.report(verdicts)
	err = errors.Join(err, p.skips(&r))
	return k, r, errors.Join(err, report.Write(p.build("reports", src.Line.Name), r))
}

func (k *kernel) report(verdicts []boot.Verdict) report.Report {
	src := k.src
	return report.Report{
		Line: src.Line.Name, Release: src.Tree.Release, Choice: src.Choice,
		Source: src.Tree.Archive, Verified: src.Tree.Archive.Verified() && len(src.Edits) == 0,
		Edits: src.Edits, Verdicts: verdicts,
	}
}

// verdict is verify with an entry in the report for what could not be booted.
func (k *kernel) verdict(ctx context.Context, a arch.Arch) (boot.Verdict, error) {
	v, err := k.verify(ctx, a)
	if err == nil {
		return v, v.Err()
	}
	reason, _, _ := strings.Cut(err.Error(), "\n")
	return boot.Verdict{
		Line: k.src.Line.Name, Arch: a.Name, Flavour: k.p.Settings.Flavour, Toolchain: k.p.Settings.Toolchain.Variant(),
		Release: k.src.Tree.Release + k.src.Line.LocalVersion,
		Verdict: boot.NoVerdict, Reason: reason, Fault: fault.KindOf(err).String(),
	}, err
}

// buildAndPack makes what is booted. The checks are compiled before the kernel
// is, or at the same time where there is a job slot for it: that they do not
// compile is known soon. Modules of the kernel are packed behind it.
func (k *kernel) buildAndPack(ctx context.Context, a arch.Arch) (build.Result, initramfs.Result, error) {
	if len(k.guest().Modules) > 0 {
		built, err := k.build(ctx, a)
		if err != nil {
			return built, initramfs.Result{}, err
		}
		rd, err := k.initramfs(ctx, a, built)
		return built, rd, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var rd initramfs.Result
	packed := k.p.Jobs.Beside(ctx, func(ctx context.Context) (err error) {
		if rd, err = k.initramfs(ctx, a, build.Result{}); err != nil {
			cancel(err) // checks that do not compile end the build too
		}
		return err
	})
	built, err := k.build(ctx, a)
	if packErr := packed(); packErr != nil {
		err = packErr
	}
	return built, rd, err
}

// verify builds and boots one target.
func (k *kernel) verify(ctx context.Context, a arch.Arch) (boot.Verdict, error) {
	built, rd, err := k.buildAndPack(ctx, a)
	if err != nil {
		return boot.Verdict{}, err
	}
	v, machine, err := k.newVerdict(ctx, a, built, rd)
	if err != nil {
		return v, err
	}
	checks, err := k.p.selected(rd.Checks)
	if err == nil {
		checks, err = expected(built, checks)
	}
	if err != nil {
		return v, err
	}
	if old, why := k.lookVerdict(v); len(why) == 0 {
		k.p.UI.Log.Infof("boot: %s: kept the verdict: same image, same checks, same machine", a.Name)
		return old, nil
	}
	return k.boot(ctx, a, built, v, machine, checks)
}

// initramfs packs the checks, and the modules of b that the guest is to load.
func (k *kernel) initramfs(ctx context.Context, a arch.Arch, b build.Result) (_ initramfs.Result, err error) {
	defer trace.Stage(&ctx, "initramfs "+a.Name)(&err)
	extra, err := k.guestFiles(a)
	if err != nil {
		return initramfs.Result{}, err
	}
	tests, err := k.selftests(ctx, a)
	if err != nil {
		return initramfs.Result{}, err
	}
	extra = slices.Concat(extra, tests, k.guestModules(b))
	return initramfs.Build(ctx, k.initramfsParams(a, extra))
}

// newVerdict fills in what is known before the boot, and returns the machine
// to boot.
func (k *kernel) newVerdict(ctx context.Context, a arch.Arch, b build.Result, rd initramfs.Result) (boot.Verdict, qemu.Machine, error) {
	choice, err := qemu.Choose(ctx, a, k.p.build("kvm"), k.tools[a.QEMU])
	if err != nil {
		return boot.Verdict{}, qemu.Machine{}, err
	}
	return k.verdictOf(a, choice, b, rd)
}

func (k *kernel) verdictOf(a arch.Arch, choice qemu.Choice, b build.Result, rd initramfs.Result) (boot.Verdict, qemu.Machine, error) {
	m := k.machine(a, choice.Accel, b, rd)
	argv, err := m.Argv()
	if err != nil {
		return boot.Verdict{}, m, fault.New(fault.Internal, "", "%w", err)
	}
	image, _ := b.File(b.Image)
	config, _ := b.File("config")
	v := boot.Verdict{
		Line: k.src.Line.Name, Arch: a.Name, Flavour: k.p.Settings.Flavour, Toolchain: k.p.Settings.Toolchain.Variant(), Release: b.Release,
		SHA256: map[string]string{"image": image.SHA256, "config": config.SHA256, "series": k.src.Series.Digest,
			"initramfs": rd.SHA256, "verifier": rd.Verifier},
		Machine: map[string]string{"accel": choice.Accel, "why": choice.Why, "qemu": k.tools[a.QEMU]},
		Console: k.p.short(k.out("reports", k.p.consoleName(a))), Run: k.p.Settings.Checks.Run,
		Build: map[string]string{"image": fmt.Sprintf("%s %.1f MB", b.Image, float64(image.Size)/1e6), "time": buildTime(b)},
	}
	v.Machine["cpu"], _ = m.CPU()
	addHelp(v.Build, b)
	if n := k.p.Settings.Checks.Count; n > 1 {
		v.Count = n
	}
	v.BuildID = buildID(b.Path("vmlinux"))
	if edits := k.src.edits(); edits != "" {
		v.SHA256["edits"] = edits
	}
	v.Inputs, err = k.bootInputs(v, argv, rd.Checks)
	v.Key = v.Inputs.Sum(bootStage)
	return v, m, err
}

func buildTime(b build.Result) string {
	if b.Kept {
		return "kept"
	}
	return fmt.Sprintf("%.1f s", b.Seconds)
}

func (k *kernel) boot(ctx context.Context, a arch.Arch, b build.Result, v boot.Verdict, m qemu.Machine, checks []string) (_ boot.Verdict, err error) {
	defer trace.Stage(&ctx, "boot "+a.Name)(&err)
	if k.p.Settings.Checks.All() {
		if err := k.forgetVerdict(v); err != nil {
			return v, err
		}
	}
	if err := k.exact(v, m, "before"); err != nil {
		return v, err
	}
	k.p.UI.Log.Infof("boot: %s: %s with %s (%s)", a.Name, v.Release, m.Accel, v.Machine["cpu"])
	out, err := boot.Run(ctx, boot.Params{
		Machine: m, Release: v.Release, Expected: checks, Run: v.Run, Count: v.Count, Shell: k.shell(v), Limits: k.limits(m.Accel),
		Console: k.p.path(v.Console), Coverage: k.coverage() != nil,
		Progress: func(text string) { k.p.UI.Progress(a.Name, text) },
	})
	k.p.UI.Progress(a.Name, "")
	if err != nil {
		return v, err
	}
	if err := k.exact(v, m, "during"); err != nil {
		return v, err
	}
	v.Judge(out)
	if err := k.cover(ctx, a, b, &v, out.Events.Coverage); err != nil {
		return v, err
	}
	k.trace(a, &v, out)
	k.p.UI.Log.Infof("boot: %s: %s %s", a.Name, v.Verdict, v.Reason)
	return v, k.keepVerdict(v)
}
