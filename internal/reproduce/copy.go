package reproduce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/run"
)

// made are the folders at the top of a checkout that are no part of it.
func made() []string { return []string{".git", "build"} }

// Copy copies the checkout at from into the folder to, which is made: in a git
// checkout what git tracks, as it lies there now, and what is new and not
// ignored; elsewhere all but the build folder. Symbolic links stay links, modes
// stay, times do not. Git's own folder is left out: what is built must not
// depend on it.
func Copy(ctx context.Context, from, to string) error {
	names, err := list(ctx, from)
	if err != nil {
		return fmt.Errorf("list the checkout: %w", err)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := copyOne(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return fmt.Errorf("copy the checkout: %w", err)
		}
	}
	return nil
}

// list returns the files of a checkout, below it.
func list(ctx context.Context, root string) ([]string, error) {
	git := func(args ...string) (string, error) {
		return run.Output(ctx, run.Cmd{Argv: append([]string{"git", "-C", root, "-c", "safe.directory=*"}, args...), Env: run.Env("GIT_CONFIG_NOSYSTEM=1")})
	}
	top, err := git("rev-parse", "--show-toplevel")
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil || !sameFolder(top, root) {
		return walk(root)
	}
	out, err := git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
	names := strings.FieldsFunc(out, func(r rune) bool { return r == 0 })
	slices.Sort(names)
	names = slices.Compact(names) // one in conflict is named more than once
	// What git tracks and a person took away is not there.
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := os.Lstat(filepath.Join(root, name))
		return errors.Is(err, fs.ErrNotExist) || !filepath.IsLocal(name)
	}), err
}

func sameFolder(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func walk(root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if d.IsDir() && slices.Contains(made(), rel) {
			return fs.SkipDir
		}
		if !d.IsDir() {
			names = append(names, rel)
		}
		return err
	})
	return names, err
}

// copyOne copies a file or a link. What is neither, such as a fifo or the folder
// of a submodule, is nothing that is built of.
func copyOne(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case info.Mode().IsRegular():
		return copyFile(from, to, info.Mode().Perm())
	}
	return nil
}

func copyFile(from, to string, mode fs.FileMode) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Chmod(mode)
}

// link gives a folder of the second build the files of a folder of the first:
// archives, which nobody changes, by hard links where that can be.
func link(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == from {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case !d.Type().IsRegular():
			return nil
		case os.Link(path, target) == nil:
			return nil
		}
		return copyOne(path, target)
	})
}

// give makes uid the owner of all below root, but of files that are links to
// those of the first build.
func give(root string, uid, gid int) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() {
			if info, err := d.Info(); err != nil || linked(info) {
				return err
			}
		}
		return os.Lchown(path, uid, gid)
	})
}
