package fetch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// makefileHead is how much of a Makefile is looked at: the release stands in
// its first lines.
const makefileHead = 64 << 10

var (
	reAssign = regexp.MustCompile(`^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(.*?)[ \t\r]*$`)
	reNumber = regexp.MustCompile(`^[0-9]{1,4}$`)
	reExtra  = regexp.MustCompile(`^[A-Za-z0-9._+~-]{0,64}$`)
)

// ReadRelease returns the release that a kernel's top Makefile gives, such
// as 5.4.302 or 6.2.0-rc1: VERSION.PATCHLEVEL.SUBLEVEL and EXTRAVERSION, all
// of which must be there.
func ReadRelease(makefile io.Reader) (string, error) {
	set := map[string]string{}
	lines := bufio.NewScanner(io.LimitReader(makefile, makefileHead))
	lines.Buffer(make([]byte, 0, 4096), makefileHead)
	for lines.Scan() && len(set) < 4 {
		m := reAssign.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		if _, again := set[m[1]]; again {
			return "", fmt.Errorf("the Makefile sets %s twice", m[1])
		}
		set[m[1]] = m[2]
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return "", fmt.Errorf("read the Makefile: %w", err)
	}
	for _, name := range []string{"VERSION", "PATCHLEVEL", "SUBLEVEL", "EXTRAVERSION"} {
		value, ok := set[name]
		if !ok {
			return "", fmt.Errorf("the Makefile has no line %s = ..., so this is not a kernel's", name)
		}
		valid := reNumber
		if name == "EXTRAVERSION" {
			valid = reExtra
		}
		if !valid.MatchString(value) {
			return "", fmt.Errorf("the Makefile says %s = %q", name, value)
		}
	}
	return strings.Join([]string{set["VERSION"], set["PATCHLEVEL"], set["SUBLEVEL"]}, ".") + set["EXTRAVERSION"], nil
}
