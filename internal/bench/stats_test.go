package bench

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSummarize(t *testing.T) {
	for name, tc := range map[string]struct {
		values []float64
		want   Summary
	}{
		"none": {nil, Summary{}},
		"one":  {[]float64{3}, Summary{Median: 3, Min: 3, Max: 3}},
		"even": {[]float64{4, 1, 3, 2}, Summary{Median: 2.5, Min: 1, Max: 4, MAD: 1}},
		// The textbook's example: deviations 1 1 0 0 2 4 7.
		"textbook":  {[]float64{1, 1, 2, 2, 4, 6, 9}, Summary{Median: 2, Min: 1, Max: 9, MAD: 1}},
		"disturbed": {[]float64{10, 10.2, 9.9, 500, 10.1}, Summary{Median: 10.1, Min: 9.9, Max: 500, MAD: 0.1}},
	} {
		t.Run(name, func(t *testing.T) {
			before := append([]float64(nil), tc.values...)
			if diff := cmp.Diff(tc.want, Summarize(tc.values), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, tc.values); diff != "" {
				t.Errorf("the values were moved: %s", diff)
			}
		})
	}
}

// A ratio is of two that were measured one right after the other: the ratio of
// the medians would be 1 here.
func TestRatios(t *testing.T) {
	got := Summarize(ratios([]float64{1, 2, 30}, []float64{2, 4, 15}))
	if want := (Summary{Median: 0.5, Min: 0.5, Max: 2}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := ratios([]float64{1, 2}, []float64{0}); len(got) != 0 {
		t.Errorf("ratios to nothing: %v", got)
	}
}

func TestMeasure(t *testing.T) {
	var order []string
	made := func(name string, fail error) side {
		return side{what: name,
			ready: func(_ context.Context, n int) error { order = append(order, "ready "+name); return nil },
			work:  func(_ context.Context, n int) error { order = append(order, name); return fail }}
	}
	ours := made("a", nil)
	ours.seconds = func() (float64, error) { return 42, nil }
	a, b, err := measure(t.Context(), 3, ours, made("b", nil), func(int, side, float64) {})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ready a", "a", "ready b", "b", "ready b", "b", "ready a", "a", "ready a", "a", "ready b", "b"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{42, 42, 42}, a); diff != "" || len(b) != 3 || b[0] < 0 || b[0] > 40 {
		t.Errorf("%v %v", a, b)
	}
	broken := errors.New("broken")
	a, b, err = measure(t.Context(), 3, ours, made("b", broken), func(int, side, float64) {})
	if !errors.Is(err, broken) || len(a) != 1 || len(b) != 0 {
		t.Errorf("%v %v %v", a, b, err)
	}
}
