package kconfig

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Ask is one line of a fragment.
type Ask struct {
	Name  string // without CONFIG_
	Value string // as in a .config; "n" for "is not set"
	Pos   Pos
}

// String returns the line.
func (a Ask) String() string {
	if a.Value == "n" {
		return "# CONFIG_" + a.Name + " is not set"
	}
	return "CONFIG_" + a.Name + "=" + a.Value
}

// Case is a final .config that lost something.
type Case struct {
	Tree     *Tree             // nil: only what the fragments say is known
	Source   fs.FS             // the tree's files, to look for a symbol of other arches; may be nil
	Final    map[string]string // the .config: names without CONFIG_; what is off is n or absent
	Asked    []Ask             // all lines of the fragments, in order
	Base     map[string]string // the .config the fragments were laid over
	BaseName string            // where that came from, "make tinyconfig"
	values   *values
	others   map[string][]string // where other arches define a name
	steps    int                 // of the search for what is nearest, see maxSteps
}

// Kind is a kind of reason.
type Kind string

// The kinds of reason there are.
const (
	Overridden  Kind = "overridden"     // by a later line
	NoSymbol    Kind = "unknown symbol" // nothing of that name in this tree
	WrongType   Kind = "wrong type"     // such as m for a bool
	Unmet       Kind = "unmet depends on"
	Hidden      Kind = "prompt not shown" // "depends on" holds, the condition of the prompt does not
	NoPrompt    Kind = "no prompt"        // nobody can ask for it: defaults and selects decide
	Choice      Kind = "choice"           // another member of the choice is on
	Selected    Kind = "forced by select"
	NoModules   Kind = "no modules" // m, where MODULES is off
	Limited     Kind = "limited"    // y, where what it depends on is m
	OutOfRange  Kind = "out of range"
	Probe       Kind = "compiler probe" // a macro such as $(cc-option,...) decides
	Unexplained Kind = "unexplained"
)

// Reason says why a line did not survive.
type Reason struct {
	Kind Kind
	Why  []string // sentences, the nearest cause first
	Add  []string // lines of a fragment that would bring it back; none: there is no way, or it is not known
	Off  string   // the symbol at the end of the chain, if there is one
}

// Explain says why a line of a fragment is not in the final .config.
func (c *Case) Explain(a Ask) Reason {
	if last, ok := c.last(a.Name); ok && last.Pos != a.Pos && last.Value != a.Value {
		return Reason{Kind: Overridden, Why: []string{fmt.Sprintf("by %s, which comes later: %s", last.Pos, last)}}
	}
	if c.Tree == nil {
		return Reason{Kind: Unexplained}
	}
	if c.values == nil {
		c.values = newValues(c.Tree, c.Final)
	}
	c.steps = 0
	s := c.Tree.Symbols[a.Name]
	if s == nil || !s.Defined() {
		return c.unknown(a.Name)
	}
	if why := s.refuses(a.Value); why != "" {
		return Reason{Kind: WrongType, Why: []string{fmt.Sprintf("%s (%s) is %s", a.Name, s.Defs[0], why)}}
	}
	if !s.hasPrompt() {
		return c.noPrompt(s, a)
	}
	switch vis := c.values.visible(s); {
	case vis.hi == no:
		return c.invisible(s, a)
	case s.Type != Bool && s.Type != Tristate:
		return c.outOfRange(s, a)
	case s.choice != nil:
		if r, ok := c.lostToChoice(s, a); ok {
			return r
		}
	}
	return c.visibleButLost(s, a)
}

// last returns the last line about a symbol.
func (c *Case) last(name string) (Ask, bool) {
	for i := len(c.Asked) - 1; i >= 0; i-- {
		if c.Asked[i].Name == name {
			return c.Asked[i], true
		}
	}
	return Ask{}, false
}

func (c *Case) asked(s *Symbol) (Ask, bool) { return c.last(s.Name) }

func (s *Symbol) hasPrompt() bool {
	for _, p := range s.props {
		if p.kind == propPrompt {
			return true
		}
	}
	return false
}

// refuses says what is wrong with a value for the type of s; empty: nothing.
func (s *Symbol) refuses(value string) string {
	digits := strings.TrimPrefix(value, "-")
	ok := true
	switch s.Type {
	case Bool:
		if value == "m" {
			return "bool: y or not set, never m"
		}
		ok = value == "y" || value == "n"
	case Tristate:
		ok = value == "y" || value == "m" || value == "n"
	case Int:
		_, err := strconv.ParseUint(digits, 10, 63)
		ok = err == nil && (digits == "0" || digits[0] != '0')
	case Hex:
		_, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(value), "0x"), 16, 64)
		ok = err == nil
	case String:
		ok = strings.HasPrefix(value, `"`)
	}
	if ok {
		return ""
	}
	return map[Type]string{
		Bool: "bool: y or not set", Tristate: "tristate: y, m or not set", Int: "int: a decimal number without leading zeros",
		Hex: "hex: a number such as 0x1000", String: `string: "text" in double quotes`,
	}[s.Type]
}

// visibleButLost is about a bool or tristate whose prompt is shown.
func (c *Case) visibleButLost(s *Symbol, a Ask) Reason {
	vis, got := c.values.visible(s), c.values.show(s)
	if vis.lo == no {
		return Reason{Kind: Probe, Why: c.chain(s)}
	}
	if f := c.values.forced(s); f.hi != no && a.Value != "y" {
		return c.selected(s, a)
	}
	switch {
	case a.Value == "m" && got == "y" && !c.values.modules():
		name := "MODULES"
		if c.Tree.modules != nil {
			name = c.Tree.modules.Name
		}
		return Reason{Kind: NoModules, Off: name, Why: []string{
			fmt.Sprintf("%s (%s): without modules (%s) an m becomes y", s.Name, s.Defs[0], c.state(c.Tree.modules)),
		}, Add: []string{"CONFIG_" + s.Name + "=y"}}
	case a.Value == "m" && got == "y":
		for _, i := range s.implied {
			if c.values.pull(i).hi == yes {
				return Reason{Kind: Selected, Off: i.by.Name, Why: []string{fmt.Sprintf("%s is implied by %s at %s; before 5.7 that leaves no m", s.Name, c.state(i.by), i.pos)}}
			}
		}
	case a.Value == "y" && got == "m" && vis.hi == mod:
		return c.unmet(Limited, s, yes)
	}
	return Reason{Kind: Unexplained, Why: []string{fmt.Sprintf("%s (%s) could be %s as far as its Kconfig entry goes", s.Name, s.Defs[0], a.Value)}}
}

// selected names what forces s on.
func (c *Case) selected(s *Symbol, a Ask) Reason {
	r := Reason{Kind: Selected}
	const most = 3
	n := 0
	for _, rev := range s.reverse {
		if c.values.pull(rev).hi == no {
			continue
		}
		if n++; n > most {
			continue
		}
		if r.Off == "" {
			r.Off = rev.by.Name
		}
		r.Why = append(r.Why, fmt.Sprintf("%s is selected by %s at %s%s", s.Name, c.state(rev.by), rev.pos, c.askedBy(rev.by)))
	}
	if n > most {
		r.Why = append(r.Why, fmt.Sprintf("and by %d more", n-most))
	}
	if a.Value == "n" {
		r.Add = c.way(func(p *plan) bool { return p.off(s) })
	}
	return r
}

// lostToChoice is about a member of a choice that is shown.
func (c *Case) lostToChoice(s *Symbol, a Ask) (Reason, bool) {
	var won *Symbol
	for _, m := range s.choice.members {
		if c.values.tri(operand{sym: m}).lo == yes {
			won = m
		}
	}
	if won == nil {
		return Reason{}, false
	}
	at := s.choice.Defs[0]
	if won != s {
		return Reason{Kind: Choice, Off: won.Name, Why: []string{
			fmt.Sprintf("lost to a choice (%s) of which one member can be on: %s won%s", at, c.state(won), c.askedBy(won)),
		}}, true
	}
	var others []string
	for _, m := range s.choice.members {
		if m != s && c.values.visible(m).hi != no {
			others = append(others, "CONFIG_"+m.Name+"=y")
		}
	}
	r := Reason{Kind: Choice, Off: s.Name, Why: []string{
		fmt.Sprintf("one member of the choice at %s must be on, and nobody asked for another", at),
	}}
	if len(others) == 0 {
		r.Why = []string{fmt.Sprintf("%s is the only member of the choice at %s that can be on", s.Name, at)}
	} else {
		r.Add = []string{strings.Join(others, " or ")}
	}
	return r, true
}

// outOfRange is about a number or string whose prompt is shown.
func (c *Case) outOfRange(s *Symbol, a Ask) Reason {
	for _, p := range s.props {
		if p.kind != propRange || c.values.eval(p.when).hi == no {
			continue
		}
		return Reason{Kind: OutOfRange, Why: []string{fmt.Sprintf("%s has the range %s to %s (%s); conf took %s instead",
			s.Name, c.bound(p.low), c.bound(p.high), p.pos, c.values.show(s))}}
	}
	if c.values.visible(s).lo == no {
		return Reason{Kind: Probe, Why: c.chain(s)}
	}
	return Reason{Kind: Unexplained, Why: []string{fmt.Sprintf("%s (%s) could be %s as far as its Kconfig entry goes", s.Name, s.Defs[0], a.Value)}}
}

func (c *Case) bound(o operand) string {
	if o.sym != nil && o.sym.Defined() {
		return c.state(o.sym)
	}
	return strings.Trim(o.String(), `"`)
}
