package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"bzmage/internal/event"
)

// runChecks runs the checks and sends their events. It returns their exit
// code; the error is what went wrong beside them.
func (g *guest) runChecks(p event.Params, out *output) (int, error) {
	c, err := g.startConverter()
	if err != nil {
		return 0, err
	}
	forwarded := make(chan error, 1)
	go func() { forwarded <- forward(c.events, out.send) }()

	exit, runErr := g.runBinary(p, c.stdin)
	if exit != 0 || runErr != nil {
		// As `go test` does it: a binary that panics does not come to print
		// this, and test2json holds back how the last check ended until it
		// sees a line of its kind. The marker makes it one wherever it comes.
		// An error shows in how test2json ends.
		_, _ = fmt.Fprintf(c.stdin, "\x16FAIL\t%s\texit code %d\n", event.Package, exit)
	}
	c.stdin.Close()
	if ended := g.within(c.ended); ended == nil {
		g.children.kill(c.pid)
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
func (g *guest) runBinary(p event.Params, to io.Writer) (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	argv := append(g.checks[:len(g.checks):len(g.checks)], "-test.timeout="+p.Timeout.String(), "-test.run="+p.Run)
	env := []string{"PATH=/bin", "TMPDIR=/tmp", Env + "=1"}
	pid, ended, err := g.children.start(argv, process{dir: g.workDir, env: env, stdout: w, stderr: w})
	w.Close()
	if err != nil {
		return 0, err
	}
	copied := make(chan error, 1)
	go func() { copied <- pump(to, r) }()

	ws, waitErr := g.waitForChecks(pid, ended, p.Timeout)
	// Until now nobody was hurried; what is in the pipe is read at once.
	if err := r.SetReadDeadline(time.Now().Add(g.grace / 5)); err != nil {
		return 0, err
	}
	copyErr := <-copied
	if errors.Is(copyErr, os.ErrDeadlineExceeded) {
		copyErr = errors.New("a check left a process behind that holds its output open")
	}
	if waitErr != nil {
		return 0, errors.Join(waitErr, copyErr)
	}
	exit, err := outcome("the process of the checks", ws)
	return exit, errors.Join(err, copyErr)
}

// waitForChecks waits for the process of the checks. Go's testing package ends
// it after the timeout; when that does not work, this kills it, and a process
// that is stuck in the kernel it leaves alone.
func (g *guest) waitForChecks(pid int, ended <-chan syscall.WaitStatus, timeout time.Duration) (syscall.WaitStatus, error) {
	select {
	case ws := <-ended:
		return ws, nil
	case <-time.After(timeout + g.grace):
	}
	g.children.kill(pid)
	if g.within(ended) == nil {
		return 0, fmt.Errorf("the checks did not end within %v, and cannot be killed", timeout)
	}
	return 0, fmt.Errorf("the checks did not end within %v and were killed", timeout)
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
