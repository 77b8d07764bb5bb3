package checkpatch

import (
	"mime"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// document is a patch file, read for what stands where. It is no judge of
// patches: what package patch would refuse is read as well as it goes.
type document struct {
	name        string
	lines       []string // without their newlines
	from        bool     // it has a From: header
	subject     string   // of the mail, on one line; empty without one
	subjectLine int      // from 1
	body, end   int      // lines[body:end] are the message
	diff        bool     // it has a hunk, or the header of git's diff
	spots       []spot   // what each line is about
}

// spot is what a line of a patch is about.
type spot struct {
	file string // in the tree; empty for a line of the mail
	line int    // there; 0 for the header of a diff
	void bool   // it says nothing that lasts: mbox's first line, a mail's signature
}

// read reads a patch.
func read(name, text string) document {
	d := document{name: name}
	if text != "" {
		d.lines = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	first := d.walk()
	d.header(first)
	d.end = d.body
	for d.end < first && strings.TrimRight(d.lines[d.end], " \t\r") != "---" {
		d.end++
	}
	return d
}

var reHeader = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*):\s*(.*)$`)

// header reads the header of a mail (RFC 5322, or the few lines of it that
// quilt's patches have), which ends before line first.
func (d *document) header(first int) {
	i := 0
	if i < first && strings.HasPrefix(d.lines[i], "From ") {
		d.spots[i].void = true
		i++
	}
	for ; i < first; i++ {
		m := reHeader.FindStringSubmatch(strings.TrimRight(d.lines[i], "\r"))
		if m == nil {
			break
		}
		value := m[2]
		line := i + 1
		for i+1 < first && continues(d.lines[i+1]) {
			i++
			value += " " + strings.TrimSpace(d.lines[i])
		}
		switch strings.ToLower(m[1]) {
		case "from":
			d.from = value != ""
		case "subject":
			d.subject, d.subjectLine = strings.TrimSpace(decode(value)), line
		}
	}
	d.body = i
}

// continues says whether l belongs to the header, or the trailer, before it.
func continues(l string) bool {
	return (strings.HasPrefix(l, " ") || strings.HasPrefix(l, "\t")) && strings.TrimSpace(l) != ""
}

// decode returns a header without the encoding of RFC 2047.
func decode(s string) string {
	var w mime.WordDecoder
	if plain, err := w.DecodeHeader(s); err == nil {
		return plain
	}
	return s
}

// title returns the subject without what stands in brackets before it, and
// that.
func (d document) title() (title, brackets string) {
	title = d.subject
	for strings.HasPrefix(title, "[") {
		inner, rest, ok := strings.Cut(title[1:], "]")
		if !ok {
			break
		}
		brackets += " " + inner
		title = strings.TrimSpace(rest)
	}
	return title, brackets
}

// walk finds out what each line is about and returns the index of the first
// line of the diff, or the number of lines.
func (d *document) walk() int {
	d.spots = make([]spot, len(d.lines))
	first := len(d.lines)
	file := ""
	for i := 0; i < len(d.lines); {
		switch {
		case d.startsDiff(i):
			first = min(first, i)
			n, name := d.diffHeader(i)
			for ; n > 0; n-- {
				d.spots[i].file = name
				i++
			}
			file = name
		case file != "" && strings.HasPrefix(d.lines[i], "@@ "):
			i = d.hunk(i, file)
			d.diff = true
		default:
			d.spots[i].void = first < i
			i++
		}
	}
	return first
}

// startsDiff says whether the diff of a file begins at lines[i].
func (d *document) startsDiff(i int) bool {
	l := d.lines[i]
	return strings.HasPrefix(l, "diff --git ") || d.namesFile(i) ||
		(strings.HasPrefix(l, "diff -") || strings.HasPrefix(l, "Index: ")) && (d.namesFile(i+1) || d.namesFile(i+2))
}

// namesFile says whether the two lines that name a file begin at lines[i].
func (d *document) namesFile(i int) bool {
	return i+1 < len(d.lines) && strings.HasPrefix(d.lines[i], "--- ") && strings.HasPrefix(d.lines[i+1], "+++ ")
}

// diffHeader reads the header of the diff that begins at lines[i]: its number
// of lines, and the file it is about, under its new name if it has one.
func (d *document) diffHeader(i int) (n int, file string) {
	for start := i; i < len(d.lines); i++ {
		l := strings.TrimRight(d.lines[i], "\r")
		if d.namesFile(i) {
			return i + 2 - start, pick(l[4:], strings.TrimRight(d.lines[i+1], "\r")[4:])
		}
		if i > start && (strings.HasPrefix(l, "@@ ") || d.startsDiff(i) || l == "-- " || l == "") {
			break
		}
		n++
		if rest, ok := strings.CutPrefix(l, "diff --git "); ok {
			d.diff = true
			file = halves(rest)
		} else if rest, ok := strings.CutPrefix(l, "rename to "); ok {
			file = rest
		} else if rest, ok := strings.CutPrefix(l, "copy to "); ok {
			file = rest
		}
	}
	return n, file
}

// halves returns the file of `diff --git a/x b/x`, where both names are the
// same but for their first part.
func halves(s string) string {
	a, b := s[:len(s)/2], s[(len(s)+1)/2:]
	return pick(a, b)
}

// pick returns the file that a diff from one name to another is about.
func pick(from, to string) string {
	from, to = plainName(from), plainName(to)
	name := to
	if to == "/dev/null" {
		name = from
	}
	fromTop, _, _ := strings.Cut(from, "/")
	top, rest, deep := strings.Cut(name, "/")
	if deep && (top == "a" || top == "b" || fromTop != top && from != "/dev/null") {
		return rest
	}
	if name == "" {
		return ""
	}
	return path.Clean(name)
}

// plainName takes what diff and git put around a name off it.
func plainName(s string) string {
	s, _, _ = strings.Cut(s, "\t")
	if quoted, err := strconv.Unquote(s); err == nil && strings.HasPrefix(s, `"`) {
		return quoted
	}
	return s
}

var reHunk = regexp.MustCompile(`^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@`)

// hunk reads the hunk at lines[i] and returns the index of the line behind it.
func (d *document) hunk(i int, file string) int {
	m := reHunk.FindStringSubmatch(d.lines[i])
	if m == nil {
		d.spots[i].file = file
		return i + 1
	}
	was, now, at := count(m[2]), count(m[4]), count(m[3])
	d.spots[i] = spot{file: file, line: at}
	for i++; i < len(d.lines) && (was > 0 || now > 0 || strings.HasPrefix(d.lines[i], `\`)); i++ {
		d.spots[i] = spot{file: file, line: at}
		kind := byte(' ') // an empty line of context may have lost its space
		if d.lines[i] != "" {
			kind = d.lines[i][0]
		}
		switch kind {
		case '-':
			was--
		case '+':
			now--
			at++
		case '\\':
			d.spots[i].line = max(at-1, 0)
		case ' ', '\r':
			was--
			now--
			at++
		default:
			d.spots[i] = spot{void: true}
			return i // the header counts wrong
		}
	}
	return i
}

// count reads a number of a hunk's header; one that is left out is 1.
func count(s string) int {
	if s == "" {
		return 1
	}
	n, _ := strconv.Atoi(s) // of at most nine digits, as the pattern has it
	return n
}

// shellName returns the first line, from 1, in which checkpatch would see the
// name of a file that a shell reads otherwise, or that looks like an option, and that name. Like checkpatch
// it looks at all lines, the message included. 0 is none.
func (d document) shellName() (int, string) {
	for i, l := range d.lines {
		var words []string
		if rest, ok := strings.CutPrefix(l, "diff --git"); ok {
			words = blanks(rest)
			words = words[max(len(words)-1, 0):]
		} else if rest, ok := strings.CutPrefix(l, "+++"); ok && len(blanks(rest[:min(1, len(rest))])) == 0 {
			words = blanks(rest)
			words = words[:min(1, len(words))]
		}
		for _, w := range words {
			_, below, deep := strings.Cut(w, "/")
			if strings.ContainsFunc(w, unsafe) || strings.HasPrefix(w, "-") || deep && strings.HasPrefix(below, "-") {
				return i + 1, w
			}
		}
	}
	return 0, ""
}

// blanks splits at what Perl's \s matches in bytes.
func blanks(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\n\r\f\v", r) })
}

// unsafe says whether a shell may take r for something else than itself.
func unsafe(r rune) bool {
	const safe = "._-+,@=:%~/^"
	return r < 0x80 && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune(safe, r)
}
