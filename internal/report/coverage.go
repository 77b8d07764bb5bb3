package report

import (
	"fmt"
	"io"

	"bzmage/internal/boot"
	"bzmage/internal/coverage"
)

// Coverage writes which lines of the series were run, of the verdicts that
// measured it: a row a patch, then the lines that nobody ran.
func Coverage(w io.Writer, verdicts []boot.Verdict) error {
	var targets []coverage.Target
	for _, v := range verdicts {
		if v.Coverage != nil {
			targets = append(targets, coverage.Target{Name: v.Target(), Report: *v.Coverage})
		}
	}
	if len(targets) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return coverage.Table(w, targets)
}
