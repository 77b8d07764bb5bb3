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
// the caches as the other left them.
func measure(ctx context.Context, count int, ours, other side, told func(n int, s side, seconds float64)) (a, b []float64, err error) {
	for n := range count {
		order := []struct {
			side side
			to   *[]float64
		}{{ours, &a}, {other, &b}}
		if n%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, s := range order {
			seconds, err := s.side.once(ctx, n)
			if err != nil {
				return a, b, err
			}
			*s.to = append(*s.to, seconds)
			told(n, s.side, seconds)
		}
	}
	return a, b, nil
}

func (s side) once(ctx context.Context, n int) (float64, error) {
	if s.ready != nil {
		if err := s.ready(ctx, n); err != nil {
			return 0, err
		}
	}
	// What is not on the disk yet would be written while the next one is
	// timed.
	unix.Sync()
	start := time.Now()
	if err := s.work(ctx, n); err != nil {
		return 0, err
	}
	took := time.Since(start).Seconds()
	if s.seconds != nil {
		return s.seconds()
	}
	return took, nil
}
