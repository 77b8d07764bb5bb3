package kconfig

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits on what a hostile tree can make of the macro language.
const (
	maxExpansions = 1 << 20
	maxExpansion  = 1 << 16 // bytes
	maxNesting    = 64
)

// macros expands the macro language of
// Documentation/kbuild/kconfig-macro-language.rst, as preprocess.c does. No
// command is run: what $(shell,...) would give is marked as a probe.
type macros struct {
	env  map[string]string
	vars map[string]*variable
	used int
}

type variable struct {
	value  string
	simple bool // := rather than =
	probe  bool // of a simple one: the value is not known
	busy   int
}

// text is an expanded text; probe says that some of it is not known.
type expanded struct {
	text  string
	probe bool
}

func (m *macros) set(name, op, value string, at Pos) error {
	v := m.vars[name]
	appends := op == "+="
	if v == nil {
		v, appends = &variable{simple: op == ":="}, false
		m.vars[name] = v
	} else if !appends {
		v.simple, v.probe = op == ":=", false
	}
	if v.simple {
		x, err := m.expand(value, nil, at, 0)
		if err != nil {
			return err
		}
		value, v.probe = x.text, v.probe || x.probe
	}
	if appends {
		value = v.value + " " + value
	}
	if len(value) > maxExpansion {
		return fmt.Errorf("variable %s grows beyond %d bytes", name, maxExpansion)
	}
	v.value = value
	return nil
}

// expand expands all of s.
func (m *macros) expand(s string, args []expanded, at Pos, depth int) (expanded, error) {
	var out strings.Builder
	probe := false
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 {
			out.WriteString(s)
			break
		}
		out.WriteString(s[:i])
		x, rest, err := m.dollar(s[i+1:], args, at, depth)
		if err != nil {
			return expanded{}, err
		}
		out.WriteString(x.text)
		probe = probe || x.probe
		s = rest
		if out.Len() > maxExpansion {
			return expanded{}, fmt.Errorf("a macro expands to more than %d bytes", maxExpansion)
		}
	}
	return expanded{out.String(), probe}, nil
}

// dollar expands what follows a $ and returns the rest behind it.
func (m *macros) dollar(s string, args []expanded, at Pos, depth int) (expanded, string, error) {
	if !strings.HasPrefix(s, "(") {
		return expanded{text: "$"}, s, nil
	}
	nest := 0
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '(':
			nest++
		case ')':
			if nest == 0 {
				x, err := m.clause(s[1:i], args, at, depth+1)
				return x, s[i+1:], err
			}
			nest--
		}
	}
	return expanded{}, "", errors.New("unterminated $(")
}

// clause expands the inside of $(...).
func (m *macros) clause(s string, args []expanded, at Pos, depth int) (expanded, error) {
	m.used++
	if depth > maxNesting || m.used > maxExpansions {
		return expanded{}, errors.New("macros are nested too deeply, or too many")
	}
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n <= len(args) {
		return args[n-1], nil
	}
	words := splitArgs(s)
	name, err := m.expand(words[0], args, at, depth)
	if err != nil {
		return expanded{}, err
	}
	var given []expanded
	for _, w := range words[1:] {
		x, err := m.expand(w, args, at, depth)
		if err != nil {
			return expanded{}, err
		}
		given = append(given, x)
	}
	if v := m.vars[name.text]; v != nil {
		return m.variable(name.text, v, given, at, depth)
	}
	switch name.text {
	case "shell":
		return expanded{probe: true}, nil
	case "info", "warning-if", "error-if":
		return expanded{}, nil
	case "filename":
		return expanded{text: at.File}, nil
	case "lineno":
		return expanded{text: strconv.Itoa(at.Line)}, nil
	}
	if len(given) > 0 {
		return expanded{}, nil
	}
	// Of the environment only what make is known to set is known here.
	value, ok := m.env[name.text]
	return expanded{text: value, probe: !ok}, nil
}

func (m *macros) variable(name string, v *variable, args []expanded, at Pos, depth int) (expanded, error) {
	if v.simple {
		return expanded{v.value, v.probe}, nil
	}
	if len(args) == 0 && v.busy > 0 {
		return expanded{}, fmt.Errorf("variable %s refers to itself", name)
	}
	v.busy++
	defer func() { v.busy-- }()
	return m.expand(v.value, args, at, depth)
}

// splitArgs splits at the commas that are in no parentheses.
func splitArgs(s string) []string {
	var words []string
	nest, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			nest++
		case ')':
			nest--
		case ',':
			if nest == 0 {
				words = append(words, s[from:i])
				from = i + 1
			}
		}
	}
	return append(words, s[from:])
}
