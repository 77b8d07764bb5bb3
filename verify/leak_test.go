package verify

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// A read that kept its hold on the task would cost the memory of that task
// for ever. Threads are tasks too, and come and go faster than processes.
func TestRandLetsGoOfTasks(t *testing.T) {
	readRand(t, selfRand)
	if !inGuest() {
		t.Skip("other programs use memory on this host")
	}
	if hasOption(t, "CONFIG_KASAN=y") {
		t.Skip("KASAN holds back what is freed")
	}
	const threads = 300
	// kB. The descriptions of so many tasks take from 500 on; what else comes
	// and goes in the guest meanwhile takes up to 200.
	const limit = 400
	endThreads(t, 50) // so that what is kept for reuse is there
	before := kernelMemory(t)
	endThreads(t, threads)
	var grown int
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		// Tasks are freed some time after they have ended.
		if grown = kernelMemory(t) - before; grown < limit {
			t.Logf("%d kB more after %d threads", grown, threads)
			return
		}
	}
	t.Errorf("after reading the files of %d threads that ended, the kernel uses %d kB more", threads, grown)
}

// endThreads starts threads one after the other, reads the file of each, and
// lets it end.
func endThreads(t *testing.T, n int) {
	t.Helper()
	for range n {
		tid, end := startThread()
		text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/rand", tid))
		end()
		if err == nil {
			_, err = parseRand(string(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// kernelMemory returns how many kB the kernel uses for its own objects.
func kernelMemory(t *testing.T) int {
	t.Helper()
	kb, ok := memory(t)["SUnreclaim"]
	if !ok {
		t.Fatal("/proc/meminfo has no SUnreclaim")
	}
	return kb
}
