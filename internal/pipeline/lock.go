package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/fault"
)

// lockName is the file in the build folder that the run holds which works
// there.
const lockName = ".lock"

// Lock takes the checkout for this run; a second run waits, saying for whom.
// With its release goes what the run learned of files.
//
// The programs that are started inherit the lock (flock(2): it belongs to the
// open file): when bzmage is killed and leaves some of them running, the next
// run waits until the last has ended, and never works beside them.
func (p Project) Lock(ctx context.Context) (release func(), err error) {
	path := p.build(lockName)
	f, err := openLock(path, p.build())
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			f.Close()
			return nil, fault.New(fault.Machine, "build in a folder of a file system with locks", "lock %s: %w", path, err)
		}
		if !told {
			who, _ := io.ReadAll(io.LimitReader(f, 200))
			p.UI.Log.Warnf("another run works in this checkout (%s); waiting for it", strings.TrimSpace(string(who)))
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
		f.Close()
		return nil, fault.New(fault.Machine, "", "lock %s: %w", path, err)
	}
	// The words are only for the one who waits.
	_ = f.Truncate(0)
	_, _ = f.WriteAt(fmt.Appendf(nil, "process %d since %s\n", os.Getpid(), time.Now().Format(time.TimeOnly)), 0)
	return func() {
		_ = p.Hashes.Save() // or the next run reads what this one did
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN)
		f.Close()
	}, nil
}

func openLock(path, dir string) (*os.File, error) {
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644); err == nil {
			return f, nil
		}
	}
	return nil, fault.New(fault.Machine, "make "+dir+" writable", "lock the checkout: %w", err)
}
