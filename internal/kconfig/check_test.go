package kconfig

import "fmt"

// checked is what a check of a whole .config found.
type checked struct {
	wrong   []string
	unknown int
	known   int
}

// check holds a .config that conf wrote against the tree: for each symbol
// whether it stands there, and whether its value is one that its prompts,
// selects, implies and defaults allow. final holds "n" for "is not set".
func (t *Tree) check(final map[string]string, weakImply bool) checked {
	v := newValues(t, final)
	var c checked
	for _, s := range t.Symbols {
		if !s.Defined() || s.isChoice || s.Type == Unknown {
			continue
		}
		written, value := v.expect(s, weakImply)
		got, there := final[s.Name]
		if s.noWrite {
			written = exactly(no)
		}
		switch {
		case written.lo != written.hi:
			c.unknown++
		case (written.lo == yes) != there:
			c.wrong = append(c.wrong, fmt.Sprintf("%s (%s): in .config %v=%s, expected %v", s.Name, s.Defs[0], there, got, written))
		default:
			c.known++
		}
		if s.Type != Bool && s.Type != Tristate {
			continue
		}
		if is := v.tri(operand{sym: s}).lo; is < value.lo || is > value.hi {
			c.wrong = append(c.wrong, fmt.Sprintf("%s (%s): is %s, expected %s to %s", s.Name, s.Defs[0], is, value.lo, value.hi))
		}
	}
	for name := range final {
		if s := t.Symbols[name]; s == nil || !s.Defined() {
			c.wrong = append(c.wrong, name+": not in the tree")
		}
	}
	return c
}

// expect follows sym_calc_value: whether s is written (y or n), and between
// which values it lies.
func (v *values) expect(s *Symbol, weakImply bool) (written, value span) {
	vis := v.visible(s)
	def, sure := v.defaultOf(s)
	if s.Type != Bool && s.Type != Tristate {
		w := exactly(no)
		if vis.lo != no || def != nil && sure {
			w = exactly(yes)
		} else if vis.hi != no || !sure {
			w = span{no, yes}
		}
		return w, exactly(no)
	}
	rev, imp := v.forced(s), v.push(s, s.implied)
	if weakImply { // before 5.7
		dep := v.whole(s, v.eval(s.dep))
		if dep.hi == no {
			imp = exactly(no)
		} else if dep.lo == no {
			imp.lo = no
		}
	}
	base := exactly(no)
	if def != nil {
		base = v.eval(and(def.value, def.when))
		if def.value == nil {
			base = v.eval(def.when)
		}
	}
	if !sure {
		base = span{no, yes}
	}
	any := span{max(vis.lo, rev.lo, base.lo, imp.lo), max(vis.hi, rev.hi, base.hi, imp.hi)}
	w := span{no, no}
	if any.lo != no {
		w.lo = yes
	}
	if any.hi != no {
		w.hi = yes
	}
	if s.choice != nil && vis.lo == yes {
		return w, span{no, yes}
	}
	if vis.hi != no {
		return w, span{rev.lo, max(vis.hi, rev.hi, base.hi, imp.hi)}
	}
	value = span{max(base.lo, imp.lo), max(base.hi, imp.hi)}
	if imp.hi != no {
		dep := v.whole(s, v.eval(s.dep))
		value = span{min(value.lo, dep.lo), min(value.hi, dep.hi)}
	}
	value = span{max(value.lo, rev.lo), max(value.hi, rev.hi)}
	return w, v.whole(s, value)
}
