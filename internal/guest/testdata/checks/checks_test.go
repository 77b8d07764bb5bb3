// Package checks holds what the tests of package guest run as the guest's
// checks. Most of them do not end well.
package checks

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/guest"
)

func TestPass(t *testing.T) { t.Log("passed in", os.Getenv("TMPDIR"), "as", os.Getenv("BZMAGE_GUEST")) }

func TestFail(t *testing.T) { t.Run("part", func(t *testing.T) { t.Error("failed") }) }

func TestSkip(t *testing.T) { t.Skip("skipped") }

func TestPanic(*testing.T) { panic("in a check") }

func TestGoroutinePanic(*testing.T) {
	go func() { panic("elsewhere") }()
	select {}
}

func TestExit0(*testing.T) { os.Exit(0) }

func TestExit3(*testing.T) { os.Exit(3) }

func TestKilled(t *testing.T) {
	if err := unix.Kill(os.Getpid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {}
}

func TestHang(*testing.T) { select {} }

// A timer hides from Go's runtime that nothing will ever happen.
func TestEndless(t *testing.T) {
	t.Run("part", func(*testing.T) {
		for {
			time.Sleep(time.Millisecond)
		}
	})
}

func TestPrints(*testing.T) {
	for {
		fmt.Println(strings.Repeat("x", 1000))
	}
}

func TestLogs(t *testing.T) {
	for {
		t.Log(strings.Repeat("x", 1000))
	}
}

func BenchmarkPass(b *testing.B) {
	fmt.Print("noise ")
	for b.Loop() {
		_ = strings.Repeat("x", 10)
	}
	b.ReportMetric(2.5, "reads/s")
}

func BenchmarkParts(b *testing.B) {
	for _, name := range []string{"one", "two"} {
		b.Run(name, func(b *testing.B) {
			b.Log(name)
			for b.Loop() {
			}
		})
	}
}

func BenchmarkFail(b *testing.B) { b.Fatal("not so") }

func BenchmarkSkip(b *testing.B) { b.Skip("not here") }

func BenchmarkPartFails(b *testing.B) {
	b.Run("good", func(b *testing.B) {
		for b.Loop() {
		}
	})
	b.Run("bad", func(b *testing.B) { b.Error("bad") })
}

func BenchmarkPanic(b *testing.B) {
	b.Run("part", func(b *testing.B) {
		for b.Loop() {
		}
	})
	panic("in a benchmark")
}

func BenchmarkHang(*testing.B) { select {} }

// TestSometimes fails in every other process.
func TestSometimes(t *testing.T) {
	const mark = "sometimes"
	if os.Remove(mark) == nil {
		t.Error("again")
	} else if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFlood(*testing.T) {
	for i := range 20_000 {
		fmt.Println(i, strings.Repeat("x", 60))
	}
}

// The length is no multiple of 4096: test2json misses a marker that comes
// right at the beginning of its buffer, and then the end of the check.
func TestLongLine(t *testing.T) {
	if _, err := os.Stdout.Write(bytes.Repeat([]byte("\xffy"), 2<<20+7)); err != nil {
		t.Fatal(err)
	}
}

func TestLeavesAProcess(t *testing.T) { leave(t, "60s") }

func TestOrphans(t *testing.T) {
	for range 20 {
		leave(t, "10ms")
	}
}

// leave starts a process that outlives its parent and the session: this
// program once more, as a guest has no other.
func leave(t *testing.T, lives string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = []string{leaveEnv + "=" + lives}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Error(err)
	}
}

const leaveEnv = "BZMAGE_LEAVE"

func TestMain(m *testing.M) {
	if os.Getpid() == 1 {
		guest.Main() // never returns
	}
	if lives, err := time.ParseDuration(os.Getenv(leaveEnv)); err == nil {
		time.Sleep(lives)
		return
	}
	os.Exit(m.Run())
}
