package kconfig

import (
	"maps"
	"slices"
)

// Limits on the search for a way: it is a hint, and must cost no time.
const (
	maxSteps    = 20000 // for the advice, and again for all that the chain to it compares
	maxDepth    = 24
	maxSelector = 60
)

// What a way costs: a line costs 1; these make other ways be preferred.
const (
	costSelect      = 2  // something else is turned on for its side effect
	costContradicts = 50 // a line of a fragment would have to change
	costTest        = 20 // COMPILE_TEST: for compiling drivers no machine here has
	costModules     = 20
)

// plan is a set of lines that would give a symbol a value, searched for
// backwards from it.
type plan struct {
	c     *Case
	v     *values
	lines []line
	cost  int
	stack []*Symbol
	steps *int
}

// line is one to be added to a fragment.
type line struct {
	sym   *Symbol
	value tri
}

// newPlan returns a plan to compare with others; all of one [Case.Explain]
// share their steps.
func (c *Case) newPlan() *plan {
	v := *c.values
	v.over = map[*Symbol]tri{}
	return &plan{c: c, v: &v, steps: &c.steps}
}

func (p *plan) clone() *plan {
	q, v := *p, *p.v
	v.over = maps.Clone(p.v.over)
	q.v, q.lines, q.stack = &v, slices.Clone(p.lines), slices.Clone(p.stack)
	return &q
}

// cheapest tries ways on copies and takes the cheapest that works.
func (p *plan) cheapest(ways []func(*plan) bool) bool {
	var best *plan
	for _, way := range ways {
		q := p.clone()
		if way(q) && (best == nil || q.cost < best.cost) {
			best = q
		}
	}
	if best == nil {
		return false
	}
	stack := p.stack
	*p = *best
	p.stack = stack
	return true
}

// enter guards against going round in circles.
func (p *plan) enter(s *Symbol) bool {
	*p.steps++
	if *p.steps > maxSteps || len(p.stack) > maxDepth || slices.Contains(p.stack, s) {
		return false
	}
	p.stack = append(p.stack, s)
	return true
}

func (p *plan) leave() { p.stack = p.stack[:len(p.stack)-1] }

// set adds a line.
func (p *plan) set(s *Symbol, t tri) bool {
	p.v.over[s] = t
	p.lines = append(p.lines, line{s, t})
	p.cost++
	if a, ok := p.c.asked(s); ok && a.Value != t.String() {
		p.cost += costContradicts
	}
	switch s.Name {
	case "COMPILE_TEST":
		p.cost += costTest
	case "MODULES":
		p.cost += costModules
	}
	return true
}

// on makes s at least need.
func (p *plan) on(s *Symbol, need tri) bool {
	if p.v.tri(operand{sym: s}).lo >= need {
		return true
	}
	if t, ok := p.v.over[s]; ok && t == no || !s.Defined() {
		return false
	}
	if !p.enter(s) {
		return false
	}
	defer p.leave()
	if s.isChoice {
		ok := p.satisfy(s.prompt, mod)
		p.v.over[s] = yes
		return ok
	}
	if s.Type != Bool && s.Type != Tristate {
		return false
	}
	if s.Type == Bool || !p.v.modules() {
		need = yes
	}
	var ways []func(*plan) bool
	for _, pr := range s.props {
		if pr.kind == propPrompt {
			ways = append(ways, func(q *plan) bool { return q.byPrompt(s, pr, need) })
		}
	}
	if len(ways) > 0 && p.cheapest(ways) {
		return true
	}
	return p.indirectly(s, need)
}

// byPrompt makes a prompt visible and answers it.
func (p *plan) byPrompt(s *Symbol, pr *prop, need tri) bool {
	least := need
	if s.Type == Bool {
		least = mod
	}
	if !p.satisfy(pr.when, least) {
		return false
	}
	if c := s.choice; c != nil {
		for _, m := range c.members {
			if m == s || p.v.tri(operand{sym: m}).lo == no {
				continue
			}
			if _, ok := p.c.asked(m); ok {
				p.cost += costContradicts
			}
			p.v.over[m] = no
		}
	}
	return p.set(s, need)
}

// indirectly turns on what selects s, or what s is on by default for.
func (p *plan) indirectly(s *Symbol, need tri) bool {
	var ways []func(*plan) bool
	if s.choice == nil {
		for i, r := range s.reverse {
			if i == maxSelector {
				break
			}
			ways = append(ways, func(q *plan) bool {
				q.cost += costSelect
				return q.on(r.by, need) && q.satisfy(r.when, need)
			})
		}
	}
	for _, pr := range s.props {
		if pr.kind != propDefault || pr.value == nil {
			continue
		}
		ways = append(ways, func(q *plan) bool {
			return q.satisfy(pr.when, need) && q.satisfy(pr.value, need)
		})
		if p.v.eval(pr.when).lo != no {
			break // the defaults behind it are not looked at
		}
	}
	if !p.cheapest(ways) {
		return false
	}
	p.v.over[s] = need
	return true
}

// off makes s n.
func (p *plan) off(s *Symbol) bool {
	if p.v.tri(operand{sym: s}).hi == no {
		return true
	}
	if t, ok := p.v.over[s]; ok && t != no {
		return false
	}
	if !p.enter(s) {
		return false
	}
	defer p.leave()
	if s.isChoice {
		return p.falsify(s.prompt)
	}
	if s.choice != nil && p.v.visible(s).hi == yes {
		return p.another(s)
	}
	for _, r := range s.reverse {
		if p.v.pull(r).hi == no || s.choice != nil {
			continue
		}
		if !p.cheapest([]func(*plan) bool{
			func(q *plan) bool { return q.off(r.by) },
			func(q *plan) bool { return q.falsify(r.when) },
		}) {
			return false
		}
	}
	if p.v.visible(s).lo != no {
		return p.set(s, no)
	}
	ways := []func(*plan) bool{func(q *plan) bool { return q.noDefault(s) }}
	for _, pr := range s.props {
		if pr.kind == propPrompt {
			ways = append(ways, func(q *plan) bool { return q.satisfy(pr.when, mod) && q.free(s) && q.set(s, no) })
		}
	}
	return p.cheapest(ways)
}

// noDefault makes the defaults of s, and what implies it, not hold.
func (p *plan) noDefault(s *Symbol) bool {
	for _, pr := range s.props {
		if pr.kind == propDefault && !p.falsify(and(pr.when, pr.value)) {
			return false
		}
	}
	for _, r := range s.implied {
		if p.v.pull(r).hi != no && !p.off(r.by) {
			return false
		}
	}
	p.v.over[s] = no
	return p.free(s)
}

// free says whether nothing that the plan turned on selects s.
func (p *plan) free(s *Symbol) bool { return p.v.forced(s).hi == no }

// another turns on another member of the choice of s.
func (p *plan) another(s *Symbol) bool {
	for _, m := range s.choice.members {
		if m != s && p.v.visible(m).lo != no {
			p.v.over[s] = no
			return p.set(m, yes)
		}
	}
	return false
}

// satisfy makes e at least need.
func (p *plan) satisfy(e *expr, need tri) bool {
	if p.v.eval(e).lo >= need {
		return true
	}
	switch e.op {
	case opLeaf:
		return e.l.sym != nil && p.on(e.l.sym, need)
	case opNot:
		return p.falsify(e.args[0])
	case opAnd:
		for _, a := range e.args {
			if !p.satisfy(a, need) {
				return false
			}
		}
		return true
	case opOr:
		var ways []func(*plan) bool
		for _, a := range e.args {
			ways = append(ways, func(q *plan) bool { return q.satisfy(a, need) })
		}
		return p.cheapest(ways)
	}
	s, turn := e.turns()
	switch turn {
	case "on":
		return p.on(s, yes)
	case "some":
		return p.on(s, mod)
	case "off":
		return p.off(s)
	}
	return false
}

// falsify makes e n.
func (p *plan) falsify(e *expr) bool {
	if p.v.eval(e).hi == no {
		return true
	}
	if e == nil {
		return false
	}
	switch e.op {
	case opLeaf:
		return e.l.sym != nil && p.off(e.l.sym)
	case opNot:
		return p.satisfy(e.args[0], yes)
	case opOr:
		for _, a := range e.args {
			if !p.falsify(a) {
				return false
			}
		}
		return true
	case opAnd:
		var ways []func(*plan) bool
		for _, a := range e.args {
			ways = append(ways, func(q *plan) bool { return q.falsify(a) })
		}
		return p.cheapest(ways)
	}
	s, turn := e.turns()
	switch turn {
	case "on", "some":
		return p.off(s)
	case "off":
		return p.on(s, yes)
	}
	return false
}

// turns says which way a comparison with y or n wants its symbol: "on" (y),
// "some" (m or y), "off", or "" when it is another kind of comparison.
func (e *expr) turns() (*Symbol, string) {
	s := e.l.sym
	if s == nil || e.r.sym != nil || s.Type != Bool && s.Type != Tristate {
		return nil, ""
	}
	return s, map[string]string{"=y": "on", "!=n": "some", "=n": "off", "!=y": "off"}[e.cmp+e.r.text]
}
