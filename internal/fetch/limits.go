package fetch

import (
	"context"
	"math/rand/v2"
	"os"
	"time"
)

// limits bounds what servers and networks may do to us. Tests shorten it.
type limits struct {
	available time.Duration // the whole of Available
	dial      time.Duration // name look-up and connection
	api       time.Duration // one answer of the GitHub API
	stall     time.Duration // an attempt without a byte for this long is ended
	poll      time.Duration // between looks at a lock that another process holds

	attempts   int           // on one address, without a byte of progress
	ceiling    int           // on one address, in all
	backoff    time.Duration // before the second attempt; doubles
	backoffMax time.Duration
	retryAfter time.Duration // the longest Retry-After that is waited for

	maxBytes int64 // of a download
	reserve  int64 // bytes that a download leaves free on the disk
}

func defaultLimits() limits {
	return limits{
		available: 4 * time.Second,
		dial:      3 * time.Second,
		api:       10 * time.Second,
		stall:     30 * time.Second,
		poll:      200 * time.Millisecond,

		attempts:   5,
		ceiling:    60,
		backoff:    500 * time.Millisecond,
		backoffMax: 15 * time.Second,
		retryAfter: time.Minute,

		maxBytes: 2 << 30,
		reserve:  256 << 20,
	}
}

// pause waits before attempt n (1 is the first repetition), at least for
// atLeast. The jitter keeps machines that failed together from returning
// together.
func (l limits) pause(ctx context.Context, n int, atLeast time.Duration) error {
	d := l.backoffMax
	if n < 16 {
		d = min(l.backoff<<(n-1), l.backoffMax)
	}
	d = d/2 + rand.N(d/2+1)
	t := time.NewTimer(max(d, atLeast))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

func environment(name string) string { return os.Getenv(name) }
