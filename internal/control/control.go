// Package control is the negative control of the checks: a kernel without the
// series must fail them, or they prove nothing about it. In go the verdicts of
// a line with its series and without it, and what is known beforehand
// (configs/checks.toml); out comes a [Report], which says for each check
// whether it depends on the series, and where that is not what is known.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"bzmage/internal/boot"
	"bzmage/internal/event"
	"bzmage/internal/fault"
	"bzmage/internal/strict"
)

// Rules is what is known of checks beforehand.
type Rules struct {
	Independent []string `toml:"independent"` // pass without the series too
	Skipped     []string `toml:"skipped"`     // may be skipped in every target
}

// File is configs/checks.toml.
type File struct {
	Every    Rules            `toml:"every"` // holds for each line and flavour
	Lines    map[string]Rules `toml:"line"`
	Flavours map[string]Rules `toml:"flavour"`
}

// Load reads configs/checks.toml. Without one nothing is known.
func Load(path string) (File, error) { return strict.Load(path, parse) }

func parse(text string) (File, error) {
	var f File
	extra, err := strict.Decode(text, &f)
	return f, errors.Join(append(extra, err)...)
}

// Of returns what is known of the checks in a line's flavour.
func (f File) Of(line, flavour string) Rules {
	l, v := f.Lines[line], f.Flavours[flavour]
	return Rules{
		Independent: slices.Concat(f.Every.Independent, l.Independent, v.Independent),
		Skipped:     slices.Concat(f.Every.Skipped, l.Skipped, v.Skipped),
	}
}

// Check is one check, and what became of it by arch: pass, fail, skip, or
// empty if it did not end.
type Check struct {
	Name        string            `json:"name"`
	Independent bool              `json:"independent"` // as is known beforehand
	With        map[string]string `json:"with"`        // the series
	Without     map[string]string `json:"without"`
	Depends     bool              `json:"depends"` // on the series: it fails without it, everywhere
	Problem     string            `json:"problem,omitempty"`
}

// Report is control.json.
type Report struct {
	Line     string   `json:"line"`
	Release  string   `json:"release"`
	Series   string   `json:"series"` // sha256 of the series
	Checks   []Check  `json:"checks"`
	Problems []string `json:"problems"` // beside those of the checks
}

// Compare holds what became of the checks against what is known. there are
// the checks that exist, of which a run may have selected some.
func Compare(rules Rules, there []string, with, without []boot.Verdict) Report {
	r := Report{Problems: []string{}}
	r.fill(with, func(c *Check) map[string]string { return c.With })
	r.fill(without, func(c *Check) map[string]string { return c.Without })
	for i := range r.Checks {
		c := &r.Checks[i]
		c.Independent = slices.Contains(rules.Independent, c.Name)
		c.judge()
	}
	for _, name := range rules.Independent {
		if !slices.Contains(there, name) {
			r.Problems = append(r.Problems, "there is no check "+name+", which is said to be independent of the series")
		}
	}
	for _, v := range without {
		if v.Verdict != boot.CheckFailed && v.Verdict != boot.Pass {
			r.Problems = append(r.Problems, fmt.Sprintf("the kernel for %s without the series says nothing about the checks: %s: %s", v.Arch, v.Verdict, v.Reason))
		}
	}
	return r
}

// fill notes the checks of verdicts in one of the two maps.
func (r *Report) fill(verdicts []boot.Verdict, which func(*Check) map[string]string) {
	for _, v := range verdicts {
		for _, c := range v.Checks {
			if strings.Contains(c.Name, "/") {
				continue // a part goes with its check
			}
			i := slices.IndexFunc(r.Checks, func(have Check) bool { return have.Name == c.Name })
			if i < 0 {
				i = len(r.Checks)
				r.Checks = append(r.Checks, Check{Name: c.Name, With: map[string]string{}, Without: map[string]string{}})
			}
			which(&r.Checks[i])[v.Arch] = c.Status
		}
	}
}

// judge says whether the check depends on the series, and what is wrong.
func (c *Check) judge() {
	var passed, other []string
	for arch, status := range c.Without {
		switch {
		case status == event.Pass:
			passed = append(passed, arch)
		case status == event.Skip && c.With[arch] == event.Skip:
			// It says nothing, with the series or without.
		case status != event.Fail:
			other = append(other, arch)
		}
	}
	slices.Sort(passed)
	slices.Sort(other)
	failed := false
	for _, status := range c.Without {
		failed = failed || status == event.Fail
	}
	c.Depends = failed && len(passed)+len(other) == 0
	switch {
	case c.Independent && (failed || len(other) > 0):
		c.Problem = "does not pass without the series, though it is said to be independent of it"
	case !c.Independent && len(passed) > 0:
		c.Problem = "passes without the series on " + strings.Join(passed, " and ") + ": it proves nothing about it"
	case !c.Independent && len(other) > 0:
		c.Problem = "neither passes nor fails without the series on " + strings.Join(other, " and ")
	}
}

// Err returns an error that names all that is not as it is known, or nil.
func (r Report) Err() error {
	all := slices.Clone(r.Problems)
	var independent []string
	for _, c := range r.Checks {
		if c.Problem != "" {
			all = append(all, c.Name+" "+c.Problem)
		}
		if !c.Depends && slices.Contains([]string{"", event.Pass}, worst(c.Without)) {
			independent = append(independent, c.Name)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(independent)
	hint := "make the check fail where the series is not; or, if it is about something else, write into configs/checks.toml below [every] or [line.\"" + r.Line + "\"]: independent = " + list(independent)
	return fault.New(fault.CheckFailed, hint, "the negative control of line %s: %s", r.Line, strings.Join(all, "; "))
}

// worst returns pass if all are.
func worst(status map[string]string) string {
	for _, s := range status {
		if s != event.Pass {
			return event.Fail
		}
	}
	return event.Pass
}

// list returns names as TOML has a list.
func list(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// JSON returns the report as control.json has it.
func (r Report) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	return append(text, '\n'), err
}

// Table writes a row a check.
func (r Report) Table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CHECK\tWITH THE SERIES\tWITHOUT\t")
	depends := 0
	for _, c := range r.Checks {
		what := "independent of the series"
		if c.Depends {
			what = "depends on the series"
			depends++
		}
		if c.Problem != "" {
			what = "WRONG: " + c.Problem
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", c.Name, statuses(c.With), statuses(c.Without), what)
	}
	fmt.Fprintf(tw, "%d of %d checks depend on the series\n", depends, len(r.Checks))
	return tw.Flush()
}

// statuses returns what is the same on all arches once.
func statuses(by map[string]string) string {
	var all []string
	for arch, s := range by {
		if s == "" {
			s = "did not end"
		}
		all = append(all, s+" on "+arch)
	}
	slices.Sort(all)
	var kinds []string
	for _, s := range all {
		kind, _, _ := strings.Cut(s, " on ")
		kinds = append(kinds, kind)
	}
	if kinds = slices.Compact(kinds); len(kinds) == 1 {
		return kinds[0]
	}
	return strings.Join(all, ", ")
}
