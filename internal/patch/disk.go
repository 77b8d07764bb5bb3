package patch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"bzmage/internal/fault"
	"bzmage/internal/run"
	"bzmage/internal/unpack"
)

// content returns the pristine content of e: from the kept copy, from the tree
// if nobody edited it, else once more from the archive it came from.
func (s *store) content(ctx context.Context, e unpack.Entry) (string, error) {
	if text, err := s.readObject(e.SHA256); err == nil {
		return text, nil
	}
	text, err := s.readSource(e)
	if err == nil && sum(text) == e.SHA256 {
		return text, nil
	}
	text, err = s.fromArchive(ctx, e)
	if err == nil && sum(text) != e.SHA256 {
		err = errors.New("the archive has other content")
	}
	if err != nil {
		return "", fault.New(fault.Machine, "move your edits out of the tree and remove "+s.tree.Root+"; it is unpacked anew",
			"read the pristine %s: %w", show(e.Path), err)
	}
	return text, s.keep(text)
}

// keep saves an object while no change is under way.
func (s *store) keep(text string) error {
	for _, dir := range []string{newDir, objectsDir} {
		if err := s.root.MkdirAll(dir, 0o755); err != nil {
			return machine(err, "keep a copy")
		}
	}
	err := s.saveObject(text)
	if s.journal == nil {
		err = errors.Join(err, s.root.RemoveAll(newDir))
	}
	if err != nil {
		return machine(err, "keep a copy")
	}
	return nil
}

// readSource reads a file or a link of the tree, if it has the kind and the
// size of e.
func (s *store) readSource(e unpack.Entry) (string, error) {
	fi, err := s.root.Lstat(src(e.Path))
	if err != nil {
		return "", err
	}
	if fi.Mode().Type() != e.Mode.Type() || fi.Size() != e.Size {
		return "", errors.New("not as it was unpacked")
	}
	if e.Mode&fs.ModeSymlink != 0 {
		return s.root.Readlink(src(e.Path))
	}
	text, err := s.root.ReadFile(src(e.Path))
	return string(text), err
}

// fromArchive reads one file out of the archive of the tree. It takes as long
// as unpacking, and happens only when an edited file has no kept copy.
func (s *store) fromArchive(ctx context.Context, e unpack.Entry) (string, error) {
	a := s.tree.Archive
	if e.Mode&fs.ModeSymlink != 0 {
		return "", errors.New("a link is not looked for in the archive")
	}
	if a.Folder {
		text, err := os.ReadFile(filepath.Join(a.Path, filepath.FromSlash(e.Path)))
		return string(text), err
	}
	quoted := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(e.Path)
	out := &bounded{left: e.Size}
	err := run.Run(ctx, run.Cmd{
		Argv: []string{"tar", "--wildcards", "--no-wildcards-match-slash", "--occurrence=1", "-xOf", a.Path, "--", "*/" + quoted},
		Env:  run.Env(), Stdout: out,
	})
	return out.String(), err
}

// bounded keeps no more than left bytes.
type bounded struct {
	bytes.Buffer
	left int64
}

// Write keeps what there is room for and takes the rest as written: the
// content is compared with its sha256 afterwards.
func (b *bounded) Write(p []byte) (int, error) {
	n := min(int64(len(p)), b.left)
	b.left -= n
	b.Buffer.Write(p[:n])
	return len(p), nil
}

// found is what lies at a place of the tree.
type found struct {
	version *version // nil: nothing, or neither a file nor a link
	info    fs.FileInfo
}

func (f found) stamp() *stamp {
	if f.version == nil {
		return nil
	}
	return &stamp{version: *f.version, Size: f.info.Size(), MTime: f.info.ModTime().UnixNano()}
}

// look returns what lies at name. A file that has the size, mtime and mode of
// one of the stamps is taken for it without reading.
func (s *store) look(name string, stamps ...*stamp) (found, error) {
	fi, err := s.root.Lstat(src(name))
	if missing(err) {
		return found{}, nil
	}
	if err != nil {
		return found{}, err
	}
	for _, st := range stamps {
		if st != nil && same(fi.Mode(), fi.Size(), fi.ModTime().UnixNano(), st) {
			return found{&st.version, fi}, nil
		}
	}
	v := &version{Mode: plainMode(fi.Mode())}
	switch {
	case fi.Mode().IsRegular():
		v.SHA256, err = hashFile(s.root, src(name))
	case fi.Mode()&fs.ModeSymlink != 0:
		var target string
		target, err = s.root.Readlink(src(name))
		v.SHA256 = sum(target)
	default:
		v = nil
	}
	return found{v, fi}, err
}

// missing says whether err means that nothing is there: also below a file.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// same says whether a file can be taken for st without reading it.
func same(mode fs.FileMode, size, mtime int64, st *stamp) bool {
	return size == st.Size && mtime == st.MTime && plainMode(mode) == st.Mode
}

// plainMode returns the mode as git keeps it: of the permissions, only whether
// the owner may execute. What is neither a file nor a link keeps its type.
func plainMode(m fs.FileMode) fs.FileMode {
	switch {
	case m&fs.ModeType != 0:
		return m & fs.ModeType
	case m&0o100 != 0:
		return 0o755
	}
	return 0o644
}

// hashFile returns the sha256 of a regular file. A pipe that has taken its
// place meanwhile must not block, so it is opened without waiting.
func hashFile(root *os.Root, name string) (string, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return "", fmt.Errorf("read %s: not a regular file any more", name)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
