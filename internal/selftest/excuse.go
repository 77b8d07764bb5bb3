package selftest

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"bzmage/internal/event"
)

// Excuse is a selftest that is known to fail, and why that is not the patches'
// fault (verify/testdata/selftest.toml).
type Excuse struct {
	Program string   `toml:"program"`
	Lines   []string `toml:"lines"`   // none: all
	Archs   []string `toml:"archs"`   // as Go names them; none: all
	Without []string `toml:"without"` // only if its config lacks one of these lines; none: in any case
	Tries   int      `toml:"tries"`   // it fails now and then, and has to pass once in so many tries; 0: it always fails
	Says    string   `toml:"says"`    // when it fails; any other failure is none that is known
	Reason  string   `toml:"reason"`
}

// Here says whether the excuse is for that program on a kernel of a line, for
// an arch as Go names it, with these options in its config.
func (e Excuse) Here(program, line, goarch string, has func(option string) bool) bool {
	return e.Program == program &&
		(len(e.Lines) == 0 || slices.Contains(e.Lines, line)) &&
		(len(e.Archs) == 0 || slices.Contains(e.Archs, goarch)) &&
		(len(e.Without) == 0 || slices.ContainsFunc(e.Without, func(option string) bool { return !has(option) }))
}

// skipped is the exit code of a selftest that does not apply (KSFT_SKIP in
// tools/testing/selftests/kselftest.h).
const skipped = 4

// Judge runs a selftest, again where the excuse allows that, and returns
// [event.Pass], [event.Fail] or [event.Skip], and what there is to say of it.
// run returns the output and how the program ended.
func (e Excuse) Judge(run func() (string, error)) (outcome, why string) {
	out, err := run()
	for try := 1; err != nil && try < e.Tries && strings.Contains(out, e.Says); try++ {
		why += fmt.Sprintf("%v, as happens: %s\n%s\n", err, e.Reason, out)
		out, err = run()
	}
	var exit *exec.ExitError
	always := e.Program != "" && e.Tries == 0
	switch {
	case err == nil && always:
		return event.Fail, "passes; take its excuse out of verify/testdata/selftest.toml: " + e.Reason
	case err == nil:
		return event.Pass, why
	case always && strings.Contains(out, e.Says):
		return event.Skip, fmt.Sprintf("%v, as is known: %s\n%s", err, e.Reason, out)
	case errors.As(err, &exit) && exit.ExitCode() == skipped:
		return event.Skip, fmt.Sprintf("does not apply here, and says: %q", out)
	}
	return event.Fail, fmt.Sprintf("%s%v\n%s", why, err, out)
}
