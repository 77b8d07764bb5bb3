package coverage

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/strict"
)

// ExcuseName is the file of excused lines, beside the series.
const ExcuseName = "coverage.toml"

// Excuse is an [[excuse]] of coverage.toml: a line that no check has to run,
// for a reason. It says nothing of the line's number, so it lasts until the
// line itself changes; equal lines of one patch need an entry each.
type Excuse struct {
	Patch  string `toml:"patch"`  // as the series names it
	Text   string `toml:"text"`   // the added line, without its + and the blanks around it
	Reason string `toml:"reason"` // why no check can run it
}

// Excuses reads coverage.toml of a series. Without the file nothing is excused.
func Excuses(series string) ([]Excuse, error) {
	return strict.Load(filepath.Join(series, ExcuseName), parseExcuses)
}

func parseExcuses(text string) ([]Excuse, error) {
	var file struct {
		Excuse []Excuse `toml:"excuse"`
	}
	errs, err := strict.Decode(text, &file)
	if err != nil {
		return nil, err
	}
	for i, e := range file.Excuse {
		for what, v := range map[string]string{"patch": e.Patch, "text": e.Text, "reason": e.Reason} {
			if strings.TrimSpace(v) == "" {
				errs = append(errs, fmt.Errorf("[[excuse]] number %d has no %s", i+1, what))
			}
		}
	}
	return file.Excuse, errors.Join(errs...)
}

// Settle marks the lines of the target that the guest did not run and that are
// excused, and returns the excuses that excuse nothing there.
func (r *Report) Settle(excuses []Excuse) (idle []Excuse) {
	for _, e := range excuses {
		if !r.excuse(e) {
			idle = append(idle, e)
		}
	}
	return idle
}

func (r *Report) excuse(e Excuse) bool {
	i := slices.IndexFunc(r.Patches, func(p Patch) bool { return p.Name == e.Patch })
	if i < 0 {
		return false
	}
	lines := r.Patches[i].Lines
	for j := range lines {
		l := &lines[j]
		if !l.Covered() && l.Excuse == "" && strings.TrimSpace(l.Text) == strings.TrimSpace(e.Text) {
			l.Excuse = strings.Join(strings.Fields(e.Reason), " ")
			return true
		}
	}
	return false
}
