package patch

import (
	"net/mail"
	"strings"
	"time"
)

// mailDate returns the Date of a patch's mail header, or the zero time.
func mailDate(preamble string) time.Time {
	for line := range strings.Lines(preamble) {
		if value, ok := strings.CutPrefix(line, "Date:"); ok {
			if t, err := mail.ParseDate(strings.TrimSpace(value)); err == nil {
				return t.UTC()
			}
		}
	}
	return time.Time{}
}
