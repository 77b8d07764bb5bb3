package patch

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// parsed is a patch that has been read and found sane in itself.
type parsed struct {
	patchFile
	subject string
	date    time.Time // of the mail; zero without one
	changes []*change
	crlf    bool  // each line of the patch ended as on Windows; the changes are without
	err     error // why it could not be read; the changes are none then
}

// change is what a patch does to one file.
type change struct {
	from, to         string // names in the tree; empty: the file is created, or removed
	copied           bool   // from stays
	plain            bool   // a unified diff without git's header
	oldMode, newMode fs.FileMode
	hunks            []*hunk
	line             int // of the header in the patch
}

// hunk is one place a change makes.
type hunk struct {
	number         int // in the change, from 1
	line           int // of the header in the patch
	header         string
	oldPos, newPos int
	old, new       []string // lines before and after, with their newlines
	oldAt          []int    // lines in the patch of old
	head, tail     int      // lines of context at the begin and the end
	size           int      // lines of the patch below the header
	body           []string // these lines
}

func (c *change) creates() bool { return c.from == "" }
func (c *change) removes() bool { return c.to == "" }
func (c *change) renames() bool { return c.from != "" && c.to != "" && c.from != c.to && !c.copied }

// names returns the files the change touches.
func (c *change) names() []string {
	var names []string
	for _, n := range []string{c.from, c.to} {
		if n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// parseAll reads all patches of a series. One that cannot be read says why.
func parseAll(series []patchFile) []*parsed {
	var patches []*parsed
	for _, f := range series {
		p, err := parsePatch(f)
		if err != nil {
			p = &parsed{patchFile: f, err: err}
		}
		patches = append(patches, p)
	}
	return patches
}

// errEmpty is the error of a patch that changes nothing.
var errEmpty = errors.New("it changes nothing")

// parsePatch reads one patch and refuses what bzmage does not apply: names that
// leave the tree, binary files, submodules, headers that contradict each other.
func parsePatch(f patchFile) (*parsed, error) {
	unix := UnixLines(f.text)
	text, marks, err := scan(unix, f.strip)
	if err != nil {
		return nil, err
	}
	files, preamble, err := gitdiff.Parse(strings.NewReader(text))
	if err != nil {
		why := strings.TrimPrefix(err.Error(), "gitdiff: ")
		if len(marks) == 1 && len(marks[0].hunks) == 1 && strings.HasSuffix(why, "contains no changes") {
			return nil, fmt.Errorf("%w: %s", errEmpty, why)
		}
		return nil, errors.New(why)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: there is no diff in it", errEmpty)
	}
	if len(files) != len(marks) {
		return nil, fmt.Errorf("the patch reads as %d files and as %d", len(files), len(marks))
	}
	p := &parsed{patchFile: f, subject: subject(preamble), date: mailDate(preamble), crlf: unix != f.text}
	lines := strings.SplitAfter(unix, "\n")
	var idle []error
	for i, file := range files {
		c, err := newChange(file, marks[i])
		if err == nil {
			err = c.check()
		}
		if err != nil {
			err = fmt.Errorf("line %d: %w", marks[i].line, err)
		}
		switch {
		case errors.Is(err, errEmpty):
			idle = append(idle, err)
		case err != nil:
			return nil, err
		default:
			p.add(c, lines)
		}
	}
	if len(idle) > 0 && len(p.changes) > 0 {
		return nil, fmt.Errorf("a part of it is broken: %v", idle[0])
	}
	return p, errors.Join(idle...)
}

// add adds a change and gives its hunks their lines.
func (p *parsed) add(c *change, lines []string) {
	for _, h := range c.hunks {
		h.header = strings.TrimRight(lines[h.line-1], "\n")
		h.body = lines[h.line:min(h.line+h.size, len(lines))]
	}
	p.changes = append(p.changes, c)
}

// status is what is known of a patch before it is tried.
func (p *parsed) status() Status {
	st := Status{Name: p.name, SHA256: p.sha256, Subject: p.subject, Date: p.date, State: Clean, Files: []string{}}
	for _, c := range p.changes {
		st.Files = append(st.Files, c.names()...)
	}
	if p.err != nil {
		st.State, st.Why = Refused, show(p.err.Error())
		if errors.Is(p.err, errEmpty) {
			st.State = Empty
		}
		st.Files = append(st.Files, guess(p.patchFile)...)
	}
	if p.crlf {
		st.Notes = append(st.Notes, "the patch has Windows line ends, as a mailer makes them; to take them off: sed -i 's/\\r$//'")
	}
	slices.Sort(st.Files)
	st.Files = slices.Compact(st.Files)
	return st
}

// guess returns the files that a patch which cannot be read seems to touch.
func guess(f patchFile) []string {
	var names []string
	for line := range strings.Lines(f.text) {
		line = strings.TrimRight(line, "\r\n")
		for _, mark := range []string{"--- ", "+++ ", "diff --git "} {
			name, ok := strings.CutPrefix(line, mark)
			if !ok || isNull(name) {
				continue
			}
			name, _, _ = strings.Cut(name, "\t")
			if half := len(name) / 2; mark == "diff --git " && len(name)%2 == 1 {
				name = name[half+1:]
			}
			name, err := stripName(name, f.strip)
			if err == nil && checkPath(name) == nil && len(names) < maxFailures {
				names = append(names, name)
			}
		}
	}
	return names
}

func newChange(f *gitdiff.File, m mark) (*change, error) {
	c := &change{from: f.OldName, to: f.NewName, copied: f.IsCopy, plain: !m.git, line: m.line}
	kinds := 0
	for _, is := range []bool{f.IsNew, f.IsDelete, f.IsCopy, f.IsRename} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return nil, errors.New("the header says two things at once of new, deleted, copied and renamed")
	case f.IsNew:
		c.from = ""
	case f.IsDelete:
		c.to = ""
	case kinds == 0 && c.from != c.to:
		return nil, fmt.Errorf("the names %s and %s differ, but nothing says that the file is renamed", show(c.from), show(c.to))
	case kinds == 1 && c.from == c.to:
		return nil, fmt.Errorf("%s is renamed or copied to itself", show(c.from))
	}
	var err error
	if c.oldMode, err = mode(uint32(f.OldMode)); err != nil {
		return nil, fmt.Errorf("%s: %w", show(c.from+c.to), err)
	}
	if c.newMode, err = mode(uint32(f.NewMode)); err != nil {
		return nil, fmt.Errorf("%s: %w", show(c.from+c.to), err)
	}
	if len(f.TextFragments) != len(m.hunks) {
		return nil, fmt.Errorf("%s reads as %d hunks and as %d", show(c.from+c.to), len(f.TextFragments), len(m.hunks))
	}
	for i, frag := range f.TextFragments {
		h, err := newHunk(frag, m.hunks[i])
		if err != nil {
			return nil, fmt.Errorf("hunk of line %d: %w", m.hunks[i], err)
		}
		h.number = i + 1
		c.hunks = append(c.hunks, h)
	}
	return c, nil
}

// check refuses what cannot be applied to any tree.
func (c *change) check() error {
	if len(c.names()) == 0 {
		return errors.New("the header names no file")
	}
	for _, n := range c.names() {
		if err := checkPath(n); err != nil {
			return err
		}
	}
	if !c.creates() && !c.removes() && c.from == c.to && len(c.hunks) == 0 && c.newMode == 0 {
		return fmt.Errorf("the diff of %s: %w", show(c.from), errEmpty)
	}
	if c.oldMode != 0 && c.newMode != 0 && (c.oldMode^c.newMode)&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s turns from a file into a link or back in one step", show(c.to))
	}
	if (c.creates() || c.removes()) && len(c.hunks) > 1 {
		return fmt.Errorf("%s is created or removed in more than one hunk", show(c.from+c.to))
	}
	return nil
}

// mode translates a file mode of git. 0 is a mode that is not given.
func mode(m uint32) (fs.FileMode, error) {
	switch {
	case m == 0:
		return 0, nil
	case m == 0o120000:
		return fs.ModeSymlink, nil
	case m == 0o160000:
		return 0, errors.New("a submodule, which bzmage does not apply")
	case m&^0o777 == 0o100000 && m&0o100 != 0:
		return 0o755, nil
	case m&^0o777 == 0o100000:
		return 0o644, nil
	}
	return 0, fmt.Errorf("mode %o is not one of a file or a link", m)
}

func newHunk(f *gitdiff.TextFragment, line int) (*hunk, error) {
	h := &hunk{
		line: line, oldPos: int(f.OldPosition), newPos: int(f.NewPosition),
		head: int(f.LeadingContext), tail: int(f.TrailingContext),
	}
	at := line
	for _, l := range f.Lines {
		at++
		if l.Old() {
			h.old = append(h.old, l.Line)
			h.oldAt = append(h.oldAt, at)
		}
		if l.New() {
			h.new = append(h.new, l.Line)
		}
		if l.NoEOL() {
			at++ // the line `\ No newline at end of file`
		}
	}
	h.size = at - line
	for _, side := range [][]string{h.old, h.new} {
		for i, l := range side {
			if i < len(side)-1 && !strings.HasSuffix(l, "\n") {
				return nil, errors.New("a line without a newline is not the last one")
			}
		}
	}
	return h, nil
}

// subject returns the title of a patch: the Subject of a mail without what
// stands in brackets, the title of a commit, or the first line of any text.
func subject(preamble string) string {
	if h, err := gitdiff.ParsePatchHeader(preamble); err == nil && h.Title != "" {
		return show(h.Title)
	}
	for line := range strings.SplitSeq(preamble, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "diff ") {
			return show(strings.TrimSpace(strings.TrimPrefix(line, "Subject:")))
		}
	}
	return ""
}

// shown returns the lines of the hunk for a report.
func (h *hunk) shown() []string {
	list := make([]string, 0, min(len(h.body), 2*searchHunk))
	for _, l := range h.body[:min(len(h.body), 2*searchHunk)] {
		list = append(list, show(l))
	}
	return list
}
