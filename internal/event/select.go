package event

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Benchmark is what the name of a check that is a benchmark begins with.
const Benchmark = "Benchmark"

// Selection is a regular expression of `go test -run`: between slashes one for
// a check and each level of its parts, and several of these between bars.
type Selection struct {
	tops  []*regexp.Regexp // one for each alternative
	parts bool             // some alternative selects parts of a check
}

// ParseSelection reads a selection; an empty one selects all. Slashes and bars
// within (), [] and after a backslash belong to a regular expression, as
// package testing has it (splitRegexp in testing/match.go).
func ParseSelection(run string) (Selection, error) {
	var s Selection
	if strings.ContainsFunc(run, func(r rune) bool { return r < ' ' || r > '~' || r == '"' }) {
		return s, errors.New("only printable ASCII without quotes can stand there")
	}
	for _, alternative := range splitOutside(run, '|') {
		levels := splitOutside(alternative, '/')
		for i, level := range levels {
			re, err := regexp.Compile(strings.ReplaceAll(level, " ", "_"))
			if err != nil {
				return s, err
			}
			if i == 0 {
				s.tops = append(s.tops, re)
			}
		}
		s.parts = s.parts || len(levels) > 1
	}
	return s, nil
}

// Match says whether the check of that name is selected, or parts of it are.
func (s Selection) Match(name string) bool {
	for _, re := range s.tops {
		if re.MatchString(name) {
			return true
		}
	}
	return false
}

// Parts says whether only parts of some check are selected. Which parts there
// are is known when they have run.
func (s Selection) Parts() bool { return s.parts }

// splitOutside splits a regular expression at a character that is not within
// brackets and not quoted.
func splitOutside(s string, at byte) []string {
	var fields []string
	class, group, begin := 0, 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '[':
			class++
		case c == ']':
			class = max(0, class-1)
		case c == '(' && class == 0:
			group++
		case c == ')' && class == 0:
			group--
		case c == '\\':
			i++
		case c == at && class == 0 && group == 0:
			fields = append(fields, s[begin:i])
			begin = i + 1
		}
	}
	return append(fields, s[begin:])
}

// Select returns the checks that a guest told to run only what run selects
// will run.
func Select(checks []string, run string) ([]string, error) {
	s, err := ParseSelection(run)
	if err != nil {
		return nil, fmt.Errorf("select checks by %q: %w", run, err)
	}
	var names []string
	for _, c := range checks {
		if s.Match(c) {
			names = append(names, c)
		}
	}
	return names, nil
}
