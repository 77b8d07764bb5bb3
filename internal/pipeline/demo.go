package pipeline

import (
	"context"
	"io"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/qemu"
	"bzmage/internal/tools"
)

// Demo boots the patched kernel and copies what `procrand 1` prints in the
// guest to out, until ctx ends. Of several arches it takes this machine's own,
// which may run by hardware.
func (p Project) Demo(ctx context.Context, out io.Writer) error {
	versions, err := p.need(ctx, tools.ForBuild, tools.ForBoot)
	if err != nil {
		return err
	}
	src, _, err := p.Checkpatch(ctx)
	if err != nil {
		return err
	}
	a := p.Settings.Archs[0]
	for _, other := range p.Settings.Archs {
		if other.Native() {
			a = other
		}
	}
	p.Settings.Archs = []arch.Arch{a}
	k := p.newKernel(src, versions)
	defer k.close()
	built, err := k.build(ctx, a)
	if err != nil {
		return err
	}
	rd, err := k.initramfs(ctx, a, built)
	if err != nil {
		return err
	}
	choice, err := qemu.Choose(ctx, a, p.build("kvm"), k.tools[a.QEMU])
	if err != nil {
		return err
	}
	console, err := p.log(src.Line.Name, "demo-"+p.target(a))
	if err != nil {
		return err
	}
	p.UI.Log.Infof("demo: procrand 1 in %s on %s; Ctrl-C ends it", built.Release, a.Name)
	return boot.Demo(ctx, boot.DemoParams{
		Machine: k.machine(a, choice.Accel, built, rd), Limits: k.limits(choice.Accel), Console: console, Out: out,
	})
}
