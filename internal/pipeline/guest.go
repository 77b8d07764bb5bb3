package pipeline

import (
	"fmt"
	"path/filepath"
	"strings"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/build"
	"bzmage/internal/fault"
	"bzmage/internal/initramfs"
	"bzmage/internal/kernels"
	"bzmage/internal/qemu"
)

// guest is what kernels.toml says of the guest of this line and flavour.
func (k *kernel) guest() kernels.Guest {
	return k.p.File.Guest(k.src.Line, k.p.Settings.Flavour)
}

// machine is the machine a target is booted in.
func (k *kernel) machine(a arch.Arch, accel string, b build.Result, rd initramfs.Result) qemu.Machine {
	g := k.guest()
	m := qemu.Machine{
		Arch: a, Release: k.src.Tree.Release, Accel: accel, Kernel: b.Path(b.Image), Initrd: rd.Path,
		Memory: g.Memory, CPUs: g.CPUs,
	}
	if g.Append != "" {
		m.Append = []string{g.Append}
	}
	return m
}

func (k *kernel) limits(accel string) boot.Limits {
	return boot.DefaultLimits(accel).Scale(k.guest().Slow)
}

// guestFiles are the files of the checkout that a guest gets to see. One that
// is not there is an error: the checks would miss it.
func (k *kernel) guestFiles(a arch.Arch) ([]initramfs.Extra, error) {
	var files []initramfs.Extra
	from := map[string]string{}
	for _, pattern := range k.guest().Files {
		pattern = strings.ReplaceAll(pattern, "{arch}", a.Name)
		found, err := filepath.Glob(filepath.Join(escape(k.p.Root), pattern))
		if err != nil || len(found) == 0 {
			return nil, fault.New(fault.Usage, "correct files in configs/kernels.toml", "guest files: there is no %s", pattern)
		}
		for _, file := range found {
			name := filepath.Base(file)
			if old := from[name]; old != "" && old != file {
				return nil, fault.New(fault.Usage, "rename one of them", "guest files: %s and %s would both be /verify/files/%s", k.p.short(old), k.p.short(file), name)
			} else if old == file {
				continue
			}
			from[name] = file
			files = append(files, initramfs.Extra{Name: "verify/files/" + name, Path: file})
		}
	}
	return files, nil
}

// moduleNames begins the names of modules in the archive: guest.ModulesDir.
const moduleNames = "verify/modules/"

// guestModules are the modules of a dist, by names that sort in the order they
// are loaded in.
func (k *kernel) guestModules(b build.Result) []initramfs.Extra {
	var files []initramfs.Extra
	for i, m := range k.guest().Modules {
		name := fmt.Sprintf("%03d-%s", i, filepath.Base(m))
		files = append(files, initramfs.Extra{Name: moduleNames + name, Path: b.Path(filepath.Join(build.ModulesDir, m)), Mode: 0o644})
	}
	return files
}

// escape makes a pattern that finds nothing but path.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
