package settings

import (
	"regexp"
	"strconv"

	"bzmage/internal/fault"
)

// Bench says what `mage bench` measures.
type Bench struct {
	Run   string // a regular expression: the rows; empty: all
	Count int    // how often; 0: three times, and once what takes minutes
}

// maxBench is how often a row can be measured.
const maxBench = 100

func readBench(getenv func(string) string) (Bench, error) {
	b := Bench{Run: getenv("BENCH_RUN")}
	if _, err := regexp.Compile(b.Run); err != nil {
		return b, fault.New(fault.Usage, "BENCH_RUN=^patches/", "BENCH_RUN=%s: %w", b.Run, err)
	}
	if value := getenv("BENCH_COUNT"); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > maxBench {
			return b, fault.New(fault.Usage, "BENCH_COUNT=3", "BENCH_COUNT=%s is not a number from 1 to %d", value, maxBench)
		}
		b.Count = n
	}
	return b, nil
}
