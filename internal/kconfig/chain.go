package kconfig

import (
	"fmt"
	"slices"
	"strings"
)

// maxChain is how many links of a chain are followed; of a long one the first
// links and the last are told.
const maxChain = 12

// chain is the way from a symbol that was lost to the first that is off.
type chain struct {
	c    *Case
	why  []string
	seen []*Symbol
	off  string
}

// invisible is about a symbol with a prompt that is not shown.
func (c *Case) invisible(s *Symbol, a Ask) Reason {
	if a.Value == "n" && c.values.forced(s).hi != no {
		return c.selected(s, a)
	}
	need := mod
	if a.Value == "y" && s.Type == Tristate {
		need = yes
	}
	if s.choice != nil && c.values.eval(c.bestPrompt(s, need).when).hi == mod {
		return Reason{Kind: Choice, Why: []string{fmt.Sprintf("%s (%s) could only be m, which it cannot be beside a y in the choice at %s%s",
			s.Name, s.Defs[0], s.choice.Defs[0], c.winner(s.choice))}}
	}
	r := c.unmet(Unmet, s, need)
	if a.Value == "n" {
		if p, _ := c.values.defaultOf(s); p != nil {
			r.Why = append(r.Why, fmt.Sprintf("so its default at %s decides", p.pos))
		}
		r.Add = c.way(func(p *plan) bool { return p.off(s) })
	}
	return r
}

// unmet follows what the prompt of s depends on.
func (c *Case) unmet(kind Kind, s *Symbol, need tri) Reason {
	p := c.bestPrompt(s, need)
	e := p.menu.full
	r := Reason{Kind: kind}
	ch := &chain{c: c, seen: []*Symbol{s}}
	if c.values.eval(e).hi >= need && c.values.eval(p.when).hi < need {
		e = p.own
		if s.choice == nil && kind == Unmet {
			r.Kind = Hidden
		}
		ch.say("%s (%s) is asked for only if %s", s.Name, p.pos, c.show(e))
	} else {
		ch.say("%s (%s) depends on %s", s.Name, p.menu.pos, c.show(e))
	}
	if c.values.eval(e).hi > no && need == mod {
		r.Kind = Probe
	}
	ch.follow(c.blame(e, true, need))
	r.Why, r.Off = ch.told(), ch.off
	r.Add = c.way(func(q *plan) bool {
		if s.Type == Bool || s.Type == Tristate {
			return q.on(s, need)
		}
		return q.satisfy(p.when, mod)
	})
	return r
}

// way returns the lines of a plan that works, without those that stand in the
// fragments already.
func (c *Case) way(f func(*plan) bool) []string {
	p := c.newPlan()
	p.steps = new(int)
	if !f(p) {
		return nil
	}
	p.lines = slices.DeleteFunc(p.lines, func(l line) bool {
		a, ok := c.asked(l.sym)
		return ok && a.Value == l.value.String()
	})
	return p.text()
}

// bestPrompt returns the prompt of s that takes the least to be shown.
func (c *Case) bestPrompt(s *Symbol, need tri) *prop {
	var best *prop
	cost := -1
	for _, p := range s.props {
		if p.kind != propPrompt {
			continue
		}
		q := c.newPlan()
		ok := q.satisfy(p.when, need)
		if best == nil || ok && (cost < 0 || q.cost < cost) {
			best = p
		}
		if ok && (cost < 0 || q.cost < cost) {
			cost = q.cost
		}
	}
	return best
}

// chain explains a prompt that a probe of the compiler may hide.
func (c *Case) chain(s *Symbol) []string {
	return c.unmet(Probe, s, mod).Why
}

func (ch *chain) say(format string, args ...any) {
	ch.why = append(ch.why, fmt.Sprintf(format, args...))
}

// told returns what was said, shortened in the middle.
func (ch *chain) told() []string {
	const most = 5
	if len(ch.why) <= most {
		return ch.why
	}
	return append(slices.Clone(ch.why[:most-1]), "... "+ch.why[len(ch.why)-1])
}

// follow tells the next link, and those behind it.
func (ch *chain) follow(is cause) {
	c, s := ch.c, is.sym
	switch {
	case is.probe != "":
		ch.say("%s asks the compiler, assembler or linker, and the answer here is no", is.probe)
		return
	case s == nil && is.cmp != nil:
		ch.say("%s does not hold", c.render(is.cmp, 0))
		return
	case s == nil:
		return
	}
	if s.Name != "" {
		ch.off = s.Name
	}
	if slices.Contains(ch.seen, s) || len(ch.seen) > maxChain {
		ch.say("%s is where this began: it goes in a circle", c.state(s))
		return
	}
	ch.seen = append(ch.seen, s)
	switch {
	case !s.Defined():
		ch.say("%s is not defined for %s%s", s.Name, c.Tree.arch, c.only(s.Name))
	case !is.up:
		ch.mustBeOff(s)
	case s.isChoice:
		ch.say("the choice at %s is shown only if %s", s.Defs[0], c.show(s.prompt))
		ch.follow(c.blame(s.prompt, true, mod))
	case !s.hasPrompt():
		ch.withoutPrompt(s)
	default:
		ch.withPrompt(s)
	}
}

// withPrompt: s should be on, and can be asked for when its prompt is shown.
func (ch *chain) withPrompt(s *Symbol) {
	c := ch.c
	at := c.state(s) + " (" + s.Defs[0].String() + ")"
	if c.values.visible(s).hi == no {
		p := c.bestPrompt(s, mod)
		e, word := p.menu.full, "depends on"
		if c.values.eval(e).hi > no {
			e, word = p.own, "is asked for only if"
		}
		ch.say("%s %s %s", at, word, c.show(e))
		ch.follow(c.blame(e, true, mod))
		return
	}
	a, ok := c.asked(s)
	switch {
	case ok && a.Value == "n":
		ch.say("%s can be set, but %s asks for it to be off", at, a.Pos)
	case ok:
		ch.say("%s was asked for by %s", at, a.Pos)
	case s.choice != nil:
		ch.say("%s is a member of the choice at %s%s", at, s.choice.Defs[0], c.winner(s.choice))
	case c.values.tri(operand{sym: s}).lo == mod:
		ch.say("%s is only m", at)
	default:
		ch.say("%s can be set, and nobody asks for it", at)
	}
}

// winner says which member of a choice is on.
func (c *Case) winner(choice *Symbol) string {
	for _, m := range choice.members {
		if c.values.tri(operand{sym: m}).lo == yes {
			return ", of which " + c.state(m) + " is on" + c.askedBy(m)
		}
	}
	return ""
}

// withoutPrompt: s should be on, and only a select or default can do that.
func (ch *chain) withoutPrompt(s *Symbol) {
	c := ch.c
	at := c.state(s) + " (" + s.Defs[0].String() + ")"
	var names []string
	var best *reverse
	cost := -1
	for i, r := range s.reverse {
		if len(names) < 3 {
			names = append(names, c.state(r.by))
		}
		p := c.newPlan()
		if i < maxSelector && p.on(r.by, mod) && p.satisfy(r.when, mod) && (cost < 0 || p.cost < cost) {
			best, cost = &s.reverse[i], p.cost
		}
	}
	if n := len(s.reverse) - len(names); n > 0 {
		names = append(names, fmt.Sprintf("%d more", n))
	}
	if best != nil {
		ch.say("%s has no prompt; what selects it: %s", at, strings.Join(names, ", "))
		if c.values.tri(operand{sym: best.by}).hi == no {
			ch.follow(cause{sym: best.by, up: true})
			return
		}
		ch.follow(c.blame(best.when, true, mod))
		return
	}
	for _, p := range s.props {
		if p.kind == propDefault && c.values.eval(and(p.when, p.value)).lo == no {
			e := and(p.when, p.value)
			ch.say("%s has no prompt; it is on by default if %s", at, c.show(e))
			ch.follow(c.blame(e, true, mod))
			return
		}
	}
	if len(names) > 0 {
		ch.say("%s has no prompt, and what selects it cannot be on: %s", at, strings.Join(names, ", "))
		return
	}
	ch.say("%s has no prompt, and nothing turns it on", at)
}

// mustBeOff: s is on and should not be.
func (ch *chain) mustBeOff(s *Symbol) {
	c := ch.c
	at := c.state(s)
	if s.Name == "" {
		at += " (" + s.Defs[0].String() + ")"
	}
	if c.values.forced(s).hi != no {
		for _, r := range s.reverse {
			if c.values.pull(r).hi != no {
				ch.say("%s would have to be off, but %s selects it (%s)", at, c.state(r.by), r.pos)
				return
			}
		}
	}
	if c.values.visible(s).hi == no {
		if p, _ := c.values.defaultOf(s); p != nil {
			ch.say("%s would have to be off, but is on by default (%s) and nobody is asked", at, p.pos)
			return
		}
	}
	ch.say("%s (%s) would have to be off%s", at, s.Defs[0], c.askedBy(s))
}

// noPrompt is about a symbol that no fragment can set.
func (c *Case) noPrompt(s *Symbol, a Ask) Reason {
	at := s.Name + " (" + s.Defs[0].String() + ")"
	if a.Value == "n" {
		if c.values.forced(s).hi != no {
			r := c.selected(s, a)
			r.Why = append([]string{at + " has no prompt, so a fragment cannot turn it off"}, r.Why...)
			return r
		}
		r := Reason{Kind: NoPrompt, Why: []string{at + " has no prompt: its default decides, not a fragment"}}
		if p, _ := c.values.defaultOf(s); p != nil {
			r.Why = append(r.Why, c.defaultLine(p))
		}
		for _, i := range s.implied {
			if c.values.pull(i).hi != no {
				r.Why = append(r.Why, fmt.Sprintf("%s implies it (%s)", c.state(i.by), i.pos))
				break
			}
		}
		r.Add = c.way(func(p *plan) bool { return p.off(s) })
		return r
	}
	r := Reason{Kind: NoPrompt}
	if s.Type != Bool && s.Type != Tristate {
		r.Why = []string{at + " has no prompt: its default decides, not a fragment"}
		if p, _ := c.values.defaultOf(s); p != nil {
			r.Why = append(r.Why, c.defaultLine(p))
		}
		return r
	}
	ch := &chain{c: c, seen: []*Symbol{s}}
	ch.withoutPrompt(s)
	r.Why, r.Off = ch.told(), ch.off
	r.Add = c.way(func(p *plan) bool { return p.on(s, mod) })
	return r
}
