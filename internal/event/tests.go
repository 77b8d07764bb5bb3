package event

import "strings"

// test takes in one event of test2json. Actions that say nothing about how a
// check went (pause, cont, start, and those of a later Go) are passed over.
func (s *State) test(r Record) {
	e, err := ParseTest(r.Test)
	if err != nil {
		s.Violate("%v", err)
		return
	}
	if e.Package != Package {
		s.Violate("a test event of package %q", short(e.Package))
	}
	if e.Test == "" {
		if e.Action == "output" {
			s.keep(&s.run, e.Output)
		}
		return
	}
	i, ok := s.check(e.Test)
	if !ok {
		return
	}
	c := &s.res.Checks[i]
	switch e.Action {
	case "output":
		if !s.keep(s.outputs[i], e.Output) {
			c.Cut = true
		}
		if m := metrics(c.Name, e.Output); m != nil && strings.HasPrefix(c.Name, Benchmark) {
			c.Metrics = m
		}
	case Run:
		s.begin(i)
	case Pass, Fail, Skip:
		s.end(i, e)
	}
}

// check returns the place in res.Checks of the check of that name.
func (s *State) check(name string) (int, bool) {
	if i, ok := s.index[name]; ok {
		return i, true
	}
	top, _, _ := strings.Cut(name, "/")
	switch {
	case len(name) > keepName || clean(name) != name || strings.ContainsAny(name, "\n\t"):
		s.Violate("%q is not the name of a check", short(name))
		return 0, false
	case s.expected != nil && !s.expected[top]:
		s.Violate("check %s was not expected", name)
	}
	if len(s.res.Checks) >= keepChecks {
		s.Violate("more than %d checks: %s is one too many", keepChecks, name)
		return 0, false
	}
	i := len(s.res.Checks)
	s.index[name] = i
	s.res.Checks = append(s.res.Checks, Check{Name: name})
	s.outputs = append(s.outputs, new(strings.Builder))
	s.runs = append(s.runs, runs{})
	return i, true
}

// keep adds text to b as far as there is room, and says whether all of it was
// kept.
func (s *State) keep(b *strings.Builder, text string) bool {
	room := max(0, min(keepOutput-b.Len(), keepTotal-s.total))
	whole := clean(cut(text, room)) // no more work than there is room for
	kept := cut(whole, room)        // cleaning may have lengthened it
	b.WriteString(kept)
	s.total += len(kept)
	return len(kept) == len(whole) && len(text) <= room
}
