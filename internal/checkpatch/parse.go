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

// parse reads what checkpatch printed about file. A line that is no finding is
// an error: it may be the only sign that something was not looked at.
func parse(name, file, out string) ([]Finding, error) {
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
		findings = append(findings, Finding{Patch: name, Line: n, Level: m[2], Type: m[3], Message: clean(m[4])})
	}
	return findings, nil
}

const maxMessage = 500

// clean makes text that checkpatch took from a patch safe for a terminal.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxMessage {
			b.WriteString("...")
			break
		}
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}
