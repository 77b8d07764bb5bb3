package trace

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/google/renameio/v2"
)

// file is a trace as the JSON Object Format of the Trace Event Format has it.
type file struct {
	Events  []record `json:"traceEvents"`
	Unit    string   `json:"displayTimeUnit"`
	Summary Summary  `json:"otherData"`
}

// record is an event: a complete one (X), or a name of a group or row (M).
type record struct {
	Name  string         `json:"name"`
	Cat   string         `json:"cat,omitempty"`
	Phase string         `json:"ph"`
	Start int64          `json:"ts"` // microseconds
	Dur   *int64         `json:"dur,omitempty"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	Args  map[string]any `json:"args"`
}

// Summary is what a run cost.
type Summary struct {
	Jobs    int     `json:"jobs"`
	Seconds float64 `json:"seconds"` // of wall clock, since the trace began
	Dropped int     `json:"dropped"` // events that are not in the file

	Own        Usage `json:"own"`         // of bzmage itself
	PeakMemory int64 `json:"own_peak_kb"` // the most memory bzmage itself held since it was started
	Programs   Usage `json:"programs"`    // of all programs that have ended, with all they started
	Build      Build `json:"build"`
}

// Build is the part of a run from the start of its first make to the end of
// its last.
type Build struct {
	Seconds float64 `json:"seconds"`     // of wall clock
	CPU     float64 `json:"cpu_seconds"` // of all programs; of one that also ran outside of the part, its share by time
	Make    float64 `json:"make_cpu_seconds"`
	Used    float64 `json:"utilisation"` // CPU of what as many cores as there are job slots had to give; 1 is all
}

// Summary returns what the run has cost so far.
func (t *Trace) Summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := self()
	s := Summary{
		Programs: Usage{t.user.Seconds(), t.system.Seconds()},
		Jobs:     t.jobs, Seconds: time.Since(t.start).Seconds(), Dropped: t.more, PeakMemory: peak(), Build: t.build(),
		Own: Usage{
			User:   time.Duration(now.Utime.Nano() - t.own.Utime.Nano()).Seconds(),
			System: time.Duration(now.Stime.Nano() - t.own.Stime.Nano()).Seconds(),
		},
	}
	return s
}

func (t *Trace) build() Build {
	var from, to time.Duration
	var b Build
	for _, e := range t.events {
		if !e.make {
			continue
		}
		if b.Make == 0 || e.start < from {
			from = e.start
		}
		to = max(to, e.start+e.dur)
		b.Make += e.cpu.Seconds()
	}
	if to <= from {
		return b
	}
	for _, e := range t.events {
		inside := min(to, e.start+e.dur) - max(from, e.start)
		if e.group == programs && e.dur > 0 && inside > 0 {
			b.CPU += e.cpu.Seconds() * inside.Seconds() / e.dur.Seconds()
		}
	}
	b.Seconds = (to - from).Seconds()
	b.Used = b.CPU / (b.Seconds * float64(max(t.jobs, 1)))
	return b
}

var rePeak = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peak returns the most memory that this process held, in kB (proc(5); what
// getrusage(2) says is not less than what the parent held when it started it).
func peak() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	m := rePeak.FindSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n
}

// Write writes what has ended so far to a file, whole or not at all.
func (t *Trace) Write(path string) error {
	text, err := json.Marshal(file{Events: t.records(), Unit: "ms", Summary: t.Summary()})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = renameio.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the trace: %w", err)
	}
	return nil
}

func (t *Trace) records() []record {
	t.mu.Lock()
	defer t.mu.Unlock()
	records := []record{}
	for group, name := range []string{"stages", "programs"} {
		records = append(records, record{Name: "process_name", Phase: "M", PID: group + 1, Args: map[string]any{"name": name}})
		for lane := range t.lanes[group] {
			records = append(records, record{Name: "thread_name", Phase: "M", PID: group + 1, TID: lane + 1,
				Args: map[string]any{"name": fmt.Sprintf("%s %d", name, lane+1)}})
		}
	}
	for _, e := range t.events {
		dur := e.dur.Microseconds()
		records = append(records, record{Name: e.name, Cat: e.cat, Phase: "X", Start: e.start.Microseconds(), Dur: &dur,
			PID: e.group + 1, TID: e.lane + 1, Args: e.args})
	}
	return records
}
