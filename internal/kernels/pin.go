package kernels

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

var (
	reTable  = regexp.MustCompile(`^[ \t]*\[`)
	reLine   = regexp.MustCompile(`^[ \t]*\[\[[ \t]*line[ \t]*\]\][ \t]*(#.*)?$`)
	reString = regexp.MustCompile(`^([ \t]*(name|release|sha256)[ \t]*=[ \t]*")([^"\\]*)("[ \t]*(?:#.*)?)$`)
)

// errByHand is the error of a file that is right, but written in a way that
// is not known here.
var errByHand = errors.New("the release and sha256 of the line are not written as release = \"...\" and sha256 = \"...\" on lines of their own; change them by hand")

// Pin returns the text of a kernels.toml with another release and sha256 for a
// line. Not one other byte is different: both texts are read again and
// compared.
func Pin(text, line, release, sha256 string) (string, error) {
	before, err := Parse(text)
	if err != nil {
		return "", err
	}
	if _, ok := before.Line(line); !ok {
		return "", fmt.Errorf("there is no line %s", line)
	}
	rows := strings.SplitAfter(text, "\n")
	at := findPin(rows, line)
	if at.release < 0 || at.sha256 < 0 {
		return "", errByHand
	}
	rows[at.release] = setValue(rows[at.release], release)
	rows[at.sha256] = setValue(rows[at.sha256], sha256)
	changed := strings.Join(rows, "")
	after, err := Parse(changed)
	if err != nil {
		return "", err
	}
	for i := range before.Lines {
		if l := &before.Lines[i]; l.Name == line {
			l.Release, l.SHA256 = release, sha256
		}
	}
	if !reflect.DeepEqual(before, after) {
		return "", errByHand
	}
	return changed, nil
}

// place says in which rows a line's values stand; -1: in none.
type place struct{ release, sha256 int }

// findPin looks through the [[line]] tables for the one of that name.
func findPin(rows []string, line string) place {
	inLine, named := false, false
	at := place{-1, -1}
	for i, row := range rows {
		row = strings.TrimRight(row, "\r\n")
		if reTable.MatchString(row) {
			if named {
				return at
			}
			inLine, at = reLine.MatchString(row), place{-1, -1}
			continue
		}
		m := reString.FindStringSubmatch(row)
		if !inLine || m == nil {
			continue
		}
		switch m[2] {
		case "name":
			named = m[3] == line
		case "release":
			at.release = i
		case "sha256":
			at.sha256 = i
		}
	}
	if !named {
		return place{-1, -1}
	}
	return at
}

// setValue puts another value between the quotes of a row.
func setValue(row, value string) string {
	end := row[len(strings.TrimRight(row, "\r\n")):]
	m := reString.FindStringSubmatch(strings.TrimRight(row, "\r\n"))
	return m[1] + value + m[4] + end
}

// Block returns the [[line]] to add to a kernels.toml for a release.
func Block(name, release string) string {
	return fmt.Sprintf(`[[line]]
name = %q
release = %q
sha256 = "%s"
sources = ["cache", "kernel.org"]
patches = "patches/%s"
base = "tinyconfig"
fragments = ["configs/base.config", "configs/{arch}.config"]
`, name, release, strings.Repeat("0", 64), name)
}
