package guest

import (
	"regexp"
	"strings"
	"time"

	"bzmage/internal/event"
)

// reResult finds what follows a benchmark's name in its result line.
var reResult = regexp.MustCompile(`^(-\d+)?[ \t]+\d+\t.*\n$`)

// exitPrefix begins the line that ends the output of checks whose exit code is
// not 0, in the form of `go test`.
const exitPrefix = "FAIL\t" + event.Package + "\texit code "

// benchmarks gives each benchmark the end that test2json does not: a
// benchmark passes with its result line, and one that has parts and no result
// of its own when they are over. See runN and run1 in testing/benchmark.go.
type benchmarks struct {
	open  []openBenchmark // each within the one before it
	ended bool            // package testing came to its end
	exit  string          // what the guest said of the exit code, unless that was 0
}

type openBenchmark struct {
	name  string
	began time.Time
	parts bool // some began
}

// ends returns the benchmarks that an event ends, in order. Their passes
// belong before the event if it is a run or of no check, else after it.
func (b *benchmarks) ends(e event.TestEvent) []event.TestEvent {
	switch {
	case e.Test == "":
		return b.endOfAll(e)
	case !strings.HasPrefix(e.Test, event.Benchmark):
	case e.Action == event.Run:
		ended := b.close(e.Test)
		if n := len(b.open); n > 0 {
			b.open[n-1].parts = true
		}
		b.open = append(b.open, openBenchmark{name: e.Test, began: time.Now()})
		return ended
	case e.Action == event.Fail || e.Action == event.Skip:
		if n := len(b.open); n > 0 && b.open[n-1].name == e.Test {
			b.open = b.open[:n-1]
		}
	case e.Action == "output" && isResult(e):
		if n := len(b.open); n > 0 && b.open[n-1].name == e.Test {
			ended := pass(b.open[n-1])
			b.open = b.open[:n-1]
			return []event.TestEvent{ended}
		}
	}
	return nil
}

// endOfAll returns the benchmarks that end with their process. PASS or FAIL is
// not enough: a benchmark that panics after its parts lets package testing go
// on before it crashes the process.
func (b *benchmarks) endOfAll(e event.TestEvent) []event.TestEvent {
	switch {
	case e.Action != "output":
	case e.Output == "PASS\n" || e.Output == "FAIL\n":
		b.ended = true
		return nil
	case strings.HasPrefix(e.Output, exitPrefix):
		b.exit = strings.TrimSpace(strings.TrimPrefix(e.Output, exitPrefix))
		return nil
	}
	if e.Action != event.Pass && e.Action != event.Fail || !b.ended || b.exit != "" && b.exit != "1" {
		return nil
	}
	return b.close("")
}

// close ends the benchmarks that next is no part of. One that has neither
// result nor parts did not end.
func (b *benchmarks) close(next string) []event.TestEvent {
	var ended []event.TestEvent
	for n := len(b.open); n > 0 && !strings.HasPrefix(next, b.open[n-1].name+"/"); n = len(b.open) {
		if b.open[n-1].parts {
			ended = append(ended, pass(b.open[n-1]))
		}
		b.open = b.open[:n-1]
	}
	return ended
}

func pass(b openBenchmark) event.TestEvent {
	took := time.Since(b.began).Seconds()
	return event.TestEvent{Action: event.Pass, Package: event.Package, Test: b.name, Elapsed: &took}
}

// isResult says whether an output is the result line of its benchmark. What
// the benchmark printed last may stand before it in the line.
func isResult(e event.TestEvent) bool {
	name := e.Test[strings.LastIndexByte(e.Test, '/')+1:]
	i := strings.LastIndex(e.Output, name)
	return i >= 0 && reResult.MatchString(e.Output[i+len(name):])
}
