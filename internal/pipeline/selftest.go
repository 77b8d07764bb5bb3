package pipeline

import (
	"context"
	"path/filepath"

	"bzmage/internal/arch"
	"bzmage/internal/initramfs"
	"bzmage/internal/selftest"
)

// selftests builds the tree's own tests of /proc, for /verify/selftest of the
// guest. That some do not build, or none, is for the guest's check to say: it
// stands in the manifest.
func (k *kernel) selftests(ctx context.Context, a arch.Arch) ([]initramfs.Extra, error) {
	res, err := selftest.Build(ctx, k.selftestParams(a))
	if err != nil {
		return nil, err
	}
	for _, l := range res.LeftOut {
		k.p.UI.Log.Infof("selftest: %s: %s does not build: %s", a.Name, l.Name, l.Why)
	}
	if res.None != "" {
		k.p.UI.Log.Warnf("selftest: %s: %s", a.Name, res.None)
	}
	return selftestFiles(res), nil
}

// selftestNames begins the names of these files in the guest.
const selftestNames = "verify/selftest/"

// selftestFiles are the files of a result, as the guest gets to see them.
func selftestFiles(res selftest.Result) []initramfs.Extra {
	files := []initramfs.Extra{{Name: selftestNames + selftest.Manifest, Path: filepath.Join(res.Dir, selftest.Manifest), Mode: 0o644}}
	for _, p := range res.Programs {
		files = append(files, initramfs.Extra{Name: selftestNames + p.Name, Path: filepath.Join(res.Dir, p.Name), Mode: 0o755})
	}
	return files
}
