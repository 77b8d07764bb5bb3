package series

import (
	"errors"
	"testing"
)

// The guilty patch is found wherever it is, and wherever the check begins to
// pass, in few trials.
func TestBisect(t *testing.T) {
	for n := 1; n <= 40; n++ {
		for from := 0; from < n; from++ { // the check passes with from patches or more
			for guilty := from + 1; guilty <= n; guilty++ {
				trials := 0
				got, err := Bisect(n, func(k int) (bool, error) {
					trials++
					if k < 0 || k > n {
						t.Fatalf("%d patches of %d", k, n)
					}
					return from <= k && k < guilty, nil
				})
				if err != nil || got != guilty {
					t.Fatalf("%d patches, passes from %d to %d: %d, %v", n, from, guilty, got, err)
				}
				if near := guilty == n || from == 0; near && trials > 14 || trials > n+1 {
					t.Errorf("%d patches, passes from %d to %d: %d trials", n, from, guilty, trials)
				}
			}
		}
	}
}

func TestBisectFindsNothing(t *testing.T) {
	if _, err := Bisect(5, func(int) (bool, error) { return true, nil }); !errors.Is(err, ErrPasses) {
		t.Error(err)
	}
	tried := map[int]bool{}
	if _, err := Bisect(5, func(n int) (bool, error) { tried[n] = true; return false, nil }); !errors.Is(err, ErrNoPass) || !tried[0] || !tried[5] {
		t.Error(err, tried)
	}
	mine := errors.New("mine")
	if _, err := Bisect(5, func(int) (bool, error) { return false, mine }); !errors.Is(err, mine) {
		t.Error(err)
	}
	if _, err := Bisect(0, func(int) (bool, error) { return false, nil }); !errors.Is(err, ErrNoPass) {
		t.Error(err)
	}
}
