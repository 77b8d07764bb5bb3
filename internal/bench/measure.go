package bench

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// side is one of the two ways to do the work of a row.
type side struct {
	what    string
	ready   func(ctx context.Context, n int) error // not timed: brings about what is measured from; nil: nothing to do
	work    func(ctx context.Context, n int) error // timed
	seconds func() (float64, error)                // what of it counts, asked after work; nil: all of it, by the clock
}

// measure does the work of both sides count times, in turns; who begins
// changes with each repetition, so that neither is always the one that finds
// the caches as the other left them. What was measured is added to a and b.
func measure(ctx context.Context, count int, ours, other side, a, b *Side, told func(n int, s side, seconds float64)) error {
	for n := range count {
		order := []struct {
			side side
			to   *Side
		}{{ours, a}, {other, b}}
		if n%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, s := range order {
			seconds, cpu, err := s.side.once(ctx, n)
			if err != nil {
				return err
			}
			s.to.Seconds = append(s.to.Seconds, seconds)
			if s.side.seconds == nil {
				s.to.CPU = append(s.to.CPU, cpu)
			}
			told(n, s.side, seconds)
		}
	}
	return nil
}

// once returns the seconds that count by the clock, and those of all CPUs.
func (s side) once(ctx context.Context, n int) (seconds, cpu float64, err error) {
	if s.ready != nil {
		if err := s.ready(ctx, n); err != nil {
			return 0, 0, err
		}
	}
	// What is not on the disk yet would be written while the next one is
	// timed.
	unix.Sync()
	start, used := time.Now(), children()
	if err := s.work(ctx, n); err != nil {
		return 0, 0, err
	}
	seconds, cpu = time.Since(start).Seconds(), children()-used
	if s.seconds != nil {
		seconds, err = s.seconds()
	}
	return seconds, cpu, err
}

// children returns the CPU seconds of all processes that ended below this one,
// see getrusage(2).
func children() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_CHILDREN, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
