package coverage

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
)

// sample is a target of two patches: 3 of 5 lines are covered, one of them at
// boot only.
func sample() Target {
	return Target{Name: "6.1 x86_64 coverage", Report: Report{Patches: []Patch{
		{Name: "0001-a.patch", Path: "patches/6.1/0001-a.patch", Added: 9, Checks: []string{"TestA", "TestB", "TestC", "TestD"}, Lines: []Line{
			{File: "fs/a.c", Line: 3, At: 21, Text: "int a(void)", Runs: 7, By: []string{"TestA", "TestB", "TestC", "TestD"}},
			{File: "fs/a.c", Line: 5, At: 23, Text: "\treturn -ESRCH;"},
			{File: "include/a.h", Line: 8, At: 40, Text: "\treturn 0;", Boot: 2},
		}},
		{Name: "0002-b.patch", Path: "patches/6.1/0002-b.patch", Added: 2, Checks: []string{"TestA"}, Lines: []Line{
			{File: "fs/a.c", Line: 4, At: 18, Text: "\tb();", Runs: 1, By: []string{"TestA"}},
			{File: "fs/a.c", Line: 9, At: 19, Text: "\tc(\x1b[31m);"},
		}},
		{Name: "0003-doc.patch", Path: "patches/6.1/0003-doc.patch"},
	}}}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := Table(&b, []Target{sample()}); err != nil {
		t.Fatal(err)
	}
	want := `
COVERAGE OF          PATCH           ADDED  EXECUTABLE  COVERED          RUN BY
6.1 x86_64 coverage  0001-a.patch    9      3           2        66.6 %  TestA, TestB, TestC, 1 more, only at boot: 1
6.1 x86_64 coverage  0002-b.patch    2      2           1        50.0 %  TestA
6.1 x86_64 coverage  0003-doc.patch  0      0           0        -       
6.1 x86_64 coverage  all             11     5           3        60.0 %  
not run on 6.1 x86_64 coverage: patches/6.1/0001-a.patch:23: fs/a.c:5: return -ESRCH;
not run on 6.1 x86_64 coverage: patches/6.1/0002-b.patch:19: fs/a.c:9: c();
`
	if d := cmp.Diff(want[1:], b.String()); d != "" {
		t.Error(d)
	}
}

func TestGate(t *testing.T) {
	s := sample()
	for _, least := range []float64{0, 59.9, 60} {
		if err := s.Gate(least, "x"); err != nil {
			t.Errorf("%g: %v", least, err)
		}
	}
	for _, least := range []float64{60.1, 100} {
		err := s.Gate(least, "patches/6.1/coverage.toml")
		if fault.KindOf(err) != fault.Uncovered || !strings.Contains(err.Error(), "3 of 5 executable lines, 60.0 %") ||
			!strings.Contains(err.Error(), "\n  patches/6.1/0001-a.patch:23: fs/a.c:5: return -ESRCH;") || !strings.Contains(fault.HintOf(err), "patches/6.1/coverage.toml") {
			t.Errorf("%g: %v", least, err)
		}
	}
	if err := (Target{}).Gate(100, "x"); err != nil {
		t.Errorf("no lines to run: %v", err)
	}
	for range 3000 { // one line of many is never rounded away
		s.Report.Patches[0].Lines = append(s.Report.Patches[0].Lines, Line{Runs: 1})
	}
	s.Report.Patches[1].Lines = s.Report.Patches[1].Lines[:1]
	if p := s.Report.Sum().Percent(); p != 99.9 || s.Gate(100, "x") == nil {
		t.Errorf("%v %%", p)
	}
	for range 30 {
		s.Report.Patches[0].Lines = append(s.Report.Patches[0].Lines, Line{})
	}
	if err := s.Gate(100, "x"); err == nil || !strings.HasSuffix(err.Error(), "and 11 more") {
		t.Error(err)
	}
}

func TestExcuses(t *testing.T) {
	dir := t.TempDir()
	if list, err := Excuses(dir); list != nil || err != nil {
		t.Errorf("without a file: %v, %v", list, err)
	}
	text := `
[[excuse]]
patch = "0001-a.patch"
text = "return -ESRCH;"
reason = "no memory is   ever short here"
[[excuse]]
patch = "0001-a.patch"
text = "int a(void)"
reason = "it is run"
[[excuse]]
patch = "0009-z.patch"
text = "x"
reason = "gone"
`
	if err := os.WriteFile(filepath.Join(dir, ExcuseName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := Excuses(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := sample()
	if d := cmp.Diff(list[1:], s.Report.Settle(list)); d != "" {
		t.Error(d)
	}
	if sum := s.Report.Sum(); sum.Executable != 4 || sum.Covered != 3 || len(s.Report.Missed()) != 1 {
		t.Errorf("%+v", sum)
	}
	if got := s.Report.Patches[0].Lines[1].Excuse; got != "no memory is ever short here" {
		t.Errorf("%q", got)
	}
	// A second line of the same text needs an excuse of its own.
	twice := sample()
	twice.Report.Patches[0].Lines = append(twice.Report.Patches[0].Lines, twice.Report.Patches[0].Lines[1])
	if twice.Report.Settle(list[:1]); len(twice.Report.Missed()) != 2 {
		t.Errorf("%q", twice.Report.Missed())
	}
}

func TestExcusesThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"[[excuse]\n": "expected", "[[excuse]]\npatch = \"a\"\nreason = \"b\"\n": "number 1 has no text",
		"[[excuse]]\npatch = \"a\"\ntext = \"c\"\nreason = \" \"\n": "no reason", "[[excuses]]\n": "unknown key excuses",
		"[[excuse]]\npatch = \"a\"\ntext = \"c\"\nreason = \"b\"\nline = 1\n": "unknown key excuse.line",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ExcuseName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Excuses(dir); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzExcuses(f *testing.F) {
	f.Add("[[excuse]]\npatch = \"a\"\ntext = \"b\"\nreason = \"c\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseExcuses(text)
		if err != nil {
			return
		}
		for _, e := range list {
			if e.Patch == "" || e.Text == "" || e.Reason == "" {
				t.Fatalf("%q gives %+v", text, e)
			}
		}
	})
}

func TestWriteAndRemove(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, "6.1", 100, nil); err != nil {
		t.Fatal(err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 0 {
		t.Errorf("%v was written of nothing", list)
	}
	if err := Write(dir, "6.1", 100, []Target{sample()}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "coverage.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back document
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(document{"6.1", 100, []Target{sample()}}, back); d != "" {
		t.Error(d)
	}
	list, _ := os.ReadDir(dir)
	if len(list) != 3 {
		t.Errorf("%v", list)
	}
	if err := Remove(dir); err != nil {
		t.Fatal(err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 0 || Remove(dir) != nil {
		t.Errorf("%v is left", list)
	}
}
