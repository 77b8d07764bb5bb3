package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// helperWait lives until its standard input is closed.
func helperWait() int {
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startWaiting starts a process that lives until end is called, which also
// waits for it.
func startWaiting(t *testing.T) (pid int, end func()) {
	t.Helper()
	c := startHelper(t, "wait")
	return c.Process.Pid, sync.OnceFunc(func() { c.end(t) })
}

// Who holds the file of a process that has ended reads ESRCH: there is no task
// left, and the number of another that got its pid is not given instead.
func TestRandEndedProcess(t *testing.T) {
	pid, end := startWaiting(t)
	path := fmt.Sprintf("/proc/%d/rand", pid)
	readRand(t, path)
	fresh, used := openRand(t, path, os.O_RDONLY), openRand(t, path, os.O_RDONLY)
	if _, err := io.ReadAll(used); err != nil {
		t.Fatal(err)
	}
	end()

	if _, err := fresh.Read(make([]byte, 64)); !errors.Is(err, unix.ESRCH) {
		t.Errorf("read: %v, want %v", err, unix.ESRCH)
	}
	if _, err := used.Seek(0, io.SeekStart); err != nil && !errors.Is(err, unix.ESRCH) {
		t.Errorf("rewind: %v", err)
	}
	if n, err := used.Read(make([]byte, 64)); !errors.Is(err, unix.ESRCH) {
		t.Errorf("read again after a rewind: %d, %v, want %v", n, err, unix.ESRCH)
	}
	if _, err := os.Open(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v, want %v", err, fs.ErrNotExist)
	}
}

// startThread returns the id of a thread that lives until end is called.
func startThread() (tid int, end func()) {
	tids, ended := make(chan int), make(chan struct{})
	go func() {
		// A goroutine that ends without unlocking takes its thread along.
		runtime.LockOSThread()
		tids <- unix.Gettid()
		<-ended
	}()
	return <-tids, func() { close(ended) }
}

// A thread's file ends with the thread, not with its process.
func TestRandEndedThread(t *testing.T) {
	tid, end := startThread()
	for tid == os.Getpid() { // the first thread lasts as long as the process
		defer end()
		tid, end = startThread()
	}
	dir := fmt.Sprintf("/proc/self/task/%d", tid)
	f, err := os.Open(dir + "/rand")
	end()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%s is still there", dir)
		}
	}
	if _, err := f.Read(make([]byte, 64)); !errors.Is(err, unix.ESRCH) {
		t.Errorf("read: %v, want %v", err, unix.ESRCH)
	}
	readRand(t, selfRand)
}

// Reading while processes come and go gives a number or says that there is no
// such process, and nothing else.
func TestRandWhileEnding(t *testing.T) {
	var numbers, gone int
	for range 8 {
		pid, end := startWaiting(t)
		path := fmt.Sprintf("/proc/%d/rand", pid)
		readRand(t, path)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			end()
		}()
		for reading := true; reading; {
			select {
			case <-ended:
				reading = false // and once more
			default:
			}
			text, err := os.ReadFile(path)
			switch {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
				gone++
			case err != nil:
				t.Error(err)
			default:
				if _, err := parseRand(string(text)); err != nil {
					t.Error(err)
				}
				numbers++
			}
		}
	}
	if gone < 8 {
		t.Errorf("%d reads found no process, want at least 8", gone)
	}
	t.Logf("%d reads gave a number, %d found no process", numbers, gone)
}
