package event

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"bzmage/internal/plain"
)

// What the host keeps of a stream, whatever the guest sends.
const (
	keepOutput     = MaxOutput + 4<<10 // bytes of one check: the guest's bound and its last word on it
	keepTotal      = 16 << 20          // bytes of all checks together
	keepChecks     = 10_000
	keepName       = 512 // bytes of a check's name
	keepViolations = 50
)

// The ways a check ends.
const (
	Pass = "pass"
	Fail = "fail"
	Skip = "skip"
)

// Check is what the stream said about one check, or a part of one (its name
// then has a slash in it).
type Check struct {
	Name    string  `json:"name"`
	Status  string  `json:"status,omitempty"` // pass, fail or skip; empty: it never ended
	Elapsed float64 `json:"elapsed"`          // seconds
	Output  string  `json:"output,omitempty"` // bounded, and without control characters but tab and newline
	Cut     bool    `json:"cut,omitempty"`    // the host kept only the beginning of Output

	Runs     int                `json:"runs,omitempty"`     // how often it ended, where it was to run more than once
	Failures int                `json:"failures,omitempty"` // how many of these failed: with others that passed, it is flaky
	Metrics  map[string]float64 `json:"metrics,omitempty"`  // of a benchmark, by unit: ns/op and what it reports; of the last run
}

// Result is what a stream said. It holds no more than bounds allow, and its
// texts can be shown on a terminal.
type Result struct {
	Hello      *Hello   `json:"hello,omitempty"`
	Checks     []Check  `json:"checks"`               // in the order they were first heard of
	Missing    []string `json:"missing,omitempty"`    // checks that were expected and never ended
	Output     string   `json:"output,omitempty"`     // of the run as a whole
	Done       *Done    `json:"done,omitempty"`       //
	Violations []string `json:"violations,omitempty"` // where the stream broke the rules
	Ticks      int      `json:"ticks"`

	Coverage []Coverage `json:"-"` // in the order they came
}

// Failed returns the checks that failed.
func (r Result) Failed() []Check {
	var failed []Check
	for _, c := range r.Checks {
		if c.Status == Fail {
			failed = append(failed, c)
		}
	}
	return failed
}

// Problems returns all that stands between the stream and a pass, in words. A
// stream without problems has both its ends, ran every expected check and
// nothing else, and none failed.
func (r Result) Problems() []string {
	p := slices.Clone(r.Violations)
	if r.Hello == nil {
		p = append(p, "there is no hello")
	}
	switch {
	case r.Done == nil:
		p = append(p, "there is no done")
	case r.Done.Error != "":
		p = append(p, "the guest says: "+r.Done.Error)
	case r.Done.Exit != 0:
		p = append(p, fmt.Sprintf("the checks ended with exit code %d", r.Done.Exit))
	}
	for _, c := range r.Failed() {
		p = append(p, "check "+c.Name+" failed")
	}
	for _, m := range r.Missing {
		p = append(p, "check "+m+" did not end")
	}
	return p
}

// State folds the records of one boot into a [Result].
type State struct {
	id       string
	expected map[string]bool // nil: any
	order    []string        // expected, as given
	res      Result
	ended    bool
	total    int // bytes of output kept
	index    map[string]int
	outputs  []*strings.Builder // beside res.Checks
	runs     []runs             // beside res.Checks
	run      strings.Builder
	more     int // violations not kept
	times    int // how often a check is to run; 0: once

	wantCoverage bool
	counters     map[[2]string]bool // by check and object
	counted      int                // bytes of counters kept
}

// NewState returns the State of a boot with that id. expected are the names
// of the checks that have to run; nil means that any may.
func NewState(id string, expected []string) *State {
	s := &State{id: id, order: expected, index: map[string]int{}}
	if expected != nil {
		s.expected = map[string]bool{}
		for _, name := range expected {
			s.expected[name] = true
		}
	}
	return s
}

// Fold reads r to its end into s. Lines that are no records are violations;
// the error is one of r itself.
func (s *State) Fold(r io.Reader) error {
	for rd := NewReader(r); ; {
		rec, err := rd.Next()
		var bad *LineError
		switch {
		case err == nil:
			s.Add(rec)
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			s.Violate("%v", bad)
		default:
			return fmt.Errorf("read the events: %w", err)
		}
	}
}

// Add takes in the next record.
func (s *State) Add(r Record) {
	if s.ended {
		s.Violate("a %s after the done", r.Type)
		return
	}
	if s.res.Hello == nil && r.Type != TypeHello {
		s.Violate("a %s before the hello", r.Type)
	}
	switch r.Type {
	case TypeHello:
		s.hello(r)
	case TypeTest:
		s.test(r)
	case TypeTick:
		s.res.Ticks++
	case TypeCoverage:
		s.coverage(r)
	case TypeDone:
		s.done(r)
	default:
		s.Violate("unknown record type %q", short(r.Type))
	}
}

// Violate notes that the stream broke a rule, in the manner of [fmt.Sprintf].
func (s *State) Violate(format string, args ...any) {
	if len(s.res.Violations) >= keepViolations {
		s.more++
		return
	}
	s.res.Violations = append(s.res.Violations, plain.Line(fmt.Sprintf(format, args...), keepName))
}

// Greeted says whether the hello has come.
func (s *State) Greeted() bool { return s.res.Hello != nil }

// Ended says whether the done has come.
func (s *State) Ended() bool { return s.ended }

// Result returns what the records so far add up to.
func (s *State) Result() Result {
	res := s.res
	res.Checks = slices.Clone(s.res.Checks)
	for i, b := range s.outputs {
		res.Checks[i].Output = b.String()
	}
	res.Output = s.run.String()
	res.Violations = slices.Clone(s.res.Violations)
	if s.more > 0 {
		res.Violations = append(res.Violations, fmt.Sprintf("and %d more violations", s.more))
	}
	for _, name := range s.order {
		if i, ok := s.index[name]; !ok || s.res.Checks[i].Status == "" || s.runs[i].ended < s.timesOf(name) {
			res.Missing = append(res.Missing, name)
		}
	}
	return res
}

func (s *State) hello(r Record) {
	if s.res.Hello != nil {
		s.Violate("a second hello")
		return
	}
	h := *r.Hello
	for _, f := range []*string{&h.Release, &h.Version, &h.Machine, &h.BuildID} {
		*f = plain.Line(*f, 200)
	}
	h.Cmdline = plain.Line(h.Cmdline, 4096)
	s.res.Hello = &h
	if h.Proto != Proto {
		s.Violate("the guest speaks protocol %d, not %d", h.Proto, Proto)
	}
	s.sameID(r)
}

func (s *State) done(r Record) {
	d := *r.Done
	d.Error = plain.Line(d.Error, 4096)
	s.res.Done, s.ended = &d, true
	s.sameID(r)
	if failed := s.res.Failed(); d.Exit == 0 && len(failed) > 0 {
		s.Violate("the done says exit code 0, but check %s failed", failed[0].Name)
	}
}

func (s *State) sameID(r Record) {
	if r.ID != s.id {
		s.Violate("the %s has the id %q of another boot, not %q", r.Type, short(r.ID), s.id)
	}
}

func short(s string) string { return cut(s, 200) }

// cut returns at most n bytes of s, and no half of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
