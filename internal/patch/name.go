package patch

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of Linux, NAME_MAX and PATH_MAX, less the room for Tree.Root.
const (
	maxName = 255
	maxPath = 2048
)

// checkPath says whether name is a plain path below the folder it is used in.
// It looks at the name only, never at the disk.
func checkPath(name string) error {
	bad := func(why string) error { return fmt.Errorf("%s: %s", show(name), why) }
	switch {
	case name == "" || name == ".":
		return errors.New("an empty name")
	case len(name) > maxPath:
		return bad("the name is too long")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return bad("the name holds control characters")
	case path.IsAbs(name):
		return bad("the name is absolute")
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..":
			return bad("the name leaves the folder")
		case part == "" || part == ".":
			return bad("the name is not in its plain form")
		case strings.EqualFold(part, ".git"):
			return bad("the name lies in git's own folder")
		case len(part) > maxName:
			return bad("the name is too long")
		}
	}
	return nil
}

// checkTarget says whether a link at name may point to target: somewhere
// below the folder the tree is in. A ".." behind another part is refused: where
// it leads depends on the links on the way.
func checkTarget(name, target string) error {
	if target != path.Clean(target) {
		return fmt.Errorf("%s would point to %s, which is not a plain path", show(name), show(target))
	}
	if path.IsAbs(target) {
		return fmt.Errorf("%s would point to %s, outside of the tree", show(name), show(target))
	}
	if err := checkPath(path.Join(path.Dir(name), target)); err != nil {
		return fmt.Errorf("%s would point outside of the tree: %w", show(name), err)
	}
	return nil
}

// parents calls f with each folder above name, the nearest first.
func parents(name string, f func(dir string) bool) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if !f(dir) {
			return
		}
	}
}

const maxShown = 120

// show makes text of a patch or a tree safe and short enough for a terminal.
func show(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.TrimSuffix(s, "\n") {
		if n++; n > maxShown {
			b.WriteString("...")
			break
		}
		if r == '\t' || strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}
