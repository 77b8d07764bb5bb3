package patch

import (
	"fmt"
	"strings"
	"time"

	"bzmage/internal/fault"
)

// State says what became of one patch of a series.
type State string

// The states. A series applies when all of its patches are clean or offset.
const (
	Clean    State = "clean"    // applies where it says
	Offset   State = "offset"   // applies, some lines away
	Conflict State = "conflict" // does not apply
	Empty    State = "empty"    // changes nothing
	Upstream State = "upstream" // the tree has the change already
	Blocked  State = "blocked"  // touches a file on which an earlier patch failed
	Refused  State = "refused"  // cannot be read, or is of a kind that is not applied
)

// Report is what came of trying each patch of a series, in order.
type Report struct {
	Digest  string   `json:"digest"` // as in [Result]
	Patches []Status `json:"patches"`
}

// Status is what came of trying one patch.
type Status struct {
	Name     string    `json:"name"`
	SHA256   string    `json:"sha256"`
	Subject  string    `json:"subject"`
	Date     time.Time `json:"date"` // of the mail; zero without one
	State    State     `json:"state"`
	Offset   int       `json:"offset,omitempty"`   // the farthest a hunk had to be moved, in lines
	Why      string    `json:"why,omitempty"`      // one sentence on a state that is not clean or offset
	Files    []string  `json:"files"`              // the tree files it touches, sorted
	Moved    []Move    `json:"moved,omitempty"`    // hunks that apply elsewhere
	Failures []Failure `json:"failures,omitempty"` // places that do not fit
	Notes    []string  `json:"notes,omitempty"`    // what else a person should know
}

// Move is a hunk that applies some lines away from where it says.
type Move struct {
	File   string `json:"file"`
	Hunk   int    `json:"hunk"`   // from 1
	Line   int    `json:"line"`   // of the file, where it should begin
	At     int    `json:"at"`     // where it begins
	Offset int    `json:"offset"` // At - Line
}

// Applies says whether the patch changes the tree as it should.
func (s Status) Applies() bool { return s.State == Clean || s.State == Offset }

// Applies says whether the whole series can be applied.
func (r Report) Applies() bool { return r.Err() == nil }

// Err returns nil when the series can be applied, else a [*RejectError] that
// names all that is in the way.
func (r Report) Err() error {
	var bad []Status
	hint := ""
	for _, s := range r.Patches {
		if s.Applies() {
			continue
		}
		bad = append(bad, s)
		if hint == "" || s.State == Conflict && bad[0].State == Blocked {
			hint = s.hint()
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return fault.New(fault.Patch, hint, "%w", &RejectError{Patches: bad})
}

// hint says what to do about the patch.
func (s Status) hint() string {
	switch s.State {
	case Upstream, Empty:
		return "take " + s.Name + " out of the series"
	case Refused:
		return "make " + s.Name + " anew with git format-patch, or take it out of the series"
	}
	return "refresh " + s.Name + " against this release, or take it out of the series"
}

// RejectError names the patches of a series that do not apply, each with all
// its places that could be tried. A file that one patch fails on is not tried
// with later patches.
type RejectError struct{ Patches []Status }

// Failures returns the places of all patches.
func (e *RejectError) Failures() []Failure {
	var all []Failure
	for _, s := range e.Patches {
		all = append(all, s.Failures...)
	}
	return all
}

func (e *RejectError) Error() string {
	var lines, blocked []string
	places := 0
	for _, s := range e.Patches {
		switch {
		case len(s.Failures) > 0:
			for _, f := range s.Failures {
				places++
				lines = append(lines, f.String())
			}
		case s.State == Blocked:
			blocked = append(blocked, s.Name)
		default:
			lines = append(lines, fmt.Sprintf("patch %s: %s: %s", s.Name, s.State, s.Why))
		}
	}
	text := fmt.Sprintf("apply the series: %d %s", len(e.Patches), plural(len(e.Patches), "patch does not apply", "patches do not apply"))
	if places > 0 {
		text += fmt.Sprintf(", %d %s", places, plural(places, "place does not fit", "places do not fit"))
	}
	if more := len(lines) - maxFailures; more > 0 {
		lines = append(lines[:maxFailures], fmt.Sprintf("and %d more", more))
	}
	if more := len(blocked) - maxFailures; more > 0 {
		blocked = append(blocked[:maxFailures], fmt.Sprintf("%d more", more))
	}
	if len(blocked) > 0 {
		lines = append(lines, "blocked, as an earlier patch failed on a file of theirs: "+strings.Join(blocked, ", "))
	}
	return strings.Join(append([]string{text}, lines...), "\n")
}
