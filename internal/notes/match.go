package notes

import (
	"cmp"
	"hash/fnv"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode"
)

const (
	alike    = 0.5    // of the lines must be the same in both
	common   = 50     // a line that so many patches have says nothing
	maxLines = 20_000 // of a patch, that are looked at
)

// match says which patch was which.
type match struct {
	before, now []*read
	old         []int  // by place now: the place before, or -1
	taken       []bool // by place before
}

func newMatch(before, now []*read) *match {
	m := &match{before: before, now: now, old: make([]int, len(now)), taken: make([]bool, len(before))}
	for i := range m.old {
		m.old[i] = -1
	}
	return m
}

// reNumber is what git format-patch puts before a name.
var reNumber = regexp.MustCompile(`^[0-9]+-`)

func (m *match) all() {
	m.by(func(r *read) string { return r.sum + r.Name })
	m.by(func(r *read) string { return r.sum })
	m.by(func(r *read) string { return r.edits + r.Name })
	m.by(func(r *read) string { return r.edits })
	m.by(func(r *read) string { return r.Name })
	m.by(func(r *read) string { return reNumber.ReplaceAllString(r.Name, "") })
	m.by(func(r *read) string { return strings.ToLower(r.subject) })
	m.bySimilarity()
}

// by pairs those that have the same key, first with first.
func (m *match) by(key func(*read) string) {
	waiting := map[string][]int{}
	for j, r := range m.before {
		if k := key(r); !m.taken[j] && k != "" {
			waiting[k] = append(waiting[k], j)
		}
	}
	for i, r := range m.now {
		if m.old[i] >= 0 {
			continue
		}
		k := key(r)
		if list := waiting[k]; len(list) > 0 {
			m.pair(i, list[0])
			waiting[k] = list[1:]
		}
	}
}

func (m *match) pair(i, j int) { m.old[i], m.taken[j] = j, true }

// bySimilarity pairs what is left and has lines in common, the likest first.
// It counts by line, not by pair of patches: so it takes no quadratic time.
func (m *match) bySimilarity() {
	holders := map[uint64][]int{}
	for j, r := range m.before {
		if !m.taken[j] {
			for _, l := range slices.Compact(slices.Clone(r.lines)) {
				holders[l] = append(holders[l], j)
			}
		}
	}
	type likeness struct {
		i, j  int
		score float64
	}
	var all []likeness
	for i, r := range m.now {
		if m.old[i] >= 0 {
			continue
		}
		shared := map[int]bool{}
		for _, l := range slices.Compact(slices.Clone(r.lines)) {
			if h := holders[l]; len(h) <= common {
				for _, j := range h {
					shared[j] = true
				}
			}
		}
		candidates := 0
		for j := range m.before { // in order: a map has none
			if !shared[j] || candidates == common {
				continue
			}
			candidates++
			if s := similarity(r.lines, m.before[j].lines); s >= alike {
				all = append(all, likeness{i, j, s})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b likeness) int { return cmp.Compare(b.score, a.score) })
	for _, l := range all {
		if m.old[l.i] < 0 && !m.taken[l.j] {
			m.pair(l.i, l.j)
		}
	}
}

// similarity is Dice's: twice what both have, by what they have together.
func similarity(a, b []uint64) float64 {
	same := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			same, i, j = same+1, i+1, j+1
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return 2 * float64(same) / float64(max(1, len(a)+len(b)))
}

// count adds a line to what the patch is compared by, if it has a word in it.
func (r *read) count(file, line string) {
	line = strings.TrimSpace(line)
	if len(r.lines) < maxLines && strings.ContainsFunc(line, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(file + "\x00" + line)) // a hash never fails
		r.lines = append(r.lines, h.Sum64())
	}
}

// moved says which patches stand elsewhere among those that stayed: all but a
// longest run of them that kept its order.
func (m *match) moved() []bool {
	moved := make([]bool, len(m.now))
	ends := []int{} // by length of a run: where the one with the lowest end ends
	link := make([]int, len(m.now))
	for i, j := range m.old {
		if j < 0 {
			continue
		}
		moved[i] = true
		n := sort.Search(len(ends), func(k int) bool { return m.old[ends[k]] > j })
		if link[i] = -1; n > 0 {
			link[i] = ends[n-1]
		}
		ends = append(ends[:n], append([]int{i}, ends[min(n+1, len(ends)):]...)...)
	}
	if len(ends) > 0 {
		for i := ends[len(ends)-1]; i >= 0; i = link[i] {
			moved[i] = false
		}
	}
	return moved
}

// Names of commits of Linux in messages: stable's own, and what git cherry-pick -x and
// the people of stable write.
var reUpstream = regexp.MustCompile(`(?im)^\s*(?:\[ ?upstream commit ([0-9a-f]{12,40}) ?\]|commit ([0-9a-f]{12,40}) upstream\.?|\(cherry picked from commit ([0-9a-f]{12,40})\))\s*$`)

func upstream(message string) string {
	found := reUpstream.FindStringSubmatch(message)
	if found == nil {
		return ""
	}
	return cmp.Or(found[1:]...)
}
