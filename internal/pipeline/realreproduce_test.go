package pipeline

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/reproduce"
)

// TestRealReproduce61 builds line 6.1 a second time, in another environment. The
// first build is what TestRealKernel61 left, or is made.
func TestRealReproduce61(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles two kernels and Go's library without a cache: 6 minutes on two cores")
	}
	p := wholeProject(t, testProject(t, "6.1", ""))
	r, err := p.Reproduce(t.Context(), bzmage(t), "reproduce", "-build")
	for _, c := range r.Changes {
		t.Logf("%s: %s, then %s %s", c.What, c.First, c.Second, c.Why)
	}
	t.Logf("built again in %.0f s", r.Seconds)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range p.Settings.Archs {
		names := []string{"build/dist/6.1/" + p.target(a) + "/vmlinux", "build/dist/6.1/" + p.target(a) + "/" + a.BootImage().Name,
			"build/initramfs/6.1/" + p.target(a) + "/initramfs-" + a.GOARCH + ".cpio"}
		for _, name := range names {
			if !slices.Contains(r.Files, name) {
				t.Errorf("%s was not compared: %v", name, r.Files)
			}
		}
	}
}

// TestSlowReproduce plants what a build is apt to leak: its folder and its
// machine's name, in the kernel's code. Both are found, and where they are.
func TestSlowReproduce(t *testing.T) {
	plain, line := slowProject(t, "ARCH=arm64")
	p := wholeProject(t, plain)
	series := filepath.Join(p.Root, "patches", line)
	const makefile = "kernel/sched/Makefile"
	code, rules := inTree(t, p, schedFile), inTree(t, p, makefile)
	writeBreak(t, series, readSeries(t, series),
		diffOf(t, makefile, rules, rules+"\nCFLAGS_base.o += -DRAND_LEAK='\"built by $(shell uname -n) in $(abspath $(srctree))\"'\n")+
			diffOf(t, schedFile, code, code+"\nconst char rand_leak[] = RAND_LEAK;\n"))
	r, err := p.Reproduce(t.Context(), bzmage(t), "reproduce", "-build")
	t.Cleanup(func() {
		if r.Kept != "" {
			os.RemoveAll(filepath.Dir(r.Kept))
		}
	})
	t.Logf("%v\n%+v", err, r.Differ)
	if fault.KindOf(err) != fault.NotSame {
		t.Fatal("the leak was not found")
	}
	for _, name := range []string{"vmlinux", p.Settings.Archs[0].BootImage().Name} {
		i := slices.IndexFunc(r.Differ, func(d reproduce.Difference) bool { return filepath.Base(d.File) == name })
		if i < 0 || !strings.Contains(strings.Join(r.Differ[i].Where, "\n"), "section .rodata") || !strings.Contains(strings.Join(r.Differ[i].Where, "\n"), "symbol rand_leak") {
			t.Errorf("%s: not told to differ in rand_leak", name)
		}
	}
}

// wholeProject makes the folder of a test's project a checkout of its own, with
// the Go code of this one.
func wholeProject(t *testing.T, p Project) Project {
	t.Helper()
	for _, name := range []string{"internal", "cmd", "verify", "go.mod", "go.sum", "magefile.go"} {
		to := filepath.Join(p.Root, name)
		t.Cleanup(func() { os.RemoveAll(to) }) // other tests have the Go code elsewhere
		from := filepath.Join(p.Module, name)
		err := os.RemoveAll(to)
		if info, statErr := os.Stat(from); statErr == nil && info.IsDir() {
			err = errors.Join(err, os.CopyFS(to, os.DirFS(from)))
		} else {
			text, readErr := os.ReadFile(from)
			err = errors.Join(err, readErr, os.WriteFile(to, text, 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	p.Module = p.Root
	return p
}

// bzmage compiles this checkout's program.
func bzmage(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "bzmage")
	cmd := exec.Command("go", "tool", "mage", "-compile", program)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compile the magefile: %v: %s", err, out)
	}
	return program
}
