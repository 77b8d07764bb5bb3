package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/boot"
	"bzmage/internal/event"
	"bzmage/internal/plain"
)

// nasty is what a hostile guest would call and print, as far as the event
// reader lets it through, and more.
const nasty = "a\x1b[2Jb\u202ec\rd # SKIP no\n1..9\nnot ok 1 x\nKTAP version 1\n# Subtest: x\nreboot: System halted\nList of all partitions:\n\xff]]>\ufffe"

func nested() []boot.Verdict {
	return []boot.Verdict{
		{
			Line: "6.1", Arch: "x86_64", Flavour: "release", Release: "6.1.192-x", Verdict: boot.CheckFailed, Reason: "3 checks failed",
			Checks: []event.Check{
				{Name: "TestA", Status: event.Pass},
				{Name: "TestA/one", Status: event.Pass},
				{Name: "TestA/one#01", Status: event.Pass},
				{Name: "TestA/one/deep/er", Status: event.Skip, Output: "    a_test.go:1: " + nasty},
				{Name: "TestB", Status: event.Fail, Output: nasty + strings.Repeat("x", 1<<20)},
				{Name: "TestC", Status: event.Fail},
				{Name: "TestC/passes", Status: event.Pass},
				{Name: "TestD", Status: event.Fail},
				{Name: "TestD/fails", Status: event.Fail},
				{Name: "TestE", Status: event.Skip, Output: "=== RUN   TestE\n    e_test.go:3: not on this arch\n"},
			},
			Times: boot.Timeline{Kernel: 0.5, Hello: 1, Done: 2, End: 2.1},
		},
		{
			Line: "6.1", Arch: "arm64", Flavour: "release", Release: "6.1.192-x", Verdict: boot.Crashed, Reason: nasty,
			Checks: []event.Check{{Name: "TestA"}}, Missing: []string{"TestA", "TestB"}, Tail: strings.Split(nasty, "\n"),
		},
	}
}

func TestKTAP(t *testing.T) {
	var b bytes.Buffer
	if err := KTAP(&b, nested()); err != nil {
		t.Fatal(err)
	}
	golden(t, "verdict.ktap.golden", b.Bytes())
}

// The kernel's own reader finds in it what there is, and no error.
func TestKTAPIsReadByTheKernelsReader(t *testing.T) {
	kunit := kunitDir(t)
	path := filepath.Join(t.TempDir(), "verdict.ktap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := KTAP(f, nested()); err != nil {
		t.Fatal(err)
	}
	const script = `
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import kunit_parser
def tree(t): return {"name": t.name, "status": t.status.name, "errors": t.counts.errors, "parts": [tree(s) for s in t.subtests]}
with open(sys.argv[2]) as f, open(sys.argv[2] + ".json", "w") as out:
    t = kunit_parser.parse_run_tests(f)
    json.dump({"tree": tree(t), "counts": vars(t.counts)}, out)
`
	if out, err := exec.Command("python3", "-c", script, kunit, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(path + ".json")
	if err != nil {
		t.Fatal(err)
	}
	type test struct {
		Name, Status string
		Errors       int
		Parts        []test
	}
	var got struct {
		Tree   test
		Counts map[string]int
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"passed": 3, "failed": 6, "crashed": 0, "skipped": 2, "errors": 0}
	if d := cmp.Diff(want, got.Counts); d != "" {
		t.Errorf("counts (-want +got):\n%s\n%s", d, text)
	}
	var names []string
	for _, target := range got.Tree.Parts {
		for _, c := range target.Parts {
			names = append(names, target.Name+": "+c.Name+" "+c.Status)
		}
	}
	wantNames := []string{
		"6.1 x86_64 release: boot SUCCESS", "6.1 x86_64 release: TestA SUCCESS", "6.1 x86_64 release: TestB FAILURE",
		"6.1 x86_64 release: TestC FAILURE", "6.1 x86_64 release: TestD FAILURE", "6.1 x86_64 release: TestE SKIPPED",
		"6.1 arm64 release: boot FAILURE", "6.1 arm64 release: TestA FAILURE", "6.1 arm64 release: TestB FAILURE",
	}
	if d := cmp.Diff(wantNames, names); d != "" {
		t.Error(d)
	}
}

// kunitDir returns the folder of the kernel's reader, in a tree that is at
// hand: the one KERNEL_SOURCE names, or one that a test of a real kernel left.
func kunitDir(t *testing.T) string {
	t.Helper()
	trees, err := filepath.Glob("../../build/test/6.1/build/tree/6.1/*/src")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../build/tree/6.1/*/src")
	if err != nil {
		t.Fatal(err)
	}
	for _, tree := range append(append([]string{os.Getenv("KERNEL_SOURCE")}, trees...), more...) {
		dir := filepath.Join(tree, "tools", "testing", "kunit")
		if _, err := os.Stat(filepath.Join(dir, "kunit_parser.py")); err == nil && strings.Contains(tree, "6.1") {
			return dir
		}
	}
	t.Skip("no tree of line 6.1 at hand: KERNEL_SOURCE is not set, and none was built here")
	return ""
}

// Nothing that a guest says comes through to a file or a terminal as it came.
func TestReportsAreClean(t *testing.T) {
	vs := nested()
	vs[0].Machine = map[string]string{"why": nasty}
	for name, write := range map[string]func(io.Writer) error{
		"table": func(w io.Writer) error { return Table(w, vs) },
		"ktap":  func(w io.Writer) error { return KTAP(w, vs) },
		"junit": func(w io.Writer) error { return JUnit(w, Report{Verdicts: vs}) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		s := b.String()
		if plain.Text(s) != s || !utf8.ValidString(s) {
			t.Errorf("%s: not clean: %q", name, s[:min(len(s), 2000)])
		}
		for line := range strings.Lines(s) {
			if len(line) > 2*junitOutput || name != "junit" && len(line) > 2*maxMessage {
				t.Errorf("%s: a line of %d bytes", name, len(line))
			}
		}
		if name == "junit" {
			if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestSkips(t *testing.T) {
	v := func(arch string, checks ...string) boot.Verdict {
		b := boot.Verdict{Line: "6.1", Arch: arch, Flavour: "release"}
		for _, c := range checks {
			name, status, _ := strings.Cut(c, "=")
			b.Checks = append(b.Checks, event.Check{Name: name, Status: status, Output: "x_test.go:1: why\n"})
		}
		return b
	}
	tests := []struct {
		name     string
		verdicts []boot.Verdict
		known    []string
		want     []string // nowhere run
	}{
		{"on one arch", []boot.Verdict{v("x86_64", "TestA=skip"), v("arm64", "TestA=pass")}, nil, nil},
		{"on both", []boot.Verdict{v("x86_64", "TestA=skip"), v("arm64", "TestA=skip")}, nil, []string{"TestA"}},
		{"on both, as is known", []boot.Verdict{v("x86_64", "TestA=skip"), v("arm64", "TestA=skip")}, []string{"TestA"}, nil},
		{"failed elsewhere", []boot.Verdict{v("x86_64", "TestA=skip"), v("arm64", "TestA=fail")}, nil, nil},
		{"began elsewhere", []boot.Verdict{v("x86_64", "TestA=skip"), v("arm64", "TestA=")}, nil, nil},
		{"a part", []boot.Verdict{v("x86_64", "TestA=pass", "TestA/b=skip"), v("arm64", "TestA=pass", "TestA/b=skip")}, nil, []string{"TestA/b"}},
		{"a part of a known check", []boot.Verdict{v("x86_64", "TestA/b=skip"), v("arm64", "TestA/b=skip")}, []string{"TestA"}, nil},
		{"a part that is only there", []boot.Verdict{v("x86_64", "TestA=pass", "TestA/b=skip"), v("arm64", "TestA=pass")}, nil, []string{"TestA/b"}},
		{"one target that could not be built", []boot.Verdict{v("x86_64", "TestA=skip"), v("arm64")}, nil, []string{"TestA"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, s := range NowhereRun(Skips(tt.verdicts), tt.known) {
				got = append(got, s.Check)
				if s.Reason != "x_test.go:1: why" {
					t.Errorf("reason %q", s.Reason)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
