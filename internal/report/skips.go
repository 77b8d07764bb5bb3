package report

import (
	"slices"
	"strings"

	"bzmage/internal/boot"
	"bzmage/internal/event"
	"bzmage/internal/plain"
)

// Skip is a check, or a part of one, that was skipped.
type Skip struct {
	Check      string   `json:"check"`
	Reason     string   `json:"reason"`     // what the check said of it
	Targets    []string `json:"targets"`    // where
	Everywhere bool     `json:"everywhere"` // and nowhere did it run
}

// Skips returns what was skipped, in the order in which it was heard of.
func Skips(verdicts []boot.Verdict) []Skip {
	var skips []Skip
	ran := map[string]bool{}
	for _, v := range verdicts {
		for _, c := range v.Checks {
			if c.Status != event.Skip {
				ran[c.Name] = true
				continue
			}
			i := slices.IndexFunc(skips, func(s Skip) bool { return s.Check == c.Name })
			if i < 0 {
				i = len(skips)
				skips = append(skips, Skip{Check: c.Name, Reason: plain.Line(reason(c), maxMessage)})
			}
			skips[i].Targets = append(skips[i].Targets, v.Target())
		}
	}
	for i, s := range skips {
		skips[i].Everywhere = !ran[s.Check]
	}
	return skips
}

// NowhereRun returns what was skipped everywhere and is not among known. A
// part goes with its check.
func NowhereRun(skips []Skip, known []string) []Skip {
	var bad []Skip
	for _, s := range skips {
		top, _, _ := strings.Cut(s.Check, "/")
		if s.Everywhere && !slices.Contains(known, s.Check) && !slices.Contains(known, top) {
			bad = append(bad, s)
		}
	}
	return bad
}
