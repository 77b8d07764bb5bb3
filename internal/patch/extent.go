package patch

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// File is the content of a file of the tree, or the target of a symbolic link.
type File struct {
	Data []byte
	Mode fs.FileMode // 0644, 0755 or [fs.ModeSymlink]
}

// Extent returns where the diff stands in the text of a patch: text[:from] is
// a mail's header, message and diffstat, text[to:] its signature. Both are the
// length of text in one that has no diff. strip is the N of -pN.
//
// The error says why the diff cannot be read, or that there is other text
// between the diffs of two files, which who replaces the diff would lose.
func Extent(text string, strip int) (from, to int, err error) {
	s := &scanner{lines: strings.SplitAfter(text, "\n"), strip: strip}
	if s.lines[len(s.lines)-1] == "" {
		s.lines = s.lines[:len(s.lines)-1]
	}
	lines := append([]string(nil), s.lines...) // s rewrites names
	if err := s.all(); err != nil {
		return 0, 0, err
	}
	if len(s.marks) == 0 {
		return len(text), len(text), nil
	}
	first := s.marks[0].line - 1
	for first > 0 && isDecor(lines, first-1) {
		first--
	}
	if err := checkBetween(lines, s.marks); err != nil {
		return 0, 0, err
	}
	from = len(strings.Join(lines[:first], ""))
	return from, from + len(strings.Join(lines[first:s.marks[len(s.marks)-1].end], "")), nil
}

// isDecor says whether line i, before a plain diff, belongs to it: what quilt,
// Subversion and diff -r write there.
func isDecor(lines []string, i int) bool {
	line := lines[i]
	return strings.HasPrefix(line, "Index: ") || strings.HasPrefix(line, "diff -") ||
		strings.Trim(line, "=\r\n") == "" && i > 0 && strings.HasPrefix(lines[i-1], "Index: ")
}

// checkBetween refuses text of a person's between two diffs.
func checkBetween(lines []string, marks []mark) error {
	for i, m := range marks[1:] {
		at := m.line - 1
		for at > 0 && (isDecor(lines, at-1) || strings.TrimSpace(lines[at-1]) == "") {
			at--
		}
		if end := marks[i].end; at > end {
			return fmt.Errorf("line %d: text between two diffs; move it above the first", end+1)
		}
	}
	return nil
}

// Context returns how many lines of context the hunks of a patch have at most.
func Context(text string, strip int) int {
	p, err := parsePatch(patchFile{entry: entry{strip: strip}, text: text})
	if err != nil {
		return 0
	}
	most := 0
	for _, c := range p.changes {
		for _, h := range c.hunks {
			most = max(most, h.head, h.tail)
		}
	}
	return most
}

// UnixLines returns text with the line ends of Unix, if each of its lines ends
// as on Windows: what a mailer does to a whole mail. A patch of a file that has
// such line ends itself is no such text, as its headers end as ever.
func UnixLines(text string) string {
	if crlf := strings.Count(text, "\r\n"); crlf == 0 || crlf != strings.Count(text, "\n") {
		return text
	}
	return strings.ReplaceAll(text, "\r\n", "\n")
}

// SameLines says whether two patches change the same lines of the same files,
// in the same hunks: whether they differ in places and words only.
func SameLines(a, b string, strip int) bool {
	var sides [2][]*change
	for i, text := range []string{a, b} {
		p, err := parsePatch(patchFile{entry: entry{strip: strip}, text: text})
		if err != nil {
			return false
		}
		sides[i] = p.changes
	}
	return slices.EqualFunc(sides[0], sides[1], func(c, d *change) bool {
		return c.from == d.from && c.to == d.to && slices.EqualFunc(c.hunks, d.hunks, func(g, h *hunk) bool {
			return slices.Equal(g.old, h.old) && slices.Equal(g.new, h.new)
		})
	})
}
