package publish

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
)

// Temporary is an error that another try may not meet.
type Temporary struct {
	Err  error
	Wait time.Duration // what the host asks for; 0: it does not say
}

// Error returns the message of what failed.
func (t *Temporary) Error() string { return t.Err.Error() }

// Unwrap returns what failed.
func (t *Temporary) Unwrap() error { return t.Err }

// The bounds of waiting.
const (
	firstWait = 2 * time.Second
	longest   = 2 * time.Minute  // between two tries, if the host says nothing
	patience  = 70 * time.Minute // in all: GitHub's limits begin anew each hour
)

// waits spaces the tries, and ends them when they have taken too long.
type waits struct {
	sleep func(context.Context, time.Duration) error
	log   *logrus.Logger
	next  time.Duration
	total time.Duration
}

// before waits before another try: as long as the host asks for, else twice as
// long as the last time, and a bit more or less, so that many who were refused
// at once do not come back at once.
func (w *waits) before(ctx context.Context, host string, cause error) error {
	if w.next == 0 {
		w.next = firstWait
	}
	d := w.next + time.Duration(rand.Int64N(int64(w.next)/2+1))
	w.next = min(2*w.next, longest)
	var t *Temporary
	if errors.As(cause, &t) && t.Wait > d {
		d = t.Wait
	}
	if w.total += d; w.total > patience {
		return fault.New(fault.Machine, "run the same again later: it goes on where this run ended", "%s asks to wait for %s: %w", host, d.Round(time.Second), cause)
	}
	if w.log != nil {
		w.log.Warnf("%s: %v; again in %s", host, cause, d.Round(time.Second))
	}
	if w.sleep != nil {
		return w.sleep(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
