package bench

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The committed table is what bench.md is: it says where and when it was
// measured, and has rows.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), Begin+"\n")
	table, after, ok2 := strings.Cut(rest, End+"\n")
	if !ok || !ok2 || strings.Contains(after, Begin) {
		t.Fatal("docs/performance.md has no place for the table, or two")
	}
	for _, want := range []string{
		`(?m)^Linux \d+\.\d+\S* \(line \d+\.\d+, \w+\) for \w+`,
		`(?m)^- Date: \d{4}-\d\d-\d\d, bzmage at [0-9a-f]{12,}$`, // what is committed, not -dirty
		`(?m)^- Machine: .+, cores: \d+, memory: \d+ MiB`,
		`(?m)^- Load at the start: \d+\.\d\d`,
		`(?m)^- Versions: kernel \S+, .*gcc: .*; go: go1.*; make: .*; quilt: `,
	} {
		if !regexp.MustCompile(want).MatchString(table) {
			t.Errorf("nothing in the table of docs/performance.md matches %s", want)
		}
	}
	// Each row is described on the page, too, and its result is one of those.
	reRow := regexp.MustCompile("^\\| `([a-z_0-9/]+)` \\| [^|]+ \\| [^|]* \\| [^|]* \\| [^|]* \\| [^|]* \\| [^|]* \\| ((met|missed)?|skipped: .*|failed: .*)( ?\\(\\d{4}-\\d\\d-\\d\\d\\))?( ?\\(load \\d+\\.\\d\\d\\))? ?\\|$")
	rows := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		m := reRow.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Errorf("not a row: %s", line)
			continue
		}
		rows++
		area, _, _ := strings.Cut(m[1], "/")
		if !regexp.MustCompile("(?m)^\\| `" + area + "[`/]").MatchString(after) {
			t.Errorf("the page does not say what the row %s is", m[1])
		}
	}
	if rows == 0 {
		t.Error("the table of docs/performance.md has no rows")
	}
}
