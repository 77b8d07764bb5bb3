// Package jobserver owns the job slots of a run: whoever keeps a core busy (a
// make and what it starts, checkpatch, a decompressor, a compiler, a guest)
// takes one, so that all together run as many commands as asked for and no
// more.
//
// It speaks GNU make's protocol ("POSIX Jobserver Interaction" in the manual
// of make): a pipe that holds one byte for each free slot. A make works on one
// slot that is its own and takes the others from the pipe, so whoever starts a
// make takes a slot for it first and gives it back at the end. That is also
// why nothing waits for ever: a slot of its own is all that a make, or any
// other command, needs to come to its end.
package jobserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Server hands out job slots. A nil Server has slots for everybody.
type Server struct {
	jobs int
	r, w *os.File      // what makes inherit: both block, as those before 4.3 want
	own  *os.File      // the same pipe to read from, opened once more so as not to block
	turn chan struct{} // held by the one who reads from own

	mu   sync.Mutex
	held int // slots this process took and has not given back
}

// New returns a server with that many slots, at least one. Its pipe is closed
// with the last one who has it.
func New(jobs int) (*Server, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make a pipe for job slots: %w", err)
	}
	s := &Server{
		jobs: max(jobs, 1), turn: make(chan struct{}, 1),
		r: os.NewFile(uintptr(fds[0]), "job slots"), w: os.NewFile(uintptr(fds[1]), "job slots"),
	}
	var err error
	if s.own, err = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fds[0]), os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
		return nil, fmt.Errorf("open the pipe for job slots: %w", err)
	}
	return s, s.put(s.jobs)
}

// Jobs returns how many slots there are: 1 of a nil Server.
func (s *Server) Jobs() int {
	if s == nil {
		return 1
	}
	return s.jobs
}

// Join returns what a make of that version (the first line of its --version)
// needs to take slots: its MAKEFLAGS, and the files it inherits as descriptors
// 3, 4, ...
//
// From 4.4 on, make opens a fifo by its name, and so can programs to which no
// descriptors were passed on. The name here is that of this process's pipe
// (proc(5)): it needs no folder, and goes when the process does. Older ones
// inherit the pipe; the form R,W is that of make 4.2 and later.
func (s *Server) Join(version string) (flags string, files []*os.File) {
	var major, minor int
	if _, err := fmt.Sscanf(version, "GNU Make %d.%d", &major, &minor); err == nil && (major > 4 || major == 4 && minor >= 4) {
		return fmt.Sprintf(" -j%d --jobserver-auth=fifo:/proc/%d/fd/%d", s.jobs, os.Getpid(), s.r.Fd()), nil
	}
	return fmt.Sprintf(" -j%d --jobserver-auth=3,4", s.jobs), []*os.File{s.r, s.w}
}

// holding is the key of a context whose work has a slot of a Server's.
type holding struct{ s *Server }

func (s *Server) holds(ctx context.Context) bool { return ctx.Value(holding{s}) != nil }

// With takes a slot, calls f, which keeps one core busy, and gives the slot
// back. Who has a slot by its context runs f in that one, and waits for
// nothing. With returns ctx's cause when ctx ends while it waits.
func (s *Server) With(ctx context.Context, f func(context.Context) error) error {
	if s == nil || s.holds(ctx) {
		return f(ctx)
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	err := f(context.WithValue(ctx, holding{s}, true))
	if err2 := s.give(); err == nil {
		err = err2
	}
	return err
}

// Beside calls f beside its caller, who has a slot, when there is a free one
// for it; else it calls f at once, in the caller's slot, and returns after it.
// Done waits for f and returns its error.
func (s *Server) Beside(ctx context.Context, f func(context.Context) error) (done func() error) {
	if s != nil && !s.tryTake() {
		err := f(ctx)
		return func() error { return err }
	}
	ended := make(chan error, 1)
	go func() {
		err := f(context.WithValue(ctx, holding{s}, true))
		if s != nil {
			if err2 := s.give(); err == nil {
				err = err2
			}
		}
		ended <- err
	}()
	return func() error { return <-ended }
}

// take waits for a slot, behind those of this process that came first.
func (s *Server) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	raw, err := s.own.SyscallConn()
	if err != nil {
		return fmt.Errorf("take a job slot: %w", err)
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_ = s.own.SetReadDeadline(time.Unix(1, 0)) // in the past
	})
	var readErr error
	err = raw.Read(func(fd uintptr) bool {
		readErr = s.read(fd)
		return readErr != unix.EAGAIN
	})
	if !stop() {
		<-woken
		_ = s.own.SetReadDeadline(time.Time{})
		if err != nil {
			return context.Cause(ctx)
		}
	}
	if err == nil {
		err = readErr
	}
	if err != nil {
		return fmt.Errorf("take a job slot: %w", err)
	}
	return nil
}

// tryTake takes a slot if one is free.
func (s *Server) tryTake() bool {
	err := s.control(func(fd uintptr) error { return s.read(fd) })
	return err == nil
}

// read takes a slot that is in the pipe. It counts it in the same step, or the
// slot would seem lost in between.
func (s *Server) read(fd uintptr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		n, err := unix.Read(int(fd), make([]byte, 1))
		switch {
		case err == unix.EINTR:
			continue
		case err == nil && n == 0:
			err = io.ErrUnexpectedEOF
		case err == nil:
			s.held++
		}
		return err
	}
}

// give puts a slot back. What a make holds that is killed (SIGKILL: any other
// end gives it back) cannot be told from what its living neighbours hold, as
// slots look alike. So it is made up for when the last of this process's own
// slots comes back: then nobody works, and all must be free.
func (s *Server) give() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	if s.held > 0 {
		return s.put(1)
	}
	free, err := s.free()
	if err != nil {
		return err
	}
	return s.put(s.jobs - free)
}

// free returns how many slots are in the pipe.
func (s *Server) free() (n int, err error) {
	err = s.control(func(fd uintptr) (err error) {
		n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count job slots: %w", err)
	}
	return n, nil
}

// control calls f with the descriptor of own, which stays as it is.
func (s *Server) control(f func(fd uintptr) error) error {
	raw, err := s.own.SyscallConn()
	if err != nil {
		return err
	}
	var called error
	err = raw.Control(func(fd uintptr) { called = f(fd) })
	return errors.Join(err, called)
}

func (s *Server) put(n int) error {
	if n <= 0 {
		return nil
	}
	slots := make([]byte, n)
	for i := range slots {
		slots[i] = '+'
	}
	if _, err := s.w.Write(slots); err != nil {
		return fmt.Errorf("give a job slot back: %w", err)
	}
	return nil
}
