package verify

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openFiles returns how many files are open on the machine: the first number
// of file-nr. The kernel counts on each CPU and adds up by the 32, so this may
// be off by as many for each.
func openFiles(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(strings.Fields(line(t, "/proc/sys/fs/file-nr"))[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// memory returns the fields of /proc/meminfo, in kB.
func memory(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]int{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 {
			kb, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			fields[strings.TrimSuffix(f[0], ":")] = kb
		}
	}
	return fields
}

// Whatever an open file needs, closing it gives back. The smallest object there
// is has 8 bytes, of which 200,000 are 1600 kB; the operations that single_open
// makes, and that only single_release takes away, have 32. A kernel that is
// slow because it debugs itself opens fewer files, and sees smaller leaks by
// kmemleak.
func TestRandKeepsLevel(t *testing.T) {
	readRand(t, selfRand)
	if !inGuest() {
		t.Skip("other programs use memory on this host")
	}
	files := 200_000 / slowness(t)
	// kB. What is free and still counted, some 350, and what else goes on.
	limit := 800
	if hasOption(t, "CONFIG_KASAN=y") {
		// What is freed waits in a quarantine of 1/32 of the memory
		// (mm/kasan/quarantine.c).
		limit += memory(t)["MemTotal"] / 32
	}
	cycle(t, 2_000) // so that what is kept for reuse is there
	opened, before := openFiles(t), memory(t)
	start := time.Now()
	cycle(t, files)
	took := time.Since(start)
	var grown, lost int
	waitFor(t, "memory and files to be what they were", func() bool {
		after := memory(t)
		grown = after["Slab"] - before["Slab"]
		lost = before["MemAvailable"] - after["MemAvailable"]
		if after["MemAvailable"] == 0 {
			t.Fatal("/proc/meminfo has no MemAvailable")
		}
		// The checks' own heap is in MemAvailable, too.
		return grown < limit && lost < 4*limit && openFiles(t) < opened+100
	})
	t.Logf("%d files in %.1f s: slab %+d kB, available %+d kB", files, took.Seconds(), grown, -lost)
}

// cycle opens, reads and closes n files, on all CPUs.
func cycle(t *testing.T, n int) {
	t.Helper()
	dir, err := unix.Open("/proc/self", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	const workers = 2
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			buf := make([]byte, 64)
			for range n / workers {
				fd, err := unix.Openat(dir, "rand", unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := unix.Read(fd, buf)
				if unix.Close(fd); got != size || err != nil {
					t.Errorf("read: %d, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}
