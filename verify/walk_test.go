package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// walk reads the file of every process and of every thread. What is gone by
// then must really be gone; anything else is an error.
func walk() (processes, threads int, err error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, 0, err
	}
	var errs []error
	for _, dir := range dirs {
		there, err := visit(dir)
		errs = append(errs, err)
		if !there {
			continue
		}
		processes++
		tasks, err := os.ReadDir(dir + "/task")
		if err != nil && !gone(dir, err) {
			errs = append(errs, err)
		}
		for _, task := range tasks {
			there, err := visit(dir + "/task/" + task.Name())
			errs = append(errs, err)
			if there {
				threads++
			}
		}
	}
	return processes, threads, errors.Join(errs...)
}

// visit reads the file of a task, and says whether it is there.
func visit(dir string) (bool, error) {
	err := tryRand(dir + "/rand")
	if err == nil {
		return true, nil
	}
	if gone(dir, err) {
		return false, nil
	}
	return false, err
}

// gone says whether err is no error, as the task is gone.
func gone(dir string, err error) bool {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
		return false
	}
	_, err = os.Lstat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

// Every process and every thread has the file, and it reads well, whatever
// goes on around it: 64 goroutines that read, threads and processes that come
// and go.
func TestRandWalk(t *testing.T) {
	readRand(t, selfRand)
	tids := lockThreads(t, 4)
	var stop atomic.Bool
	var around sync.WaitGroup
	var reads, started atomic.Int64
	paths := []string{selfRand, "/proc/1/rand", "/proc/2/rand", fmt.Sprintf("/proc/self/task/%d/rand", tids[0])}
	for i := range 64 {
		around.Go(func() {
			for !stop.Load() && !t.Failed() {
				if err := tryRand(paths[i%len(paths)]); err != nil {
					t.Error(err)
				}
				if reads.Add(1)%8 == 0 {
					time.Sleep(time.Millisecond) // so that the walk gets on
				}
			}
		})
	}
	for range 2 {
		around.Go(func() {
			for !stop.Load() && !t.Failed() {
				if err := helper(t, "exit", os.Getuid()).Run(); err != nil { // fork, exec, exit
					t.Error(err)
				}
				tid, end := startThread()
				if tid == 0 {
					t.Error("a thread without a number")
				}
				end()
				started.Add(1)
			}
		})
	}
	for round := 0; (round < 3 || started.Load() < 4) && !t.Failed(); round++ {
		processes, threads, err := walk()
		if err != nil {
			t.Error(err)
		}
		// This process, its parent, kthreadd and the per-CPU threads; this
		// process's own.
		if processes < 10 || threads < processes+len(tids) {
			t.Errorf("only %d processes and %d threads", processes, threads)
		}
	}
	stop.Store(true)
	around.Wait()
	t.Logf("meanwhile %d reads, %d processes started", reads.Load(), started.Load())
}

// A user without rights can read the file of every process and thread there
// is, of root's and of the kernel's own.
func TestRandWalkByOthers(t *testing.T) {
	uid := nobody
	if os.Getuid() != 0 {
		uid = os.Getuid()
	}
	readRand(t, selfRand)
	out, err := helper(t, "walk", uid).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("uid %d: %s", uid, strings.TrimSpace(string(out)))
}

// helperWalk walks once, and says how far it came.
func helperWalk() int {
	processes, threads, err := walk()
	if err != nil || processes < 10 {
		fmt.Fprintln(os.Stderr, processes, "processes,", err)
		return 1
	}
	fmt.Println(processes, "processes,", threads, "threads")
	return 0
}
