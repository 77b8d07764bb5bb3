// Package jobserver owns the job slots that several makes share, so that
// together they run as many commands as asked for and no more.
//
// It speaks GNU make's protocol ("POSIX Jobserver Interaction" in the manual
// of make): a pipe that holds one byte for each free slot. A make works on one
// slot that is its own and takes the others from the pipe, so whoever starts a
// make takes a slot for it first and gives it back at the end.
package jobserver

import (
	"context"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Server hands out job slots.
type Server struct {
	jobs int
	r, w *os.File

	mu   sync.Mutex
	used int // slots this process took, or waits for, and has not given back
}

// New returns a server with that many slots, at least one.
func New(jobs int) (*Server, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe for job slots: %w", err)
	}
	s := &Server{jobs: max(jobs, 1), r: r, w: w}
	// Makes older than 4.3 want to block on it. All ends of a pipe share the
	// flag; Fd clears it.
	r.Fd()
	w.Fd()
	return s, s.put(s.jobs)
}

// Close ends the server; its makes must have ended.
func (s *Server) Close() error {
	err := s.w.Close()
	if err2 := s.r.Close(); err == nil {
		err = err2
	}
	return err
}

// Files are what a make inherits as descriptors 3 and 4.
func (s *Server) Files() []*os.File { return []*os.File{s.r, s.w} }

// MakeFlags is the MAKEFLAGS of a make that inherits [Server.Files]. The form
// R,W is understood by make 4.2 and later.
func (s *Server) MakeFlags() string {
	return fmt.Sprintf(" -j%d --jobserver-auth=3,4", s.jobs)
}

// With takes a slot, calls f, which runs one make or one command, and gives
// the slot back. It returns ctx's cause when ctx ends while it waits.
func (s *Server) With(ctx context.Context, f func() error) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	err := f()
	if err2 := s.give(); err == nil {
		err = err2
	}
	return err
}

func (s *Server) take(ctx context.Context) error {
	s.mu.Lock()
	s.used++
	s.mu.Unlock()
	got := make(chan error, 1)
	go func() {
		_, err := s.r.Read(make([]byte, 1))
		got <- err
	}()
	select {
	case err := <-got:
		if err != nil {
			return fmt.Errorf("take a job slot: %w", err)
		}
		return nil
	case <-ctx.Done():
		// The reader is still there; what it gets it must give back.
		go func() {
			if <-got == nil {
				_ = s.give()
			}
		}()
		return context.Cause(ctx)
	}
}

// give puts a slot back. When nobody works any more all slots must be free:
// what is missing was lost with a make that was killed, and is put back too.
func (s *Server) give() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	if s.used > 0 {
		return s.put(1)
	}
	free, err := unix.IoctlGetInt(int(s.r.Fd()), unix.TIOCINQ)
	if err != nil {
		return fmt.Errorf("count job slots: %w", err)
	}
	return s.put(s.jobs - free)
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
