package jobserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bzmage/internal/run"
)

func free(t *testing.T, s *Server) int {
	t.Helper()
	n, err := s.free()
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
	return s
}

// Two makes whose jobs note when they run must never run more than all slots
// at once, and must between them use all of them.
func TestTwoMakesShareTheSlots(t *testing.T) {
	needMake(t)
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
			if err := runMake(t, s, dir, who, "WHO="+who); err != nil {
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

func needMake(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// runMake runs a make in a slot, its output in the file <name>.log.
func runMake(t *testing.T, s *Server, dir, name string, args ...string) error {
	version, err := run.Output(t.Context(), run.Cmd{Argv: []string{"make", "--version"}, Env: run.Env()})
	if err != nil {
		return err
	}
	flags, files := s.Join(version)
	return s.With(t.Context(), func(ctx context.Context) error {
		return run.Run(ctx, run.Cmd{
			Argv: append([]string{"make"}, args...), Dir: dir, Env: run.Env("MAKEFLAGS=" + flags),
			ExtraFiles: files, Log: filepath.Join(dir, name+".log"), Grace: 100 * time.Millisecond,
		})
	})
}
