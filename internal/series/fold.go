package series

import (
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"bzmage/internal/patch"
)

// Edited is a file that a person changed in a tree with a series applied.
type Edited struct {
	Path     string
	Was, Now *patch.File // nil: not there
}

// Misplaced is an edit that cannot be folded into a patch.
type Misplaced struct {
	Path string
	Line int // of the edited file, from 1; 0: the file as a whole
	Why  string
}

func (m Misplaced) String() string {
	if m.Line == 0 {
		return m.Path + ": " + m.Why
	}
	return fmt.Sprintf("%s:%d: %s", m.Path, m.Line, m.Why)
}

// Fold returns the series' changes with the edits in them: each in the patch
// that made the lines it touches, or, when into is not negative, all in the
// patch with that index. A change that is not concerned is returned as it is.
// What no patch can take is in the second result, and then nothing is folded.
//
// Who made a line is followed by line numbers through the whole series; where
// an edit changes what several patches made, the last one gets it. An edit next
// to a patch's lines belongs to it, and so does one elsewhere in a file that
// only one patch touches.
func Fold(changes []Change, edits []Edited, into int) ([]Change, []Misplaced) {
	folded := slices.Clone(changes)
	for i := range folded {
		folded[i].Before, folded[i].After = clone(changes[i].Before), clone(changes[i].After)
	}
	var bad []Misplaced
	for _, e := range edits {
		f := newFolder(changes, e, into)
		if why := f.whole(); why != "" {
			bad = append(bad, Misplaced{Path: e.Path, Why: why})
			continue
		}
		if e.Was == nil || e.Now == nil {
			f.exist(folded)
			continue
		}
		misplaced := f.blocks()
		if bad = append(bad, misplaced...); len(misplaced) == 0 {
			f.write(folded)
		}
	}
	return folded, bad
}

func clone(m map[string]patch.File) map[string]patch.File {
	c := make(map[string]patch.File, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// folder folds the edits of one file.
type folder struct {
	edit     Edited
	into     int
	touchers []int    // patches that touch the file, in order
	versions [][]line // the file before the first of them, and after each
	modes    []fs.FileMode
	parts    []block
	mode     int // the patch that takes the change of mode; -1: none
}

// line is a line of one version of a file.
type line struct {
	text  string
	id    int // the same in all versions
	owner int // the patch that made it; -1: it was there before the series
	cut   int // the last patch that took lines away right before it; -1: none
}

// block is one place of an edit.
type block struct {
	from, to int // lines of the last version
	lines    []string
	at       int // the line of the edited file, from 0
	owner    int // the patch that takes it
}

func newFolder(changes []Change, e Edited, into int) *folder {
	f := &folder{edit: e, into: into, mode: -1}
	for i, c := range changes {
		before, was := c.Before[e.Path]
		after, is := c.After[e.Path]
		if !was && !is {
			continue
		}
		if len(f.touchers) == 0 {
			f.push(before, -1)
		}
		f.touchers = append(f.touchers, i)
		f.push(after, i)
	}
	if len(f.touchers) == 0 && e.Was != nil {
		f.push(*e.Was, -1)
	}
	return f
}

// push adds the version that patch owner makes.
func (f *folder) push(file patch.File, owner int) {
	f.modes = append(f.modes, file.Mode)
	if len(f.versions) == 0 {
		var first []line
		for i, t := range splitLines(string(file.Data)) {
			first = append(first, line{text: t, id: i, owner: owner, cut: -1})
		}
		f.versions = append(f.versions, append(first, line{id: -1, owner: -1, cut: -1})) // the end of the file
		return
	}
	last := f.versions[len(f.versions)-1]
	var next []line
	at := 0
	for _, d := range lineDiff(last, string(file.Data)) {
		next = append(next, last[at:d.from]...)
		cut := -1
		for _, l := range last[d.from:d.to] {
			cut = max(cut, l.cut, owner)
		}
		for _, t := range d.lines {
			next = append(next, line{text: t, id: (owner+1)<<32 | len(next), owner: owner, cut: cut})
			cut = -1
		}
		at = d.to
		if len(d.lines) == 0 {
			after := last[at]
			after.cut = max(after.cut, cut)
			next = append(next, after)
			at++
		}
	}
	f.versions = append(f.versions, append(next, last[at:]...))
}

// whole looks at what concerns the file as a whole: that it is made, removed,
// or given another mode. It returns why no patch can take that.
func (f *folder) whole() string {
	e := f.edit
	if e.Was != nil && e.Now != nil {
		if (e.Was.Mode^e.Now.Mode)&fs.ModeSymlink != 0 {
			return "a file became a link, or a link a file"
		}
		if e.Was.Mode != e.Now.Mode {
			if f.mode = f.only(); f.mode < 0 {
				return "its mode was changed, and it is not clear which patch that belongs to"
			}
		}
		return ""
	}
	switch {
	case f.into >= 0 && len(f.touchers) > 0 && f.touchers[len(f.touchers)-1] > f.into:
		return "a later patch touches it too"
	case f.only() < 0 && e.Was == nil:
		return "the file is new, and no patch is named that should add it"
	case f.only() < 0, f.into < 0 && e.Now == nil && len(f.versions[0]) > 1:
		return "the file was removed, and no patch is named that should remove it"
	}
	return ""
}

// only returns the patch that is named, or the only one that touches the file.
func (f *folder) only() int {
	switch {
	case f.into >= 0:
		return f.into
	case len(f.touchers) == 1:
		return f.touchers[0]
	}
	return -1
}

// exist folds that the file is made or removed.
func (f *folder) exist(folded []Change) {
	c := folded[f.only()]
	if f.edit.Now == nil {
		if _, touched := c.After[f.edit.Path]; !touched {
			c.Before[f.edit.Path] = *f.edit.Was
		}
		delete(c.After, f.edit.Path)
		return
	}
	c.After[f.edit.Path] = *f.edit.Now
}

// blocks finds the places of the edit and the patch of each, and returns those
// that no patch can take.
func (f *folder) blocks() []Misplaced {
	var bad []Misplaced
	last := f.versions[len(f.versions)-1]
	shift := 0
	for _, b := range lineDiff(last, string(f.edit.Now.Data)) {
		b.at = b.from + shift
		shift += len(b.lines) - (b.to - b.from)
		why := f.assign(&b)
		if why != "" {
			bad = append(bad, Misplaced{Path: f.edit.Path, Line: b.at + 1, Why: why})
		}
		f.parts = append(f.parts, b)
	}
	return bad
}

// assign gives the block to a patch, or says why none can take it.
func (f *folder) assign(b *block) string {
	last := f.versions[len(f.versions)-1]
	inside := -1 // the last patch that made what the edit replaces
	for i, l := range last[b.from:b.to] {
		if inside = max(inside, l.owner); i > 0 {
			inside = max(inside, l.cut)
		}
	}
	around := max(last[b.from].cut, last[b.to].cut, last[b.to].owner)
	if b.from > 0 {
		around = max(around, last[b.from-1].owner)
	}
	switch {
	case f.into >= 0 && inside > f.into:
		return "it changes lines that a later patch made"
	case f.into >= 0 && b.from == b.to && !f.anchored(*b):
		return "it adds lines between those that a later patch made"
	case f.into >= 0:
		b.owner = f.into
	case inside >= 0:
		b.owner = inside
	case around >= 0:
		b.owner = around
	case f.only() >= 0:
		b.owner = f.only()
	default:
		return "it is in no patch's lines"
	}
	return ""
}

// anchored says whether a line next to added lines is there already when the
// named patch is applied.
func (f *folder) anchored(b block) bool {
	last := f.versions[len(f.versions)-1]
	return b.from == 0 || last[b.from-1].owner <= f.into || last[b.from].owner <= f.into
}

// write puts the blocks into the version of their patch and all later ones.
func (f *folder) write(folded []Change) {
	path := f.edit.Path
	if f.into >= 0 && !slices.Contains(f.touchers, f.into) {
		at := sort.SearchInts(f.touchers, f.into)
		f.touchers = slices.Insert(f.touchers, at, f.into)
		f.versions = slices.Insert(f.versions, at+1, f.versions[at])
		f.modes = slices.Insert(f.modes, at+1, f.modes[at])
	}
	file := func(version int) patch.File {
		upTo := -1
		if version > 0 {
			upTo = f.touchers[version-1]
		}
		mode := f.modes[version]
		if f.mode >= 0 && upTo >= f.mode {
			mode = f.edit.Now.Mode
		}
		return patch.File{Data: []byte(f.version(f.versions[version], upTo)), Mode: mode}
	}
	for i, p := range f.touchers {
		c := folded[p]
		_, was := c.Before[path]
		_, is := c.After[path]
		untouched := !was && !is // it is named, and gets the file now
		if was || untouched {
			c.Before[path] = file(i)
		}
		if is || untouched {
			c.After[path] = file(i + 1)
		}
	}
}

// version returns a version's text with the blocks of all patches up to upTo.
func (f *folder) version(lines []line, upTo int) string {
	last := f.versions[len(f.versions)-1]
	index := make(map[int]int, len(lines))
	for i, l := range lines {
		index[l.id] = i
	}
	var out strings.Builder
	at := 0
	for _, b := range f.parts {
		if b.owner > upTo {
			continue
		}
		from, ok := index[last[b.from].id]
		if b.from == b.to && b.from > 0 {
			if i, above := index[last[b.from-1].id]; above {
				from, ok = i+1, true
			}
		} else if b.from == b.to && b.from == 0 {
			from, ok = 0, true
		}
		if !ok {
			continue // cannot be: assign has seen to it
		}
		writeLines(&out, lines[at:from])
		for _, t := range b.lines {
			out.WriteString(t)
		}
		at = from + b.to - b.from
	}
	writeLines(&out, lines[at:])
	return out.String()
}

func writeLines(out *strings.Builder, lines []line) {
	for _, l := range lines {
		out.WriteString(l.text)
	}
}

// lineDiff returns what differs between a version and a text, by lines.
func lineDiff(old []line, text string) []block {
	var b strings.Builder
	starts := map[int]int{} // byte offset: line
	for i, l := range old {
		starts[b.Len()] = i // of lines at one offset, the end of the file comes last
		b.WriteString(l.text)
	}
	var blocks []block
	for _, e := range udiff.Lines(b.String(), text) {
		blocks = append(blocks, block{from: starts[e.Start], to: starts[e.End], lines: splitLines(e.New)})
	}
	return blocks
}

// splitLines returns the lines of a text with their newlines.
func splitLines(text string) []string {
	lines := strings.SplitAfter(text, "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	}
	return lines
}
