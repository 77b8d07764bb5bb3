package publish

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

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

// final says that no other try would help.
func final(err error) bool {
	var t *Temporary
	return err != nil && !errors.As(err, &t)
}

// The bounds of waiting.
const (
	firstWait = 2 * time.Second
	longest   = 2 * time.Minute  // between two tries, if the host says nothing
	patience  = 70 * time.Minute // of a publication: GitHub's limits begin anew each hour
	short     = 5 * time.Minute  // of all that is asked beside one
	tries     = 4                // of what is asked beside a publication
)

// pauser is a host that waits in its own way: a test's.
type pauser interface {
	pause(ctx context.Context, d time.Duration) error
}

// waits spaces the tries, and ends them when they have taken too long.
type waits struct {
	host     string
	sleep    func(context.Context, time.Duration) error // nil: as long as it says
	log      *logrus.Logger                             // nil: says nothing
	patience time.Duration
	next     time.Duration
	total    time.Duration
}

// waitsOf are those of what is asked beside a publication.
func waitsOf(name string, h any) *waits {
	w := &waits{host: name, patience: short}
	if p, ok := h.(pauser); ok {
		w.sleep = p.pause
	}
	return w
}

// again says that something came of the last try: the next wait is short.
func (w *waits) again() { w.next = 0 }

// before waits before another try: as long as the host asks for, else twice as
// long as the last time, and a bit more or less, so that many who were refused
// at once do not come back at once.
func (w *waits) before(ctx context.Context, cause error) error {
	if w.next == 0 {
		w.next = firstWait
	}
	d := w.next + time.Duration(rand.Int64N(int64(w.next)/2+1))
	w.next = min(2*w.next, longest)
	var t *Temporary
	if errors.As(cause, &t) && t.Wait > d {
		d = t.Wait
	}
	if w.total += d; w.total > w.patience {
		return fault.New(fault.Machine, "run the same again later: it goes on where this run ended",
			"%w; another try would be in %s, and that is too long", cause, d.Round(time.Second))
	}
	if w.log != nil {
		w.log.Warnf("%s: %v; trying again in %s", w.host, cause, d.Round(time.Second))
	}
	if w.sleep != nil {
		return w.sleep(ctx, d)
	}
	return sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retry repeats f while its error is temporary, some times.
func retry[T any](ctx context.Context, w *waits, f func() (T, error)) (T, error) {
	for n := 1; ; n++ {
		v, err := f()
		switch {
		case err == nil, final(err):
			return v, err
		case ctx.Err() != nil:
			return v, context.Cause(ctx)
		case n == tries:
			return v, fault.New(fault.Machine, "run the same again later", "tried %d times: %w", n, err)
		}
		if err := w.before(ctx, err); err != nil {
			return v, err
		}
	}
}

// each does f for the numbers below n, some at a time. After an error nothing
// new is begun, and what was begun comes to its end. The error is a final one
// if there is any, else the one that asks for the longest wait.
func each(n, parallel int, f func(i int) error) error {
	var g errgroup.Group
	g.SetLimit(parallel)
	var mu sync.Mutex
	var worst error
	stop := func(err error) bool {
		mu.Lock()
		defer mu.Unlock()
		if worst == nil || err != nil && !final(worst) && (final(err) || asked(err) > asked(worst)) {
			worst = err
		}
		return worst != nil
	}
	for i := range n {
		g.Go(func() error {
			if !stop(nil) {
				stop(f(i))
			}
			return nil
		})
	}
	_ = g.Wait() // the error is in worst
	return worst
}

// asked returns the wait that an error asks for.
func asked(err error) time.Duration {
	var t *Temporary
	if errors.As(err, &t) {
		return t.Wait
	}
	return 0
}

// retryAfter returns how long an answer asks to wait (RFC 9110, 10.2.3: in
// seconds, or until a date); 0: it does not say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
