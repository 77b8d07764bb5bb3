package unpack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/fetch/disk"
)

// tick is more than the step of file systems' clocks. A file changed less
// than a tick ago may change again without its times showing it.
const tick = 50 * time.Millisecond

// scanned is what a look at a folder found, before any file is read.
type scanned struct {
	root    string
	entries []Entry // without a sha256
	size    int64
	stat    string // digest of the names, sizes, modes and times
	settled bool   // no file changed within the last tick
}

// unpackFolder copies the folder of KERNEL_SOURCE.
func (u *unpacker) unpackFolder(ctx context.Context) (Tree, error) {
	seen, err := u.scan(ctx)
	if err != nil {
		return Tree{}, err
	}
	if t, err := u.recall(seen); err == nil {
		return u.accept(ctx, t)
	}
	unlock, err := u.lock(ctx)
	if err != nil {
		return Tree{}, err
	}
	defer unlock()
	// While it waited for the lock, the folder may have changed, and another
	// process may have copied it.
	if seen, err = u.scan(ctx); err != nil {
		return Tree{}, err
	}
	if t, err := u.recall(seen); err == nil {
		return u.accept(ctx, t)
	}
	t, err := u.build(ctx, func(ctx context.Context, s *sink) (string, error) {
		if err := u.copyFolder(ctx, seen, s); err != nil {
			return "", err
		}
		return digest(s.entries)[:idLength], nil
	})
	if err != nil {
		return Tree{}, err
	}
	return t, u.remember(seen, t.ID)
}

// scan looks at all files of the folder, but not into them.
func (u *unpacker) scan(ctx context.Context) (scanned, error) {
	root, err := filepath.EvalSymlinks(u.Archive.Path)
	if err == nil {
		root, err = filepath.Abs(root)
	}
	if err != nil {
		return scanned{}, bad("%w", err)
	}
	v := visitor{seen: scanned{root: root}, skip: buildFolder(root, u.Dir), lim: u.lim, digest: sha256.New()}
	start := time.Now()
	err = filepath.WalkDir(root, func(full string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return bad("%w", err)
		}
		return v.visit(full, d)
	})
	v.seen.stat = hex.EncodeToString(v.digest.Sum(nil))
	v.seen.settled = v.newest < start.Add(-tick).UnixNano()
	return v.seen, err
}

// visitor is a walk through a folder.
type visitor struct {
	seen   scanned
	skip   string // bzmage's own build folder
	lim    limits
	digest hash.Hash
	newest int64 // change time, in nanoseconds
}

func (v *visitor) visit(full string, d fs.DirEntry) error {
	if full == v.seen.root {
		return nil
	}
	name := strings.TrimPrefix(strings.TrimPrefix(full, v.seen.root), "/")
	switch {
	case (d.Name() == ".git" || full == v.skip) && d.IsDir():
		return fs.SkipDir
	case d.Name() == ".git": // of a worktree
		return nil
	case built(name):
		return fault.New(fault.Usage, "make -C "+v.seen.root+" mrproper, or set "+fetch.OverrideName+" to a clean copy",
			"%s %s: somebody built in it: it has %s, and then no kernel can be built outside of it", fetch.OverrideName, v.seen.root, name)
	case d.IsDir():
		return nil // folders come with their files
	}
	info, err := d.Info()
	if err != nil {
		return bad("%w", err)
	}
	changed := info.Sys().(*syscall.Stat_t).Ctim.Nano()
	v.newest = max(v.newest, changed)
	line := append([]byte(name), 0) // fmt takes longer than the look itself
	line = strconv.AppendUint(line, uint64(info.Mode()), 8)
	for _, n := range []int64{info.Size(), info.ModTime().UnixNano(), changed} {
		line = strconv.AppendInt(append(line, ' '), n, 10)
	}
	v.digest.Write(append(line, '\n'))

	e := Entry{Path: name, Mode: 0o644, Size: info.Size(), MTime: info.ModTime().UnixNano()}
	switch mode := info.Mode(); {
	case mode.IsRegular() && mode.Perm()&0o111 != 0:
		e.Mode = 0o755
	case mode.IsRegular():
	case mode&fs.ModeSymlink != 0:
		e.Mode = fs.ModeSymlink
	default:
		return bad("%q is neither a file nor a folder nor a link", name)
	}
	v.seen.entries = append(v.seen.entries, e)
	return v.measure(e)
}

func (v *visitor) measure(e Entry) error {
	v.seen.size += e.Size
	switch {
	case e.Size > v.lim.file:
		return bad("%q has %s, more than %s", e.Path, disk.Size(e.Size), disk.Size(v.lim.file))
	case v.seen.size > v.lim.total:
		return bad("it has more than %s", disk.Size(v.lim.total))
	case len(v.seen.entries) > v.lim.entries:
		return bad("it has more than %d files", v.lim.entries)
	}
	return nil
}

// built says that a file or folder is there only after a build in the tree.
// The kernel's Makefile looks for the same before a build with O=.
func built(name string) bool {
	if name == ".config" || name == "include/config" || name == "include/generated" {
		return true
	}
	part := strings.Split(name, "/")
	return len(part) == 4 && part[0] == "arch" && part[2] == "include" && part[3] == "generated"
}

// buildFolder returns bzmage's own build folder if it lies in root: the
// nearest folder called build above dir, or else dir.
func buildFolder(root, dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	for at := dir; strings.HasPrefix(at, root+"/"); at = filepath.Dir(at) {
		if filepath.Base(at) == "build" {
			return at
		}
	}
	return dir
}

// copyFolder puts the files that were seen into the sink.
func (u *unpacker) copyFolder(ctx context.Context, seen scanned, s *sink) error {
	// A file takes whole blocks of the disk.
	if err := disk.Need(u.Dir, seen.size+int64(len(seen.entries))*4096+u.lim.reserve); err != nil {
		return err
	}
	u.Log.Infof("copying %s", seen.root)
	s.progress = func(n int64) { u.Progress(n, seen.size) }
	return s.run(ctx, func(ctx context.Context) error {
		for _, e := range seen.entries {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := copyEntry(ctx, seen.root, e, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func copyEntry(ctx context.Context, root string, e Entry, s *sink) error {
	if _, err := s.names.clean(e.Path); err != nil {
		return err
	}
	full := filepath.Join(root, e.Path)
	if e.Mode == fs.ModeSymlink {
		target, err := os.Readlink(full)
		if err != nil {
			return bad("%w", err)
		}
		return s.link(e, target)
	}
	// NONBLOCK and NOFOLLOW: it may have become a fifo or a link just now.
	from, err := os.OpenFile(full, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return bad("%w", err)
	}
	return s.copy(ctx, e, from)
}

// remembered is what Dir/.folders keeps of a folder that was copied, so that
// the next run need not read 1.3 GB to find that nothing changed.
type remembered struct {
	Folder string `json:"folder"`
	Stat   string `json:"stat"`
	ID     string `json:"id"`
}

func (u *unpacker) memoryOf(root string) string {
	sum := sha256.Sum256([]byte(root))
	return filepath.Join(u.Dir, memory, hex.EncodeToString(sum[:16])+".json")
}

// recall returns the tree of a folder that has not changed since.
func (u *unpacker) recall(seen scanned) (Tree, error) {
	text, err := os.ReadFile(u.memoryOf(seen.root))
	if err != nil {
		return Tree{}, err
	}
	var r remembered
	if err := json.Unmarshal(text, &r); err != nil {
		return Tree{}, err
	}
	if r.Folder != seen.root || r.Stat != seen.stat || !reID.MatchString(r.ID) {
		return Tree{}, errNoTree
	}
	return u.whole(r.ID)
}

func (u *unpacker) remember(seen scanned, id string) error {
	if !seen.settled {
		return nil
	}
	path := u.memoryOf(seen.root)
	text, err := json.Marshal(remembered{seen.root, seen.stat, id})
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), renameio.WriteFile(path, text, 0o644))
}
