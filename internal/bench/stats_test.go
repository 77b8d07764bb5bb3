package bench

import (
	"context"
	"errors"
	"os/exec"
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
	var a, b Side
	err := measure(t.Context(), 3, ours, made("b", nil), &a, &b, func(int, side, float64) {})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ready a", "a", "ready b", "b", "ready b", "b", "ready a", "a", "ready a", "a", "ready b", "b"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{42, 42, 42}, a.Seconds); diff != "" || len(b.Seconds) != 3 || b.Seconds[0] < 0 || b.Seconds[0] > 40 {
		t.Errorf("%v %v", a, b)
	}
	if len(a.CPU) != 0 || len(b.CPU) != 3 {
		t.Errorf("CPU seconds of part of the time: %v, of all of it: %v", a.CPU, b.CPU)
	}
	broken := errors.New("broken")
	a, b = Side{}, Side{}
	err = measure(t.Context(), 3, ours, made("b", broken), &a, &b, func(int, side, float64) {})
	if !errors.Is(err, broken) || len(a.Seconds) != 1 || len(b.Seconds) != 0 {
		t.Errorf("%v %v %v", a, b, err)
	}
}

// What programs use that were started and waited for is counted, and of two
// CPUs one that was busy is half.
func TestBusy(t *testing.T) {
	var a, b Side
	burn := side{work: func(ctx context.Context, _ int) error {
		return exec.CommandContext(ctx, "sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").Run()
	}}
	idle := side{work: func(context.Context, int) error { return nil }}
	if err := measure(t.Context(), 1, burn, idle, &a, &b, func(int, side, float64) {}); err != nil {
		t.Fatal(err)
	}
	if a.CPU[0] < 0.01 || b.CPU[0] > a.CPU[0]/2 {
		t.Errorf("CPU seconds: %v and %v", a.CPU, b.CPU)
	}
	if got := (Side{Seconds: []float64{10, 10, 10}, CPU: []float64{10, 12, 2}}).busy(2); got != 0.5 {
		t.Errorf("busy: %v", got)
	}
}
