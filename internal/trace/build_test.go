package trace

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The build part lasts from the first make's start to the last one's end;
// other programs count as far as they lie in it.
func TestBuild(t *testing.T) {
	s := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	program := func(start, end, cpu float64, isMake bool) event {
		return event{group: programs, start: s(start), dur: s(end - start), cpu: s(cpu), make: isMake}
	}
	for name, tt := range map[string]struct {
		jobs   int
		events []event
		want   Build
	}{
		"nothing":     {2, nil, Build{}},
		"no make":     {2, []event{program(0, 5, 5, false)}, Build{}},
		"one of two":  {2, []event{program(1, 11, 10, true)}, Build{Seconds: 10, CPU: 10, Make: 10, Used: 0.5}},
		"both busy":   {2, []event{program(0, 8, 9, true), program(0, 10, 11, true)}, Build{Seconds: 10, CPU: 20, Make: 20, Used: 1}},
		"a gap":       {1, []event{program(0, 1, 1, true), program(9, 10, 1, true)}, Build{Seconds: 10, CPU: 2, Make: 2, Used: 0.2}},
		"with others": {2, []event{program(10, 20, 10, true), program(0, 12, 12, false), program(15, 25, 5, false), program(30, 40, 10, false)}, Build{Seconds: 10, CPU: 14.5, Make: 10, Used: 0.725}},
		"and stages":  {1, []event{program(0, 10, 10, true), {group: stages, dur: s(10), cpu: s(10)}}, Build{Seconds: 10, CPU: 10, Make: 10, Used: 1}},
	} {
		tr := Trace{jobs: tt.jobs, events: tt.events}
		if d := cmp.Diff(tt.want, tr.build()); d != "" {
			t.Errorf("%s: (-want +got)\n%s", name, d)
		}
	}
}

// A trace that would become too big ends, and says so; its rows stay right.
func TestTooMany(t *testing.T) {
	tr := New(1)
	ctx := tr.Into(t.Context())
	for range most + 10 {
		Program(ctx, []string{"x"})(nil, nil)
	}
	if got := tr.Summary().Dropped; got != 10 || len(tr.lanes[programs]) != 1 {
		t.Errorf("%d dropped, %d rows", got, len(tr.lanes[programs]))
	}
}
