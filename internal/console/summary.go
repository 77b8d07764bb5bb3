package console

import (
	"fmt"
	"slices"
	"strings"
)

// Summary says in one line what crashes, in the order they are told, come to.
// The first counts, as the others may follow from it; the one that ended the
// kernel is named too.
func Summary(crashes []Crash) string {
	if len(crashes) == 0 {
		return ""
	}
	text, more := crashes[0].Title, len(crashes)-1
	if i := slices.IndexFunc(crashes, func(c Crash) bool { return c.Fatal }); i > 0 {
		text += ", then " + crashes[i].Title
		more--
	}
	if more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// Text returns what is shown of a crash: its title and its lines.
func (c Crash) Text() string {
	head := fmt.Sprintf("%s (%s, key %s", c.Title, c.Kind, c.Key)
	if c.Times > 1 {
		head += fmt.Sprintf(", %d times", c.Times)
	}
	if c.Cut {
		head += ", cut short"
	}
	return head + ")\n" + strings.Join(c.Lines, "\n")
}
