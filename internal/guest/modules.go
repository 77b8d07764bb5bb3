package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ModulesDir is where the modules of a guest lie; the names say in which order
// they are loaded.
const ModulesDir = WorkDir + "/modules"

// loadModules loads all there are, before the checks begin. The checks take
// them for granted, so an error is one of the whole run.
func (g *guest) loadModules() error {
	dir := filepath.Join(g.workDir, filepath.Base(ModulesDir))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := g.kernel.LoadModule(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("load module %s: %w", e.Name(), err)
		}
		g.say("loaded module %s", e.Name())
	}
	return nil
}

// LoadModule loads a module and returns when its own start-up is done.
func (linux) LoadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	return unix.FinitModule(int(f.Fd()), "", 0)
}
