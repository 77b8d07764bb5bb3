package pipeline

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/fault"
)

// miniChecks read the files, write them, and read that of a thread that is
// gone: each line of the series is run, the error path by the last one alone.
const (
	miniChecks = `package verify

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"bzmage/internal/guest"
)

func TestMain(m *testing.M) {
	if os.Getpid() == 1 {
		guest.Main()
	}
	os.Exit(m.Run())
}

func TestReads(t *testing.T) {
	if text, err := os.ReadFile("/proc/self/rand"); err != nil || len(text) != 22 {
		t.Fatalf("%q, %v", text, err)
	}
}

func TestWrites(t *testing.T) {
	if err := os.WriteFile("/proc/self/rand", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
}
`
	goneCheck = `
func TestGone(t *testing.T) {
	cmd := exec.Command("/bin/procrand", "-interval", "1h", "1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/rand", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if _, err := unix.Read(int(f.Fd()), make([]byte, 64)); err != unix.ESRCH {
		t.Fatal(err)
	}
}
`
	noGoneCheck = "\nvar _ = []any{fmt.Sprint, exec.Command, unix.Read}\n"
)

// TestSlowCoverage measures the series of a real line on both arches: with the
// checks of this checkout, and with two small packages of checks, of which one
// leaves the error path out. CI proves on programs of gcc's what reads the
// counters.
func TestSlowCoverage(t *testing.T) {
	p, line := slowProject(t, "FLAVOUR=coverage")
	t.Run("all checks", func(t *testing.T) { wantCovered(t, p, false) })
	t.Run("nothing changed", func(t *testing.T) { wantCovered(t, p, true) })
	t.Run("three checks", func(t *testing.T) { wantCovered(t, withChecks(t, p, miniChecks+goneCheck), false) })
	t.Run("without the error path", func(t *testing.T) {
		r, err := verify(t, withChecks(t, p, miniChecks+noGoneCheck))
		if fault.KindOf(err) != fault.Uncovered || !strings.Contains(err.Error(), "return -ESRCH;") {
			t.Fatalf("error %v", err)
		}
		for _, v := range r.Verdicts {
			missed := v.Coverage.Missed()
			if len(missed) != 1 || !strings.HasSuffix(missed[0], ": return -ESRCH;") || v.Verdict != "pass" {
				t.Errorf("%s: %s, not run: %q", v.Target(), v.Verdict, missed)
			}
		}
		for _, name := range []string{"coverage.json", "cobertura.xml", "cobertura-tree.xml"} {
			if _, err := os.Stat(filepath.Join(p.build("reports", line), name)); err != nil {
				t.Error(err)
			}
		}
	})
}

// wantCovered verifies and wants each executable line run, of every patch that
// has some.
func wantCovered(t *testing.T, p Project, kept bool) {
	t.Helper()
	r, err := verify(t, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Verdicts {
		s := v.Coverage.Sum()
		if s.Percent() != 100 || s.Executable < 15 || s.Boot > 0 || v.Coverage.Unknown != nil || v.Kept != kept || kept && v.Build["time"] != "kept" {
			t.Errorf("%s: %+v, not measured %q, kept %v", v.Target(), s, v.Coverage.Unknown, v.Kept)
		}
	}
}

// withChecks returns p with a module that has text for its checks.
func withChecks(t *testing.T, p Project, text string) Project {
	t.Helper()
	module := t.TempDir()
	var errs []error
	for _, dir := range []string{"cmd", "internal"} {
		errs = append(errs, os.CopyFS(filepath.Join(module, dir), os.DirFS(filepath.Join(p.Module, dir))))
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(p.Module, name))
		errs = append(errs, err, os.WriteFile(filepath.Join(module, name), b, 0o644))
	}
	errs = append(errs, os.Mkdir(filepath.Join(module, "verify"), 0o755),
		os.WriteFile(filepath.Join(module, "verify", "checks_test.go"), []byte(text), 0o644))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	p.Module = module
	return p
}
