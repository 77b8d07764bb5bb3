package kconfig

import (
	"strconv"
	"strings"
)

// tri is the value of an expression: n, m or y.
type tri int

const (
	no tri = iota
	mod
	yes
)

func (t tri) String() string { return "nmy"[t : t+1] }

// span is what is known of a value: it is one of those from lo to hi. A probe
// of the compiler spans from n to y.
type span struct{ lo, hi tri }

func exactly(t tri) span { return span{t, t} }

func truth(b bool) span {
	if b {
		return exactly(yes)
	}
	return exactly(no)
}

type op int

const (
	opLeaf op = iota // the value of a symbol
	opAnd
	opOr
	opNot
	opCompare
)

// expr is an expression. nil stands for y, as in Kconfig.
type expr struct {
	op   op
	args []*expr // of and, or and not
	l    operand // of a leaf and a comparison
	cmp  string  // = != < <= > >=
	r    operand
}

// operand is a symbol, a constant or a probe.
type operand struct {
	sym   *Symbol
	text  string // of a constant
	probe bool   // text is a macro whose value this reader does not know
}

func leaf(s *Symbol) *expr { return &expr{op: opLeaf, l: operand{sym: s}} }

func constant(t tri) *expr { return &expr{op: opLeaf, l: operand{text: t.String()}} }

// and joins what is not nil.
func and(parts ...*expr) *expr { return join(opAnd, parts) }

func or(parts ...*expr) *expr { return join(opOr, parts) }

func join(o op, parts []*expr) *expr {
	var args []*expr
	for _, p := range parts {
		switch {
		case p == nil:
		case p.op == o:
			args = append(args, p.args...)
		default:
			args = append(args, p)
		}
	}
	switch len(args) {
	case 0:
		return nil
	case 1:
		return args[0]
	}
	return &expr{op: o, args: args}
}

// withModules turns a bare m into "m && MODULES", as menu.c's rewrite_m does.
func (e *expr) withModules(modules *Symbol) *expr {
	if e == nil {
		return nil
	}
	if e.op == opLeaf && e.l.sym == nil && e.l.text == "m" && !e.l.probe && modules != nil {
		return and(e, leaf(modules))
	}
	if e.op != opAnd && e.op != opOr && e.op != opNot {
		return e
	}
	n := *e
	n.args = make([]*expr, len(e.args))
	for i, a := range e.args {
		n.args[i] = a.withModules(modules)
	}
	return &n
}

// has says whether e holds only if s does, as far as an && goes.
func (e *expr) has(s *Symbol) bool {
	if e == nil {
		return false
	}
	switch e.op {
	case opLeaf:
		return e.l.sym == s
	case opAnd:
		for _, a := range e.args {
			if a.has(s) {
				return true
			}
		}
	case opCompare:
		return e.l.sym == s && e.cmp == "=" && (e.r.text == "y" || e.r.text == "m")
	}
	return false
}

// parts returns the operands of the outermost &&, or e itself.
func (e *expr) parts() []*expr {
	if e == nil {
		return nil
	}
	if e.op == opAnd {
		return e.args
	}
	return []*expr{e}
}

// eval returns what is known of the value of e.
func (v *values) eval(e *expr) span {
	if e == nil {
		return exactly(yes)
	}
	switch e.op {
	case opLeaf:
		return v.tri(e.l)
	case opNot:
		s := v.eval(e.args[0])
		return span{yes - s.hi, yes - s.lo}
	case opAnd:
		s := exactly(yes)
		for _, a := range e.args {
			t := v.eval(a)
			s = span{min(s.lo, t.lo), min(s.hi, t.hi)}
		}
		return s
	case opOr:
		s := exactly(no)
		for _, a := range e.args {
			t := v.eval(a)
			s = span{max(s.lo, t.lo), max(s.hi, t.hi)}
		}
		return s
	}
	return v.compare(e)
}

// compare follows expr_calc_value and expr_parse_string of
// scripts/kconfig/expr.c.
func (v *values) compare(e *expr) span {
	if e.l.probe || e.r.probe {
		return span{no, yes}
	}
	a, b := v.text(e.l), v.text(e.r)
	c := strings.Compare(a, b)
	if x, ok := number(a, e.l.kind()); ok {
		if y, ok := number(b, e.r.kind()); ok {
			c = 0
			if x < y {
				c = -1
			} else if x > y {
				c = 1
			}
		}
	}
	switch e.cmp {
	case "=":
		return truth(c == 0)
	case "!=":
		return truth(c != 0)
	case "<":
		return truth(c < 0)
	case "<=":
		return truth(c <= 0)
	case ">":
		return truth(c > 0)
	}
	return truth(c >= 0)
}

func number(s string, t Type) (int64, bool) {
	switch t {
	case Bool, Tristate:
		return int64(strings.Index("nmy", s)), true
	case Int:
		n, err := strconv.ParseInt(s, 10, 64)
		return n, err == nil
	case Hex:
		n, err := strconv.ParseInt(strings.TrimPrefix(strings.ToLower(s), "0x"), 16, 64)
		return n, err == nil
	}
	if strings.Contains(s, "_") {
		return 0, false // Go's digits, not C's
	}
	n, err := strconv.ParseInt(s, 0, 64)
	return n, err == nil
}

// kind returns the type an operand is compared as: y, m and n are tristates.
func (o operand) kind() Type {
	if o.sym != nil {
		return o.sym.Type
	}
	if o.text == "y" || o.text == "m" || o.text == "n" {
		return Tristate
	}
	return Unknown
}

// String returns the operand as Kconfig has it.
func (o operand) String() string {
	if o.sym != nil {
		if o.sym.Name == "" {
			return "<choice>"
		}
		return o.sym.Name
	}
	if o.probe || o.kind() == Tristate {
		return o.text
	}
	if _, err := strconv.ParseInt(o.text, 0, 64); err == nil {
		return o.text
	}
	return `"` + o.text + `"`
}
