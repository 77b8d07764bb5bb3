package verify

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// child is a process that has said that it is ready.
type child struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startHelper starts a helper and waits until it says ready. It is killed at
// the end of the check, if it is still there.
func startHelper(t *testing.T, name string) child {
	t.Helper()
	return startChild(t, helper(t, name, os.Getuid()))
}

func startChild(t *testing.T, cmd *exec.Cmd) child {
	t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // errors: it has been killed, or waited for
	})
	c := child{cmd, in, bufio.NewReader(out)}
	c.ready(t)
	return c
}

// ready waits until the process says so.
func (c child) ready(t *testing.T) {
	t.Helper()
	if line, err := c.out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the helper says %q, %v", line, err)
	}
}

// end closes the helper's input, at which it ends well.
func (c child) end(t *testing.T) {
	t.Helper()
	c.in.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// waitFor waits until what has come true.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited 30 s for %s", what)
		}
	}
}

// state returns the state of a task, as in R, S and Z: the field behind its
// name in stat.
func state(dir string) string {
	text, _ := os.ReadFile(dir + "/stat")
	_, rest, _ := strings.Cut(string(text), ") ")
	return rest[:min(1, len(rest))]
}

// A process that has ended is still there until its parent has asked how: its
// files give numbers. Then they are gone: who holds one reads ESRCH, for bytes
// and, before 5.10, for none (6.1 does not ask at all when there is nothing to
// read); a name that is looked up is not there.
func TestRandZombie(t *testing.T) {
	c := startHelper(t, "wait")
	dir := fmt.Sprintf("/proc/%d", c.Process.Pid)
	before := openRand(t, dir+"/rand", os.O_RDONLY)
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	c.in.Close()
	waitFor(t, "the process to end", func() bool { return state(dir) == "Z" })

	readRand(t, dir+"/rand")
	readRand(t, fmt.Sprintf("%s/task/%d/rand", dir, c.Process.Pid))
	rereadRand(t, before)
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Pread(int(before.Fd()), make([]byte, 64), 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("read: %d, %v, want %v", n, err, unix.ESRCH)
	}
	wantNothing := error(unix.ESRCH)
	if since(t, "5.10") { // seq_read_iter
		wantNothing = nil
	}
	if n, err := unix.Pread(int(before.Fd()), nil, 0); n > 0 || !errors.Is(err, wantNothing) {
		t.Errorf("read of nothing: %d, %v, want %v", n, err, wantNothing)
	}
	if n, err := unix.Pread(int(before.Fd()), make([]byte, 64), 5); !errors.Is(err, unix.ESRCH) {
		t.Errorf("read at 5: %d, %v, want %v", n, err, unix.ESRCH)
	}
	if at, err := unix.Seek(int(before.Fd()), 5, io.SeekStart); !errors.Is(err, unix.ESRCH) {
		t.Errorf("seek to 5: %d, %v, want %v", at, err, unix.ESRCH)
	}
	if _, err := os.Lstat(dir + "/rand"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("stat: %v, want %v", err, unix.ENOENT)
	}
	fd, err := unix.Openat(int(folder.Fd()), "rand", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESRCH) {
		t.Errorf("open in a folder that was held: %v, want %v or %v", err, unix.ENOENT, unix.ESRCH)
	}
}

// No number is given for what never was a process.
func TestRandNoProcess(t *testing.T) {
	readRand(t, selfRand)
	for _, path := range []string{"/proc/0/rand", "/proc/4194304/rand", "/proc/-1/rand", "/proc/01/rand", "/proc/self/task/1/rand", "/proc/rand"} {
		if text, err := os.ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %q, %v, want %v", path, text, err, fs.ErrNotExist)
		}
	}
}

// helperExec waits for a byte and becomes the helper wait, from a thread that
// is not the first: the kernel ends all others, and the one that called takes
// the place of the first, its number included.
func helperExec() int {
	self, err := os.Executable()
	if err != nil {
		return 2
	}
	ended := make(chan error)
	go func() {
		fmt.Println("ready")
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			ended <- err
			return
		}
		ended <- unix.Exec(self, []string{self}, []string{helperEnv + "=wait"})
	}()
	fmt.Fprintln(os.Stderr, <-ended)
	return 2
}

// A process that becomes another program is still the same process: its file
// goes on, even though its task is another one now. The threads that had to
// end are gone.
func TestRandExec(t *testing.T) {
	c := startHelper(t, "exec")
	pid := c.Process.Pid
	dir := fmt.Sprintf("/proc/%d", pid)
	process := openRand(t, dir+"/rand", os.O_RDONLY)
	threads := map[int]*os.File{}
	names, err := filepath.Glob(dir + "/task/*/rand")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if tid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && tid != pid {
			threads[tid] = openRand(t, name, os.O_RDONLY)
		}
	}
	if len(threads) == 0 {
		t.Fatalf("no thread but the first: %q", names)
	}
	if _, err := c.in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	c.ready(t) // says the new program
	rereadRand(t, process)
	readRand(t, dir+"/rand")
	for tid, f := range threads {
		if n, err := unix.Pread(int(f.Fd()), make([]byte, 64), 0); !errors.Is(err, unix.ESRCH) {
			t.Errorf("thread %d: %d, %v, want %v", tid, n, err, unix.ESRCH)
		}
	}
}

// helperLeader ends its first thread and lives on in others.
func helperLeader() int {
	go func() {
		waitForLeader()
		os.Exit(helperWait())
	}()
	// Not os.Exit: the system call that ends one thread.
	_, _, err := syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
	fmt.Fprintln(os.Stderr, err)
	return 2
}

func waitForLeader() {
	for state("/proc/self") != "Z" {
		time.Sleep(time.Millisecond)
	}
}

// A process whose first thread has ended is still there, and so is the file,
// which is that of the first thread; so are those of its other threads.
func TestRandLeaderGone(t *testing.T) {
	c := startHelper(t, "leader")
	dir := fmt.Sprintf("/proc/%d", c.Process.Pid)
	if s := state(dir); s != "Z" {
		t.Fatalf("the first thread's state is %q, want Z", s)
	}
	readRand(t, dir+"/rand")
	names, err := filepath.Glob(dir + "/task/*/rand")
	if err != nil || len(names) < 2 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil {
			if _, err := parseRand(string(text)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		} else if _, gone := os.Stat(filepath.Dir(name)); !errors.Is(gone, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.end(t)
}
