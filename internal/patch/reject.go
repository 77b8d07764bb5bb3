package patch

import (
	"fmt"
	"strings"

	"bzmage/internal/fault"
)

// maxFailures bounds the report: a series for another kernel fails everywhere.
const maxFailures = 20

// Failure is one place where a patch does not apply.
type Failure struct {
	Patch   string `json:"patch"`
	File    string `json:"file"`
	Hunk    int    `json:"hunk,omitempty"`    // from 1; 0: the file as a whole
	Hunks   int    `json:"hunks,omitempty"`   // how many the file has
	Line    int    `json:"line"`              // in the patch
	Header  string `json:"header,omitempty"`  // of the hunk
	Why     string `json:"why"`               // one sentence
	Excerpt string `json:"excerpt,omitempty"` // what was expected, and what stands there
}

// String returns the failure as a paragraph.
func (f Failure) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "patch %s, line %d: %s: ", f.Patch, f.Line, show(f.File))
	if f.Hunk > 0 {
		fmt.Fprintf(&b, "hunk %d of %d: ", f.Hunk, f.Hunks)
	}
	b.WriteString(f.Why)
	if f.Header != "" {
		b.WriteString("\n  " + show(f.Header))
	}
	return b.String() + f.Excerpt
}

// RejectError says where a series does not apply: all places that could be
// tried. A file that one patch fails on is not tried with later patches.
type RejectError struct {
	Failures []Failure
	Untried  []string // "patch: file" that depend on a failure
}

func (e *RejectError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "apply the series: %d %s", len(e.Failures), plural(len(e.Failures), "place does not fit", "places do not fit"))
	for i, f := range e.Failures {
		if i == maxFailures {
			fmt.Fprintf(&b, "\nand %d more", len(e.Failures)-i)
			break
		}
		b.WriteString("\n" + f.String())
	}
	if len(e.Untried) > 0 {
		list := e.Untried[:min(len(e.Untried), maxFailures)]
		fmt.Fprintf(&b, "\nnot tried, as an earlier patch failed on the file: %s", strings.Join(list, ", "))
		if len(list) < len(e.Untried) {
			fmt.Fprintf(&b, " and %d more", len(e.Untried)-len(list))
		}
	}
	return b.String()
}

func (e *RejectError) fault() error {
	applied := true
	for _, f := range e.Failures {
		applied = applied && f.applied()
	}
	if applied {
		return fault.New(fault.Patch, "this kernel has the change already: take the patch out of the series", "%w", e)
	}
	return fault.New(fault.Patch, "refresh "+e.Failures[0].Patch+" against this release, or take it out of the series", "%w", e)
}

func (f Failure) applied() bool { return strings.Contains(f.Why, "already") }

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// How much an excerpt shows, and how far the place of a hunk is looked for.
const (
	around     = 3
	searchNear = 1000
	searchHunk = 200
)

// excerpt shows the lines a hunk expects beside those that stand at the place
// that is most like it, around the first line that differs.
func excerpt(file string, lines []string, f *misfit) string {
	old := f.h.old
	if len(old) == 0 {
		return ""
	}
	pos := mostLike(old, lines, f.want)
	first := 0
	for first < len(old)-1 && at(lines, pos+first) == old[first] {
		first++
	}
	from, to := max(first-around, 0), min(first+around+1, len(old))
	var b strings.Builder
	b.WriteString("\n  expected, in the patch:")
	for i := from; i < to; i++ {
		row(&b, f.h.oldAt[i], old[i], at(lines, pos+i))
	}
	fmt.Fprintf(&b, "\n  found in %s:", show(file))
	if pos+from >= len(lines) {
		fmt.Fprintf(&b, "\n          (the file ends at line %d)", len(lines))
	}
	for i := from; i < to && pos+i < len(lines); i++ {
		row(&b, pos+i+1, lines[pos+i], old[i])
	}
	return b.String()
}

// row writes one line of an excerpt, marked when other differs from it. Where
// only white space differs, it is made visible.
func row(b *strings.Builder, number int, line, other string) {
	sign, text := " ", show(line)
	if line != other {
		sign = ">"
		if strings.Join(strings.Fields(line), " ") == strings.Join(strings.Fields(other), " ") {
			text = fmt.Sprintf("%q", line)
		}
	}
	fmt.Fprintf(b, "\n  %s %5d %s", sign, number, text)
}

// at returns a line, or "" beyond the file.
func at(lines []string, i int) string {
	if i < 0 || i >= len(lines) {
		return ""
	}
	return lines[i]
}

// mostLike returns the place near want with the most lines of old.
func mostLike(old, lines []string, want int) int {
	head := old[:min(len(old), searchHunk)]
	want = min(max(want, 0), max(len(lines)-1, 0))
	best, most := want, -1
	for pos := max(want-searchNear, 0); pos <= min(want+searchNear, len(lines)-1); pos++ {
		n := 0
		for i, l := range head {
			if at(lines, pos+i) == l && strings.TrimSpace(l) != "" {
				n++
			}
		}
		if n > most || n == most && abs(pos-want) < abs(best-want) {
			best, most = pos, n
		}
	}
	return best
}
