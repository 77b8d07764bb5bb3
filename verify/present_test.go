package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRandSelf(t *testing.T) {
	readRand(t, selfRand)
	readRand(t, fmt.Sprintf("/proc/%d/rand", os.Getpid()))
	readRand(t, "/proc/thread-self/rand")
}

func TestRandInit(t *testing.T) { readRand(t, "/proc/1/rand") }

// kthreadd, process 2, is the parent of all kernel threads. They have no
// memory of their own, which other files in /proc/PID stumble over.
func TestRandKernelThreads(t *testing.T) {
	readRand(t, "/proc/2/rand")
	children := kernelThreads(t)
	if len(children) < 3 {
		t.Fatalf("process 2 has %d children; is it kthreadd?", len(children))
	}
	var numbers []int32
	for _, dir := range children {
		text, err := os.ReadFile(dir + "/rand")
		if _, gone := os.Stat(dir); err != nil && errors.Is(gone, fs.ErrNotExist) {
			continue // a worker that has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		v, err := parseRand(string(text))
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		numbers = append(numbers, v)
	}
	different(t, numbers)
	t.Logf("read the files of %d kernel threads", len(numbers))
}

// kernelThreads returns the folders of the children of process 2.
func kernelThreads(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// 9 (name, maybe with spaces) S 2 ...: the parent comes second after the name.
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == "2" {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	return dirs
}

// Each thread of a process has a file of its own, with numbers of its own.
func TestRandThreads(t *testing.T) {
	const threads = 5
	var numbers []int32
	for _, tid := range lockThreads(t, threads) {
		path := fmt.Sprintf("/proc/self/task/%d/rand", tid)
		numbers = append(numbers, readRand(t, path))
		checkMode(t, path)
	}
	all, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(all) < threads {
		t.Fatalf("%d threads, want at least %d (%v)", len(all), threads, err)
	}
	for _, dir := range all {
		numbers = append(numbers, readRand(t, dir+"/rand"))
	}
	different(t, numbers)
}

// lockThreads returns the ids of n threads that live until the check ends.
func lockThreads(t *testing.T, n int) []int {
	t.Helper()
	end, tids := make(chan struct{}), make(chan int)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			tids <- unix.Gettid()
			<-end
		})
	}
	t.Cleanup(func() {
		close(end)
		wg.Wait()
	})
	var got []int
	for range n {
		got = append(got, <-tids)
	}
	return got
}

func TestRandMode(t *testing.T) {
	for _, path := range []string{selfRand, "/proc/1/rand", "/proc/2/rand", "/proc/thread-self/rand"} {
		checkMode(t, path)
	}
}

// checkMode fails the check if the file is not a regular one that everybody
// may read and whose size nobody knows.
func checkMode(t *testing.T, path string) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o444 || info.Size() != 0 {
		t.Errorf("%s: mode %v, size %d; want -r--r--r--, size 0", path, info.Mode(), info.Size())
	}
}
