package dist

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/kbuild"
)

// Install has make install what a built kernel of the release uname has
// beside its image into the folder root, which is emptied first: modules where
// the config has them, and device trees where the arch does. Where modules
// have debug info it is split off into usr/lib/debug. What make prints goes to
// log and to files beside it. The dates of files are make's: [Make] sets them.
func Install(ctx context.Context, m kbuild.Make, uname, root, log string) error {
	if err := errors.Join(os.RemoveAll(root), os.MkdirAll(root, 0o755)); err != nil {
		return machine(err)
	}
	config, err := options(filepath.Join(m.Obj, ".config"))
	if err != nil {
		return fault.New(fault.Build, "build first", "install: %w", err)
	}
	if config["CONFIG_MODULES=y"] {
		debug := config["CONFIG_DEBUG_INFO=y"]
		if err := installModules(ctx, m, uname, root, log, debug); err != nil {
			return fmt.Errorf("install the modules: %w", err)
		}
	}
	if _, err := os.Stat(filepath.Join(m.Src, "arch", m.Arch.Make, "boot/dts")); err != nil {
		return nil // this arch has none
	}
	if err := m.Run(ctx, log+".dtbs", nil, "dtbs"); err != nil {
		return failed("dtbs", err)
	}
	return failed("dtbs_install", m.Run(ctx, log+".dtbs-install", nil, "dtbs_install", "INSTALL_DTBS_PATH="+filepath.Join(root, dtbs(uname))))
}

// installModules makes and installs modules, without an index: depmod may not
// be there or be of another version, and the package has it made where it is
// installed. DEPMOD=true is a depmod that does nothing.
func installModules(ctx context.Context, m kbuild.Make, uname, root, log string, debug bool) error {
	if err := m.Run(ctx, log, nil, "modules"); err != nil {
		return failed("modules", err)
	}
	install := func(to string, more ...string) error {
		argv := append([]string{"modules_install", "DEPMOD=true", "INSTALL_MOD_PATH=" + to}, more...)
		if err := m.Run(ctx, log+".install", nil, argv...); err != nil {
			return failed("modules_install", err)
		}
		if _, err := os.Stat(filepath.Join(to, modules(uname))); err != nil {
			return fault.New(fault.Build, "take the build folder away and build again: rm -r "+m.Obj, "make installed no modules of %s: %w", uname, err)
		}
		// Links to folders of this machine.
		for _, link := range []string{"build", "source"} {
			if err := os.RemoveAll(filepath.Join(to, modules(uname), link)); err != nil {
				return machine(err)
			}
		}
		return nil
	}
	if !debug {
		return install(root)
	}
	if err := install(root, "INSTALL_MOD_STRIP=1"); err != nil {
		return err
	}
	whole := filepath.Join(root, debugRoot)
	if err := install(whole); err != nil {
		return err
	}
	return machine(onlyModules(filepath.Join(whole, modules(uname))))
}

// onlyModules removes the lists beside the modules.
func onlyModules(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(d.Name(), ".ko") {
			return err
		}
		return os.Remove(path)
	})
}

// options returns the lines of a config that set something.
func options(path string) (map[string]bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	set := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "CONFIG_") {
			set[lines.Text()] = true
		}
	}
	return set, lines.Err()
}

func failed(target string, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Build, "look at the log", "make %s: %w", target, err)
}
