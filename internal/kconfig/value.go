package kconfig

import "strings"

// values are what the symbols of a tree are worth in a .config.
type values struct {
	tree  *Tree
	final map[string]string // by name without CONFIG_, as in the .config
	mode  map[*Symbol]tri   // of the choices
	over  map[*Symbol]tri   // supposed values, instead of those of final
}

// newValues reads a final .config: names without CONFIG_, values as they stand
// there. What is not there is n or empty.
func newValues(t *Tree, final map[string]string) *values {
	v := &values{tree: t, final: final, mode: map[*Symbol]tri{}}
	// A choice may stand within another.
	for _, c := range t.choices {
		v.mode[c] = v.choiceMode(c)
	}
	return v
}

// choiceMode returns the value of a choice, which no .config holds: y when a
// member is y, and m at least when it is shown.
func (v *values) choiceMode(c *Symbol) tri {
	if m, ok := v.mode[c]; ok {
		return m
	}
	v.mode[c] = no // for a choice that depends on itself
	most := no
	for _, s := range c.members {
		most = max(most, v.tri(operand{sym: s}).lo)
	}
	if v.eval(c.prompt).lo != no && !c.optional && c.prompt != nil {
		most = max(most, mod)
	}
	if most == mod && (c.Type == Bool || !v.modules()) {
		most = yes
	}
	return most
}

func (v *values) modules() bool {
	return v.tree.modules != nil && v.final[v.tree.modules.Name] == "y"
}

// tri returns the value of an operand as a tristate.
func (v *values) tri(o operand) span {
	if o.probe {
		return span{no, yes}
	}
	text := o.text
	if s := o.sym; s != nil {
		if t, ok := v.over[s]; ok {
			return exactly(t)
		}
		if s.isChoice {
			return exactly(v.modeOf(s))
		}
		text = v.final[s.Name]
	}
	switch text {
	case "y":
		return exactly(yes)
	case "m":
		return exactly(mod)
	}
	return exactly(no)
}

func (v *values) modeOf(c *Symbol) tri {
	if m, ok := v.mode[c]; ok {
		return m
	}
	m := v.choiceMode(c)
	v.mode[c] = m
	return m
}

// text returns the value of an operand as a string.
func (v *values) text(o operand) string {
	s := o.sym
	switch {
	case s == nil:
		return o.text
	case s.isChoice || s.Type == Bool || s.Type == Tristate:
		return v.tri(o).lo.String()
	case s.Type == Unknown:
		return s.Name
	}
	return unquote(v.final[s.Name])
}

// unquote takes the quotes of a .config's string away.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// show returns the value of a symbol for people: y, m, n, 12 or "text".
func (v *values) show(s *Symbol) string {
	if s.Type == String {
		return `"` + v.text(operand{sym: s}) + `"`
	}
	if s.Type == Unknown && !s.isChoice {
		return "n"
	}
	return v.text(operand{sym: s})
}

// visible returns whether a prompt of s is shown, and up to which value.
func (v *values) visible(s *Symbol) span {
	most := exactly(no)
	for _, p := range s.props {
		if p.kind != propPrompt {
			continue
		}
		t := v.eval(p.when)
		// A member that can only be m is not shown once its choice is y.
		if s.choice != nil && s.Type == Tristate && t.hi == mod && v.modeOf(s.choice) == yes {
			t = exactly(no)
		}
		most = span{max(most.lo, t.lo), max(most.hi, t.hi)}
	}
	return v.whole(s, most)
}

// whole rounds m up to y where there are no modules.
func (v *values) whole(s *Symbol, t span) span {
	if s.Type != Tristate || !v.modules() {
		if t.lo == mod {
			t.lo = yes
		}
		if t.hi == mod {
			t.hi = yes
		}
	}
	return t
}

// forced returns the value that selects force upon s.
func (v *values) forced(s *Symbol) span { return v.push(s, s.reverse) }

func (v *values) push(s *Symbol, from []reverse) span {
	most := exactly(no)
	if s.choice != nil {
		return most // conf does not look at selects of a choice's member
	}
	for _, r := range from {
		t := v.pull(r)
		most = span{max(most.lo, t.lo), max(most.hi, t.hi)}
	}
	return v.whole(s, most)
}

// pull returns the value one select or imply asks for.
func (v *values) pull(r reverse) span {
	return v.eval(and(leaf(r.by), r.when))
}

// defaultOf returns the first default whose condition holds, or nil; sure is
// false when a probe decides.
func (v *values) defaultOf(s *Symbol) (p *prop, sure bool) {
	sure = true
	for _, p := range s.props {
		if p.kind != propDefault {
			continue
		}
		switch t := v.eval(p.when); {
		case t.lo != no:
			return p, sure
		case t.hi != no:
			sure = false
		}
	}
	return nil, sure
}
