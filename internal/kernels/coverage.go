package kernels

import "fmt"

// Coverage says that a flavour measures which lines of the series the guest
// runs.
type Coverage struct {
	Min float64 `toml:"min"` // percent of the executable lines that must be run; 0: measured, and no more
}

// check returns what is wrong with the coverage of the flavour of that name.
func (c *Coverage) check(flavour string) []error {
	if c != nil && !(c.Min >= 0 && c.Min <= 100) {
		return []error{fmt.Errorf("flavour %q: coverage.min is a percentage from 0 to 100, not %g", flavour, c.Min)}
	}
	return nil
}
