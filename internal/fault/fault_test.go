package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestKindAndHint(t *testing.T) {
	base := errors.New("no such file")
	inner := New(Machine, "free some disk space", "write: %w", base)
	tests := []struct {
		name string
		err  error
		kind Kind
		hint string
		code int
	}{
		{"unclassified", base, Internal, "", 1},
		{"classified", inner, Machine, "free some disk space", 3},
		{"wrapped", fmt.Errorf("stage: %w", inner), Machine, "free some disk space", 3},
		{"the outermost kind counts", New(Patch, "", "apply: %w", inner), Patch, "free some disk space", 5},
		{"the outermost hint counts", New(Patch, "look", "apply: %w", inner), Patch, "look", 5},
		{"joined", errors.Join(base, inner), Machine, "free some disk space", 3},
		{"joined, a hint each", errors.Join(New(Build, "one", "x: %w", base), nil, New(Build, "two", "y"), New(Build, "one", "z")), Build, "one\ntwo", 8},
		{"cancelled", New(Build, "", "make: %w", context.Canceled), Interrupted, "", 130},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := KindOf(tt.err); got != tt.kind || got.Code() != tt.code {
				t.Errorf("kind %v with exit code %d, want %v and %d", got, got.Code(), tt.kind, tt.code)
			}
			if got := HintOf(tt.err); got != tt.hint {
				t.Errorf("hint %q, want %q", got, tt.hint)
			}
			if tt.name != "cancelled" && !errors.Is(tt.err, base) {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestKindsAreTold(t *testing.T) {
	codes, names := map[int]bool{0: true}, map[string]bool{}
	for i, r := range Kinds() {
		if int(r.Kind) != i || codes[r.Code] || names[r.Name] || r.Text == "" {
			t.Errorf("row %d: %+v: out of order, or said twice", i, r)
		}
		codes[r.Code], names[r.Name] = true, true
	}
}
