package pipeline

import (
	"strings"
	"testing"

	"bzmage/internal/report"
)

// wantIn wants each verdict to say that the kernel was in a function, by the
// frames of its crash or of a CPU that hangs.
func wantIn(t *testing.T, r report.Report, function string) {
	t.Helper()
	for _, v := range r.Verdicts {
		if !strings.Contains(v.Where(), function) {
			t.Errorf("%s: not in %s:\n%s", v.Target(), function, v.Where())
		}
	}
}
