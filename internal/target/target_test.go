package target_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/pipeline"
	"bzmage/internal/settings"
	_ "bzmage/internal/target" // so that a change of it is not missed by the cache of tests
)

// TestScripts runs the command line as users do: the magefile, compiled once,
// in a folder with a tiny kernel of its own. make and perl are real; QEMU is a
// script that plays the guest and refuses what it does not expect.
func TestScripts(t *testing.T) {
	bin := compile(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			return setUp(e, bin)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code, "web": web},
	})
}

// compile returns the folder of bzmage's compiled magefile. The same binary
// does for all tests of this package.
func compile(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"go", "make", "perl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	dir, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var compiled = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bzmage-target-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "tool", "mage", "-compile", filepath.Join(dir, "bzmage"))
	cmd.Dir = module()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile the magefile: %w: %s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := compiled(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func module() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}

// setUp gives a script the Go code of this checkout, the tiny kernel, the
// fake QEMU, and the Go caches.
func setUp(e *testscript.Env, bin string) error {
	for _, name := range []string{"internal", "cmd", "verify"} {
		if err := copyGo(filepath.Join(e.WorkDir, name), filepath.Join(module(), name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(module(), name))
		if err == nil {
			err = os.WriteFile(filepath.Join(e.WorkDir, name), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if err := os.CopyFS(e.WorkDir, os.DirFS("testdata/project")); err != nil {
		return err
	}
	fakes := filepath.Join(e.WorkDir, "bin")
	for _, a := range arch.All() {
		script, err := os.ReadFile("testdata/qemu")
		if err == nil {
			err = os.MkdirAll(fakes, 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(fakes, a.QEMU), script, 0o755)
		}
		if err != nil {
			return err
		}
	}
	e.Setenv("BIN", bin)
	e.Setenv("PATH", fakes+":"+bin+":"+os.Getenv("PATH"))
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return err
		}
		e.Setenv(name, strings.TrimSpace(string(out)))
	}
	e.Setenv("KERNEL_SOURCE", filepath.Join(e.WorkDir, "tiny"))
	e.Setenv("CI", "")
	return nil
}

// copyGo copies the Go files of a folder, without its tests' data.
func copyGo(to, from string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dest := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
			return err
		}
		return os.WriteFile(dest, text, 0o644)
	})
}

// code runs a command and wants an exit code: code 5 bzmage patch.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want := args[0]; fmt.Sprint(got) != want {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
}

// What the README says in tables is what the code does.
func TestREADMETables(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(module(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	for _, r := range fault.Kinds() {
		if row := fmt.Sprintf("| %d | %s | %s |\n", r.Code, r.Name, r.Text); !strings.Contains(readme, row) {
			t.Errorf("the README has no row %q", row)
		}
	}
	for _, r := range settings.Table() {
		if row := fmt.Sprintf("| `%s` | %s | %s | %s |\n", r.Name, r.Values, r.Default, r.Text); !strings.Contains(readme, row) {
			t.Errorf("the README has no row %q", row)
		}
	}
	for _, st := range pipeline.Stages() {
		if row := fmt.Sprintf("| %s | %s | %s |\n", st.Name, st.In, st.Out); !strings.Contains(readme, row) {
			t.Errorf("the README has no row %q", row)
		}
	}
	out, err := exec.Command(filepath.Join(compile(t), "bzmage"), "-l").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(line, "  ") {
			if !strings.Contains(readme, "| `"+name+"` | ") {
				t.Errorf("the README has no row for the target %s", name)
			}
		}
	}
}

// start starts a build of a tiny kernel whose make says who it is and then
// waits, under mage as users have it, or without. It returns when make waits.
func start(t *testing.T, underMage bool) (cmd *exec.Cmd, makePID int) {
	t.Helper()
	bin := compile(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/project")); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "ready")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	mk := filepath.Join(dir, "tiny", "Makefile")
	text, err := os.ReadFile(mk)
	if err != nil {
		t.Fatal(err)
	}
	wait := "tinyconfig:\n\t@echo $$PPID > " + fifo + "; sleep 1000\n"
	text = bytes.Replace(text, []byte("tinyconfig:"), []byte(wait+"\nold-tinyconfig:"), 1)
	if err := os.WriteFile(mk, text, 0o644); err != nil {
		t.Fatal(err)
	}
	argv := []string{filepath.Join(bin, "bzmage"), "config"}
	if underMage {
		// What mage does: a program named mage that starts the magefile's.
		mage := filepath.Join(dir, "mage")
		script := "#!/bin/sh\n" + argv[0] + " config &\nwait\n"
		if err := os.WriteFile(mage, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		argv = []string{mage}
	}
	cmd = exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "KERNEL_SOURCE="+filepath.Join(dir, "tiny"), "ARCH=x86_64", "KERNEL=6.1", "HOME="+dir, "XDG_CACHE_HOME=")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(out.String())
		}
	})
	f, err := os.Open(fifo) // waits for make
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &makePID); err != nil {
		t.Fatal(err)
	}
	return cmd, makePID
}

// SIGINT and SIGTERM end a run cleanly: its own exit code, nobody left.
func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd, makePID := start(t, false)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != fault.Interrupted.Code() {
				t.Errorf("got %v, want exit code %d", err, fault.Interrupted.Code())
			}
			waitGone(t, makePID)
		})
	}
}

// A pipeline that stops mage with SIGTERM, which mage does not pass on, stops
// the work too.
func TestMageIsKilled(t *testing.T) {
	cmd, makePID := start(t, true)
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as we know
	waitGone(t, makePID)
}

// A run that is killed outright may leave children of its make behind. The
// next run must not work beside them: it waits until they are gone.
func TestNextRunWaitsForWhatAKilledOneLeft(t *testing.T) {
	cmd, makePID := start(t, false)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as we know
	next := exec.Command(cmd.Path, "clean")
	next.Dir, next.Env = cmd.Dir, cmd.Env
	out, err := next.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "another run works in this checkout") {
		t.Errorf("the next run says %q, %v", line, err)
	}
	// What was left is in the group that make led.
	if err := syscall.Kill(-makePID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := next.Wait(); err != nil {
		t.Errorf("the next run: %v", err)
	}
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if syscall.Kill(pid, 0) == syscall.ESRCH {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}
