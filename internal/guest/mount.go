package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is one file system to mount.
type mount struct {
	source, target, fstype string
	flags                  uintptr
	data                   string
}

// mounts returns what the checks and Go's testing package need, in order. The
// mount points are in the initramfs.
func mounts() []mount {
	const quiet = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	return []mount{
		{"proc", "/proc", "proc", quiet, ""},
		{"sysfs", "/sys", "sysfs", quiet, ""},
		{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0755"},
		{"tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"}, // checks may run what they put there
	}
}

// debugDir is where the kernel shows developers what it is like inside.
const debugDir = "/sys/kernel/debug"

// debugfs is mounted only where its files are needed, and by process 1: what
// the checks see of /sys is what users see.
func debugfs() mount {
	return mount{"debugfs", debugDir, "debugfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""}
}

// mountAll mounts what is not mounted yet.
func (g *guest) mountAll(table []mount) error {
	var errs []error
	for _, m := range table {
		if there, err := g.mounted(m.target); err != nil || there {
			errs = append(errs, err)
			continue
		}
		if err := g.kernel.Mount(m); err != nil && !errors.Is(err, unix.EBUSY) {
			errs = append(errs, fmt.Errorf("mount %s on %s: %w; was the kernel built with it?", m.fstype, m.target, err))
		}
	}
	return errors.Join(errs...)
}

// mounted says whether something is mounted at target. Before /proc is, the
// answer is no.
func (g *guest) mounted(target string) (bool, error) {
	text, err := os.ReadFile(g.root + "/proc/self/mounts")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == target {
			return true, nil
		}
	}
	return false, nil
}
