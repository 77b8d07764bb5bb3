package jobserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/run"
)

func free(t *testing.T, s *Server) int {
	t.Helper()
	n, err := unix.IoctlGetInt(int(s.r.Fd()), unix.TIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newServer(t *testing.T, jobs int) *Server {
	t.Helper()
	s, err := New(jobs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Two makes whose jobs note when they run must never run more than all slots
// at once, and must between them use all of them.
func TestTwoMakesShareTheSlots(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	const jobs = 3
	s := newServer(t, jobs)
	dir := t.TempDir()
	var rules strings.Builder
	rules.WriteString("all:")
	for i := range 8 {
		fmt.Fprintf(&rules, " j%d", i)
	}
	// Each job leaves a file while it runs and counts how many there are.
	fmt.Fprintf(&rules, "\nj%%:\n\t@touch run/$(WHO)$@; ls run | wc -l >> seen; sleep 0.05; rm run/$(WHO)$@\n")
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte(rules.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, who := range []string{"a", "b"} {
		wg.Go(func() {
			err := s.With(t.Context(), func() error {
				return run.Run(t.Context(), run.Cmd{
					Argv: []string{"make", "WHO=" + who}, Dir: dir,
					Env:        run.Env("MAKEFLAGS=" + s.MakeFlags()),
					ExtraFiles: s.Files(), Log: filepath.Join(dir, who+".log"),
				})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen, err := os.ReadFile(filepath.Join(dir, "seen"))
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for _, f := range strings.Fields(string(seen)) {
		n := 0
		fmt.Sscan(f, &n)
		most = max(most, n)
	}
	if most != jobs {
		t.Errorf("at most %d jobs ran at once, want %d", most, jobs)
	}
	if n := free(t, s); n != jobs {
		t.Errorf("%d slots are free at the end, want %d", n, jobs)
	}
	log, err := os.ReadFile(filepath.Join(dir, "a.log"))
	if err != nil || strings.Contains(string(log), "jobserver unavailable") {
		t.Errorf("make did not use the slots: %s %v", log, err)
	}
}

func TestLostSlotsComeBack(t *testing.T) {
	s := newServer(t, 4)
	err := s.With(t.Context(), func() error {
		// A client that takes two slots and is killed.
		_, err := s.r.Read(make([]byte, 2))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := free(t, s); n != 4 {
		t.Errorf("%d slots are free, want 4", n)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	s := newServer(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var inner error
	err := s.With(t.Context(), func() error {
		inner = s.With(ctx, func() error { return errors.New("ran without a slot") })
		return nil
	})
	if err != nil || !errors.Is(inner, context.DeadlineExceeded) {
		t.Fatalf("got %v and %v, want the deadline", err, inner)
	}
	// The slot is free again for the next one.
	if err := s.With(t.Context(), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// Lost slots are only made up for when nobody works any more: while one does,
// its slot is taken, not lost.
func TestASlotInUseIsNotLost(t *testing.T) {
	s := newServer(t, 4)
	err := s.With(t.Context(), func() error {
		if err := s.With(t.Context(), func() error { return nil }); err != nil {
			return err
		}
		if n := free(t, s); n != 3 {
			t.Errorf("%d slots are free while one is in use, want 3", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
