package reproduce

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/run"
)

// Change is one property of the environment of a build.
type Change struct {
	What   string `json:"what"`
	First  string `json:"first"`
	Second string `json:"second"`
	Why    string `json:"why,omitempty"` // why it is the same; empty: it was changed
}

// Params says what is built again.
type Params struct {
	Root    string   // the checkout
	Program string   // what is started in the copy
	Args    []string // its arguments
	Env     []string // settings of the first build that say what is built, NAME=value
	Cache   string   // bzmage's folder of downloads
	Jobs    int      // of the first build
	Reads   []string // what is outside of the checkout and the second build has to read
	Go      []string // where go finds its modules, NAME=value; its cache of objects is not shared
	Space   int64    // bytes that a build takes
}

// Second is a build in another environment.
type Second struct {
	Root    string   // the copy of the checkout
	Changes []Change // what is other than in the first build, and what is not

	dir  string // all of it
	p    Params
	argv []string // what stands before the program
	env  []string
}

// copyName is the last part of the copy's path. A checkout whose path is as
// long gets another.
const copyName = "a-checkout-in-a-folder-that-is-called-otherwise"

// Prepare copies the checkout and finds out what can be changed here. Remove it.
func Prepare(ctx context.Context, p Params) (_ *Second, err error) {
	s := &Second{p: p}
	if s.dir, err = folder(p); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Remove())
		}
	}()
	s.Root = filepath.Join(s.dir, copyName)
	if len(s.Root) == len(p.Root) {
		s.Root += "-still"
	}
	for _, dir := range []string{s.home(), s.temp(), s.bin(), s.cache()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	if err := Copy(ctx, p.Root, s.Root); err != nil {
		return nil, err
	}
	if err := copyFile(p.Program, s.program(), 0o755); err != nil {
		return nil, err
	}
	return s, s.prepare(ctx)
}

func (s *Second) prepare(ctx context.Context) error {
	s.change("folder", fmt.Sprintf("%s (%d characters)", s.p.Root, len(s.p.Root)), fmt.Sprintf("%s (%d)", s.Root, len(s.Root)), "")
	s.env = []string{"HOME=" + s.home(), "XDG_CACHE_HOME=" + filepath.Join(s.home(), ".cache"), "TMPDIR=" + s.temp(), "CCACHE=off", "OFFLINE=1"}
	s.env = append(append(s.env, s.p.Env...), s.p.Go...)
	s.change("HOME", os.Getenv("HOME"), s.home(), "")
	s.change("leftovers", "build/ as it was, ccache", "none: no build/, no ccache, no farm, an empty cache of go", "")
	if err := s.clock(ctx); err != nil {
		return err
	}
	s.zone()
	s.locale(ctx)
	s.jobs()
	s.host(ctx)
	s.umask()
	return s.user(ctx)
}

// folder makes the folder of a second build: where there is room for it, in a
// place that other users reach, if one is.
func folder(p Params) (string, error) {
	var errs []error
	for _, in := range []string{os.TempDir(), p.Cache} {
		var st unix.Statfs_t
		if err := unix.Statfs(in, &st); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", in, err))
			continue
		}
		if free := int64(st.Bavail) * st.Bsize; free < p.Space {
			errs = append(errs, fmt.Errorf("%s has %d MB free, and a second build takes %d", in, free>>20, p.Space>>20))
			continue
		}
		dir, err := os.MkdirTemp(in, "bzmage-again-")
		if err == nil && (strings.ContainsAny(dir, " \t\n:") || inside(dir, p.Root)) {
			err = errors.Join(fmt.Errorf("%s: no place for a second build", in), os.Remove(dir))
		}
		if err == nil {
			err = os.Chmod(dir, 0o755) // another user has to get there
		}
		if err == nil {
			return filepath.EvalSymlinks(dir)
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// inside says that a path is in a folder.
func inside(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

func (s *Second) home() string    { return filepath.Join(s.dir, "home") }
func (s *Second) temp() string    { return filepath.Join(s.dir, "temp") }
func (s *Second) bin() string     { return filepath.Join(s.dir, "bin") }
func (s *Second) cache() string   { return filepath.Join(s.home(), ".cache", "bzmage") }
func (s *Second) program() string { return filepath.Join(s.dir, "bzmage") }

func (s *Second) change(what, first, second, why string) {
	if first == second && why == "" {
		why = "there is nothing else here"
	}
	s.Changes = append(s.Changes, Change{what, first, second, why})
}

// Run builds. The error is one of package run; what the program says is in the
// file log.
func (s *Second) Run(ctx context.Context, log string) error {
	argv := append(append([]string{}, s.argv...), s.program())
	return run.Run(ctx, run.Cmd{
		Argv: append(argv, s.p.Args...), Dir: s.Root, Env: append([]string{"PATH=" + s.bin() + ":" + os.Getenv("PATH")}, s.env...),
		Log: log, Merge: true, Grace: 4 * time.Second, // the program waits three for what it started
	})
}

// Remove takes the copy away, and all that was built in it.
func (s *Second) Remove() error {
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o700) // go makes folders that cannot be written to
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil // RemoveAll will say it
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(s.dir))
}

// linked says that a file has another name.
func linked(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink > 1
}
