package patch

import "strings"

// AddedLine is a line that a patch adds to a file.
type AddedLine struct {
	File string
	Line int    // in the file as the patch leaves it, if no hunk is moved
	At   int    // in the patch, from 1
	Text string // without its newline
}

// AddedLines returns the lines that a patch adds, in the order in which they stand
// in it. A patch that cannot be read adds none.
func AddedLines(t Text) []AddedLine {
	p, err := parsePatch(patchFile{entry: entry{strip: t.Strip}, text: t.Text})
	if err != nil {
		return nil
	}
	lines := strings.Split(t.Text, "\n")
	var all []AddedLine
	for _, c := range p.changes {
		for _, h := range c.hunks {
			all = append(all, h.added(c.to, lines)...)
		}
	}
	return all
}

// added returns what the hunk adds to file.
func (h *hunk) added(file string, lines []string) []AddedLine {
	var all []AddedLine
	line, left := h.newPos, len(h.new)
	for at := h.line; left > 0 && at < len(lines); at++ { // lines[h.line] is behind the header
		switch text := strings.TrimSuffix(lines[at], "\r"); {
		case strings.HasPrefix(text, "-"), strings.HasPrefix(text, `\`):
			continue
		case strings.HasPrefix(text, "+"):
			all = append(all, AddedLine{File: file, Line: line, At: at + 1, Text: text[1:]})
		}
		line++
		left--
	}
	return all
}
