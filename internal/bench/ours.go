package bench

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/arch"
	"bzmage/internal/build"
	"bzmage/internal/report"
	"bzmage/internal/run"
	"bzmage/internal/unpack"
)

// checkout is a copy of the user's checkout, in which bzmage is measured.
type checkout struct {
	lab   *lab
	root  string
	cache string // XDG_CACHE_HOME
}

func (l *lab) checkout(name string) checkout {
	return checkout{lab: l, root: l.dir(name), cache: l.dir(name + "-cache")}
}

// refresh makes all but the build folder what it is in the user's checkout.
func (c checkout) refresh(from string) error {
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return disk(err)
	}
	old, err := os.ReadDir(c.root)
	if err != nil {
		return disk(err)
	}
	for _, e := range old {
		if e.Name() != "build" {
			if err := os.RemoveAll(filepath.Join(c.root, e.Name())); err != nil {
				return disk(err)
			}
		}
	}
	return disk(filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, path)
		top := filepath.Dir(rel) == "."
		switch {
		case err != nil || rel == ".":
			return err
		case top && (rel == "build" || strings.HasPrefix(rel, ".")) && d.IsDir():
			return fs.SkipDir // what is made, and what git and CI keep there
		case d.IsDir():
			return os.MkdirAll(filepath.Join(c.root, rel), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		return copyFile(filepath.Join(c.root, rel), path)
	}))
}

// path joins a path below the copy.
func (c checkout) path(elem ...string) string {
	return filepath.Join(append([]string{c.root}, elem...)...)
}

// bzmage runs a target; env overrides the settings.
func (c checkout) bzmage(ctx context.Context, env []string, args ...string) error {
	return c.run(ctx, env, append([]string{c.lab.p.Program}, args...)...)
}

func (c checkout) run(ctx context.Context, env []string, argv ...string) error {
	p := c.lab.p
	vars := append(append([]string(nil), c.lab.env...),
		"XDG_CACHE_HOME="+c.cache, "KERNEL="+p.Line.Name, "ARCH="+archs(p.Set.Archs), "FLAVOUR="+p.Set.Flavour,
		"TOOLCHAIN="+p.Set.Toolchain.String(), fmt.Sprintf("JOBS=%d", p.Set.Jobs), "OFFLINE=1", "CCACHE=off", "CI=true",
		"KERNEL_SOURCE="+p.Set.KernelSource, "MAGEFILE_CACHE="+c.lab.dir("magefile"))
	return c.lab.command(ctx, "bzmage", run.Cmd{Argv: argv, Dir: c.root, Env: run.Env(append(vars, env...)...)})
}

// clean removes what was built, but for the given folders of the build folder.
func (c checkout) clean(keep ...string) error {
	entries, err := os.ReadDir(c.path("build"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return disk(err)
	}
	for _, e := range entries {
		if slices.Contains(keep, e.Name()) {
			continue
		}
		if err := os.RemoveAll(c.path("build", e.Name())); err != nil {
			return disk(err)
		}
	}
	return nil
}

// tree returns the tree that was unpacked there.
func (c checkout) tree() (unpack.Tree, error) {
	for _, t := range unpack.Trees(c.path("build", "tree", c.lab.p.Line.Name)) {
		if t.Release == c.lab.p.Release && t.Archive.SHA256 == c.lab.p.Archive.SHA256 {
			return t, nil
		}
	}
	return unpack.Tree{}, fmt.Errorf("there is no tree of Linux %s in %s", c.lab.p.Release, c.path("build", "tree"))
}

// built is what was built for a target: the plain side takes its final .config
// from there.
func (c checkout) built(a arch.Arch) (build.Result, error) {
	return build.Load(c.path("build", "dist", c.lab.p.Line.Name, c.lab.p.Target(a)))
}

// initramfs is what a target was booted into: the archive of its arch whose
// hash its verdict has, wherever it lies.
func (c checkout) initramfs(a arch.Arch) (string, error) {
	v, err := c.lab.verdict(a)
	if err != nil {
		return "", err
	}
	found := ""
	err = filepath.WalkDir(c.path("build", "initramfs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "initramfs-"+a.GOARCH+".cpio" {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && fmt.Sprintf("%x", sha256.Sum256(text)) == v.SHA256["initramfs"] {
			found = path
		}
		return err
	})
	if err == nil && found == "" {
		err = fmt.Errorf("the initramfs of %s that passed is not there any more", a.Name)
	}
	return found, disk(err)
}

// verdicts returns what the last verify reported.
func (c checkout) verdicts() (report.Report, error) {
	var r report.Report
	err := readJSON(c.path("build", "reports", c.lab.p.Line.Name, "verdict.json"), &r)
	return r, err
}
