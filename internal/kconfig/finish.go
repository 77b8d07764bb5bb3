package kconfig

// finish gives every entry and property the conditions that surround it, as
// menu_finalize of scripts/kconfig/menu.c does.
func (t *Tree) finish(root *menu) {
	t.choiceTypes(root)
	t.surround(root, nil, nil)
	for _, s := range t.Symbols {
		s.depend()
	}
	for _, c := range t.choices {
		c.depend()
		t.gather(c)
	}
}

// choiceTypes gives a choice the type of its first member, and members
// without a type that of their choice.
func (t *Tree) choiceTypes(root *menu) {
	for _, c := range t.choices {
		for _, m := range c.menus {
			eachMember(m, func(s *Symbol) { c.setType(s.Type) })
			eachMember(m, func(s *Symbol) { s.setType(c.Type) })
		}
	}
}

// eachMember calls f for the symbols of a choice, also in an if.
func eachMember(m *menu, f func(*Symbol)) {
	for _, c := range m.children {
		if c.sym == nil {
			eachMember(c, f)
		} else if !c.sym.isChoice {
			f(c.sym)
		}
	}
}

// surround works down the menu. outer is what the entries of m depend on,
// visible what the "visible if" of the menus around say.
func (t *Tree) surround(m *menu, outer, visible *expr) {
	for _, c := range m.children {
		c.full = and(outer, c.dep.withModules(t.modules))
		if c.sym != nil {
			t.properties(c, visible)
		}
		below, seen := c.full, and(visible, c.visible.withModules(t.modules))
		if c.sym != nil && c.sym.isChoice {
			below = leaf(c.sym)
		}
		t.surround(c, below, seen)
	}
}

// properties gives those of one entry their conditions.
func (t *Tree) properties(m *menu, visible *expr) {
	for _, p := range m.sym.props {
		if p.menu != m {
			continue
		}
		p.own = p.own.withModules(t.modules)
		p.when = and(m.full, p.own)
		switch p.kind {
		case propPrompt:
			p.own = and(p.own, visible)
			p.when = and(m.full, p.own)
		case propSelect:
			p.to.reverse = append(p.to.reverse, reverse{m.sym, p.when, p.pos})
		case propImply:
			p.to.implied = append(p.to.implied, reverse{m.sym, p.when, p.pos})
		}
		p.value = p.value.withModules(t.modules)
	}
}

// depend sets what a symbol depends on. A definition without a condition does
// not lift those of the others: so it is in conf (expr_alloc_or).
func (s *Symbol) depend() {
	var deps []*expr
	for _, m := range s.menus {
		deps = append(deps, m.full)
	}
	s.dep = or(deps...)
}

// gather makes the symbols in a choice its members. One that depends on the
// entry before it is no member, but an entry below that one.
func (t *Tree) gather(c *Symbol) {
	for _, m := range c.menus {
		var above []*Symbol // a member, and what is below it
		eachEntry(m, func(e *menu) {
			for len(above) > 0 && !e.dep.has(above[len(above)-1]) {
				above = above[:len(above)-1]
			}
			last := e.sym
			above = append(above, last)
			if len(above) > 1 || last.choice != nil {
				return
			}
			last.choice = c
			c.members = append(c.members, last)
			if c.Type == Tristate && last.Type != Tristate {
				only := &expr{op: opCompare, l: operand{sym: c}, cmp: "=", r: operand{text: "y"}}
				for _, p := range last.props {
					if p.menu == e {
						p.when = and(only, p.when)
					}
				}
			}
		})
		if m.prompt != nil {
			when := m.prompt.when
			if when == nil {
				when = constant(yes)
			}
			c.prompt = or(c.prompt, when)
		}
	}
}

func eachEntry(m *menu, f func(*menu)) {
	for _, c := range m.children {
		if c.sym == nil {
			eachEntry(c, f)
		} else if !c.sym.isChoice {
			f(c)
		}
	}
}
