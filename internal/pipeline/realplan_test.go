package pipeline

import "testing"

// wantPlan holds a plan against what each stage is to do, on every arch; what
// is not named is kept.
func wantPlan(t *testing.T, p Project, want map[string]string) {
	t.Helper()
	plan, err := p.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := 3 + 5*len(p.Settings.Archs); len(plan.Steps) != n {
		t.Errorf("a plan of %d steps, want %d", len(plan.Steps), n)
	}
	for _, s := range plan.Steps {
		do := want[s.Stage]
		if do == "" {
			do = Keep
		}
		if s.Do != do {
			t.Errorf("%s %s: plan says %s, want %s: %v", s.Stage, s.Target, s.Do, do, s.Why)
		}
	}
}
