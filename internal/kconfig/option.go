package kconfig

import (
	"errors"
	"fmt"
)

// option takes a line that belongs to the last entry.
func (p *parser) option(word string) error {
	m := p.entry
	switch word {
	case "help", "---help---":
		p.lex.help()
		return nil
	case "depends":
		return p.depends(m)
	case "visible":
		e, err := p.condition()
		m.visible = and(m.visible, e)
		return err
	}
	if m.sym == nil {
		return p.skip(word)
	}
	if t, ok := types[word]; ok {
		m.sym.setType(t)
	}
	if kind, ok := properties[word]; ok {
		if kind == propPrompt && len(p.toks) == 0 && word != "prompt" {
			return nil // a type alone
		}
		return p.property(m, kind)
	}
	switch word {
	case "optional":
		m.sym.optional = true
		return nil
	case "modules": // since 5.13
		p.tree.modules = m.sym
		return nil
	case "option": // before
		return p.oldOption(m)
	}
	return p.skip(word)
}

var (
	types = map[string]Type{"bool": Bool, "tristate": Tristate, "int": Int, "hex": Hex, "string": String,
		"def_bool": Bool, "def_tristate": Tristate}
	properties = map[string]propKind{"bool": propPrompt, "tristate": propPrompt, "int": propPrompt, "hex": propPrompt, "string": propPrompt,
		"prompt": propPrompt, "def_bool": propDefault, "def_tristate": propDefault, "default": propDefault,
		"select": propSelect, "imply": propImply, "range": propRange}
)

// setType keeps the first type a symbol is given, as conf does.
func (s *Symbol) setType(t Type) {
	if s.Type == Unknown {
		s.Type = t
	}
}

// skip passes over what this reader does not know: a newer kernel's word must
// not cost the explanations of all others.
func (p *parser) skip(word string) error {
	const most = 100
	if len(p.tree.Skipped) < most {
		p.tree.Skipped = append(p.tree.Skipped, fmt.Sprintf("%s: %s", p.at, word))
	}
	return nil
}

func (p *parser) depends(m *menu) error {
	if on, err := p.word("on"); err != nil || on != "on" {
		return errors.New("depends without on")
	}
	e, err := p.expr()
	m.dep = and(m.dep, e)
	return err
}

func (p *parser) oldOption(m *menu) error {
	word, err := p.word("the option")
	if err != nil {
		return err
	}
	switch word {
	case "modules":
		p.tree.modules = m.sym
	case "defconfig_list":
		m.sym.noWrite = true
	case "allnoconfig_y", "env":
	default:
		return p.skip(word)
	}
	return nil
}

// property reads the rest of a prompt, default, select, imply or range.
func (p *parser) property(m *menu, kind propKind) error {
	pr := &prop{kind: kind, pos: p.at, menu: m}
	var err error
	switch kind {
	case propPrompt:
		if len(p.toks) == 0 {
			err = errors.New("the prompt is missing")
		} else {
			p.toks = p.toks[1:]
		}
		m.prompt = pr
	case propDefault:
		pr.value, err = p.expr()
	case propSelect, propImply:
		var name string
		if name, err = p.word("a symbol"); err == nil {
			pr.to = p.symbol(name)
		}
	case propRange:
		if pr.low, err = p.operand(); err == nil {
			pr.high, err = p.operand()
		}
	}
	if err != nil {
		return err
	}
	m.sym.props = append(m.sym.props, pr)
	pr.own, err = p.condition()
	return err
}

// condition reads "if EXPR", or nothing.
func (p *parser) condition() (*expr, error) {
	if len(p.toks) == 0 || p.toks[0].text != "if" || p.toks[0].kind != tokWord {
		return nil, nil
	}
	p.toks = p.toks[1:]
	return p.expr()
}

func (p *parser) expr() (*expr, error) { return p.anyOf(0) }

func (p *parser) anyOf(depth int) (*expr, error) {
	e, err := p.allOf(depth)
	parts := []*expr{e}
	for err == nil && p.isOp("||") {
		e, err = p.allOf(depth)
		parts = append(parts, e)
	}
	return or(parts...), err
}

func (p *parser) allOf(depth int) (*expr, error) {
	e, err := p.unary(depth)
	parts := []*expr{e}
	for err == nil && p.isOp("&&") {
		e, err = p.unary(depth)
		parts = append(parts, e)
	}
	return and(parts...), err
}

// isOp takes the operator o if it is next.
func (p *parser) isOp(o string) bool {
	if len(p.toks) == 0 || p.toks[0].kind != tokOp || p.toks[0].text != o {
		return false
	}
	p.toks = p.toks[1:]
	return true
}

func (p *parser) unary(depth int) (*expr, error) {
	if depth > maxBrackets {
		return nil, errors.New("an expression is nested too deeply")
	}
	if p.isOp("!") {
		e, err := p.unary(depth + 1)
		return &expr{op: opNot, args: []*expr{e}}, err
	}
	if p.isOp("(") {
		e, err := p.anyOf(depth + 1)
		if err == nil && !p.isOp(")") {
			err = errors.New("a ) is missing")
		}
		return e, err
	}
	l, err := p.operand()
	if err != nil {
		return nil, err
	}
	for _, o := range []string{"=", "!=", "<", "<=", ">", ">="} {
		if p.isOp(o) {
			r, err := p.operand()
			return &expr{op: opCompare, l: l, cmp: o, r: r}, err
		}
	}
	return &expr{op: opLeaf, l: l}, nil
}

func (p *parser) operand() (operand, error) {
	if len(p.toks) == 0 || p.toks[0].kind == tokOp {
		return operand{}, errors.New("a symbol is missing")
	}
	t := p.toks[0]
	p.toks = p.toks[1:]
	if t.probe || t.kind == tokQuote || t.text == "y" || t.text == "m" || t.text == "n" {
		return operand{text: t.text, probe: t.probe}, nil
	}
	return operand{sym: p.symbol(t.text)}, nil
}
