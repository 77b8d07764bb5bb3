package fetch

import (
	"sync"
	"time"
)

// reportEvery keeps progress to ten calls a second.
const reportEvery = 100 * time.Millisecond

// Throttle returns report in a form that can be called for every block: it
// passes on the first call, the last one (done equals total), and ten a
// second between. The result may be called from several goroutines; report
// may be nil.
func Throttle(report func(done, total int64)) func(done, total int64) {
	if report == nil {
		return func(int64, int64) {}
	}
	var mu sync.Mutex
	var last time.Time
	return func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(last) >= reportEvery || total > 0 && done == total {
			last = now
			report(done, total)
		}
	}
}
