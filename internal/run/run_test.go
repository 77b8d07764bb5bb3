package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sh returns a command that runs a script; the tests are about what happens
// to programs, and the shell is the one that is everywhere.
func sh(script string) Cmd {
	return Cmd{Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Grace: 300 * time.Millisecond}
}

func TestExitCode(t *testing.T) {
	c := sh("echo first; echo the reason >&2; exit 3")
	c.Merge = true
	err := Run(t.Context(), c)
	var e *ExitError
	if !errors.As(err, &e) || e.Code != 3 || e.Signal != 0 {
		t.Fatalf("got %v, want exit code 3", err)
	}
	if !strings.Contains(err.Error(), "the reason") {
		t.Errorf("%q does not hold the last line", err)
	}
}

func TestKilledBySignal(t *testing.T) {
	err := Run(t.Context(), sh("kill -SEGV $$"))
	var e *ExitError
	if !errors.As(err, &e) || e.Signal != unix.SIGSEGV || !strings.Contains(err.Error(), "SIGSEGV") {
		t.Fatalf("got %v, want SIGSEGV", err)
	}
}

func TestNotFound(t *testing.T) {
	err := Run(t.Context(), Cmd{Argv: []string{"no-such-program-anywhere"}})
	var e *StartError
	if !errors.As(err, &e) || !errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("got %v, want a StartError that wraps exec.ErrNotFound", err)
	}
}

func TestLogNotWritable(t *testing.T) {
	c := sh("touch " + filepath.Join(t.TempDir(), "ran"))
	c.Log = filepath.Join(t.TempDir(), "no", "such", "folder", "log")
	var e *StartError
	if err := Run(t.Context(), c); !errors.As(err, &e) {
		t.Fatalf("got %v, want a StartError", err)
	}
}

// A log on a full disk is an error even if the command itself was content.
func TestLogOnFullDisk(t *testing.T) {
	c := sh("echo hello")
	c.Log = "/dev/full"
	if err := Run(t.Context(), c); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("got %v, want ENOSPC", err)
	}
}

func TestEnvironmentIsOnlyWhatWasGiven(t *testing.T) {
	t.Setenv("BZMAGE_SECRET", "x")
	out, err := Output(t.Context(), Cmd{Argv: []string{"/usr/bin/env"}})
	if err != nil || out != "" {
		t.Errorf("got %q, %v; want nothing", out, err)
	}
	out, err = Output(t.Context(), Cmd{Argv: []string{"/usr/bin/env"}, Env: []string{"A=1", "B=2"}})
	if err != nil || out != "A=1\nB=2" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestEnv(t *testing.T) {
	t.Setenv("BZMAGE_A", "1")
	t.Setenv("BZMAGE_B", "2")
	t.Setenv("OTHER", "3")
	got := strings.Join(Env("BZMAGE_*", "LC_ALL=en"), "\n") + "\n"
	for _, want := range []string{"BZMAGE_A=1\n", "BZMAGE_B=2\n", "TZ=UTC\n", "PATH=" + os.Getenv("PATH") + "\n", "LC_ALL=en\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if strings.Contains(got, "OTHER") {
		t.Errorf("%q holds OTHER", got)
	}
}

func TestLogHoldsBothStreams(t *testing.T) {
	c := sh("echo out; echo err >&2")
	c.Log = filepath.Join(t.TempDir(), "log")
	var stdout bytes.Buffer
	c.Stdout = &stdout
	if err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(c.Log)
	if err != nil || !strings.Contains(string(log), "out\n") || !strings.Contains(string(log), "err\n") {
		t.Errorf("the log holds %q, %v", log, err)
	}
	if stdout.String() != "out\n" {
		t.Errorf("standard output is %q", &stdout)
	}
}

// Two pipes would be read in any order, and a compiler's error would stand
// beside the wrong step in the log.
func TestMergeKeepsTheOrder(t *testing.T) {
	c := sh("i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done")
	var got, want strings.Builder
	c.Stdout, c.Merge = &got, true
	if err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		fmt.Fprintf(&want, "out %d\nerr %d\n", i, i)
	}
	if got.String() != want.String() {
		t.Errorf("got %q", got.String())
	}
}

func TestOutputLargerThanAPipe(t *testing.T) {
	c := sh("head -c 3000000 /dev/zero")
	var n countWriter
	c.Stdout = &n
	if err := Run(t.Context(), c); err != nil || n != 3_000_000 {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// Output that only a file wants does not pass through bzmage, nor into errors.
func TestOutputToAFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := sh("echo to the file; echo the reason >&2; exit 3")
	c.Stdout = f
	err = Run(t.Context(), c)
	if err == nil || !strings.HasSuffix(err.Error(), "the reason") || strings.Contains(fmt.Sprintf("%+v", err), "to the file") {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(f.Name()); err != nil || string(text) != "to the file\n" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

type countWriter int

func (w *countWriter) Write(p []byte) (int, error) {
	*w += countWriter(len(p))
	return len(p), nil
}

// A command whose grandchild ignores SIGTERM: all must be gone afterwards.
func TestCancelEndsTheGrandchildren(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "ready")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	c := sh(`sh -c 'trap "" TERM; echo $$ > ` + fifo + `; while :; do sleep 0.05; done' & wait`)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, c) }()
	text, err := os.ReadFile(fifo) // blocks until the grandchild is there
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if alive(pid) {
		t.Errorf("grandchild %d is still alive", pid)
	}
}

// alive says whether a process runs; a zombie waits only for its parent.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// A command that ends well but leaves a child that holds its output.
func TestLeftoverChildIsEnded(t *testing.T) {
	c := sh("sleep 1000 & echo $!")
	start := time.Now()
	out, err := Output(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 100*time.Second {
		t.Errorf("it took %v", d)
	}
	if pid, err := strconv.Atoi(out); err != nil || alive(pid) {
		t.Errorf("child %q is still alive (%v)", out, err)
	}
}

func TestSilence(t *testing.T) {
	c := sh("echo working; sleep 1000")
	c.Silence = 200 * time.Millisecond
	err := Run(t.Context(), c)
	var e *SilenceError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "working") {
		t.Fatalf("got %v, want a SilenceError with the last line", err)
	}
}

func TestSilenceSparesTheTalkative(t *testing.T) {
	c := sh("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i; sleep 0.25; done")
	c.Silence = 2 * time.Second
	if err := Run(t.Context(), c); err != nil {
		t.Error(err)
	}
}

func TestCancelledBeforeTheStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "ran")
	err := Run(ctx, sh("touch "+file))
	if _, statErr := os.Stat(file); !errors.Is(err, context.Canceled) || statErr == nil {
		t.Errorf("got %v; the command ran: %v", err, statErr == nil)
	}
}

func TestQuoteSurvivesAShell(t *testing.T) {
	for _, s := range []string{"plain", "", "two words", "it's", "$HOME", "a\nb", `back\slash`, "*", "-ffile-prefix-map=/a b/=", "~"} {
		out, err := Output(t.Context(), sh("printf %s "+Quote(s)))
		if err != nil || out != strings.TrimRight(s, "\n") {
			t.Errorf("%q came out as %q, %v", s, out, err)
		}
	}
}

func TestTailKeepsTheLastLines(t *testing.T) {
	err := Run(t.Context(), sh("i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; exit 1"))
	var e *ExitError
	if !errors.As(err, &e) || len(e.Tail) != tailLines || e.Tail[tailLines-1] != "line 499" {
		t.Fatalf("got %v", err)
	}
}
