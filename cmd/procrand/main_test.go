package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// procrand-at is procrand with the proc file system at $PROC_ROOT: the real
// one has no rand files unless the host runs the patched kernel.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"procrand":    main,
		"procrand-at": func() { os.Exit(program(os.Getenv("PROC_ROOT"))) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(cond string) (bool, error) {
			if cond != "patched" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			_, err := os.Stat("/proc/self/rand")
			return err == nil, nil
		},
	})
}

// fakeProc returns a proc folder with process 42, and a function that gives
// it its next number at once, as the kernel does.
func fakeProc(t *testing.T) (root string, set func(text string)) {
	t.Helper()
	root = t.TempDir()
	dir := filepath.Join(root, "42")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	set = func(text string) {
		t.Helper()
		beside := filepath.Join(root, "next")
		if err := os.WriteFile(beside, []byte(text), 0o444); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(beside, filepath.Join(dir, "rand")); err != nil {
			t.Fatal(err)
		}
	}
	set(number(1))
	return root, set
}

func number(v int32) string { return fmt.Sprintf("%-21d\n", v) }

var reLine = regexp.MustCompile(`^s: (\d+) ns: (\d{1,9}) rand: (-?\d+)$`)

// parseLine returns the time and the number in a line of procrand.
func parseLine(t *testing.T, line string) (time.Duration, int64) {
	t.Helper()
	m := reLine.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("line %q", line)
	}
	var v [3]int64
	for i := range v {
		var err error
		if v[i], err = strconv.ParseInt(m[i+1], 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	return time.Duration(v[0])*time.Second + time.Duration(v[1]), v[2]
}

// A FIFO stands in for the file: who opens it gets one number, and who reads
// on without opening it again gets none.
func TestOpensTheFileAnewEachTime(t *testing.T) {
	root, _ := fakeProc(t)
	fifo := filepath.Join(root, "42", "rand")
	if err := replace(fifo, func(p string) error { return unix.Mkfifo(p, 0o600) }); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		defer w.Close()
		code <- run(t.Context(), []string{"-interval", "1ms", "-count", "4", "42"}, w, io.Discard, root)
		// If it ended early, nobody else lets the open below return.
		if f, err := os.OpenFile(fifo, os.O_RDWR, 0); err == nil {
			defer f.Close()
			<-t.Context().Done()
		}
	}()
	var last time.Duration
	in := bufio.NewScanner(r)
	for _, want := range []int32{1, -2147483648, 2147483647, 0} {
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(number(want)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if !in.Scan() {
			t.Fatal("no line")
		}
		at, v := parseLine(t, in.Text())
		if v != int64(want) || at <= last {
			t.Errorf("time %v after %v, number %d, want %d", at, last, v, want)
		}
		last = at
	}
	if c := <-code; c != 0 {
		t.Errorf("exit code %d", c)
	}
}

func TestNext(t *testing.T) {
	start := time.Now()
	const ms = time.Millisecond
	for _, tt := range []struct{ now, want time.Duration }{
		{0, 10 * ms},
		{1, 10 * ms},
		{10*ms - 1, 10 * ms},
		{10 * ms, 20 * ms}, // 10 ms has just had its turn
		{14 * ms, 20 * ms}, // late by 4 ms: the schedule stays
		{57 * ms, 60 * ms}, // missed some: they fall out
	} {
		if got := next(start, start.Add(tt.now), 10*ms).Sub(start); got != tt.want {
			t.Errorf("at %v: next at %v, want %v", tt.now, got, tt.want)
		}
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name string
		args string
		prep func(dir string, set func(string)) error
		code int
		want string
	}{
		{name: "no pid", args: "", code: 2, want: "PID is missing"},
		{name: "two pids", args: "1 2", code: 2, want: "one PID, not 2"},
		{name: "word", args: "self", code: 2, want: `PID "self" is not a positive number`},
		{name: "zero", args: "0", code: 2, want: `PID "0" is not`},
		{name: "negative", args: "-- -1", code: 2, want: `PID "-1" is not`},
		{name: "too large", args: "2147483648", code: 2, want: `is not a positive number`},
		{name: "path", args: "../42", code: 2, want: `is not a positive number`},
		{name: "interval 0", args: "-interval 0 42", code: 2, want: "longer than 0"},
		{name: "interval without unit", args: "-interval 5 42", code: 2, want: "invalid value"},
		{name: "count -1", args: "-count -1 42", code: 2, want: "cannot be negative"},
		{name: "unknown flag", args: "-root / 42", code: 2, want: "not defined: -root"},
		{name: "no process", args: "43", code: 1, want: "process 43: no such process"},
		{name: "no file", args: "42", code: 1, want: "without the rand patches",
			prep: func(dir string, _ func(string)) error { return os.Remove(filepath.Join(dir, "rand")) }},
		{name: "empty file", args: "42", code: 1, want: `"" is not a number of 32 bits`,
			prep: func(_ string, set func(string)) error { set(""); return nil }},
		{name: "33 bits", args: "42", code: 1, want: `is not a number of 32 bits`,
			prep: func(_ string, set func(string)) error { set("2147483648\n"); return nil }},
		{name: "endless file", args: "42", code: 1, want: `is not a number of 32 bits`,
			prep: func(dir string, _ func(string)) error {
				return replace(filepath.Join(dir, "rand"), func(p string) error { return os.Symlink("/dev/zero", p) })
			}},
		{name: "folder", args: "42", code: 1, want: "is a directory",
			prep: func(dir string, _ func(string)) error {
				return replace(filepath.Join(dir, "rand"), func(p string) error { return os.Mkdir(p, 0o755) })
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, set := fakeProc(t)
			if tt.prep != nil {
				if err := tt.prep(filepath.Join(root, "42"), set); err != nil {
					t.Fatal(err)
				}
			}
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), strings.Fields(tt.args), &stdout, &stderr, root)
			msg := stderr.String()
			if code != tt.code || !strings.Contains(msg, tt.want) || stdout.Len() > 0 {
				t.Errorf("exit code %d, want %d\nstderr %q, want %q\nstdout %q", code, tt.code, msg, tt.want, &stdout)
			}
			if !strings.HasPrefix(msg, "procrand: ") || strings.Count(msg, "\n") != 1 {
				t.Errorf("stderr is not one line of procrand: %q", msg)
			}
		})
	}
}

func replace(path string, with func(string) error) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return with(path)
}

// A file of a process that ended between open and read says ESRCH.
func TestExplainsESRCH(t *testing.T) {
	root, _ := fakeProc(t)
	dir := filepath.Join(root, "42")
	err := sampler{root: root, pid: 42}.explain(dir, dir+"/rand", &os.PathError{Op: "read", Err: unix.ESRCH})
	if err == nil || err.Error() != "process 42: no such process" {
		t.Errorf("%v", err)
	}
}

// child starts procrand as a process of its own on the fake proc folder.
func child(t *testing.T, root string, args ...string) (*exec.Cmd, *bufio.Scanner, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Args[0] = "procrand-at"
	cmd.Env = append(os.Environ(), "PROC_ROOT="+root)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd, bufio.NewScanner(out), &stderr
}

func TestSignalsEndItWell(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			root, _ := fakeProc(t)
			cmd, out, stderr := child(t, root, "-interval", "2ms", "42")
			for range 3 {
				if !out.Scan() {
					t.Fatalf("no line: %v %s", out.Err(), stderr)
				}
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			for out.Scan() { // to the end: every line is whole
				parseLine(t, out.Text())
			}
			if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
				t.Errorf("%v, stderr %q", err, stderr)
			}
		})
	}
}

func TestEndOfTheProcess(t *testing.T) {
	root, _ := fakeProc(t)
	cmd, out, stderr := child(t, root, "-interval", "2ms", "42")
	if !out.Scan() {
		t.Fatal("no line")
	}
	// As the kernel does it: the folder goes with all that is in it.
	if err := os.Rename(filepath.Join(root, "42"), filepath.Join(root, "gone")); err != nil {
		t.Fatal(err)
	}
	for out.Scan() {
		parseLine(t, out.Text())
	}
	_ = cmd.Wait() // the exit code is looked at
	if cmd.ProcessState.ExitCode() != 1 || stderr.String() != "procrand: process 42 has ended\n" {
		t.Errorf("%v, stderr %q", cmd.ProcessState, stderr)
	}
}

func TestClosedStandardOutput(t *testing.T) {
	root, _ := fakeProc(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), self, "42")
	cmd.Args[0], cmd.Env = "procrand-at", append(os.Environ(), "PROC_ROOT="+root)
	cmd.Stdout, cmd.Stderr = w, &stderr
	r.Close()
	err = cmd.Run()
	w.Close()
	if cmd.ProcessState.ExitCode() != 1 || stderr.String() != "procrand: print a line: broken pipe\n" {
		t.Errorf("%v, stderr %q", err, &stderr)
	}
}
