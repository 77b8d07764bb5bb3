package verify

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The numbers are worth something only if the kernel's pool is seeded, which
// in a guest that has just been started takes the host's help: QEMU's
// virtio-rng device. This does not depend on the patches.
func TestPoolSeeded(t *testing.T) {
	if !inGuest() {
		t.Skip("a host has other sources of randomness")
	}
	const class = "/sys/class/misc/hw_random/"
	if rng := line(t, class+"rng_current"); !strings.HasPrefix(rng, "virtio_rng.") {
		t.Errorf("the source of hardware randomness is %q, want virtio_rng.0", rng)
	}
	// 1024 is a full bit for each bit. 0 would say that nothing is taken for
	// the pool (drivers/char/hw_random/core.c).
	if q := number(t, "/sys/module/rng_core/parameters/current_quality"); q < 500 {
		t.Errorf("the source counts %d of 1024, want at least 500", q)
	}
	// The thread that fills the pool from the source.
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	fills := false
	for _, path := range names {
		text, err := os.ReadFile(path)
		fills = fills || err == nil && string(text) == "hwrng\n"
	}
	if !fills {
		t.Error("no kernel thread is called hwrng")
	}
	// Bits. Releases with the BLAKE2 pool (5.18, and 5.4 since 5.4.200) have
	// 256 at most, and from then on give as many as they are asked for.
	if got, size := number(t, "/proc/sys/kernel/random/entropy_avail"), number(t, "/proc/sys/kernel/random/poolsize"); got < 128 || got > size {
		t.Errorf("the pool has %d bits of %d, want at least 128", got, size)
	}
	for _, m := range kernelLog(t) {
		if strings.Contains(m.text, "random: crng init done") {
			return
		}
	}
	t.Error("the kernel's log does not say that its generator has been seeded")
}

// line returns the text of a file that has one line.
func line(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func number(t *testing.T, path string) int {
	t.Helper()
	n, err := strconv.Atoi(line(t, path))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return n
}
