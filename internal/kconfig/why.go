package kconfig

import (
	"fmt"
	"slices"
	"strings"
)

// state returns a symbol with its value, as menuconfig's help does: FOO [=n].
func (c *Case) state(s *Symbol) string {
	if s == nil {
		return "no such symbol"
	}
	name := operand{sym: s}.String()
	if !s.Defined() {
		if name != "" && name[0] >= '0' && name[0] <= '9' {
			return name // a number; conf takes it for a symbol without a definition
		}
		return name + " [undefined]"
	}
	return name + " [=" + c.values.show(s) + "]"
}

// askedBy says who gave s the value it has, with a comma before it.
func (c *Case) askedBy(s *Symbol) string {
	if a, ok := c.asked(s); ok {
		if a.Value == c.values.show(s) || c.values.text(operand{sym: s}) == unquote(a.Value) {
			return fmt.Sprintf(", which %s asks for", a.Pos)
		}
		return fmt.Sprintf(", although %s has %s", a.Pos, a)
	}
	if v := c.Base[s.Name]; v != "" && v != "n" && v == c.Final[s.Name] {
		return ", which comes from " + c.BaseName
	}
	return ", which no fragment asks for"
}

// maxWidth is how long an expression is shown; the rest is left out, never
// the part that is off.
const maxWidth = 240

// show returns an expression with the values of its symbols.
func (c *Case) show(e *expr) string {
	text := c.render(e, 0)
	if len(text) <= maxWidth {
		return text
	}
	var parts []string
	for _, p := range e.parts() {
		if c.values.eval(p).lo != yes {
			parts = append(parts, cut(c.render(p, 1)))
		}
	}
	if len(parts) == 0 {
		return cut(text)
	}
	return cut(strings.Join(parts, " && ")) + fmt.Sprintf(" && (%d more that hold)", len(e.parts())-len(parts))
}

func cut(s string) string {
	if len(s) <= maxWidth {
		return s
	}
	i := strings.LastIndexByte(s[:maxWidth], ' ')
	if i < 0 {
		i = maxWidth
	}
	return strings.ToValidUTF8(s[:i], "") + " ..."
}

// render writes e; within is 0 at the top, 1 in &&, 2 in !.
func (c *Case) render(e *expr, within int) string {
	if e == nil {
		return "y"
	}
	switch e.op {
	case opLeaf:
		return c.operand(e.l)
	case opNot:
		return "!" + c.render(e.args[0], 2)
	case opCompare:
		return c.operand(e.l) + " " + e.cmp + " " + c.operand(e.r)
	}
	sep, level := " && ", 1
	if e.op == opOr {
		sep, level = " || ", 0
	}
	var parts []string
	for _, a := range e.args {
		if a.op == opLeaf && a.l.sym != nil && a.l.sym.isChoice && c.values.modeOf(a.l.sym) == yes {
			continue // the choice it is a member of, which is shown
		}
		if e.op == opAnd && a.op == opLeaf && a.l.sym == nil && a.l.text == "y" {
			continue
		}
		if t := c.render(a, level+min(1, within)); !slices.Contains(parts, t) {
			parts = append(parts, t)
		}
	}
	if len(parts) == 0 {
		return "y"
	}
	text := strings.Join(parts, sep)
	if len(parts) > 1 && (within == 2 || within == 1 && e.op == opOr) {
		return "(" + text + ")"
	}
	return text
}

func (c *Case) operand(o operand) string {
	if o.sym != nil {
		return c.state(o.sym)
	}
	return o.String()
}

// defaultLine returns a default as it is written, and its place.
func (c *Case) defaultLine(p *prop) string {
	text := "default " + c.render(p.value, 0)
	if p.when != nil {
		text += " if " + c.show(p.when)
	}
	return fmt.Sprintf("%s (%s)", text, p.pos)
}

// cause is what keeps an expression from its value: a symbol that is too low
// (up: it should be on) or too high, a probe, or a comparison.
type cause struct {
	sym   *Symbol
	up    bool
	probe string
	cmp   *expr
}

// blame looks for the first part of e that keeps it below need (up), or above
// n. Of several ways out it follows the one that costs the fewest lines.
func (c *Case) blame(e *expr, up bool, need tri) cause {
	if e == nil {
		return cause{}
	}
	switch e.op {
	case opLeaf:
		if e.l.probe {
			return cause{probe: e.l.text}
		}
		return cause{sym: e.l.sym, up: up, cmp: e}
	case opNot:
		return c.blame(e.args[0], !up, yes)
	case opCompare:
		if e.l.probe || e.r.probe {
			return cause{probe: c.render(e, 0)}
		}
		s, turn := e.turns()
		if turn == "" {
			return cause{cmp: e}
		}
		return cause{sym: s, up: (turn != "off") == up, cmp: e}
	}
	if (e.op == opAnd) == up {
		return c.blameFirst(e, up, need)
	}
	return c.blame(c.easiest(e, up, need), up, need)
}

// blameFirst: all parts must hold. To blame is the first that nothing can be
// done about, or else the first that does not hold, or that a probe decides.
func (c *Case) blameFirst(e *expr, up bool, need tri) cause {
	var wrong, maybe *expr
	for _, a := range e.args {
		v := c.values.eval(a)
		switch {
		case up && v.hi < need || !up && v.lo > no:
			if _, ok := c.cost(a, up, need); !ok {
				return c.blame(a, up, need)
			}
			if wrong == nil {
				wrong = a
			}
		case maybe == nil && (up && v.lo < need || !up && v.hi > no):
			maybe = a
		}
	}
	switch {
	case wrong != nil:
		return c.blame(wrong, up, need)
	case maybe != nil:
		return c.blame(maybe, up, need)
	}
	return cause{}
}

// cost returns what it takes to change e; ok is false if no way was found.
func (c *Case) cost(e *expr, up bool, need tri) (cost int, ok bool) {
	p := c.newPlan()
	if up {
		ok = p.satisfy(e, need)
	} else {
		ok = p.falsify(e)
	}
	return p.cost, ok
}

// easiest returns the part of e that takes the fewest lines to change.
func (c *Case) easiest(e *expr, up bool, need tri) *expr {
	best, least := e.args[0], -1
	for _, a := range e.args {
		if cost, ok := c.cost(a, up, need); ok && (least < 0 || cost < least) {
			best, least = a, cost
		}
	}
	return best
}

// text returns the lines of a plan, as in a fragment; those that contradict
// one say which.
func (p *plan) text() []string {
	var out []string
	for i, l := range p.lines {
		if slices.ContainsFunc(p.lines[i+1:], func(m line) bool { return m.sym == l.sym }) {
			continue
		}
		a := Ask{Name: l.sym.Name, Value: l.value.String()}
		text := a.String()
		if old, ok := p.c.asked(l.sym); ok && old.Value != a.Value {
			text += fmt.Sprintf(" (instead of %s)", old.Pos)
		}
		out = append(out, text)
	}
	return out
}
