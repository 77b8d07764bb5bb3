package verify

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// How fast the file is read: open, read, close. What a machine does in a
// second says little, least of all an emulated one, so the same is done with
// /proc/self/personality, a file that every kernel has and that costs next to
// nothing, by turns and in the same boot.
func BenchmarkRand(b *testing.B) {
	dir, err := unix.Open("/proc/self", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(dir)
	var took [2]time.Duration
	const turn = 100
	n := 0
	for b.Loop() {
		for i, name := range []string{"rand", "personality"} {
			start := time.Now()
			for range turn {
				readOnce(b, dir, name)
			}
			took[i] += time.Since(start)
		}
		n += turn
	}
	b.ReportMetric(float64(n)/took[0].Seconds(), "reads/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "of-personality")
}

func readOnce(b *testing.B, dir int, name string) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(name, ": ", err)
	}
	buf := make([]byte, 64)
	n, err := unix.Read(fd, buf)
	if unix.Close(fd); n == 0 || err != nil {
		b.Fatal(name, ": ", n, err)
	}
}
