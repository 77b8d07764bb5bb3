package series

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Trial is what came of a series up to one of its patches.
type Trial struct {
	Patches int               `json:"patches"` // how many were applied
	Last    string            `json:"last"`    // the last of them; empty: the unpatched kernel
	Good    bool              `json:"good"`    // the check passed on every arch
	Archs   map[string]string `json:"archs"`   // what came of the check on each
}

// Bisection is the search for the patch that makes a check fail.
type Bisection struct {
	Line    string  `json:"line"`
	Release string  `json:"release"`
	Check   string  `json:"check"`
	Guilty  string  `json:"guilty,omitempty"`
	Trials  []Trial `json:"trials"` // in the order they were made
}

// What [Bisect] may find instead of a patch.
var (
	ErrPasses = errors.New("it passes with the whole series")
	ErrNoPass = errors.New("it fails with any number of patches, none included")
)

// Bisect returns how many patches of n have to be applied for try to say false,
// when one fewer makes it say true. It begins at the whole series, which must
// be bad, and goes back in growing steps: a check of what the series itself
// brings fails without the series too. Where these miss the patches with which
// it passes, each number is tried.
func Bisect(n int, try func(patches int) (good bool, err error)) (int, error) {
	known := map[int]bool{}
	ask := func(at int) (bool, error) {
		if good, ok := known[at]; ok {
			return good, nil
		}
		good, err := try(at)
		known[at] = good
		return good, err
	}
	if good, err := ask(n); err != nil || good {
		return 0, errors.Join(err, passes(good))
	}
	last, err := lastGood(n, ask)
	if err != nil {
		return 0, err
	}
	bad := n
	for at, good := range known {
		if !good && at > last {
			bad = min(bad, at)
		}
	}
	for bad-last > 1 {
		mid := (last + bad) / 2
		good, err := ask(mid)
		if err != nil {
			return 0, err
		}
		if good {
			last = mid
		} else {
			bad = mid
		}
	}
	return bad, nil
}

func passes(good bool) error {
	if good {
		return ErrPasses
	}
	return nil
}

// lastGood returns a number of patches below n for which ask says true.
func lastGood(n int, ask func(int) (bool, error)) (int, error) {
	var order []int
	for step := 1; step < n; step *= 2 {
		order = append(order, n-step)
	}
	for at := range n {
		order = append(order, at) // 0 first, then what the steps have missed
	}
	for _, at := range order {
		if good, err := ask(at); err != nil || good {
			return at, err
		}
	}
	return 0, ErrNoPass
}

// JSON returns the bisection as it is kept in the reports.
func (b Bisection) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(b, "", "  ")
	return append(text, '\n'), err
}

// Table writes a line a trial.
func (b Bisection) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "PATCHES\tLAST PATCH\t"+b.Check)
	for _, tr := range b.Trials {
		last := tr.Last
		if last == "" {
			last = "(the unpatched kernel)"
		}
		var archs []string
		for _, a := range slices.Sorted(maps.Keys(tr.Archs)) {
			archs = append(archs, a+" "+tr.Archs[a])
		}
		fmt.Fprintf(t, "%d\t%s\t%s\n", tr.Patches, last, strings.Join(archs, ", "))
	}
	return t.Flush()
}
