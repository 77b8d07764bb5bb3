package guest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/event"
)

// statuses returns how each check ended, without those that TestMain of a
// check package has nothing to do with.
func statuses(res event.Result) map[string]string {
	got := map[string]string{}
	for _, c := range res.Checks {
		got[c.Name] = c.Status
	}
	return got
}

func TestBenchmarks(t *testing.T) {
	w := newWorld(t, "bzmage.run=^$ bzmage.bench=Pass|Parts|Skip")
	res := w.run(t, "BenchmarkPass", "BenchmarkParts", "BenchmarkSkip")
	if p := res.Problems(); p != nil {
		t.Fatalf("problems %q", p)
	}
	want := map[string]string{"BenchmarkPass": "pass", "BenchmarkParts": "pass", "BenchmarkParts/one": "pass", "BenchmarkParts/two": "pass", "BenchmarkSkip": "skip"}
	if d := cmp.Diff(want, statuses(res)); d != "" {
		t.Error(d)
	}
	if m := res.Checks[0].Metrics; res.Checks[0].Name != "BenchmarkPass" || m["ns/op"] <= 0 || m["reads/s"] != 2.5 || len(m) != 2 {
		t.Errorf("metrics %v", m)
	}
}

// A benchmark is a check, whatever becomes of it, and of the tests before it.
func TestBenchmarksThatDoNotPass(t *testing.T) {
	for _, tt := range []struct {
		params, expected, problem string
		exit                      int
		want                      map[string]string
	}{
		{"bzmage.run=^$ bzmage.bench=Fail$", "BenchmarkFail", "check BenchmarkFail failed", 1, map[string]string{"BenchmarkFail": "fail"}},
		{"bzmage.run=^$ bzmage.bench=PartFails", "BenchmarkPartFails", "check BenchmarkPartFails/bad failed", 1,
			map[string]string{"BenchmarkPartFails": "fail", "BenchmarkPartFails/good": "pass", "BenchmarkPartFails/bad": "fail"}},
		{"bzmage.run=^$ bzmage.bench=Panic", "BenchmarkPanic", "check BenchmarkPanic did not end", 2,
			map[string]string{"BenchmarkPanic": "", "BenchmarkPanic/part": "pass"}},
		{"bzmage.run=^$ bzmage.bench=Hang", "BenchmarkHang", "check BenchmarkHang did not end", 2, map[string]string{"BenchmarkHang": ""}},
		{"bzmage.run=^$ bzmage.bench=Parts/one", "BenchmarkParts", "", 0, map[string]string{"BenchmarkParts": "pass", "BenchmarkParts/one": "pass"}},
		{"bzmage.run=^TestPanic$ bzmage.bench=Parts", "BenchmarkParts", "check TestPanic failed", 2,
			map[string]string{"TestPanic": "fail", "BenchmarkParts": "pass", "BenchmarkParts/one": "pass", "BenchmarkParts/two": "pass"}},
	} {
		t.Run(tt.params, func(t *testing.T) {
			res := newWorld(t, tt.params).run(t, tt.expected, "TestPanic")
			if res.Done == nil || res.Done.Exit != tt.exit || !strings.Contains(strings.Join(res.Problems(), "\n"), tt.problem) {
				t.Errorf("done %+v, problems %q", res.Done, res.Problems())
			}
			if d := cmp.Diff(tt.want, statuses(res)); d != "" {
				t.Error(d)
			}
		})
	}
}

// Every repeat is a process of its own: what ends one takes nothing from the
// others, and a check that fails once has failed.
func TestRounds(t *testing.T) {
	w := newWorld(t, "bzmage.run=^Test(Pass|Sometimes|Skip|Exit3)$ bzmage.bench=Pass bzmage.count=4")
	expected := []string{"TestPass", "TestSometimes", "TestSkip", "TestExit3", "BenchmarkPass"}
	w.live()
	res := w.resultOf(t, 4, expected)
	if res.Violations != nil || res.Done.Exit != 3 {
		t.Errorf("violations %q, done %+v", res.Violations, res.Done)
	}
	got := map[string][3]any{}
	for _, c := range res.Checks {
		got[c.Name] = [3]any{c.Status, c.Runs, c.Failures}
	}
	want := map[string][3]any{"TestPass": {"pass", 4, 0}, "TestSkip": {"skip", 4, 0}, "TestExit3": {"", 0, 0}, "BenchmarkPass": {"pass", 4, 0}}
	if _, ran := got["TestSometimes"]; ran {
		t.Error("TestSometimes runs after TestExit3: sort them")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"TestSometimes", "TestExit3"}, res.Missing); d != "" {
		t.Error(d)
	}
}

func TestFlakyIsNoPass(t *testing.T) {
	w := newWorld(t, "bzmage.run=^TestSometimes$ bzmage.count=5")
	w.live()
	res := w.resultOf(t, 5, []string{"TestSometimes"})
	if c := res.Checks[0]; c.Status != event.Fail || c.Runs != 5 || c.Failures != 2 || res.Missing != nil || res.Violations != nil || strings.Count(c.Output, "again") != 2 {
		t.Errorf("%+v, missing %q, violations %q", c, res.Missing, res.Violations)
	}
	// A check that ran less often than asked for is missing.
	if res := w.resultOf(t, 6, []string{"TestSometimes"}); len(res.Missing) != 1 {
		t.Errorf("missing %q", res.Missing)
	}
	if res := w.resultOf(t, 4, nil); len(res.Violations) != 1 {
		t.Errorf("violations %q", res.Violations)
	}
}
