package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/build"
	"bzmage/internal/coverage"
	"bzmage/internal/fault"
	"bzmage/internal/initramfs"
	"bzmage/internal/qemu"
	"bzmage/internal/report"
	"bzmage/internal/tools"
)

// Verify builds every target, boots it, and reports the verdicts. An arch is
// booted as soon as its image is there. A target that could not be built is in
// the report too, with the reason; the error is that of every target that did
// not pass.
func (p Project) Verify(ctx context.Context) (report.Report, error) {
	if err := errors.Join(p.checkSelection(), p.checkShell()); err != nil {
		return report.Report{}, err
	}
	line, _, err := p.choose(ctx)
	if err != nil {
		return report.Report{}, err
	}
	// An old report must not be taken for the one of this run.
	if err := errors.Join(report.Remove(p.build("reports", line.Name)), coverage.Remove(p.build("reports", line.Name))); err != nil {
		return report.Report{}, err
	}
	versions, err := p.need(ctx, tools.ForBuild, tools.ForBoot)
	if err != nil {
		return report.Report{}, err
	}
	src, _, err := p.Checkpatch(ctx)
	if err != nil {
		return report.Report{}, err
	}
	k, err := p.newKernel(src, versions)
	if err != nil {
		return report.Report{}, err
	}
	defer k.close()
	verdicts, err := each(ctx, p.Settings.Archs, k.verdict)
	if ctx.Err() != nil {
		return report.Report{}, err
	}
	err = errors.Join(err, k.covered(verdicts))
	r := k.report(verdicts)
	err = errors.Join(err, p.skips(&r))
	return r, errors.Join(err, report.Write(p.build("reports", src.Line.Name), r))
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

// verify builds and boots one target.
func (k *kernel) verify(ctx context.Context, a arch.Arch) (boot.Verdict, error) {
	// The checks are compiled while the kernel is.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type made struct {
		res initramfs.Result
		err error
	}
	ramfs := make(chan made, 1)
	go func() {
		res, err := k.initramfs(ctx, a)
		if err != nil {
			cancel(err) // checks that do not compile end the build too
		}
		ramfs <- made{res, err}
	}()
	built, err := k.build(ctx, a)
	rd := <-ramfs
	if rd.err != nil {
		return boot.Verdict{}, rd.err
	}
	if err != nil {
		return boot.Verdict{}, err
	}
	v, machine, err := k.newVerdict(ctx, a, built, rd.res)
	if err != nil {
		return v, err
	}
	checks, err := k.p.selected(rd.res.Checks)
	if err == nil {
		checks, err = expected(built, checks)
	}
	if err != nil {
		return v, err
	}
	if old, ok := k.keptVerdict(v); ok && k.p.Settings.Checks.All() && !k.p.Force {
		k.p.UI.Log.Infof("boot: %s: kept the verdict: same image, same checks, same machine", a.Name)
		return old, nil
	}
	return k.boot(ctx, a, built, v, machine, checks)
}

func (k *kernel) initramfs(ctx context.Context, a arch.Arch) (initramfs.Result, error) {
	extra, err := k.guestFiles(a)
	if err != nil {
		return initramfs.Result{}, err
	}
	tests, err := k.selftests(ctx, a)
	if err != nil {
		return initramfs.Result{}, err
	}
	extra = append(extra, tests...)
	return initramfs.Build(ctx, initramfs.Params{
		Arch: a.GOARCH, Dir: k.p.build("initramfs", a.Name), Module: k.p.Module, Extra: extra, Shell: k.p.Settings.Checks.Shell, Log: k.p.UI.Log,
	})
}

// newVerdict fills in what is known before the boot, and returns the machine
// to boot.
func (k *kernel) newVerdict(ctx context.Context, a arch.Arch, b build.Result, rd initramfs.Result) (boot.Verdict, qemu.Machine, error) {
	choice, err := qemu.Choose(ctx, a, k.p.build("kvm"))
	if err != nil {
		return boot.Verdict{}, qemu.Machine{}, err
	}
	version, err := qemu.Version(ctx, a)
	if err != nil {
		return boot.Verdict{}, qemu.Machine{}, err
	}
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
		Machine: map[string]string{"accel": choice.Accel, "why": choice.Why, "qemu": version},
		Console: k.p.short(k.out("reports", k.p.consoleName(a))), Run: k.p.Settings.Checks.Run,
		Build: map[string]string{"image": fmt.Sprintf("%s %.1f MB", b.Image, float64(image.Size)/1e6), "time": buildTime(b)},
	}
	v.Machine["cpu"], _ = m.CPU()
	addHelp(v.Build, b)
	if n := k.p.Settings.Checks.Count; n > 1 {
		v.Count = n
	}
	v.BuildID = buildID(b.Path("vmlinux"))
	if edits := k.inputs(a)["edits"]; edits != "" {
		v.SHA256["edits"] = edits
	}
	judge, err := program()
	if err != nil {
		return v, m, err
	}
	text, err := json.Marshal([]any{v.SHA256, v.Machine, argv, rd.Checks, k.limits(choice.Accel), judge})
	v.Key = fmt.Sprintf("%x", sha256.Sum256(text))
	return v, m, err
}

// program returns the hash of this very program: another one might judge the
// same boot in another way.
func program() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fault.New(fault.Machine, "", "read bzmage's own program: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text)), nil
}

func buildTime(b build.Result) string {
	if b.Kept {
		return "kept"
	}
	return fmt.Sprintf("%.1f s", b.Seconds)
}

func (k *kernel) boot(ctx context.Context, a arch.Arch, b build.Result, v boot.Verdict, m qemu.Machine, checks []string) (boot.Verdict, error) {
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

func (k *kernel) verdictPath(v boot.Verdict) string {
	name := strings.ReplaceAll(v.Target(), " ", "-") + ".json"
	if k.aside != "" {
		return filepath.Join(k.aside, "verdict", name)
	}
	return k.p.build("verdict", name)
}

// forgetVerdict takes away what an earlier boot of the target left: its
// console is about to be overwritten.
func (k *kernel) forgetVerdict(v boot.Verdict) error {
	path := k.verdictPath(v)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.Machine, "make "+filepath.Dir(path)+" writable", "forget an old verdict: %w", err)
	}
	return nil
}

// keepVerdict remembers a pass: only what was proved holds for the next run.
func (k *kernel) keepVerdict(v boot.Verdict) error {
	path := k.verdictPath(v)
	if v.Verdict != boot.Pass || !k.p.Settings.Checks.All() {
		return nil
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fault.New(fault.Machine, "free some disk space", "keep the verdict: %w", err)
	}
	if err := renameio.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fault.New(fault.Machine, "free some disk space", "keep the verdict: %w", err)
	}
	return nil
}

// keptVerdict returns the pass of an earlier boot of the same bytes on the
// same machine, if its console is still there to be read.
func (k *kernel) keptVerdict(want boot.Verdict) (boot.Verdict, bool) {
	text, err := os.ReadFile(k.verdictPath(want))
	if err != nil {
		return boot.Verdict{}, false
	}
	var old boot.Verdict
	if json.Unmarshal(text, &old) != nil || old.Key != want.Key || old.Verdict != boot.Pass {
		return boot.Verdict{}, false
	}
	if _, err := os.Stat(k.p.path(old.Console)); err != nil {
		return boot.Verdict{}, false
	}
	old.Kept, old.Build = true, want.Build
	return old, true
}
