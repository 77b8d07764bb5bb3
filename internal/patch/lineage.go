package patch

import (
	"slices"
	"strings"
)

// FileLines is what a patch does to the lines of one file.
type FileLines struct {
	From, To string // names in the tree; empty: the file is created, or removed
	Copied   bool   // From stays
	Removed  []int  // lines of From, from 1, ascending
	Added    []AddedLine
}

// Lines returns what an applied patch does to the lines of each file it
// touches. moved are the hunks that were applied elsewhere than they say, from
// its [Status]: with them the numbers are those of the files as they were and
// as the patch left them.
func Lines(t Text, moved []Move) ([]FileLines, error) {
	p, err := parsePatch(patchFile{entry: entry{strip: t.Strip}, text: t.Text})
	if err != nil {
		return nil, err
	}
	lines := strings.Split(t.Text, "\n")
	var all []FileLines
	for _, c := range p.changes {
		f := FileLines{From: c.from, To: c.to, Copied: c.copied}
		grown := 0 // by the hunks before
		for _, h := range c.hunks {
			shift := 0
			if i := slices.IndexFunc(moved, func(m Move) bool { return (m.File == c.from || m.File == c.to) && m.Hunk == h.number }); i >= 0 {
				shift = moved[i].Offset
			}
			// As it is applied: by where the new lines go (see matcher.apply).
			begin := max(h.newPos, 1) + shift
			for _, n := range h.removed(lines) {
				f.Removed = append(f.Removed, begin-grown+n)
			}
			for _, a := range h.added(c.to, lines) {
				a.Line += begin - h.newPos
				f.Added = append(f.Added, a)
			}
			grown += len(h.new) - len(h.old)
		}
		all = append(all, f)
	}
	return all, nil
}

// removed returns which of the hunk's old lines it removes, from 0.
func (h *hunk) removed(lines []string) []int {
	var all []int
	for at, n := h.line, 0; n < len(h.old) && at < len(lines); at++ {
		switch {
		case strings.HasPrefix(lines[at], "+"), strings.HasPrefix(lines[at], `\`):
			continue
		case strings.HasPrefix(lines[at], "-"):
			all = append(all, n)
		}
		n++
	}
	return all
}
