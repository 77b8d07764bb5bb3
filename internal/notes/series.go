package notes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// series tells what changed in the series.
func series(p Params) section {
	s := section{room: roomSeries}
	if p.Before == nil {
		s.title = "Patches"
		s.add("This is the first release of the line. Its series:")
		s.add("")
		for _, is := range readAll(p.Patches) {
			s.add("- %s", named(Change{Name: is.Name, Subject: is.subject}))
		}
		if len(p.Patches) == 0 {
			s.add("- no patches")
		}
		return s
	}
	list := Changes(p.Before.Patches, p.Patches)
	s.title = "Patches since " + code(p.Before.Tag, maxWord)
	s.add("%s before, %s now; %s.", plural(len(p.Before.Patches), "patch", "patches"), fmt.Sprint(len(p.Patches)), Count(list))
	for _, kind := range Kinds() {
		first := true
		for _, c := range list {
			if c.Kind != kind {
				continue
			}
			if first {
				s.add("")
				s.add("%s:", heading(kind))
				s.add("")
			}
			first = false
			s.add("- %s", named(landed(c, p.Before.Landed)))
		}
	}
	return s
}

// landed fills in why a patch was dropped.
func landed(c Change, why map[string]string) Change {
	if c.Kind == Dropped && c.Why == "" {
		c.Why = why[c.Name]
	}
	return c
}

func heading(k Kind) string {
	switch k {
	case Added:
		return "Added"
	case Dropped:
		return "Dropped"
	case Rewritten:
		return "Rewritten: they add or remove other lines than before"
	case Rebased:
		return "Rebased: the same lines, in another place or context"
	case Reworded:
		return "Reworded: the same diff with another message"
	case Renamed:
		return "Renamed"
	}
	return "Moved: only their place in the series is another"
}

// named tells of a change in one line.
func named(c Change) string {
	text := code(c.Name, maxSubject)
	if c.Subject != "" {
		text += ": " + code(c.Subject, maxSubject)
	}
	var more []string
	if c.Was != "" {
		more = append(more, "before: "+code(c.Was, maxSubject))
	}
	if c.Reworded && c.Kind != Reworded {
		more = append(more, "its message changed too")
	}
	if c.Moved && c.Kind != Moved {
		more = append(more, "its place in the series too")
	}
	if c.Moved {
		more = append(more, fmt.Sprintf("from %d to %d", c.From, c.To))
	}
	if c.Kind == Dropped && c.Why != "" {
		more = append(more, "the new base release has it: "+code(c.Why, maxSubject))
	}
	if c.Upstream != "" {
		more = append(more, "its message names commit "+code(c.Upstream, maxWord)+" of Linux")
	}
	if len(more) > 0 {
		text += " (" + strings.Join(more, "; ") + ")"
	}
	return text
}

// Count returns in a few words how many patches changed.
func Count(list []Change) string {
	counts := map[Kind]int{}
	for _, c := range list {
		counts[c.Kind]++
	}
	var words []string
	for _, k := range Kinds() {
		if counts[k] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[k], k))
		}
	}
	if len(words) == 0 {
		return "nothing changed"
	}
	return strings.Join(words, ", ")
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
