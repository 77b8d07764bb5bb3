// Package run is the one place that starts external programs.
//
// A command gets an argument vector (never a shell), an environment written
// out in full, and a process group of its own. When its context ends, or it
// stays silent for too long, the whole group gets SIGTERM and, after a grace
// period, SIGKILL; [Run] waits for the group to be gone. What the
// command printed is in its log file, and the last lines are in the error.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/trace"
)

// defaultGrace is how long a command may take to end after SIGTERM. Mage ends
// everything five seconds after Ctrl-C.
const defaultGrace = 3 * time.Second

// Cmd describes one external command.
type Cmd struct {
	Argv       []string      // the program and its arguments, as they are
	Dir        string        // where it runs; empty: where bzmage runs
	Env        []string      // the whole environment; nil is an empty one
	Stdin      io.Reader     // nil: /dev/null
	Stdout     io.Writer     // gets standard output too, beside Log; may be nil
	Stderr     io.Writer     // gets standard error too, beside Log; may be nil
	Merge      bool          // standard error goes the way of standard output, so that the order of lines is kept
	Log        string        // file that gets both, truncated first; empty: none
	ExtraFiles []*os.File    // inherited as descriptors 3, 4, ...
	Silence    time.Duration // end it if it prints nothing for this long; 0: never
	Grace      time.Duration // between SIGTERM and SIGKILL; 0: three seconds
}

// String returns the command as one would type it in a shell.
func (c Cmd) String() string {
	q := make([]string, len(c.Argv))
	for i, a := range c.Argv {
		q[i] = Quote(a)
	}
	return strings.Join(q, " ")
}

// Quote returns s as one word of a POSIX shell.
func Quote(s string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-"
	if s != "" && strings.Trim(s, safe) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Run runs c and waits until its whole process group is gone.
//
// The error is a [*StartError], an [*ExitError] or a [*SilenceError]; when
// ctx ended first it wraps ctx's cause.
func Run(ctx context.Context, c Cmd) (err error) {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s not started: %w", c.name(), context.Cause(ctx))
	}
	out, err := newOutput(c)
	if err != nil {
		return &StartError{Argv: c.Argv, Err: err}
	}
	defer func() { err = errors.Join(err, out.close()) }()

	// Pdeathsig is tied to the thread that forks, so the goroutine keeps its
	// thread until the command has ended (prctl(2), PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.Command(c.Argv[0], c.Argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.ExtraFiles = c.Dir, c.Env, c.Stdin, c.ExtraFiles
	if c.Env == nil {
		cmd.Env = []string{}
	}
	cmd.Stdout = out.stream(c.Stdout)
	if f, ok := c.Stdout.(*os.File); ok && c.Log == "" && c.Silence == 0 {
		cmd.Stdout = f // nobody else wants it: a gigabyte of it goes there straight
	}
	if cmd.Stderr = cmd.Stdout; !c.Merge {
		cmd.Stderr = out.stream(c.Stderr)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = c.grace()
	start, ended := time.Now(), trace.Program(ctx, c.Argv)
	if err := cmd.Start(); err != nil {
		ended(nil, err)
		return &StartError{Argv: c.Argv, Err: err}
	}
	end := guard(ctx, cmd.Process.Pid, c, out)
	waitErr := cmd.Wait()
	reason := end()
	reap(cmd.Process.Pid, c.grace())
	err = c.verdict(ctx, reason, waitErr, time.Since(start), out)
	ended(cmd.ProcessState, err)
	return err
}

// Output runs c and returns its standard output without the last newline.
func Output(ctx context.Context, c Cmd) (string, error) {
	var b strings.Builder
	if c.Stdout != nil {
		c.Stdout = io.MultiWriter(&b, c.Stdout)
	} else {
		c.Stdout = &b
	}
	err := Run(ctx, c)
	return strings.TrimRight(b.String(), "\n"), err
}

func (c Cmd) name() string { return c.Argv[0] }

func (c Cmd) grace() time.Duration {
	if c.Grace > 0 {
		return c.Grace
	}
	return defaultGrace
}

// why says for what reason a command was ended by us.
type why int

const (
	byItself why = iota
	byContext
	bySilence
)

// guard ends the group pid when ctx ends or the command falls silent. The
// function it returns stops the guard and says what it did.
func guard(ctx context.Context, pid int, c Cmd, out *output) func() why {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var reason why
	wg.Go(func() {
		reason = watch(ctx, stop, c.Silence, out)
		if reason == byItself {
			return
		}
		signalGroup(pid, unix.SIGTERM)
		select {
		case <-stop:
		case <-time.After(c.grace()):
			signalGroup(pid, unix.SIGKILL)
		}
	})
	return func() why {
		close(stop)
		wg.Wait()
		return reason
	}
}

// watch waits until the command ended, ctx ended, or silence was too long.
func watch(ctx context.Context, stop <-chan struct{}, silence time.Duration, out *output) why {
	var tick <-chan time.Time
	if silence > 0 {
		t := time.NewTicker(max(silence/20, time.Millisecond))
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-stop:
			return byItself
		case <-ctx.Done():
			return byContext
		case <-tick:
			if out.silentFor() > silence {
				return bySilence
			}
		}
	}
}

func signalGroup(pid int, sig unix.Signal) {
	// ESRCH: the group has ended by itself, which is what was wanted. There
	// is nothing to do about any other error but to wait.
	_ = unix.Kill(-pid, sig)
}

func (c Cmd) verdict(ctx context.Context, reason why, err error, took time.Duration, out *output) error {
	switch {
	case reason == bySilence:
		return &SilenceError{Argv: c.Argv, Silence: c.Silence, Log: c.Log, Tail: out.tail()}
	case reason == byContext:
		return fmt.Errorf("%s stopped: %w", c.name(), context.Cause(ctx))
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		// ErrWaitDelay: the command ended well, but a grandchild held its
		// output open; reap has ended that one.
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return &StartError{Argv: c.Argv, Err: err}
	}
	e := &ExitError{Argv: c.Argv, Code: exit.ExitCode(), Duration: took, Log: c.Log, Tail: out.tail()}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal()
	}
	return e
}
