package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bzmage/internal/arch"
	"bzmage/internal/run"
)

// tooling is the other side: the tools themselves, one after the other, as one
// would type them.
type tooling struct {
	lab *lab
	dir string
}

func (p tooling) src() string            { return filepath.Join(p.dir, "linux") }
func (p tooling) obj(a arch.Arch) string { return filepath.Join(p.dir, "obj", a.Name) }
func (p tooling) series() string         { return filepath.Join(p.dir, "patches") }
func (p tooling) stateFile() string      { return filepath.Join(p.dir, "state") }

func (p tooling) run(ctx context.Context, step, dir string, argv ...string) error {
	env := run.Env(append(append([]string(nil), p.lab.env...), "HOME="+p.dir, "QUILT_PATCHES="+p.series())...)
	return p.lab.command(ctx, step, run.Cmd{Argv: argv, Dir: dir, Env: env})
}

// unpack makes the tree: tar, or cp where the source is a folder.
func (p tooling) unpack(ctx context.Context) error {
	if p.lab.p.Archive.Folder {
		return p.run(ctx, "cp", p.dir, "cp", "-a", p.lab.p.Archive.Path+"/.", p.src())
	}
	if err := os.Mkdir(p.src(), 0o755); err != nil {
		return disk(err)
	}
	return p.run(ctx, "tar", p.dir, "tar", "xf", p.lab.p.Archive.Path, "--strip-components=1", "-C", p.src())
}

// cleanObj takes an arch's output away.
func (p tooling) cleanObj(a arch.Arch) error { return disk(os.RemoveAll(p.obj(a))) }

// wipe leaves an empty folder.
func (p tooling) wipe() error {
	return disk(errors.Join(os.RemoveAll(p.dir), os.MkdirAll(p.dir, 0o755)))
}

// state says what was last brought about: the source and the series that is
// applied in its tree. It is taken away before a change and written after it.
type state struct {
	Source, Series string
}

func (p tooling) now() (state, error) {
	info, err := os.Stat(p.lab.p.Archive.Path)
	if err != nil {
		return state{}, disk(err)
	}
	set := p.lab.p.Set
	return state{Source: fmt.Sprintf("%s %d %s, %s, %s", p.lab.p.Archive.Path, info.Size(), info.ModTime(), set.Flavour, set.Toolchain)}, nil
}

func (p tooling) forget() error {
	if err := os.Remove(p.stateFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return disk(err)
	}
	return nil
}

func (p tooling) remember(s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return disk(os.WriteFile(p.stateFile(), text, 0o644))
}

// pristine brings about a tree without patches, not timed.
func (p tooling) pristine(ctx context.Context) error {
	want, err := p.now()
	if err != nil {
		return err
	}
	var is state
	if readJSON(p.stateFile(), &is) == nil && is.Source == want.Source {
		if err := p.forget(); err != nil {
			return err
		}
		if is.Series == "" || p.pop(ctx) == nil {
			return p.remember(want)
		}
	}
	p.lab.p.Log.Info("bench: unpacking for the plain side")
	if err := p.wipe(); err != nil {
		return err
	}
	if err := p.unpack(ctx); err != nil {
		return err
	}
	return p.remember(want)
}

// use makes a folder of patches the one that quilt takes.
func (p tooling) use(dir string) error {
	files, err := readSeries(dir)
	if err != nil {
		return err
	}
	return writeSeries(p.series(), files)
}

func (p tooling) push(ctx context.Context) error {
	return p.run(ctx, "quilt-push", p.src(), "quilt", "push", "-a", "-q")
}

func (p tooling) pop(ctx context.Context) error {
	if !exists(filepath.Join(p.src(), ".pc", "applied-patches")) {
		return nil
	}
	return p.run(ctx, "quilt-pop", p.src(), "quilt", "pop", "-a", "-q")
}

func (p tooling) argv(a arch.Arch, targets ...string) []string {
	argv := []string{"make", "-C", p.src(), "O=" + p.obj(a), "ARCH=" + a.Make}
	argv = append(argv, p.lab.p.Set.Toolchain.Vars(a, p.lab.p.Release)...)
	argv = append(argv, "LOCALVERSION="+p.lab.p.Line.LocalVersion, fmt.Sprintf("-j%d", p.lab.p.Set.Jobs))
	return append(argv, targets...)
}

// configure takes the final .config of bzmage's side, which has to stay as it
// is, or the two would not build the same kernel.
func (p tooling) configure(ctx context.Context, a arch.Arch, from string) error {
	want, err := os.ReadFile(from)
	if err != nil {
		return disk(err)
	}
	config := filepath.Join(p.obj(a), ".config")
	if err := errors.Join(os.MkdirAll(p.obj(a), 0o755), os.WriteFile(config, want, 0o644)); err != nil {
		return disk(err)
	}
	if err := p.run(ctx, "config-"+a.Name, p.dir, p.argv(a, "olddefconfig")...); err != nil {
		return err
	}
	got, err := os.ReadFile(config)
	if err != nil {
		return disk(err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("the plain side has another .config for %s than bzmage: compare %s with %s", a.Name, config, from)
	}
	return nil
}

func (p tooling) make(ctx context.Context, a arch.Arch) error {
	return p.run(ctx, "make-"+a.Name, p.dir, p.argv(a, a.Targets...)...)
}

// makeAll makes one arch after the other.
func (p tooling) makeAll(ctx context.Context) error {
	for _, a := range p.lab.p.Set.Archs {
		if err := p.make(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (p tooling) configureAll(ctx context.Context) error {
	for _, a := range p.lab.p.Set.Archs {
		b, err := p.lab.ours.built(a)
		if err != nil {
			return err
		}
		if err := p.configure(ctx, a, b.Path("config")); err != nil {
			return err
		}
	}
	return nil
}

func readJSON(path string, to any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return disk(err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
