package bench

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

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/run"
	"bzmage/internal/tools"
)

// lab is where both sides work: Dir/bzmage and Dir/plain.
type lab struct {
	p     Params
	env   []string // what both sides are given beside the common environment
	ours  checkout
	plain tooling
	row   string // the row being measured, as it is in the names of logs
}

func newLab(ctx context.Context, p Params) (*lab, error) {
	l := &lab{p: p}
	if err := os.MkdirAll(l.dir("log"), 0o755); err != nil {
		return nil, disk(err)
	}
	// bzmage's cache is its own here, Go's is the user's: it holds what the
	// plain side, which gets the initramfs made, need not do at all.
	g, err := tools.Go()
	if err != nil {
		return nil, err
	}
	cache, err := run.Output(ctx, run.Cmd{Argv: []string{g, "env", "GOCACHE"}, Dir: p.Root, Env: run.Env("GO*")})
	if err != nil {
		return nil, fault.New(fault.Machine, "go env GOCACHE", "ask for Go's cache: %w", err)
	}
	l.env = []string{"GO*", "GOCACHE=" + strings.TrimSpace(cache), "PATH=" + withoutCCache(os.Getenv("PATH")), "QUILT_PC=.pc"}
	l.ours = l.checkout("bzmage")
	l.plain = tooling{lab: l, dir: l.dir("plain")}
	return l, l.shareCache(filepath.Join(l.ours.cache, "bzmage"))
}

// dir joins a path below the lab.
func (l *lab) dir(elem ...string) string { return filepath.Join(append([]string{l.p.Dir}, elem...)...) }

// command runs one command of the plain side, or bzmage, with a log of its
// own. Its failure tells the log and its last lines.
func (l *lab) command(ctx context.Context, step string, c run.Cmd) error {
	c.Log, c.Merge = l.dir("log", l.row+"-"+step+".log"), true
	err := run.Run(ctx, c)
	var exit *run.ExitError
	if errors.As(err, &exit) {
		tail := exit.Tail[max(0, len(exit.Tail)-15):]
		return fmt.Errorf("%s: %w\n  log: %s\n  %s", c, err, c.Log, strings.Join(tail, "\n  "))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}

// withoutCCache takes the folders out of PATH in which the compilers are
// ccache: neither side is to have it where the row does not say so.
func withoutCCache(path string) string {
	return strings.Join(slices.DeleteFunc(filepath.SplitList(path), func(dir string) bool {
		to, err := filepath.EvalSymlinks(filepath.Join(dir, "gcc"))
		return err == nil && filepath.Base(to) == "ccache"
	}), string(os.PathListSeparator))
}

// shareCache gives the lab's cache the downloads of the user's, as links: a
// run here must not ask the network for what is on the disk.
func (l *lab) shareCache(to string) error {
	for _, name := range []string{"sha256", "index", "proof"} { // package fetch's
		from := filepath.Join(l.p.Set.Cache, name)
		err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && path == from {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			rel, _ := filepath.Rel(l.p.Set.Cache, path)
			dest := filepath.Join(to, rel)
			if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
				return err
			}
			if name == "sha256" && (exists(dest) || os.Link(path, dest) == nil) {
				return nil
			}
			return copyFile(dest, path)
		})
		if err != nil {
			return disk(err)
		}
	}
	return nil
}

// warm reads the source once, so that neither side is the first to do so.
func (l *lab) warm() error {
	return disk(filepath.WalkDir(l.p.Archive.Path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close() // only read
		_, err = io.Copy(io.Discard, f)
		return err
	}))
}

// archs returns the value of ARCH for some arches.
func archs(list []arch.Arch) string {
	if len(list) == len(arch.All()) {
		return "all"
	}
	return list[0].Name
}

func disk(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Machine, "free some disk space", "prepare a measurement: %w", err)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// copyFile copies a file with its time, in place of what is there.
func copyFile(to, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, text, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}
