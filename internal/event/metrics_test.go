package event

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMetrics(t *testing.T) {
	for line, want := range map[string]map[string]float64{
		"BenchmarkA-2         \t  402568\t       328.4 ns/op\t         3.500 reads/s\n": {"ns/op": 328.4, "reads/s": 3.5},
		"BenchmarkA \t1\t5 ns/op\t0 B/op\t0 allocs/op\n":                                {"ns/op": 5, "B/op": 0, "allocs/op": 0},
		"noise BenchmarkA-16 \t 3\t 1e3 ns/op\n":                                        {"ns/op": 1000},
		"BenchmarkA\n":                                                                  nil,
		"BenchmarkB 1 5 ns/op\n":                                                        nil,
		"BenchmarkA 1 NaN ns/op\n":                                                      nil,
		"BenchmarkA 1 +Inf ns/op\n":                                                     nil,
		"BenchmarkA 1 5 \x1b[2J\n":                                                      nil,
		"BenchmarkA 1 5\n":                                                              nil,
		"BenchmarkA x 5 ns/op\n":                                                        nil,
		"BenchmarkA 1" + strings.Repeat(" 5 u", 51):                                     nil,
		"BenchmarkA 1 5 " + strings.Repeat("u", 65):                                     nil,
	} {
		if d := cmp.Diff(want, metrics("BenchmarkA", line)); d != "" {
			t.Errorf("%q: %s", line, d)
		}
	}
	if m := metrics("BenchmarkA/x", "BenchmarkA/x-2 1 5 ns/op\n"); m["ns/op"] != 5 {
		t.Errorf("a part: %v", m)
	}
}

func FuzzMetrics(f *testing.F) {
	f.Add("BenchmarkA/b", "BenchmarkA/b-2 \t 1\t5 ns/op\t2 x/s\n")
	f.Fuzz(func(t *testing.T, name, line string) {
		m := metrics(name, line)
		if m != nil && len(m) > keepMetrics {
			t.Error("too many")
		}
		for unit, v := range m {
			if v != v || clean(unit) != unit || len(unit) > keepUnit {
				t.Errorf("%q: %v", unit, v)
			}
		}
	})
}
