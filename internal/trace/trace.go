// Package trace notes who ran when, and what it cost: the stages of each
// target, the phases of its make, and every external program.
//
// In go the calls of a run ([Begin], and [Program] from bzmage's one runner);
// out comes a file of Chrome trace events ([Trace.Write]), which
// https://ui.perfetto.dev and chrome://tracing show as a flame of stages. The
// format is Google's "Trace Event Format", as a JSON object. A context carries
// the trace; without one, spans still add up the CPU time of their programs.
package trace

import (
	"context"
	"os"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"

	"bzmage/internal/plain"
)

// Trace is what is known of a run so far.
type Trace struct {
	start time.Time
	jobs  int

	mu           sync.Mutex
	events       []event
	lanes        [2][]bool      // of stages and of programs: which rows are taken
	user, system time.Duration  // of all programs
	more         int            // events that were not kept
	own          syscall.Rusage // of this process when the trace began
}

// most is how many events are kept: a run has some hundred, its file some
// ten kilobytes. A gigantic series must not make it one nobody can open.
const most = 20000

// The rows of the picture are grouped in two "processes".
const (
	stages   = 0
	programs = 1
)

// event is something that has ended.
type event struct {
	group, lane int
	name, cat   string
	start, dur  time.Duration // since the trace's start
	args        map[string]any
	cpu         time.Duration // user and system
	make        bool          // and not one that is asked for its version
}

// New returns a trace that begins now, of a run with so many job slots.
func New(jobs int) *Trace { return &Trace{start: time.Now(), jobs: jobs, own: self()} }

// self returns what this process has used.
func self() (r syscall.Rusage) {
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // cannot fail: both arguments are right
	return r
}

type key int

const (
	traceKey key = iota
	spanKey
)

// Into returns a context whose spans and programs are noted in t.
func (t *Trace) Into(ctx context.Context) context.Context {
	return context.WithValue(ctx, traceKey, t)
}

func of(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey).(*Trace)
	return t
}

// Span is a stage or phase that has begun.
type Span struct {
	t     *Trace
	up    *Span
	name  string
	start time.Time
	lane  int

	mu       sync.Mutex
	user     time.Duration
	system   time.Duration
	programs int
}

// Begin notes that a stage begins; what runs with the context it returns is
// part of it. End it once.
func Begin(ctx context.Context, name string) (context.Context, *Span) {
	up, _ := ctx.Value(spanKey).(*Span)
	s := &Span{t: of(ctx), up: up, name: plain.Line(name, 100), start: time.Now()}
	if s.t != nil {
		s.lane = s.t.take(stages)
	}
	return context.WithValue(ctx, spanKey, s), s
}

// Usage is the CPU time of programs, in seconds.
type Usage struct {
	User   float64 `json:"user_seconds"`
	System float64 `json:"system_seconds"`
}

// Usage returns what the programs of the span that have ended used, with all
// they started and waited for.
func (s *Span) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Usage{s.user.Seconds(), s.system.Seconds()}
}

// End ends the span; err is how, and may be nil.
func (s *Span) End(err error) {
	if s.t == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	args := usage(s.user, s.system)
	args["programs"] = s.programs
	result(args, err)
	s.t.put(event{group: stages, lane: s.lane, name: s.name, cat: "stage", args: args}, s.start)
}

// Stage notes a function as a stage, in one line of it:
//
//	defer trace.Stage(&ctx, "build arm64")(&err)
func Stage(ctx *context.Context, name string) (end func(err *error)) {
	var s *Span
	*ctx, s = Begin(*ctx, name)
	return func(err *error) { s.End(*err) }
}

func (s *Span) add(user, system time.Duration) {
	for ; s != nil; s = s.up {
		s.mu.Lock()
		s.user, s.system, s.programs = s.user+user, s.system+system, s.programs+1
		s.mu.Unlock()
	}
}

// Program notes that a program starts. The function it returns notes that it
// has ended; state may be nil.
func Program(ctx context.Context, argv []string) (ended func(state *os.ProcessState, err error)) {
	t, start, lane := of(ctx), time.Now(), 0
	up, _ := ctx.Value(spanKey).(*Span)
	if t != nil {
		lane = t.take(programs)
	}
	return func(state *os.ProcessState, err error) {
		var used syscall.Rusage
		if state != nil {
			if r, ok := state.SysUsage().(*syscall.Rusage); ok {
				used = *r
			}
		}
		user, system := time.Duration(used.Utime.Nano()), time.Duration(used.Stime.Nano())
		up.add(user, system)
		if t == nil {
			return
		}
		args := usage(user, system)
		// Of the largest of its processes (getrusage(2)); Linux counts what
		// bzmage held when it started the first one.
		args["max_rss_kb"] = used.Maxrss
		args["command"] = command(argv)
		if up != nil {
			args["stage"] = up.name
		}
		result(args, err)
		name := plain.Line(path.Base(argv[0]), 100)
		t.count(user, system)
		t.put(event{group: programs, lane: lane, name: name, cat: "program", args: args, cpu: user + system, make: name == "make" && len(argv) > 2}, start)
	}
}

// Phases returns a function that is told the name of the phase that runs now,
// as often as one likes; an empty one ends the last.
func Phases(ctx context.Context) (now func(name string)) {
	t := of(ctx)
	var last string
	var start time.Time
	lane := 0
	return func(name string) {
		if t == nil || name == last {
			return
		}
		if last != "" {
			t.put(event{group: stages, lane: lane, name: plain.Line(last, 100), cat: "phase", args: map[string]any{}}, start)
		}
		if name != "" {
			lane = t.take(stages)
		}
		last, start = name, time.Now()
	}
}

// put adds an event that ends now, and frees its row.
func (t *Trace) put(e event, start time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.start, e.dur = start.Sub(t.start), time.Since(start)
	t.lanes[e.group][e.lane] = false
	if len(t.events) >= most {
		t.more++
		return
	}
	t.events = append(t.events, e)
}

func (t *Trace) count(user, system time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.user, t.system = t.user+user, t.system+system
}

// take returns the first row of a group that is free: what overlaps must not
// share one.
func (t *Trace) take(group int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	lane := slices.Index(t.lanes[group], false)
	if lane < 0 {
		lane = len(t.lanes[group])
		t.lanes[group] = append(t.lanes[group], false)
	}
	t.lanes[group][lane] = true
	return lane
}

func usage(user, system time.Duration) map[string]any {
	return map[string]any{"user_seconds": user.Seconds(), "system_seconds": system.Seconds()}
}

func result(args map[string]any, err error) {
	if err != nil {
		args["error"] = plain.Line(err.Error(), 300)
	}
}

// command returns a command as people read it, and not all of a long one.
func command(argv []string) string {
	text := ""
	for _, a := range argv {
		if text += a + " "; len(text) > 500 {
			break
		}
	}
	return plain.Line(text, 500)
}
