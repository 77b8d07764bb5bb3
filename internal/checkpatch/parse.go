package checkpatch

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// reFinding is a line of --terse --show-types, behind the name of the file.
// Messages may hold colons and quotes.
var reFinding = regexp.MustCompile(`^:(\d{1,9}): (ERROR|WARNING|CHECK):([A-Z0-9_]+): (.*)$`)

// parse reads what checkpatch printed about file, which has that many lines. A
// line that is no finding is an error: it may be the only sign that something
// was not looked at.
func parse(name, file string, lines int, out string) ([]Finding, error) {
	var findings []Finding
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		rest, ok := strings.CutPrefix(line, file)
		m := reFinding.FindStringSubmatch(rest)
		if !ok || m == nil {
			return nil, fmt.Errorf("cannot read its line %q", clean(line))
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, err
		}
		if n < 1 || n > lines {
			return nil, fmt.Errorf("it speaks of line %d of %d: %q", n, lines, clean(line))
		}
		findings = append(findings, Finding{Patch: name, Line: n, Level: m[2], Type: m[3], Message: clean(m[4])})
	}
	return findings, nil
}

const maxMessage = 500

// clean makes text that checkpatch took from a patch safe for a terminal and
// for every report.
func clean(s string) string { return cleanBut(s, -1) }

// cleanBut is clean that leaves the character keep as it is.
func cleanBut(s string, keep rune) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxMessage {
			b.WriteString("...")
			break
		}
		if strconv.IsPrint(r) || r == keep {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}
