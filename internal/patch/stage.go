package patch

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// manyFiles is from where on one sync of the file system is cheaper than one
// of each file: it may have to write what others left, but only once.
const manyFiles = 64

func staged(i int) string { return newDir + "/" + strconv.Itoa(i) }
func kept(i int) string   { return oldDir + "/" + strconv.Itoa(i) }

// prepare writes whatever the change needs outside of the tree itself, and
// sees that it lasts: copies of contents, and new files as they will be.
func (w *writer) prepare(pl *plan) error {
	s := w.s
	for _, dir := range []string{newDir, oldDir} {
		if err := s.root.RemoveAll(dir); err != nil {
			return err
		}
	}
	for _, dir := range []string{newDir, oldDir, objectsDir} {
		if err := s.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	var files []string
	copies := map[string]string{} // by name in new/: the name in objects/
	for _, sha := range slices.Sorted(maps.Keys(pl.contents)) {
		text := pl.contents[sha]
		if s.hasObject(sha, int64(len(text))) {
			continue
		}
		name := newDir + "/" + sha
		copies[name] = object(sha)
		files = append(files, name)
		if err := s.create(name, text, 0o644); err != nil {
			return err
		}
	}
	for i, o := range pl.ops {
		switch {
		case o.removes() || o.remodes():
		case o.want.Mode&fs.ModeSymlink != 0:
			if err := s.root.Symlink(o.text, staged(i)); err != nil {
				return err
			}
		default:
			files = append(files, staged(i))
			if err := s.create(staged(i), o.text, o.want.Mode); err != nil {
				return err
			}
		}
	}
	if err := s.sync(files); err != nil {
		return err
	}
	for from, to := range copies {
		if err := s.root.Rename(from, to); err != nil {
			return err
		}
	}
	return w.step("prepared")
}

// create writes a new file, which is not on the disk before [store.sync].
func (s *store) create(name, text string, mode fs.FileMode) error {
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Chmod(mode), f.Close())
}

// sync puts files on the disk.
func (s *store) sync(files []string) error {
	if len(files) >= manyFiles {
		f, err := s.root.Open(".")
		if err != nil {
			return err
		}
		defer f.Close()
		if err := unix.Syncfs(int(f.Fd())); err != nil {
			return fmt.Errorf("sync the file system: %w", err)
		}
		return nil
	}
	for _, name := range files {
		f, err := s.root.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
