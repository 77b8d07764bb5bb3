package build

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/fault"
)

// ModulesDir is the folder of a dist with the modules for the guest.
const ModulesDir = "modules"

// targets returns what make is asked for. All modules are made, not just those
// that are wanted: only then does modpost see the whole of them.
func (p Params) targets() []string {
	if len(p.Modules) == 0 {
		return p.Make.Arch.Targets
	}
	return append(slices.Clone(p.Make.Arch.Targets), "modules")
}

// checkModules makes sure that make made each module, and that those it needs
// stand before it.
func (p Params) checkModules() error {
	var loaded []string
	for _, name := range p.Modules {
		needs, err := needsOf(filepath.Join(p.Make.Obj, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fault.New(fault.Config, "ask for it with =m in a fragment, with CONFIG_MODULES=y, or take it out of modules in configs/kernels.toml",
				"guest modules: make for %s made no %s", p.Make.Arch.Name, name)
		case err != nil:
			return fault.New(fault.Build, "look at "+p.Log, "guest modules: %w", err)
		}
		for _, need := range needs {
			if !slices.Contains(loaded, need) {
				return fault.New(fault.Usage, "name the file of "+need+" before it, in modules of configs/kernels.toml", "guest modules: %s needs %s", name, need)
			}
		}
		loaded = append(loaded, moduleName(name))
	}
	return nil
}

// moduleName returns the name that others know the module of a file by: see
// KBUILD_MODNAME and name-fix in the kernel's scripts/Makefile.lib.
func moduleName(path string) string {
	return strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), ".ko"), "-", "_")
}

// needsOf returns the modules that a module takes symbols from: what modpost
// writes behind depends= into the section .modinfo, of strings that end in 0.
func needsOf(path string) ([]string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("%s is no module", path)
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	for entry := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(entry, "depends="); ok && list != "" {
			return strings.Split(strings.ReplaceAll(list, "-", "_"), ","), nil
		}
	}
	return nil, nil
}

// addModules adds the modules to the files to collect, and makes their folders
// in the dist dir.
func (p Params) addModules(from map[string]string, dir string) error {
	for _, name := range p.Modules {
		to := filepath.Join(ModulesDir, name)
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(to)), 0o755); err != nil {
			return err
		}
		from[to] = name
	}
	return nil
}
