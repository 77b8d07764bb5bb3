package boot

import (
	"testing"

	"bzmage/internal/event"
)

func TestReasons(t *testing.T) {
	ev := event.Result{
		Hello: &event.Hello{}, Missing: []string{"TestC", "TestD", "TestB"},
		Checks: []event.Check{
			{Name: "TestA", Status: event.Fail, Runs: 5, Failures: 2}, {Name: "TestA/x", Status: event.Fail},
			{Name: "TestB"}, {Name: "TestB/y", Status: event.Pass}, {Name: "TestB/z", Output: "x\npanic: oh [recovered, repanicked]\n"},
		},
	}
	if got, want := failures(ev, ev.Failed()), "a check failed: TestA (2 of 5 times)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := where(ev), ", in TestB/z: panic: oh"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := notRun(ev), "; 2 checks did not run"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNoPart(t *testing.T) {
	whole := event.Result{Checks: []event.Check{{Name: "TestA"}}}
	part := event.Result{Checks: []event.Check{{Name: "TestA"}, {Name: "TestA/x"}}}
	if !noPart("TestA/y", whole) || noPart("TestA/y", part) || noPart("TestA", whole) || noPart("", whole) {
		t.Error("a selection of parts that finds none is not told apart")
	}
}
