package verify

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// heldOpen is how many files a reader opens and keeps.
const heldOpen = 100

// helperRead reads without end, in four threads, the files of itself, its
// parent and process 1, so that it is nearly always in the kernel.
func helperRead() int {
	paths := []string{selfRand, "/proc/1/rand", fmt.Sprintf("/proc/%d/rand", os.Getppid()), "/proc/thread-self/rand"}
	var wg sync.WaitGroup
	for _, path := range paths {
		wg.Go(func() {
			for {
				text, err := os.ReadFile(path)
				if err == nil {
					_, err = parseRand(string(text))
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
		})
	}
	for range heldOpen {
		if _, err := unix.Open(selfRand, unix.O_RDONLY, 0); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	fmt.Println("ready")
	wg.Wait()
	return 0
}

// A reader that is killed in the middle leaves nothing behind: no process that
// cannot end, no open file, and the file works for all others.
func TestRandReaderKilled(t *testing.T) {
	const readers = 12
	opened := openFiles(t)
	for range readers {
		readRand(t, selfRand)
		c := startHelper(t, "read")
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait() // an error: that of the signal
		if ws, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGKILL {
			t.Errorf("the reader ended by itself: %v", c.ProcessState)
		}
	}
	readRand(t, "/proc/1/rand")
	waitFor(t, "the files to be closed", func() bool { return openFiles(t) < opened+2*heldOpen })
}
