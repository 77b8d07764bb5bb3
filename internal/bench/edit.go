package bench

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// reHunk is the head of a hunk: where it is and how many lines it has before
// and after (POSIX diff -u; without a number it is one).
var reHunk = regexp.MustCompile(`^@@ -(\d+(?:,\d+)?) \+(\d+)(?:,(\d+))? @@(.*)$`)

// edited returns a patch that adds one line more to a C file, behind the first
// function it adds: a constant of its own for each n, so that the object, the
// image and the verdict are new ones. false: it adds no function to a C file.
func edited(text string, n int) (string, bool) {
	lines := strings.Split(text, "\n")
	hunk, inC := -1, false
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "+++ "):
			name, _, _ := strings.Cut(line[4:], "\t")
			inC, hunk = strings.HasSuffix(name, ".c"), -1
		case reHunk.MatchString(line):
			hunk = i
		case strings.HasPrefix(line, "diff ") || line == "-- ":
			hunk = -1
		case line == "+}" && inC && hunk >= 0:
			m := reHunk.FindStringSubmatch(lines[hunk])
			count := 1
			if m[3] != "" {
				count, _ = strconv.Atoi(m[3])
			}
			more := []string{"+", fmt.Sprintf("+static const char bench_edit[] __used = \"bench %d\";", n)}
			out := append([]string(nil), lines[:i+1]...)
			out[hunk] = fmt.Sprintf("@@ -%s +%s,%d @@%s", m[1], m[2], count+len(more), m[4])
			return strings.Join(append(append(out, more...), lines[i+1:]...), "\n"), true
		}
	}
	return "", false
}

// firstEdit returns the first patch of a series that [edited] can change.
func firstEdit(files map[string][]byte) (name string, ok bool) {
	for line := range strings.Lines(string(files["series"])) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, ok := edited(string(files[name]), 0); ok {
			return name, true
		}
	}
	return "", false
}
