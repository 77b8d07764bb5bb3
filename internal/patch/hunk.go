package patch

import (
	"fmt"
	"slices"
)

// matcher applies the hunks of one change to the lines of one file. Its rules
// are those of git apply without fuzz:
//
//   - a hunk that begins at line 1 (or 0) matches only at the begin;
//   - a hunk without context behind it matches only at the end;
//   - any other matches at its line, or at the place nearest to it;
//
// and, stricter than git, hunks stay in their order, and a moved hunk is
// refused when another place has as good a claim: the one where the hunk before
// was moved to, or a nearer one above the hunk before.
type matcher struct {
	lines    []string
	at       int      // lines[:at] are done
	out      []string // what lines[:at] became
	done     [][2]int // the parts of out that hunks made
	shift    int      // how far the last hunk was moved
	offset   int      // how far any hunk was moved at most
	compares int      // lines compared, for the tests of linear behaviour
}

// misfit is why a hunk does not apply.
type misfit struct {
	h       *hunk
	why     string
	want    int  // where it was expected, an index into the file's lines
	excerpt bool // the place is worth showing
}

// apply applies one hunk, or says why it cannot be. The next hunk may be tried
// all the same.
func (m *matcher) apply(h *hunk) *misfit {
	want := max(h.newPos-1, 0) - (len(m.out) - m.at)
	if len(h.old) == 0 && len(m.lines) > 0 && h.oldPos > 0 {
		return &misfit{h: h, why: "the hunk has no context; make the patch with diff -U3", want: want}
	}
	pos, why := m.find(h, h.old, want)
	if why != "" {
		return &misfit{h: h, why: why, want: want, excerpt: true}
	}
	if pos < 0 {
		if p := m.findNew(h, want); p >= 0 {
			return &misfit{h: h, why: fmt.Sprintf("it is applied already, at line %d", p+1), want: want}
		}
		return &misfit{h: h, why: "its context is not there", want: want, excerpt: true}
	}
	m.out = append(m.out, m.lines[m.at:pos]...)
	m.done = append(m.done, [2]int{len(m.out), len(m.out) + len(h.new)})
	m.out = append(m.out, h.new...)
	m.at = pos + len(h.old)
	m.shift = pos - want
	m.offset = max(m.offset, m.shift, -m.shift)
	return nil
}

// findNew returns where the lines stand that h would make, or -1.
func (m *matcher) findNew(h *hunk, want int) int {
	if len(h.new) == 0 {
		return -1
	}
	pos, _ := m.find(h, h.new, want)
	return pos
}

// finish returns the file's lines after the hunks.
func (m *matcher) finish() []string { return append(m.out, m.lines[m.at:]...) }

// find returns where side, the old or the new lines of h, stands, or -1.
func (m *matcher) find(h *hunk, side []string, want int) (pos int, why string) {
	last := len(m.lines) - len(side)
	begin, end := h.oldPos <= 1, h.tail == 0
	switch {
	case begin && end && last != 0, last < m.at:
		return -1, ""
	case begin:
		want = 0
	case end:
		want = last
	}
	if begin || end {
		if m.matches(side, want) {
			return want, ""
		}
		return -1, ""
	}
	pos = m.nearest(side, want)
	if pos < 0 || pos == want && m.shift == 0 {
		return pos, ""
	}
	// A block that occurs twice must not be patched by luck.
	if moved := want + m.shift; pos != moved && m.matches(side, moved) {
		return -1, fmt.Sprintf("it fits at line %d, and at line %d where the hunk before was moved to; refresh the patch", pos+1, moved+1)
	}
	if above := m.above(side, h.newPos-1); above >= 0 && abs(above-(h.newPos-1)) <= abs(pos-want) {
		return -1, fmt.Sprintf("it fits at line %d, and nearer to its own line above the hunk before; refresh the patch", pos+1)
	}
	return pos, ""
}

// above returns the place nearest to want, in what was made so far, where side
// stands in lines that no hunk has made, or -1.
func (m *matcher) above(side []string, want int) int {
	best := -1
	for _, p := range m.all(m.out, 0, side) {
		overlaps := slices.ContainsFunc(m.done, func(r [2]int) bool { return p < r[1] && r[0] < p+len(side) })
		if !overlaps && (best < 0 || abs(p-want) < abs(best-want)) {
			best = p
		}
	}
	return best
}

// matches says whether side stands at pos, behind what is done already.
func (m *matcher) matches(side []string, pos int) bool {
	if pos < m.at || pos+len(side) > len(m.lines) {
		return false
	}
	for i, l := range side {
		m.compares++
		if m.lines[pos+i] != l {
			return false
		}
	}
	return true
}

// nearest returns the place nearest to want where side stands, or -1. Of two
// places as near as each other it is the later one, as with git.
func (m *matcher) nearest(side []string, want int) int {
	if m.matches(side, want) {
		return want
	}
	best := -1
	for _, p := range m.all(m.lines, m.at, side) {
		if best < 0 || abs(p-want) <= abs(best-want) {
			best = p
		}
	}
	return best
}

// all returns each place of lines, behind from, where side stands, in order. It is the algorithm of
// Knuth, Morris and Pratt: a file and a hunk made of the same line again and
// again must not take quadratic time.
func (m *matcher) all(lines []string, from int, side []string) []int {
	back := make([]int, len(side)+1) // the longest border of side[:i]
	back[0] = -1
	for i, k := 0, -1; i < len(side); {
		for k >= 0 && !m.same(side[i], side[k]) {
			k = back[k]
		}
		i, k = i+1, k+1
		back[i] = k
	}
	var found []int
	for i, k := from, 0; i < len(lines); {
		for k >= 0 && (k == len(side) || !m.same(lines[i], side[k])) {
			k = back[k]
		}
		i, k = i+1, k+1
		if k == len(side) {
			found = append(found, i-k)
		}
	}
	return found
}

func (m *matcher) same(a, b string) bool {
	m.compares++
	return a == b
}

func abs(n int) int { return max(n, -n) }
