package kconfig

import (
	"strings"
)

type tokenKind int

const (
	tokWord tokenKind = iota
	tokQuote
	tokOp
)

type token struct {
	kind  tokenKind
	text  string
	probe bool // the text is a macro that was not run
}

// lexer cuts the text of one file into statements, as lexer.l does.
type lexer struct {
	text   string
	line   int // the line text begins at
	macros *macros
	file   string
}

// statement returns the tokens of the next statement that has any, and the
// line it begins at; no tokens at the end of the file.
func (l *lexer) statement() ([]token, int, error) {
	for l.text != "" {
		at := Pos{l.file, l.line}
		toks, err := l.one(at)
		if err != nil || len(toks) > 0 {
			return toks, at.Line, err
		}
	}
	return nil, l.line, nil
}

// one reads up to the end of a line that is not escaped.
func (l *lexer) one(at Pos) ([]token, error) {
	var toks []token
	for l.text != "" {
		c := l.text[0]
		switch {
		case c == '\n':
			l.skip(1)
			return toks, nil
		case c == ' ' || c == '\t':
			l.text = l.text[1:]
		case strings.HasPrefix(l.text, "\\\n"):
			l.skip(2)
		case c == '#':
			l.text = l.text[l.restOfLine():]
		case c == '"' || c == '\'':
			t, err := l.quoted(at)
			if err != nil {
				return nil, err
			}
			toks = append(toks, t)
		case isWord(c) || c == '$':
			t, err := l.word(at)
			if err != nil {
				return nil, err
			}
			if t.text != "" {
				toks = append(toks, t)
			}
		default:
			if t := l.operator(); t.text != "" {
				toks = append(toks, t)
			}
		}
		if n := len(toks); n == 2 && toks[0].kind == tokWord && isAssign(toks[1]) {
			i := l.restOfLine()
			toks = append(toks, token{kind: tokQuote, text: strings.TrimLeft(l.text[:i], " \t")})
			l.text = l.text[i:]
		}
	}
	return toks, nil
}

func isAssign(t token) bool {
	return t.kind == tokOp && (t.text == "=" || t.text == ":=" || t.text == "+=")
}

func (l *lexer) skip(n int) {
	l.text = l.text[n:]
	l.line++
}

func (l *lexer) restOfLine() int {
	if i := strings.IndexByte(l.text, '\n'); i >= 0 {
		return i
	}
	return len(l.text)
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// word reads a word; a macro in it is expanded, and what it gives is part of
// the word, whatever it holds.
func (l *lexer) word(at Pos) (token, error) {
	t := token{kind: tokWord}
	line := l.text[:l.restOfLine()]
	whole := line
	var out strings.Builder
	for line != "" && (isWord(line[0]) || line[0] == '$') {
		if line[0] != '$' {
			out.WriteByte(line[0])
			line = line[1:]
			continue
		}
		x, after, err := l.macros.dollar(line[1:], nil, at, 0)
		if err != nil {
			return t, err
		}
		out.WriteString(x.text)
		t.probe = t.probe || x.probe
		line = after
	}
	t.text = out.String()
	if t.probe {
		t.text = whole[:len(whole)-len(line)]
	}
	l.text = l.text[len(whole)-len(line):]
	return t, nil
}

// quoted reads a string; it ends with its line.
func (l *lexer) quoted(at Pos) (token, error) {
	t := token{kind: tokQuote}
	line := l.text[:l.restOfLine()]
	quote, whole := line[0], line
	line = line[1:]
	var out strings.Builder
	for line != "" && line[0] != quote {
		switch {
		case line[0] == '$':
			x, after, err := l.macros.dollar(line[1:], nil, at, 0)
			if err != nil {
				return t, err
			}
			out.WriteString(x.text)
			t.probe = t.probe || x.probe
			line = after
		case line[0] == '\\' && len(line) > 1:
			out.WriteByte(line[1])
			line = line[2:]
		default:
			out.WriteByte(line[0])
			line = line[1:]
		}
	}
	line = strings.TrimPrefix(line, string(quote))
	t.text = out.String()
	if t.probe {
		t.text = whole[:len(whole)-len(line)]
	}
	l.text = l.text[len(whole)-len(line):]
	return t, nil
}

// operator reads an operator; a character that is none is ignored, as by conf.
func (l *lexer) operator() token {
	for _, o := range []string{"||", "&&", "!=", "<=", ">=", ":=", "+=", "=", "<", ">", "!", "(", ")"} {
		if strings.HasPrefix(l.text, o) {
			l.text = l.text[len(o):]
			return token{kind: tokOp, text: o}
		}
	}
	l.text = l.text[1:]
	return token{}
}

// help skips the lines of a help text: those that are indented as its first,
// or more.
func (l *lexer) help() {
	first := 0
	for l.text != "" {
		end := l.restOfLine()
		line := l.text[:end]
		bare := strings.TrimLeft(line, " \t")
		if strings.TrimSpace(line) != "" {
			in := indent(line[:len(line)-len(bare)])
			if in < first || in == 0 {
				return
			}
			if first == 0 {
				first = in
			}
		}
		l.text = l.text[end:]
		if l.text != "" {
			l.skip(1)
		}
	}
}

func indent(white string) int {
	n := 0
	for i := range len(white) {
		if white[i] == '\t' {
			n = n&^7 + 8
		} else {
			n++
		}
	}
	return n
}
