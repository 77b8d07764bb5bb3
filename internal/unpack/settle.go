package unpack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A tree of 80,000 files need not be on the disk before it is used: to wait for
// that takes longer than to write it. Until it is there, the file `unsettled`
// beside it holds the boot it was unpacked in (random(4), boot_id). In that
// boot the tree is what was written; found in another one, it may be full of
// empty files, and is not used.
const (
	unsettled = "unsettled"
	bootID    = "/proc/sys/kernel/random/boot_id"

	// settleAge is how old an unsettled tree is when a run that meets it
	// settles it: by then the kernel has written it out (dirty_expire_centisecs).
	settleAge = time.Minute
)

// boot returns the boot this machine is in; empty: it does not say.
func boot(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// unsettle notes that what is in the tree's folder may not be on the disk. On a
// machine that does not say which boot it is in, it waits for the disk instead.
func (u *unpacker) unsettle(t Tree) error {
	if id := boot(u.bootID); id != "" {
		return os.WriteFile(filepath.Join(t.Root, unsettled), []byte(id+"\n"), 0o644)
	}
	return t.sync()
}

// onDisk says whether the tree is what was written, on the disk or in memory.
func (u *unpacker) onDisk(t Tree) error {
	id := boot(filepath.Join(t.Root, unsettled))
	if id == "" {
		if _, err := os.Lstat(filepath.Join(t.Root, unsettled)); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	if id == "" || id != boot(u.bootID) {
		return errors.New("the machine was restarted before it was on the disk")
	}
	return nil
}

// Settle waits until the tree is on the disk, and notes it. For a tree that is
// known to be there it does nothing.
func (t Tree) Settle() error {
	mark := filepath.Join(t.Root, unsettled)
	if _, err := os.Lstat(mark); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	}
	if err := t.sync(); err != nil {
		return err
	}
	if err := os.Remove(mark); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// settleOld settles a tree that the kernel has written out meanwhile.
func (t Tree) settleOld() error {
	fi, err := os.Lstat(filepath.Join(t.Root, unsettled))
	if err != nil || time.Since(fi.ModTime()) < settleAge {
		return nil
	}
	return t.Settle()
}

// sync waits until all of the tree's file system is on the disk. One syncfs
// takes seconds; fsync of 80,000 files takes minutes.
func (t Tree) sync() error {
	dir, err := os.Open(t.Root)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("sync the file system: %w", err)
	}
	return nil
}
