package pipeline

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// failKeep is how many lines of one failed test are said again.
const failKeep = 30

// testLog passes the output of go test on, and remembers what the tests that
// failed said: in a long log the reason stands far above the end, which is
// what a pipeline shows. It reads the text of go test with -v and without.
type testLog struct {
	out io.Writer

	part   []byte         // of a line
	test   string         // which speaks
	until  *regexp.Regexp // where what it says ends, nil if it says nothing
	said   map[string][]string
	failed []string
}

var (
	testNow   = regexp.MustCompile(`^=== (?:RUN|NAME|CONT) +(\S+)`)
	testEnd   = regexp.MustCompile(`^\s*--- (FAIL|PASS|SKIP|BENCH): (\S+) `)
	testSays  = regexp.MustCompile(`^\s+\S+\.go:\d+: `)
	testDies  = regexp.MustCompile(`^(panic|fatal error|WARNING: DATA RACE)\b`)
	endOfSaid = regexp.MustCompile(`^\S`)
	endOfDie  = regexp.MustCompile(`^(FAIL|ok|exit status|={18})`)
)

func newTestLog(out io.Writer) *testLog { return &testLog{out: out, said: map[string][]string{}} }

// Write never fails but as the writer below does.
func (l *testLog) Write(p []byte) (int, error) {
	l.part = append(l.part, p...)
	for {
		line, rest, whole := bytes.Cut(l.part, []byte("\n"))
		if !whole {
			return l.out.Write(p)
		}
		l.line(string(line))
		l.part = append(l.part[:0], rest...)
	}
}

func (l *testLog) line(text string) {
	if m := testNow.FindStringSubmatch(text); m != nil {
		l.test, l.until = m[1], nil
		return
	}
	if m := testEnd.FindStringSubmatch(text); m != nil {
		l.test, l.until = m[2], nil
		if m[1] == "FAIL" {
			l.failed = append(l.failed, m[2])
		}
		return
	}
	switch {
	case testDies.MatchString(text):
		l.until = endOfDie
	case l.until == endOfDie && !endOfDie.MatchString(text):
	case testSays.MatchString(text):
		l.until = endOfSaid
	case l.until != nil && l.until.MatchString(text):
		l.until = nil
	}
	if l.until != nil && len(l.said[l.test]) < failKeep {
		l.said[l.test] = append(l.said[l.test], text)
	}
}

// Failures returns what the tests that failed said, or nothing.
func (l *testLog) Failures() string {
	var b strings.Builder
	for _, name := range l.failed {
		fmt.Fprintf(&b, "%s:\n", name)
		for _, s := range l.said[name] {
			fmt.Fprintln(&b, s)
		}
	}
	return b.String()
}
