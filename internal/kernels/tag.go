package kernels

import (
	"regexp"
	"slices"
)

// reTag matches a tag that names a line: its number, of a release of it or of
// the line alone, and behind that whatever begins with a separator. So
// v5.4.302-bzmage, 5.4.302 and v5.4-2026.11 are tags of line 5.4.
var reTag = regexp.MustCompile(`^(?:.*/)?v?([0-9]+\.[0-9]+)(?:$|[^0-9])`)

// LineOfTag returns the line that a tag names; false: none of the file.
func (f File) LineOfTag(tag string) (Line, bool) {
	m := reTag.FindStringSubmatch(tag)
	if m == nil {
		return Line{}, false
	}
	return f.Line(m[1])
}

// Foreign says whether a tag names another line than that: it cannot be one of
// its releases.
func (f File) Foreign(line, tag string) bool {
	of, ok := f.LineOfTag(tag)
	return ok && of.Name != line
}

// TagsOf returns those of the tags that can be releases of a line.
func (f File) TagsOf(line string, tags []string) []string {
	return slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return f.Foreign(line, tag) })
}
