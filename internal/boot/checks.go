package boot

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"bzmage/internal/event"
)

// words is what the guest is told of its checks. Benchmarks take a process of
// their own, which a guest without any is spared.
func (p Params) words(id string) event.Params {
	w := event.Params{ID: id, Release: p.Release, Run: p.Run, Shell: p.Shell != nil, Timeout: p.Limits.checks()}
	if p.Count > 1 {
		w.Count = p.Count
	}
	if slices.ContainsFunc(p.Expected, func(name string) bool { return strings.HasPrefix(name, event.Benchmark) }) {
		if w.Bench = p.Run; p.Run == "" {
			w.Bench = "."
		}
	}
	return w
}

func (p Params) state(id string) *event.State {
	s := event.NewState(id, p.Expected)
	s.Repeat(p.Count)
	return s
}

// where names the check that was running when the records ended, and what it
// died of.
func where(ev event.Result) string {
	if ev.Hello == nil {
		return ", before the checks began"
	}
	name := unended(ev)
	if name == "" {
		return ""
	}
	if why := deathOf(ev, name); why != "" {
		return ", in " + name + ": " + why
	}
	return ", in " + name
}

// reDeath finds what the Go runtime says of a program it ends.
var reDeath = regexp.MustCompile(`(?m)^(panic|fatal error): .*$`)

// deathOf returns the line in which the Go runtime says why it ended a check.
func deathOf(ev event.Result, name string) string {
	for _, c := range ev.Checks {
		if c.Name == name {
			return strings.TrimSuffix(reDeath.FindString(c.Output), " [recovered, repanicked]")
		}
	}
	return ""
}

// failures counts and names the checks that failed, and those of them that do
// not always; their parts are not counted.
func failures(ev event.Result, failed []event.Check) string {
	var names []string
	for _, c := range failed {
		if strings.Contains(c.Name, "/") {
			continue
		}
		text := c.Name
		if why := deathOf(ev, c.Name); why != "" {
			text += " (" + why + ")"
		}
		if c.Runs > 1 {
			text += fmt.Sprintf(" (%d of %d times)", c.Failures, c.Runs)
		}
		names = append(names, text)
	}
	if len(names) == 1 {
		return "a check failed: " + names[0]
	}
	return fmt.Sprintf("%d checks failed: %s", len(names), strings.Join(names, ", "))
}

// notRun counts the checks that never began: what ended the one before them
// took their turn.
func notRun(ev event.Result) string {
	n := 0
	for _, name := range ev.Missing {
		if !slices.ContainsFunc(ev.Checks, func(c event.Check) bool { return c.Name == name }) {
			n++
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return "; 1 check did not run"
	}
	return fmt.Sprintf("; %d checks did not run", n)
}

// unended names a check, or the innermost part of one, that began and did not
// end.
func unended(ev event.Result) string {
	name := ""
	for _, c := range ev.Checks {
		if c.Status == "" && (name == "" || strings.HasPrefix(c.Name, name+"/")) {
			name = c.Name
		}
	}
	return name
}

// noPart says whether a selection of parts found none.
func noPart(run string, ev event.Result) bool {
	s, err := event.ParseSelection(run)
	if err != nil || !s.Parts() {
		return false
	}
	return !slices.ContainsFunc(ev.Checks, func(c event.Check) bool { return strings.Contains(c.Name, "/") })
}
