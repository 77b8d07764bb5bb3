package kconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Limits on a hostile tree. The kernel has some 1,700 Kconfig files of 6 MB in
// all, the largest of them 100 KB, included at most 7 deep.
const (
	maxFile     = 4 << 20
	maxFiles    = 1 << 14
	maxBytes    = 64 << 20
	maxInclude  = 64
	maxBlocks   = 200 // if, menu and choice within each other
	maxBrackets = 200
)

// parser reads files into a tree.
type parser struct {
	fsys   fs.FS
	tree   *Tree
	macros macros
	bytes  int

	chain []string // the files being read, each sourced by the one before
	menu  *menu    // the block that is open
	entry *menu    // the last entry, which takes the options
	depth int
	lex   *lexer
	at    Pos
	toks  []token // what is left of the statement
}

// Read reads the Kconfig files of a kernel tree for one arch. env is what
// make sets: ARCH, SRCARCH and what else is known; see [Env].
func Read(fsys fs.FS, env map[string]string) (*Tree, error) {
	p := &parser{
		fsys:   fsys,
		tree:   &Tree{Symbols: map[string]*Symbol{}, arch: env["ARCH"]},
		macros: macros{env: env, vars: map[string]*variable{}},
	}
	root := &menu{}
	p.menu, p.entry = root, root
	if err := p.file("Kconfig"); err != nil {
		return nil, err
	}
	if p.menu != root {
		return nil, fmt.Errorf("%s: a block is not closed", p.menu.pos)
	}
	p.tree.finish(root)
	return p.tree, nil
}

// Env returns what the kernel's Makefile sets for Kconfig that decides which
// files are read: ARCH, and SRCARCH, the folder below arch.
func Env(makeArch string) map[string]string {
	src := makeArch
	if s, ok := map[string]string{"x86_64": "x86", "i386": "x86", "sparc32": "sparc", "sparc64": "sparc", "parisc64": "parisc"}[makeArch]; ok {
		src = s
	}
	return map[string]string{"ARCH": makeArch, "SRCARCH": src, "srctree": "."}
}

// file reads one file and what it sources.
func (p *parser) file(name string) error {
	name = path.Clean(name)
	if slices.Contains(p.chain, name) || len(p.chain) >= maxInclude {
		return fmt.Errorf("%s: sourced by itself, or too deeply", name)
	}
	text, err := readFile(p.fsys, name)
	if err != nil {
		return err
	}
	if p.tree.Files++; p.tree.Files > maxFiles {
		return fmt.Errorf("more than %d files", maxFiles)
	}
	if p.bytes += len(text); p.bytes > maxBytes {
		return fmt.Errorf("more than %d MB of files", maxBytes>>20)
	}
	outer, at := p.lex, p.at
	p.chain = append(p.chain, name)
	p.lex = &lexer{text: strings.ReplaceAll(text, "\r\n", "\n"), line: 1, macros: &p.macros, file: name}
	defer func() { p.lex, p.at, p.chain = outer, at, p.chain[:len(p.chain)-1] }()
	for {
		toks, line, err := p.lex.statement()
		p.at, p.toks = Pos{name, line}, toks
		if err == nil && len(toks) == 0 {
			return nil
		}
		if err == nil {
			err = p.statement()
		}
		if err != nil && len(p.chain) > 0 && !errors.As(err, new(*placed)) {
			err = &placed{p.at, err}
		}
		if err != nil {
			return err
		}
	}
}

// placed is an error with its place.
type placed struct {
	at  Pos
	err error
}

func (e *placed) Error() string { return e.at.String() + ": " + e.err.Error() }
func (e *placed) Unwrap() error { return e.err }

func readFile(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s: not a file", name)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: larger than %d MB", name, maxFile>>20)
	}
	return string(text), err
}

// statement takes one statement in.
func (p *parser) statement() error {
	t := p.toks[0]
	if t.kind == tokWord && len(p.toks) > 1 && isAssign(p.toks[1]) && len(p.toks) > 2 {
		return p.macros.set(t.text, p.toks[1].text, p.toks[2].text, p.at)
	}
	p.toks = p.toks[1:]
	if t.kind != tokWord {
		return fmt.Errorf("a statement begins with %q", t.text)
	}
	switch t.text {
	case "mainmenu":
		return nil
	case "source":
		name, err := p.word("a file name")
		if err != nil {
			return err
		}
		return p.file(name)
	case "config", "menuconfig":
		return p.config()
	case "choice":
		return p.choiceStart()
	case "menu", "comment", "if":
		return p.block(t.text)
	case "endmenu", "endif", "endchoice":
		if p.menu.parent == nil {
			return fmt.Errorf("%s without a beginning", t.text)
		}
		p.entry = p.menu
		p.menu = p.menu.parent
		p.depth--
		return nil
	}
	return p.option(t.text)
}

// word takes a word or a string.
func (p *parser) word(what string) (string, error) {
	if len(p.toks) == 0 || p.toks[0].kind == tokOp {
		return "", fmt.Errorf("%s is missing", what)
	}
	t := p.toks[0]
	p.toks = p.toks[1:]
	if t.probe {
		return "", fmt.Errorf("%s is not known: %s", what, t.text)
	}
	return t.text, nil
}

func (p *parser) symbol(name string) *Symbol {
	s := p.tree.Symbols[name]
	if s == nil {
		s = &Symbol{Name: name}
		p.tree.Symbols[name] = s
	}
	return s
}

func (p *parser) add(m *menu) {
	m.pos, m.parent = p.at, p.menu
	p.menu.children = append(p.menu.children, m)
	p.entry = m
}

func (p *parser) config() error {
	name, err := p.word("the name of a config")
	if err != nil {
		return err
	}
	s := p.symbol(name)
	s.Defs = append(s.Defs, p.at)
	m := &menu{sym: s}
	s.menus = append(s.menus, m)
	p.add(m)
	return nil
}

func (p *parser) choiceStart() error {
	s := &Symbol{isChoice: true, noWrite: true}
	if len(p.toks) > 0 {
		name, err := p.word("the name of a choice")
		if err != nil {
			return err
		}
		s = p.symbol(name)
		s.isChoice, s.noWrite = true, true
	}
	s.Defs = append(s.Defs, p.at)
	m := &menu{sym: s}
	s.menus = append(s.menus, m)
	p.add(m)
	p.tree.choices = append(p.tree.choices, s)
	return p.open(m)
}

func (p *parser) open(m *menu) error {
	p.menu = m
	if p.depth++; p.depth > maxBlocks {
		return errors.New("blocks are nested too deeply")
	}
	return nil
}

func (p *parser) block(word string) error {
	m := &menu{}
	p.add(m)
	if word == "comment" {
		return nil
	}
	if word == "if" {
		e, err := p.expr()
		if err != nil {
			return err
		}
		m.dep = e
	}
	return p.open(m)
}
