package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// runChecks runs the checks in one process and sends their events. It returns
// their exit code; the error is what went wrong beside them.
func (g *guest) runChecks(args []string, timeout time.Duration, out *output) (int, error) {
	c, err := g.startConverter()
	if err != nil {
		return 0, err
	}
	forwarded := make(chan error, 1)
	times := &timeline{now: sinceBoot}
	go func() { forwarded <- forward(c.events, times.note, out.send) }()

	exit, runErr := g.runBinary(args, timeout, c.stdin, times)
	if exit != 0 || runErr != nil {
		// As `go test` does it: a binary that panics does not come to print
		// this, and test2json holds back how the last check ended until it
		// sees a line of its kind. The marker makes it one wherever it comes.
		// An error shows in how test2json ends.
		_, _ = fmt.Fprintf(c.stdin, "\x16%s%d\n", exitPrefix, exit)
	}
	c.stdin.Close()
	if ended := g.within(c.ended); ended == nil {
		g.children.signal(c.pid, unix.SIGKILL)
		runErr = errors.Join(runErr, errors.New("test2json did not end"))
	} else if code, err := outcome(g.converter[0], *ended); err != nil || code != 0 {
		runErr = errors.Join(runErr, err, fmt.Errorf("test2json ended with exit code %d", code))
	}
	// The events end with test2json, unless it has a process of its own, which
	// it does not: no check can keep this pipe open.
	return exit, errors.Join(runErr, <-forwarded)
}

// conversion is a running test2json.
type conversion struct {
	pid    int
	stdin  *os.File
	events *os.File
	ended  <-chan syscall.WaitStatus
}

func (g *guest) startConverter() (c conversion, err error) {
	inR, inW, err := os.Pipe()
	if err != nil {
		return c, err
	}
	defer inR.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		inW.Close()
		return c, err
	}
	defer outW.Close()
	c = conversion{stdin: inW, events: outR}
	c.pid, c.ended, err = g.children.start(g.converter, process{dir: "/", stdin: inR, stdout: outW, stderr: os.Stderr})
	if err != nil {
		inW.Close()
		outR.Close()
	}
	return c, err
}

// runBinary runs the checks and copies their output to the converter. It
// stands between the two, because a process that a check leaves behind may
// hold its output open for ever, and the converter waits for the end of it.
func (g *guest) runBinary(args []string, timeout time.Duration, to io.Writer, times *timeline) (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	argv := slices.Concat(g.checks, args)
	env := []string{"PATH=/bin", "TMPDIR=/tmp", Env + "=1"}
	pid, ended, err := g.children.start(argv, process{dir: g.workDir, env: env, stdout: w, stderr: w})
	w.Close()
	if err != nil {
		return 0, err
	}
	copied := make(chan error, 1)
	flooded := make(chan struct{})
	m := &meter{room: maxPrinted, full: func() { close(flooded) }}
	late := &lateReader{r: r, wait: g.grace / 5, most: g.grace}
	go func() { copied <- pump(to, io.TeeReader(late, m)) }()

	ws, waitErr := g.waitForChecks(pid, ended, flooded, timeout)
	if err := late.hurry(); err != nil {
		return 0, err
	}
	copyErr := <-copied
	if errors.Is(copyErr, os.ErrDeadlineExceeded) {
		copyErr = &leftBehind{holders(r), times}
	}
	if waitErr != nil {
		return 0, errors.Join(waitErr, copyErr)
	}
	exit, err := outcome("the process of the checks", ws)
	return exit, errors.Join(err, copyErr)
}

// waitForChecks waits for the process of the checks. One that takes too long
// gets SIGQUIT, upon which Go prints what its goroutines do, and one that does
// not heed it, or prints without end, is killed. A process that is stuck in the
// kernel this leaves alone.
func (g *guest) waitForChecks(pid int, ended <-chan syscall.WaitStatus, flooded <-chan struct{}, timeout time.Duration) (syscall.WaitStatus, error) {
	select {
	case ws := <-ended:
		return ws, nil
	case <-flooded:
		g.children.signal(pid, unix.SIGKILL)
		if g.within(ended) == nil {
			return 0, fmt.Errorf("%w, which they did not heed: %w", errFlooded, errStuck)
		}
		return 0, errFlooded
	case <-time.After(timeout):
	}
	limit := timeout.Round(time.Millisecond)
	g.children.signal(pid, unix.SIGQUIT)
	if g.within(ended) != nil {
		return 0, fmt.Errorf("%w within %v", errStuck, limit)
	}
	g.children.signal(pid, unix.SIGKILL)
	if g.within(ended) == nil {
		return 0, fmt.Errorf("%w within %v, and cannot be killed", errStuck, limit)
	}
	return 0, fmt.Errorf("%w within %v and were killed", errStuck, limit)
}

// within waits for a status as long as the grace period. It returns nil if
// none came.
func (g *guest) within(ended <-chan syscall.WaitStatus) *syscall.WaitStatus {
	select {
	case ws := <-ended:
		return &ws
	case <-time.After(g.grace):
		return nil
	}
}

// lateReader reads a pipe whose writer has ended, which nobody else should
// have open. What is in it comes at once, but may be long in being passed on.
type lateReader struct {
	r          *os.File
	wait, most time.Duration // for the next bytes; for all
	end        atomic.Pointer[time.Time]
}

func (l *lateReader) hurry() error {
	end := time.Now().Add(l.most)
	l.end.Store(&end)
	return l.r.SetReadDeadline(time.Now().Add(l.wait))
}

func (l *lateReader) Read(b []byte) (int, error) {
	if end := l.end.Load(); end != nil {
		next := time.Now().Add(l.wait)
		if end.Before(next) {
			next = *end
		}
		if err := l.r.SetReadDeadline(next); err != nil {
			return 0, err
		}
	}
	return l.r.Read(b)
}

// pump copies r to w. When w breaks it goes on reading, so that the checks are
// not stopped in the middle of a write, and returns the error at the end.
func pump(w io.Writer, r io.Reader) error {
	var broken error
	for buf := make([]byte, 32<<10); ; {
		n, err := r.Read(buf)
		if n > 0 && broken == nil {
			if _, err := w.Write(buf[:n]); err != nil {
				broken = fmt.Errorf("pass the output on: %w", err)
			}
		}
		if errors.Is(err, io.EOF) {
			return broken
		}
		if err != nil {
			return errors.Join(err, broken)
		}
	}
}
