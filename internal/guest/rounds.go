package guest

import (
	"errors"
	"fmt"
	"time"

	"bzmage/internal/event"
)

// benchTime is how long a benchmark is to run: an emulated CPU gets through
// thousands of system calls in it.
const benchTime = "100ms"

// errStuck is the error of checks that did not end by themselves. Repeating
// them would only take its time once more.
var errStuck = errors.New("the checks did not end")

// rounds runs all checks, as often as the host asks for. Every round is made
// of new processes, so that what ends one takes nothing from the next; the
// benchmarks have one of their own, as Go runs none after a test that failed.
func (g *guest) rounds(p event.Params, out *output) (exit int, err error) {
	seen := map[string]bool{}
	for range max(1, p.Count) {
		end := time.Now().Add(p.Timeout)
		for _, args := range processes(p) {
			code, runErr := g.runChecks(args, time.Until(end), out)
			if exit == 0 {
				exit = code
			}
			if runErr != nil && !seen[runErr.Error()] {
				seen[runErr.Error()] = true
				err = errors.Join(err, runErr)
			}
			if errors.Is(runErr, errStuck) {
				return exit, err
			}
		}
	}
	return exit, err
}

// processes returns the arguments of each process of a round. Time limits are
// not Go's own, which know nothing of benchmarks, and whose timer hides from
// the runtime that all goroutines are asleep.
//
// A benchmark that panics tells package testing that it is over before the
// panic ends the process, and with no benchmark after it the process may exit
// with 0 first. The memory profile, which nobody reads, is there for the
// garbage collection before it: that waits, and the panic goes its way.
func processes(p event.Params) [][]string {
	all := [][]string{{"-test.timeout=0", "-test.run=" + p.Run}}
	if p.Bench != "" {
		all = append(all, []string{"-test.timeout=0", "-test.run=^$", "-test.benchtime=" + benchTime, "-test.memprofile=/dev/null", "-test.bench=" + p.Bench})
	}
	return all
}

// maxPrinted is how much the checks of one process may print: they are ended
// then, as test2json takes minutes for a gigabyte on an emulated CPU.
const maxPrinted = 8 << 20

// meter is a writer that is full at some time.
type meter struct {
	room int
	full func() // called once
}

func (m *meter) Write(b []byte) (int, error) {
	if m.room >= 0 && len(b) > m.room {
		m.full()
	}
	if m.room -= len(b); m.room < 0 {
		m.room = -1
	}
	return len(b), nil
}

// errFlooded is the error of checks that filled the meter.
var errFlooded = fmt.Errorf("the checks printed more than %d MB and were killed", maxPrinted>>20)
