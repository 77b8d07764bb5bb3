package patch

import (
	"fmt"
	"strings"
)

// maxFailures bounds the message: a series for another kernel fails everywhere.
const maxFailures = 20

// Failure is one place where a patch does not apply, with both sides: what the
// patch expects and makes, and what stands there.
type Failure struct {
	Patch    string   `json:"patch"`
	File     string   `json:"file"`
	Hunk     int      `json:"hunk,omitempty"`   // from 1; 0: the file as a whole
	Hunks    int      `json:"hunks,omitempty"`  // how many the file has
	Line     int      `json:"line"`             // in the patch
	Header   string   `json:"header,omitempty"` // of the hunk
	Why      string   `json:"why"`              // one sentence
	Diff     []string `json:"diff,omitempty"`   // the lines of the hunk
	Expected []Row    `json:"expected,omitempty"`
	Found    []Row    `json:"found,omitempty"` // at the place that is most like it
	Lines    int      `json:"lines,omitempty"` // how many the file has
}

// Row is a line of a patch or a file.
type Row struct {
	Line    int    `json:"line"`              // in the patch or the file, from 1
	Text    string `json:"text"`              // fit to be shown; quoted where only white space differs
	Differs bool   `json:"differs,omitempty"` // from the line of the other side
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
		b.WriteString("\n  " + f.Header)
	}
	f.excerpt(&b)
	return b.String()
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// How much an excerpt shows, how many lines of a hunk are compared, and how
// many of them may be the same.
const (
	around     = 3
	searchHunk = 200
	sameLines  = 8
)

// compare fills in the lines a hunk expects and those that stand at the place
// that is most like it.
func (f *Failure) compare(lines []string, bad *misfit) {
	old := bad.h.old[:min(len(bad.h.old), searchHunk)]
	if len(old) == 0 {
		return
	}
	pos := mostLike(old, lines, bad.want)
	f.Lines = len(lines)
	for i, l := range old {
		f.Expected = append(f.Expected, row(bad.h.oldAt[i], l, at(lines, pos+i)))
		if pos+i < len(lines) {
			f.Found = append(f.Found, row(pos+i+1, lines[pos+i], l))
		}
	}
}

// row compares a line with that of the other side. Where only white space
// differs, it is made visible.
func row(number int, line, other string) Row {
	r := Row{Line: number, Text: show(line), Differs: line != other}
	if r.Differs && strings.Join(strings.Fields(line), " ") == strings.Join(strings.Fields(other), " ") {
		r.Text = fmt.Sprintf("%q", line[:min(len(line), 2*maxShown)])
	}
	return r
}

// excerpt writes both sides around the first line that differs.
func (f Failure) excerpt(b *strings.Builder) {
	if len(f.Expected) == 0 {
		return
	}
	first := 0
	for first < len(f.Expected)-1 && !f.Expected[first].Differs {
		first++
	}
	from, to := max(first-around, 0), min(first+around+1, len(f.Expected))
	b.WriteString("\n  expected, in the patch:")
	rows(b, f.Expected[from:to])
	fmt.Fprintf(b, "\n  found in %s:", show(f.File))
	if from >= len(f.Found) {
		fmt.Fprintf(b, "\n          (the file ends at line %d)", f.Lines)
		return
	}
	rows(b, f.Found[from:min(to, len(f.Found))])
}

func rows(b *strings.Builder, rows []Row) {
	for _, r := range rows {
		sign := " "
		if r.Differs {
			sign = ">"
		}
		fmt.Fprintf(b, "\n  %s %5d %s", sign, r.Line, r.Text)
	}
}

// at returns a line, or "" beyond the file.
func at(lines []string, i int) string {
	if i < 0 || i >= len(lines) {
		return ""
	}
	return lines[i]
}

// mostLike returns the place with the most lines of old, the nearest to want
// of those that are as good. Lines with words count more than braces.
func mostLike(old, lines []string, want int) int {
	in := map[string][]int{}
	for i, l := range old {
		if strings.TrimSpace(l) != "" && len(in[l]) < sameLines {
			in[l] = append(in[l], i)
		}
	}
	score := map[int]int{}
	for j, l := range lines {
		for _, i := range in[l] {
			n := 1
			if hasWord(l) {
				n = 4
			}
			score[j-i] += n
		}
	}
	want = min(max(want, 0), max(len(lines)-1, 0))
	best := want
	for pos, n := range score {
		d := abs(pos-want) - abs(best-want)
		if pos >= 0 && (n > score[best] || n == score[best] && (d < 0 || d == 0 && pos < best)) {
			best = pos
		}
	}
	return best
}
