package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Another pid namespace has a /proc of its own, in which the same processes
// have other numbers or none. Its files are the same kind of file: for those
// in it, for those outside who look into it, and when it has ended.
func TestRandPIDNamespace(t *testing.T) {
	needRoot(t)
	readRand(t, selfRand)
	cmd := helper(t, "pidns", os.Getuid())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	c := startChild(t, cmd)
	readRand(t, fmt.Sprintf("/proc/%d/rand", cmd.Process.Pid))
	inside := fmt.Sprintf("/proc/%d/root/proc/1/rand", cmd.Process.Pid)
	readRand(t, inside)
	held := openRand(t, inside, os.O_RDONLY)
	rereadRand(t, held)
	c.end(t)
	if n, err := unix.Pread(int(held.Fd()), make([]byte, 64), 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("when the namespace has ended: %d, %v, want %v", n, err, unix.ESRCH)
	}
}

// helperPIDNamespace is process 1 of a pid namespace and looks around in it.
// Then it says so, and waits.
func helperPIDNamespace() int {
	if err := lookAtNamespace(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return helperWait()
}

func lookAtNamespace() error {
	outer, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer outer.Close()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make all mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	if pid := os.Getpid(); pid != 1 {
		return fmt.Errorf("is process %d of its namespace, want 1", pid)
	}
	for _, path := range []string{selfRand, "/proc/1/rand", "/proc/thread-self/rand"} {
		if err := tryRand(path); err != nil {
			return err
		}
	}
	if all, err := filepath.Glob("/proc/[0-9]*/rand"); err != nil || len(all) != 1 {
		return fmt.Errorf("there are %q, %v, want only /proc/1/rand", all, err)
	}
	if err := lookFromInside(outer); err != nil {
		return err
	}
	return lookAtHidden()
}

// lookFromInside looks at the /proc of the namespace that this one is in,
// where this process has another number.
func lookFromInside(outer *os.File) error {
	buf := make([]byte, 64)
	n, err := unix.Readlinkat(int(outer.Fd()), "self", buf)
	if err != nil {
		return err
	}
	if string(buf[:n]) == "1" {
		return errors.New("has the number 1 outside, too")
	}
	fd, err := unix.Openat(int(outer.Fd()), string(buf[:n])+"/rand", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if n, err = unix.Read(fd, buf); err != nil {
		return err
	}
	_, err = parseRand(string(buf[:n]))
	return err
}

// tryRand is readRand where there is no test.
func tryRand(path string) error {
	text, err := os.ReadFile(path)
	if err == nil {
		_, err = parseRand(string(text))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// hidden are the ways to mount /proc so that a user does not see the processes
// of others (Documentation/filesystems/proc, "Mount options"), and what nobody
// gets when it opens the file of a process of root's. What is not said stays as
// it was, so the last comes last.
func hidden() []struct {
	options string
	want    error
} {
	return []struct {
		options string
		want    error
	}{
		{"hidepid=0", nil},
		{"hidepid=1", unix.EPERM},
		{"hidepid=2", unix.ENOENT},
		{"hidepid=2,gid=65534", nil}, // nobody's group may see all
	}
}

// lookAtHidden mounts this namespace's /proc in each of these ways. Mounted
// for a namespace that has one, 5.4 would take the options for all its mounts,
// and only when it is mounted again.
func lookAtHidden() error {
	for i, way := range hidden() {
		options := way.options
		if err := unix.Mount("proc", "/proc", "proc", unix.MS_REMOUNT, options); err != nil {
			return fmt.Errorf("mount proc with %s: %w", options, err)
		}
		for _, path := range []string{selfRand, "/proc/1/rand"} { // root sees all
			if err := tryRand(path); err != nil {
				return fmt.Errorf("%s: %w", options, err)
			}
		}
		cmd, err := helperCommand("hidden", nobody)
		if err != nil {
			return err
		}
		cmd.Args = append(cmd.Args, strconv.Itoa(i))
		if out, err := cmd.Output(); err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				err = errors.New(strings.TrimSpace(string(exit.Stderr)))
			}
			return fmt.Errorf("%s: nobody: %w", options, err)
		} else if string(out) != "as it should be\n" {
			return fmt.Errorf("%s: nobody: %q", options, out)
		}
	}
	return nil
}

// helperHidden looks at files as a user without rights, where /proc is mounted
// in the way of its argument.
func helperHidden() int {
	i, err := strconv.Atoi(os.Args[len(os.Args)-1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	want := hidden()[i].want
	for _, err := range []error{tryRand(selfRand), tryRand("/proc/thread-self/rand"), tryRand(fmt.Sprintf("/proc/%d/rand", os.Getpid()))} {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if got := tryRand("/proc/1/rand"); !errors.Is(got, want) {
		fmt.Fprintf(os.Stderr, "/proc/1/rand: %v, want %v\n", got, want)
		return 1
	}
	_, err = os.Stat("/proc/1")
	if gone := errors.Is(err, fs.ErrNotExist); gone != (want == unix.ENOENT) {
		fmt.Fprintln(os.Stderr, "/proc/1:", err)
		return 1
	}
	fmt.Println("as it should be")
	return 0
}
