package reproduce

import (
	"bytes"
	"strings"
)

// text tells the lines that only one side has, and where. Lines that are on
// both sides are no difference but in their order.
func (e *explainer) text(label string, a, b []byte) error {
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	have := [2]map[string]int{tally(x), tally(y)}
	before := e.found()
	var onlyB []int
	for i, line := range y {
		if have[0][line]--; have[0][line] < 0 {
			onlyB = append(onlyB, i)
		}
	}
	// A line that became another one is told as one place.
	for i, line := range x {
		if have[1][line]--; have[1][line] >= 0 {
			continue
		}
		if j := near(onlyB, i); j >= 0 {
			e.add(label, "line %d: %s and %s", i+1, quote(line), quote(y[onlyB[j]]))
			onlyB = append(onlyB[:j:j], onlyB[j+1:]...)
			continue
		}
		e.add(label, "line %d, in the first only: %s", i+1, quote(line))
	}
	for _, i := range onlyB {
		e.add(label, "line %d, in the second only: %s", i+1, quote(y[i]))
	}
	if e.found() == before {
		line := bytes.Count(a[:min(first(a, b), len(a))], []byte("\n"))
		e.add(label, "the same lines in another order, from line %d: %s and %s", line+1, quote(x[line]), quote(y[line]))
	}
	return nil
}

func tally(lines []string) map[string]int {
	n := map[string]int{}
	for _, l := range lines {
		n[l]++
	}
	return n
}

// near returns which of the lines is number i; -1: none.
func near(lines []int, i int) int {
	for j, l := range lines {
		if l == i {
			return j
		}
		if l > i {
			break
		}
	}
	return -1
}
