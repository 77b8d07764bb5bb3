// Procrand prints what /proc/PID/rand holds, over and over:
//
//	procrand [-interval 200ms] [-count N] PID
//
// Each line has the time of the monotonic clock and the value read then:
//
//	s: 12 ns: 345678901 rand: -1409187461
//
// The first line comes at once, the others at whole intervals from the start,
// so that a slow reader makes lines fall out but never shifts the rest. SIGINT
// and SIGTERM end it with exit code 0. Exit code 2 is a wrong command line, 1
// anything else that keeps it from going on; one line on standard error says
// what.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const usage = "usage: procrand [-interval 200ms] [-count N] PID"

func main() { os.Exit(program("/proc")) }

// program is main but for the place where proc is mounted.
func program(procRoot string) int {
	// A closed standard output is to be an error like any other. Left alone,
	// the runtime ends the program without a word (see os/signal, SIGPIPE).
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The second signal ends a program that is stuck in a write.
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], os.Stdout, os.Stderr, procRoot)
}

// run is the program but for its surroundings. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, procRoot string) int {
	s, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(stdout, usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "procrand: %v; %s\n", err, usage)
		return 2
	}
	s.root = procRoot
	if err := s.sample(ctx, stdout); err != nil {
		fmt.Fprintf(stderr, "procrand: %v\n", err)
		return 1
	}
	return 0
}

// sampler reads one process's number at an interval.
type sampler struct {
	root     string // where proc is mounted
	pid      int
	interval time.Duration
	count    int // lines to print; 0: for ever
}

func parse(args []string) (sampler, error) {
	var s sampler
	flags := flag.NewFlagSet("procrand", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.DurationVar(&s.interval, "interval", 200*time.Millisecond, "time between two lines")
	flags.IntVar(&s.count, "count", 0, "lines to print; 0: for ever")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	switch {
	case flags.NArg() == 0:
		return s, errors.New("PID is missing")
	case flags.NArg() > 1:
		return s, fmt.Errorf("one PID, not %d", flags.NArg())
	case s.interval <= 0:
		return s, fmt.Errorf("-interval %v: it has to be longer than 0", s.interval)
	case s.count < 0:
		return s, fmt.Errorf("-count %d: it cannot be negative", s.count)
	}
	pid, err := strconv.ParseInt(flags.Arg(0), 10, 32)
	if err != nil || pid <= 0 {
		return s, fmt.Errorf("PID %q is not a positive number", flags.Arg(0))
	}
	s.pid = int(pid)
	return s, nil
}

// sample prints lines until there are enough of them or ctx ends.
func (s sampler) sample(ctx context.Context, stdout io.Writer) error {
	start := time.Now()
	timer := time.NewTimer(0) // the first line comes at once
	defer timer.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if ctx.Err() != nil { // both were ready
			return nil
		}
		if err := s.print(stdout); err != nil {
			if n > 1 && errors.Is(err, errNoProcess) {
				err = fmt.Errorf("process %d has ended", s.pid)
			}
			return err
		}
		if n == s.count {
			return nil
		}
		timer.Reset(time.Until(next(start, time.Now(), s.interval)))
	}
}

// next returns the first moment after now that is a whole number of intervals
// from start.
func next(start, now time.Time, interval time.Duration) time.Time {
	return start.Add((now.Sub(start)/interval + 1) * interval)
}

func (s sampler) print(stdout io.Writer) error {
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &at); err != nil {
		return fmt.Errorf("read the clock: %w", err)
	}
	v, err := s.read()
	if err != nil {
		return err
	}
	// Nothing is held back in a buffer: a signal finds every line written.
	if _, err := fmt.Fprintf(stdout, "s: %d ns: %d rand: %d\n", at.Sec, at.Nsec, v); err != nil {
		return fmt.Errorf("print a line: %w", cause(err))
	}
	return nil
}

// errNoProcess says that there is no process of that number (any more).
var errNoProcess = errors.New("no such process")

// read opens the file anew: the kernel makes a number for each open.
func (s sampler) read() (int32, error) {
	dir := filepath.Join(s.root, strconv.Itoa(s.pid))
	path := filepath.Join(dir, "rand")
	f, err := os.Open(path)
	if err != nil {
		return 0, s.explain(dir, path, err)
	}
	defer f.Close() // only read
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0, s.explain(dir, path, err)
	}
	v, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read %s: %q is not a number of 32 bits", path, text)
	}
	return int32(v), nil
}

// explain says what an error of the file at path means.
func (s sampler) explain(dir, path string, err error) error {
	_, statErr := os.Stat(dir)
	gone := errors.Is(statErr, fs.ErrNotExist)
	switch {
	case errors.Is(err, unix.ESRCH), errors.Is(err, fs.ErrNotExist) && gone:
		return fmt.Errorf("process %d: %w", s.pid, errNoProcess)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no %s: this kernel was built without the rand patches", path)
	}
	return fmt.Errorf("read %s: %w", path, cause(err))
}

// cause strips the path, which the messages here already have.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
