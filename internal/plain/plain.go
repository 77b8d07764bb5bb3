// Package plain makes text from outside fit to be shown: what a guest, a
// server or a patch says must neither drive a terminal nor break a file.
package plain

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// escapes are a terminal's codes (ECMA-48: CSI sequences; and short ones such
// as ESC c); taken out whole, these leave no letters behind.
var escapes = regexp.MustCompile("\x1b(?:\\[[0-9;?=]*[A-Za-z]|[@-Z\\\\-_a-z])")

// Text returns s as valid UTF-8 without escape codes, without control
// characters other than newline and tab, and without what turns or hides text.
func Text(s string) string {
	s = escapes.ReplaceAllString(strings.ToValidUTF8(s, "?"), "")
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' && r != '\n' && r != '\t', r >= 0x7f && r < 0xa0:
			return -1
		case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1 // these turn the direction of what follows (UAX #9)
		case r == 0x2028, r == 0x2029:
			return -1 // a line that ends where no newline is
		case r == 0xfeff, r >= 0xe0000 && r <= 0xe007f:
			return -1 // text that cannot be seen: tags, and the byte order mark
		case r == 0xfffe, r == 0xffff:
			return -1 // XML cannot hold them, not even escaped
		}
		return r
	}, s)
}

// Line returns s as [Text] does, in one line of at most n bytes; three dots
// end one that was cut.
func Line(s string, n int) string {
	const dots = "..."
	s, long := head(s, 4*n) // no more work than is needed
	s = strings.Join(strings.Fields(Text(s)), " ")
	if len(s) > n || long {
		s, _ = head(s, max(0, n-len(dots)))
		s += dots
	}
	return s
}

// head returns at most n bytes of s, no half of a character, and whether that
// is not all of it.
func head(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, false
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n], true
}
