package settings

import (
	"strconv"
	"time"

	"bzmage/internal/fault"
)

// lastSecond is the end of the year 9999: later ones have five digits, which
// neither tar nor date(1) reads back in the form that the kernel's make is given.
const lastSecond = 253402300799

// readTime reads SOURCE_DATE_EPOCH: "the number of seconds since the Unix epoch
// [...] in decimal" (https://reproducible-builds.org/specs/source-date-epoch/,
// which asks for a failure if it is malformed).
func readTime(value string) (*time.Time, error) {
	if value == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n > lastSecond {
		return nil, fault.New(fault.Usage, "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)", "SOURCE_DATE_EPOCH=%s is not a number of seconds from 0 to %d", value, int64(lastSecond))
	}
	t := time.Unix(int64(n), 0).UTC()
	return &t, nil
}
