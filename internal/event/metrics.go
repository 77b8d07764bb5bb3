package event

import (
	"math"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// What the host keeps of a benchmark's metrics.
const (
	keepMetrics = 50
	keepUnit    = 64 // bytes of a unit
)

// metrics reads the result line of the benchmark of that name: its values by
// unit, ns/op and those of b.ReportMetric as they were printed. What a
// benchmark prints without a newline stands before its result. A line that is
// no result has none. The format is golang.org/design/14313-benchmark-format.
func metrics(name, line string) map[string]float64 {
	_, last, found := cutLast(line, name[strings.LastIndexByte(name, '/')+1:])
	if !found || len(line) > MaxLine {
		return nil
	}
	r := benchfmt.NewReader(strings.NewReader(Benchmark+"X"+last), "")
	if !r.Scan() {
		return nil
	}
	res, ok := r.Result().(*benchfmt.Result)
	if !ok || len(res.Values) > keepMetrics {
		return nil
	}
	values := map[string]float64{}
	for _, v := range res.Values {
		unit, value := v.Unit, v.Value
		if v.OrigUnit != "" { // the library turns ns into s
			unit, value = v.OrigUnit, v.OrigValue
		}
		if len(unit) > keepUnit || clean(unit) != unit || math.IsNaN(value) || math.IsInf(value, 0) {
			return nil
		}
		values[unit] = value
	}
	return values
}

// cutLast is strings.Cut around the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 || sep == "" {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
