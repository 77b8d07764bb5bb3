// Package plain makes text from outside fit to be shown: what a guest, a
// server or a patch says must neither drive a terminal nor break a file.
package plain

import (
	"regexp"
	"strings"
)

// escapes are a terminal's codes (ECMA-48: CSI sequences; and short ones such
// as ESC c); taken out whole, these leave no letters behind.
var escapes = regexp.MustCompile("\x1b(?:\\[[0-9;?=]*[A-Za-z]|[@-Z\\\\-_a-z])")

// Text returns s as valid UTF-8 without escape codes and without control
// characters other than newline and tab.
func Text(s string) string {
	s = escapes.ReplaceAllString(strings.ToValidUTF8(s, "?"), "")
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' && r != '\n' && r != '\t', r >= 0x7f && r < 0xa0:
			return -1
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1 // these turn the direction of what follows (UAX #9)
		}
		return r
	}, s)
}
