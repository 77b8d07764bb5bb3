package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jstemmer/go-junit-report/v2/junit"

	"bzmage/internal/boot"
	"bzmage/internal/console"
	"bzmage/internal/event"
)

var update = flag.Bool("update", false, "write the golden files")

func verdicts() []boot.Verdict {
	return []boot.Verdict{
		{
			Line: "5.4", Arch: "x86_64", Flavour: "release", Release: "5.4.302-x", Verdict: boot.Pass,
			SHA256: map[string]string{"image": "aa"}, BootSeconds: 1.25, TotalSeconds: 3.5,
			Checks: []event.Check{{Name: "TestA", Status: event.Pass, Elapsed: 0.5},
				{Name: "TestB", Status: event.Skip, Output: "=== RUN   TestB\n    b_test.go:3: not on this arch\n--- SKIP: TestB (0.00s)\n"}},
			Build: map[string]string{"image": "bzImage 1.0 MB", "time": "12.0 s"},
		},
		{
			Line: "5.4", Arch: "arm64", Flavour: "release", Release: "5.4.302-x", Verdict: boot.CheckFailed,
			Reason: "a check failed: TestA", SHA256: map[string]string{"image": "bb"}, BootSeconds: 0.5, TotalSeconds: 2,
			Checks: []event.Check{
				{Name: "TestA", Status: event.Fail, Elapsed: 0.1, Output: "=== RUN   TestA\n    a_test.go:9: got <1>, want \x01 & \"2\"\n--- FAIL: TestA (0.10s)\n"},
				{Name: "TestA/part", Status: event.Fail, Output: strings.Repeat("x", 20000)}},
			Build: map[string]string{"image": "Image 2.0 MB", "time": "kept"},
		},
		{
			Line: "5.4", Arch: "arm64", Flavour: "debug", Release: "5.4.302-x", Verdict: boot.Crashed, Reason: "panic: x",
			Crashes: []console.Crash{{Kind: "panic", Title: "panic: x", Key: "0123456789abcdef", Lines: []string{"Kernel panic - not syncing: x", "Call Trace:"}, Fatal: true}},
			Checks:  []event.Check{{Name: "TestB"}}, Missing: []string{"TestA", "TestB"}, Tail: []string{"Kernel panic - not syncing: x", "---[ end"},
			Build: map[string]string{"image": "Image 2.0 MB", "time": "9.0 s"},
		},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := Table(&b, verdicts()); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.golden", b.Bytes())
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, Report{Verdicts: verdicts()}); err != nil {
		t.Fatal(err)
	}
	golden(t, "junit.golden", b.Bytes())
	// What a consumer reads: one suite a target, and the failures counted.
	var suites junit.Testsuites
	if err := xml.Unmarshal(b.Bytes(), &suites); err != nil {
		t.Fatal(err)
	}
	if len(suites.Suites) != 3 || suites.Failures != 5 || suites.Skipped != 1 || suites.Tests != 9 {
		t.Errorf("%d suites, %d failures, %d skipped, %d tests", len(suites.Suites), suites.Failures, suites.Skipped, suites.Tests)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports", "5.4")
	in := Report{Line: "5.4", Release: "5.4.302", Choice: "c", Verdicts: verdicts()}
	if err := Write(dir, in); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "verdict.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out Report
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	in.Schema, in.Version = SchemaName, Version
	if d := cmp.Diff(in, out); d != "" {
		t.Errorf("verdict.json gives another value:\n%s", d)
	}
	for _, name := range []string{"junit.xml", "verdict.ktap", SchemaName} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
