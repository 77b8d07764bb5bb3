package verify

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// How fast the file is read: open, read, close. What a machine does in a
// second says little, least of all an emulated one, so the same is done with
// /proc/self/personality, a file that every kernel has and that costs next to
// nothing, by turns and in the same boot; of-personality is the ratio of the
// two rates, 1 or more if rand is the faster one.
func BenchmarkRand(b *testing.B) {
	dir, err := unix.Open("/proc/self", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(dir)
	var took [2]time.Duration
	measure := func(i int, name string, n int) {
		start := time.Now()
		for range n {
			readOnce(b, dir, name)
		}
		took[i] += time.Since(start)
	}
	const turn = 200
	for done := 0; done < b.N; done += turn {
		n := min(turn, b.N-done)
		b.StopTimer()
		measure(1, "personality", n)
		b.StartTimer()
		measure(0, "rand", n)
	}
	b.ReportMetric(float64(b.N)/took[0].Seconds(), "reads/s")
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
