package bench

import (
	"math"
	"slices"
)

// Summary says how a set of measured values lies. The median and the median
// absolute deviation are used, as one disturbed repetition moves neither.
type Summary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	MAD    float64 `json:"mad"` // median absolute deviation from the median, not scaled
}

// Summarize returns the summary of values, which is all zeros for none.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	s := Summary{Median: median(values), Min: slices.Min(values), Max: slices.Max(values)}
	away := make([]float64, len(values))
	for i, v := range values {
		away[i] = math.Abs(v - s.Median)
	}
	s.MAD = median(away)
	return s
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// ratios returns a/b pair by pair: the two of a pair were measured one right
// after the other, so that what disturbs the machine for long disturbs both.
func ratios(a, b []float64) []float64 {
	var all []float64
	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			all = append(all, a[i]/b[i])
		}
	}
	return all
}
