package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"bzmage/internal/fault"
)

// Shell joins a terminal to the guest's console when the checks are over.
type Shell struct {
	Terminal *os.File            // where a person types
	Out      io.Writer           // where they read
	Judge    func(Outcome) error // called before; the shell is no part of the verdict
}

// errShellEnd ends the machine when the person is done.
var errShellEnd = errors.New("shell ended")

// show prints what the guest prints, as text: a terminal that obeyed it could
// be made to type. Of its controls those stay that move within a line.
func (s *Shell) show(b []byte) error {
	text := make([]byte, len(b))
	for i, c := range b {
		switch {
		case c >= ' ' && c <= '~', c == '\n', c == '\r', c == '\t', c == '\b':
			text[i] = c
		default:
			text[i] = '?'
		}
	}
	_, err := s.Out.Write(text)
	return err
}

// join returns what is QEMU's standard input, and joins it to the terminal once
// the guest has sent its last record. Without a shell there is none.
func (g *guest) join(ctx context.Context, wg *sync.WaitGroup, end context.CancelCauseFunc) (io.Reader, error) {
	if g.p.Shell == nil {
		return nil, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fault.New(fault.Machine, "", "make a pipe for the console: %w", err)
	}
	wg.Go(func() {
		defer r.Close()
		defer w.Close()
		select {
		case <-ctx.Done():
			return
		case <-g.ended:
		}
		if err := g.converse(ctx, w); err != nil {
			end(err)
		}
	})
	return r, nil
}

// converse judges what there is and then carries what is typed to the guest.
// It returns errShellEnd when that is to end.
func (g *guest) converse(ctx context.Context, to io.Writer) error {
	o := g.outcome(nil, nil)
	g.judged = &o
	if err := g.p.Shell.Judge(o); err != nil {
		return err
	}
	fd := int(g.p.Shell.Terminal.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return fmt.Errorf("take the terminal: %w", err)
	}
	defer func() { _ = term.Restore(fd, before) }()
	g.shell.Store(true)
	// The shell has shown its prompt to nobody; this asks for another one.
	if _, err := io.WriteString(to, "\r"); err != nil {
		return errShellEnd
	}
	return carry(ctx, fd, to)
}

// carry copies what is typed until ctx ends. As with QEMU's own console, Ctrl-A
// x ends the machine and Ctrl-A Ctrl-A is a Ctrl-A.
func carry(ctx context.Context, fd int, to io.Writer) error {
	const escape = 1 // Ctrl-A
	escaped := false
	for buf := make([]byte, 256); ; {
		if ctx.Err() != nil {
			return nil
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
		if n == 0 || errors.Is(err, unix.EINTR) {
			continue
		}
		if n, err = unix.Read(fd, buf); err != nil || n == 0 {
			return errShellEnd // the terminal is gone
		}
		var text []byte
		for _, c := range buf[:n] {
			switch {
			case escaped && (c == 'x' || c == 'X'):
				return errShellEnd
			case !escaped && c == escape:
				escaped = true
				continue
			}
			escaped = false
			text = append(text, c)
		}
		if _, err := to.Write(text); err != nil {
			return errShellEnd
		}
	}
}
