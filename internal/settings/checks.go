package settings

import (
	"strconv"

	"bzmage/internal/event"
	"bzmage/internal/fault"
)

// Checks says what is to be done with the checks.
type Checks struct {
	Run   string // only those this selects; empty: all
	Count int    // how often; at least 1
	Shell bool   // a shell in the guest after them
}

// All says whether the checks are run as they are for a verdict that counts:
// each of them once, and then nothing.
func (c Checks) All() bool { return c.Run == "" && c.Count <= 1 && !c.Shell }

// longestRun leaves room for it, twice, on a kernel's command line.
const longestRun = 300

func readChecks(getenv func(string) string) (Checks, error) {
	c := Checks{Run: getenv("VERIFY_RUN"), Count: 1}
	const likeThis = "VERIFY_RUN='^TestRand/part$'"
	if _, err := event.ParseSelection(c.Run); err != nil {
		return c, fault.New(fault.Usage, likeThis, "VERIFY_RUN=%s: %w", c.Run, err)
	}
	if len(c.Run) > longestRun {
		return c, fault.New(fault.Usage, likeThis, "VERIFY_RUN has %d bytes; %d is the most", len(c.Run), longestRun)
	}
	if value := getenv("VERIFY_COUNT"); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > event.MaxCount {
			return c, fault.New(fault.Usage, "VERIFY_COUNT=10", "VERIFY_COUNT=%s is not a number from 1 to %d", value, event.MaxCount)
		}
		c.Count = n
	}
	switch value := getenv("VERIFY_SHELL"); value {
	case "", "0":
	case "1":
		c.Shell = true
	default:
		return c, unknown("VERIFY_SHELL", value, []string{"1", "0"})
	}
	return c, nil
}
