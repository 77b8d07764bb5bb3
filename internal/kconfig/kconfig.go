// Package kconfig reads the Kconfig files of a kernel tree and says why an
// option that was asked for is not in the .config that the kernel's own conf
// made.
//
// In go a tree, the final .config and the lines of the fragments; out comes a
// [Reason] for each option that was lost. The reader decides nothing itself:
// what each symbol is worth stands in the .config, so the many probes of the
// compiler ($(cc-option,...) and its like) need not be run. Where one stands
// in a condition itself its value is unknown, and said to be so.
//
// The language is that of Documentation/kbuild/kconfig-language.rst and
// kconfig-macro-language.rst; in doubt scripts/kconfig/{lexer.l,parser.y,
// menu.c,symbol.c} of 5.4 and 6.1 decide.
package kconfig

import "fmt"

// Type is the type of a symbol.
type Type int

// The types, as in scripts/kconfig/expr.h.
const (
	Unknown Type = iota
	Bool
	Tristate
	Int
	Hex
	String
)

// String returns the type's keyword.
func (t Type) String() string {
	return [...]string{"unknown", "bool", "tristate", "int", "hex", "string"}[t]
}

// Pos is a place in a Kconfig file or a fragment.
type Pos struct {
	File string
	Line int
}

// String returns file:line.
func (p Pos) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Tree is all that a kernel's Kconfig files say for one arch.
type Tree struct {
	Symbols map[string]*Symbol // by name, without CONFIG_; choices without a name are not here
	Skipped []string           // statements this reader does not know, "file:line: word"
	Files   int                // how many were read
	choices []*Symbol
	modules *Symbol // the one with the option "modules"
	arch    string  // ARCH
}

// Symbol is a config symbol or a choice.
type Symbol struct {
	Name string
	Type Type
	Defs []Pos // where it is defined; empty: it is only spoken of

	menus   []*menu
	props   []*prop
	dep     *expr // what "depends on", if and menu demand, over all definitions
	reverse []reverse
	implied []reverse

	isChoice bool
	optional bool      // of a choice: no member need be on
	noWrite  bool      // never in a .config
	members  []*Symbol // of a choice
	choice   *Symbol   // of a member
	prompt   *expr     // of a choice: when it is shown
}

// Defined says whether the tree has a definition of s.
func (s *Symbol) Defined() bool { return len(s.Defs) > 0 }

// reverse is a select or an imply, seen from the symbol it names.
type reverse struct {
	by   *Symbol
	when *expr
	pos  Pos
}

type propKind int

const (
	propPrompt propKind = iota
	propDefault
	propSelect
	propImply
	propRange
)

// prop is a property of a symbol.
type prop struct {
	kind  propKind
	pos   Pos
	menu  *menu
	value *expr   // of a default
	to    *Symbol // of a select or imply
	low   operand // of a range
	high  operand
	own   *expr // the condition as it is written; nil: none
	when  *expr // the condition with all that surrounds it
}

// menu is an entry of the menu: a config, choice, menu, comment or if.
type menu struct {
	sym      *Symbol // of a config or choice
	pos      Pos
	parent   *menu
	children []*menu
	dep      *expr // its own "depends on", or the condition of an if
	visible  *expr // "visible if"
	full     *expr // dep and all that surrounds it
	prompt   *prop // of a config or choice, its last
}
