package pipeline

import (
	"path/filepath"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/symbol"
)

// trace says where in the source the kernel of a target crashed or hung. Only
// then is its vmlinux read. A verdict stands without it.
func (k *kernel) trace(a arch.Arch, v *boot.Verdict, out boot.Outcome) {
	if len(out.Crashes) == 0 && len(out.CPUs) == 0 {
		return
	}
	t, err := symbol.Open(filepath.Join(k.out("dist", k.p.target(a)), "vmlinux"), k.src.Tree.Src())
	if err != nil {
		k.p.UI.Log.Warnf("boot: %s: where it was is not known: %v", a.Name, err)
		return
	}
	defer t.Close()
	v.Resolve(out, t)
}
