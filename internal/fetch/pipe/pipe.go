// Package pipe reads what a command prints while it prints it: in goes a
// command, out comes its standard output as a reader.
package pipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"bzmage/internal/run"
)

// pipeSize lets the command and its reader run apart by more than the
// kernel's default of 64 KiB. One MiB is what any user may have (pipe(7)).
const pipeSize = 1 << 20

// stderrMax is how much of standard error is kept for the message.
const stderrMax = 4 << 10

// errAbandoned is why a command is stopped whose reader has given up.
var errAbandoned = errors.New("its output is no longer wanted")

// Error is the failure of a command whose output was read: it says what the
// command wrote to standard error, and never repeats its output.
type Error struct {
	Name   string // the program
	Stderr string // the last line of standard error
	Err    error  // from [run.Run]
}

func (e *Error) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%s: it ended early", e.Name)
	}
	return fmt.Sprintf("%s: %s", e.Name, e.Stderr)
}

// Unwrap returns the runner's error.
func (e *Error) Unwrap() error { return e.Err }

// Read runs c and calls use with its standard output. When use fails, the
// command is stopped and use's error returned; what use leaves unread is
// thrown away. A failure of the command comes before one of use, because a
// command that breaks off makes its reader fail. Stdout and Stderr of c are
// set by Read.
func Read(ctx context.Context, c run.Cmd, use func(io.Reader) error) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	// Without the larger pipe it works as well, only slower.
	_, _ = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, pipeSize)

	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var stderr head
	c.Stdout, c.Stderr = w, &stderr
	done := make(chan error, 1)
	go func() {
		err := run.Run(inner, c)
		_ = w.Close() // only now, so that use cannot see an end before err is known
		done <- err
	}()

	useErr := use(r)
	if useErr == nil {
		_, useErr = io.Copy(io.Discard, r)
	}
	if useErr != nil {
		cancel(errAbandoned)
	}
	_ = r.Close()
	err = <-done
	if err == nil || errors.Is(err, errAbandoned) {
		return useErr
	}
	var exit *run.ExitError
	if errors.As(err, &exit) {
		return &Error{Name: c.Argv[0], Stderr: stderr.lastLine(), Err: err}
	}
	return err
}

// head keeps the first bytes written to it.
type head struct {
	mu  sync.Mutex
	buf []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf = append(h.buf, p[:min(len(p), stderrMax-len(h.buf))]...)
	return len(p), nil
}

func (h *head) lastLine() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(h.buf)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
