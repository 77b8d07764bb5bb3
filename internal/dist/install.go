package dist

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"

	"bzmage/internal/config"
	"bzmage/internal/fault"
	"bzmage/internal/kbuild"
)

// InstallParams is what is installed, and where.
type InstallParams struct {
	Make   kbuild.Make
	Config string // the .config of the kernel
	Name   string // uname -r
	Root   string // the folder to fill; what is there is removed
	Log    string
}

// Install makes and installs into the folder Root what a kernel has beside its
// image: lib/modules where the config has CONFIG_MODULES, and boot/dtbs where
// it builds device trees. The folder is there afterwards, empty or not.
func Install(ctx context.Context, p InstallParams) error {
	if err := errors.Join(os.RemoveAll(p.Root), os.MkdirAll(p.Root, 0o755)); err != nil {
		return machine(err)
	}
	text, err := os.ReadFile(p.Config)
	if err != nil {
		return machine(err)
	}
	values := config.ReadConfig(text)
	if values["CONFIG_MODULES"] == "y" {
		if err := p.modules(ctx); err != nil {
			return err
		}
	}
	if values["CONFIG_OF"] == "y" && values["CONFIG_DTC"] == "y" && p.Make.Arch.DeviceTrees {
		return p.deviceTrees(ctx)
	}
	return nil
}

// modules installs the modules. depmod is for the machine they are installed
// on: what it writes depends on its version.
func (p InstallParams) modules(ctx context.Context) error {
	args := []string{"INSTALL_MOD_PATH=" + p.Root, "DEPMOD=true"}
	for _, targets := range [][]string{{"modules"}, append(args, "modules_install")} {
		if err := p.run(ctx, targets...); err != nil {
			return err
		}
	}
	// Links into this machine's folders, made for who builds more modules here.
	dir := filepath.Join(p.Root, "lib", "modules", p.Name)
	for _, name := range []string{"build", "source"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return machine(err)
		}
	}
	return nil
}

func (p InstallParams) deviceTrees(ctx context.Context) error {
	to := filepath.Join(p.Root, "boot", "dtbs", p.Name)
	for _, targets := range [][]string{{"dtbs"}, {"INSTALL_DTBS_PATH=" + to, "dtbs_install"}} {
		if err := p.run(ctx, targets...); err != nil {
			return err
		}
	}
	return nil
}

func (p InstallParams) run(ctx context.Context, targets ...string) error {
	var out bytes.Buffer
	err := p.Make.Run(ctx, p.Log, &out, targets...)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fault.New(fault.Build, "the whole output: less "+p.Log+"; the same by hand: "+p.Make.Repeat(targets...), "install %s: %w", targets[len(targets)-1], err)
}
