// Package disk answers two questions about the file system under a folder:
// is there room for so many bytes, and was an error the fault of a full disk.
// What comes out are errors of kind [fault.Machine] with a hint.
package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"bzmage/internal/fault"

	"golang.org/x/sys/unix"
)

// Need returns an error of kind [fault.Machine] unless the file system that
// holds dir, or will hold it, has room for n more bytes.
func Need(dir string, n int64) error {
	at, err := existing(dir)
	if err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return fmt.Errorf("read the free space of %s: %w", at, err)
	}
	if free := int64(st.Bavail) * st.Bsize; n > free {
		return fault.New(fault.Machine, hint(at), "%s has %s free and %s are needed", at, Size(free), Size(n))
	}
	return nil
}

// Classify returns err as an error of kind [fault.Machine] when a full disk
// or an exhausted quota under dir caused it, and otherwise err as it is.
func Classify(err error, dir string) error {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return fault.New(fault.Machine, hint(dir), "no room left under %s: %w", dir, err)
}

// Size returns n bytes as people read it, such as "1.3 GiB".
func Size(n int64) string {
	const kib = 1024
	switch {
	case n >= kib*kib*kib:
		return fmt.Sprintf("%.1f GiB", float64(n)/(kib*kib*kib))
	case n >= kib*kib:
		return fmt.Sprintf("%d MiB", n/(kib*kib))
	default:
		return fmt.Sprintf("%d KiB", (n+kib-1)/kib)
	}
}

func hint(dir string) string {
	return "make room (df -h " + dir + "; df -i " + dir + "), then run the same again"
}

// existing returns the deepest folder on the way to dir that is there.
func existing(dir string) (string, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(at)
		if err == nil {
			return at, nil
		}
		up := filepath.Dir(at)
		if !errors.Is(err, os.ErrNotExist) || up == at {
			return "", err
		}
		at = up
	}
}
