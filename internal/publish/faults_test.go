package publish_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/publish"
	"bzmage/internal/testhost"
)

// steps is how many requests a whole publication takes.
func steps(t *testing.T) int {
	t.Helper()
	l := newLab(t)
	if _, err := l.publish(); err != nil {
		t.Fatal(err)
	}
	n := l.server.Requests()
	if n < 20 {
		t.Fatalf("only %d requests", n)
	}
	return n
}

// at breaks the n-th request.
func at(n int, mode testhost.Mode) func(int, *http.Request) testhost.Mode {
	return func(i int, _ *http.Request) testhost.Mode {
		if i == n {
			return mode
		}
		return testhost.Answer
	}
}

// TestFaults breaks each request of a publication in each way: the run gets
// over it, and the next one finds nothing to do.
func TestFaults(t *testing.T) {
	last := steps(t)
	for _, mode := range testhost.Modes() {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= last; n++ {
				l := newLab(t)
				l.server.Break(at(n, mode))
				name := fmt.Sprintf("%s at request %d", mode, n)
				if _, err := l.publish(); err != nil {
					t.Errorf("%s: a run did not get over it: %v", name, err)
				}
				// An answer about a new draft may be lost: it is found again.
				l.wantRelease(name, 0)
				l.server.Break(nil)
				if res, err := l.publish(); err != nil || !res.Kept {
					t.Errorf("%s: again: %+v, %v", name, res, err)
				}
				l.wantRelease(name+", again", 0)
				l.server.Close()
			}
		})
	}
}

// TestHang ends a request that the server never answers.
func TestHang(t *testing.T) {
	last := steps(t)
	var g sync.WaitGroup
	for n := 1; n <= last; n++ {
		g.Go(func() {
			l := newLab(t)
			l.host = l.connect(l.server.Token, func(p *publish.GitHubParams) { p.Quiet = 700 * time.Millisecond })
			l.server.Break(at(n, testhost.Hang))
			if _, err := l.publish(); err != nil {
				t.Errorf("hanging at request %d: %v", n, err)
			}
			l.wantRelease(fmt.Sprintf("hanging at request %d", n), 0)
		})
	}
	g.Wait()
}

// TestKilled ends a run at each request, with and without the request being
// done, twice in a row: the next one ends in one release.
func TestKilled(t *testing.T) {
	last := steps(t)
	for _, mode := range []testhost.Mode{testhost.Drop, testhost.Answer, testhost.Cut, testhost.Lost} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= last; n++ {
				l := newLab(t)
				for _, n := range []int{n, n / 2} {
					ctx, kill := context.WithCancel(t.Context())
					l.server.Break(func(i int, _ *http.Request) testhost.Mode {
						if i == n {
							kill()
							return mode
						}
						return testhost.Answer
					})
					_, err := publish.Publish(ctx, l.connect(l.server.Token), l.params)
					if err != nil && fault.KindOf(err) != fault.Interrupted {
						t.Errorf("killed at %d: %v", n, err)
					}
					kill()
					l.server.Idle()
				}
				l.server.Break(nil)
				l.host = l.connect(l.server.Token)
				if _, err := l.publish(); err != nil {
					t.Errorf("killed at %d: %v", n, err)
				}
				l.wantRelease(fmt.Sprintf("killed at %d", n), 0)
				l.server.Close()
			}
		})
	}
}

// TestAlwaysBroken ends in an error after a bounded number of requests, and
// nothing of it in the open; and goes on when it works again.
func TestAlwaysBroken(t *testing.T) {
	for _, mode := range testhost.Modes() {
		l := newLab(t)
		l.server.Break(func(_ int, r *http.Request) testhost.Mode {
			if r.URL.Query().Get("name") == "file-2.tar.zst" {
				return mode
			}
			return testhost.Answer
		})
		_, err := l.publish()
		n := l.server.Requests()
		switch {
		case mode == testhost.Lost || mode == testhost.CutBack || mode == testhost.Spoilt:
			if err != nil {
				t.Errorf("%s: the file was there each time: %v", mode, err)
			}
		case fault.KindOf(err) != fault.Machine || n > 120 || !strings.Contains(fault.HintOf(err), "goes on where this run ended"):
			t.Errorf("%s: %d requests, %v", mode, n, err)
		case len(l.server.Releases()) != 1 || !l.server.Releases()[0].Draft:
			t.Errorf("%s: %+v", mode, l.server.State())
		}
		l.server.Break(nil)
		if _, err := l.publish(); err != nil {
			t.Error(err)
		}
		l.wantRelease("when it works again", 0)
	}
}

// TestOftenBroken gets through where every third request fails, as long as
// something comes of it.
func TestOftenBroken(t *testing.T) {
	l := newLab(t)
	for i := range 30 {
		l.add(fmt.Sprintf("more-%d", i), fmt.Sprint(i), false)
	}
	modes := testhost.Modes()
	l.server.Break(func(n int, r *http.Request) testhost.Mode {
		if n%3 == 0 && r.URL.Query().Has("name") {
			return modes[n/3%len(modes)]
		}
		return testhost.Answer
	})
	if _, err := l.publish(); err != nil {
		t.Error(err)
	}
	l.wantRelease("often broken", 0)
}

// TestLimitIsObeyed waits as long as the host asks for, however it says so.
func TestLimitIsObeyed(t *testing.T) {
	now := time.Unix(1_800_000_000, 0).UTC()
	for name, tt := range map[string]struct {
		mode  testhost.Mode
		after string
		want  time.Duration
	}{
		"403 and seconds":  {testhost.Limit, "7", 7 * time.Second},
		"403 for an hour":  {testhost.Limit, "3600", time.Hour},
		"403 and a date":   {testhost.Limit, now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		"403 without more": {testhost.Limit, "", time.Minute},
		"429 and seconds":  {testhost.TooMany, "50", 50 * time.Second},
		"429 without more": {testhost.TooMany, "", time.Minute},
		"the hour's":       {testhost.Primary, "", 20*time.Minute + time.Second},
	} {
		for n := 1; n <= 12; n++ {
			l := newLab(t)
			l.server.After, l.server.Reset = tt.after, fmt.Sprint(now.Add(20*time.Minute).Unix())
			l.host = l.connect(l.server.Token, func(p *publish.GitHubParams) { p.Now = func() time.Time { return now } })
			l.server.Break(at(n, tt.mode))
			var waited []time.Duration
			l.params.Wait = func(_ context.Context, d time.Duration) error {
				waited = append(waited, d)
				return nil
			}
			if _, err := l.publish(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !storage(n) && (len(waited) != 1 || waited[0] < tt.want || waited[0] > tt.want+3*time.Second) {
				t.Errorf("%s at %d: waited %s", name, n, waited)
			}
		}
	}
}

// storage says whether a request may be one to where the files lie, which has
// no limits of the API.
func storage(n int) bool { return n > 10 }

// TestLimitTooLong does not wait for longer than limits take, and says when it
// would go on.
func TestLimitTooLong(t *testing.T) {
	for _, mode := range []testhost.Mode{testhost.Limit, testhost.TooMany} {
		l := newLab(t)
		l.server.After = "7200"
		l.server.Break(func(int, *http.Request) testhost.Mode { return mode })
		if _, err := l.publish(); fault.KindOf(err) != fault.Machine || !strings.Contains(err.Error(), "another try would be in 2h") {
			t.Errorf("two hours: %v", err)
		}
		if l.server.Requests() != 1 {
			t.Errorf("%d requests", l.server.Requests())
		}
	}
	// Of what is asked beside a publication, minutes.
	l := newLab(t)
	l.server.After = "600"
	l.server.Break(func(int, *http.Request) testhost.Mode { return testhost.Limit })
	if err := l.host.Preflight(t.Context(), tag, commit); fault.KindOf(err) != fault.Machine || !strings.Contains(err.Error(), "in 10m") {
		t.Errorf("ten minutes: %v", err)
	}
}

// TestLimitStopsOthers does not send the other files against a limit.
func TestLimitStopsOthers(t *testing.T) {
	l := newLab(t)
	for i := range 30 {
		l.add(fmt.Sprintf("more-%d", i), fmt.Sprint(i), false)
	}
	l.server.Break(func(_ int, r *http.Request) testhost.Mode {
		if r.URL.Query().Has("name") {
			return testhost.TooMany
		}
		return testhost.Answer
	})
	stop := errors.New("enough")
	l.params.Wait = func(context.Context, time.Duration) error { return stop }
	if _, err := l.publish(); !errors.Is(err, stop) {
		t.Error(err)
	}
	if n := l.server.Requests(); n > 14 {
		t.Errorf("%d requests, of which four files at once", n)
	}
}
