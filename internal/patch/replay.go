package patch

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
)

// replayer applies patches to a draft.
type replayer struct {
	d      *draft
	broken map[string]bool   // files that a patch failed on
	ids    map[string]string // the first patch of each patch-id
	visit  func(s Status, before, after map[string]File) error
}

// replay tries the patches in order, all of them. The error says why a file
// could not be read.
func replay(ctx context.Context, d *draft, patches []*parsed, visit func(s Status, before, after map[string]File) error) ([]Status, error) {
	r := &replayer{d: d, broken: map[string]bool{}, ids: map[string]string{}, visit: visit}
	list := make([]Status, 0, len(patches))
	for _, p := range patches {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("apply the series: %w", context.Cause(ctx))
		}
		st, err := r.patch(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("patch %s: %w", p.name, err)
		}
		list = append(list, st)
	}
	return list, nil
}

// patch tries one patch, and lays what it makes over the draft.
func (r *replayer) patch(ctx context.Context, p *parsed) (Status, error) {
	st := p.status()
	if st.State != Clean {
		for _, n := range st.Files {
			r.broken[n] = true
		}
		return st, nil
	}
	l, err := r.try(ctx, p, false)
	if err != nil {
		return st, err
	}
	st.Offset, st.Moved = l.offset, l.moved
	if l.offset != 0 {
		st.State = Offset
	}
	if len(l.fails) > 0 || l.offset != 0 || l.idle() {
		why, err := r.upstream(ctx, l)
		if err != nil {
			return st, err
		}
		if why != "" {
			st.State, st.Why, st.Offset, st.Moved = Upstream, why, 0, nil
			return st, nil
		}
	}
	if r.visit != nil && st.Applies() && len(l.fails) == 0 && l.blocked == "" {
		if err := l.show(ctx, st); err != nil {
			return st, err
		}
	}
	l.commit()
	switch {
	case len(l.fails) > 0:
		st.State, st.Why, st.Failures = Conflict, l.fails[0].Why, l.fails
	case l.blocked != "":
		st.State, st.Why = Blocked, "an earlier patch failed on "+show(l.blocked)
	}
	if id := p.id(); st.Applies() && r.ids[id] == "" {
		r.ids[id] = p.name
	}
	return st, nil
}

// layer is what one patch makes of a draft. As in git, renames and copies read
// the tree as it was before the patch, so that files can change places, while
// a second diff of one file continues the first.
type layer struct {
	*replayer
	p       *parsed
	reverse bool
	made    map[string]*file
	gone    map[string]bool
	leaving map[string]bool // files that some change of the patch takes away
	fails   []Failure
	failed  map[string]bool // files that did not fit
	blocked string          // a file that an earlier patch failed on
	offset  int
	moved   []Move
}

// try makes the layer of a patch, and leaves the draft as it is.
func (r *replayer) try(ctx context.Context, p *parsed, reverse bool) (*layer, error) {
	l := &layer{replayer: r, p: p, reverse: reverse, made: map[string]*file{}, gone: map[string]bool{}, leaving: map[string]bool{}, failed: map[string]bool{}}
	for _, c := range p.changes {
		if c.removes() || c.renames() {
			l.leaving[c.from] = true
		}
	}
	for _, c := range p.changes {
		if l.untried(c) {
			continue
		}
		before := len(l.fails)
		if err := l.change(ctx, c); err != nil {
			return nil, err
		}
		if len(l.fails) > before {
			l.breaks(c)
		}
	}
	return l, nil
}

// commit lays the layer over the draft, and sees that the files have room.
func (l *layer) commit() {
	for n := range l.gone {
		l.d.now[n] = nil
	}
	for n, f := range l.made {
		l.d.now[n] = f
	}
	for _, c := range l.p.changes {
		if placed := c.creates() || c.plain || c.from != c.to; placed && c.to != "" && !l.failed[c.to] {
			l.checkPlace(c)
		}
	}
	for n := range l.failed {
		l.broken[n] = true
	}
}

func (l *layer) breaks(c *change) {
	for _, n := range c.names() {
		l.failed[n] = true
	}
}

func (l *layer) untried(c *change) bool {
	for _, n := range c.names() {
		if l.broken[n] || l.failed[n] {
			if l.broken[n] && l.blocked == "" {
				l.blocked = n
			}
			l.breaks(c)
			return true
		}
	}
	return false
}

func (l *layer) fail(c *change, name, format string, args ...any) {
	l.fails = append(l.fails, Failure{Patch: l.p.name, File: name, Line: c.line, Why: fmt.Sprintf(format, args...)})
}

// change applies one change to the layer, or records why it does not fit.
func (l *layer) change(ctx context.Context, c *change) error {
	before := len(l.fails)
	for _, n := range c.names() {
		if link := l.linkAbove(n); link != "" {
			l.fail(c, n, "the path leads through %s, which is a symbolic link", show(link))
			return nil
		}
	}
	old, ok, err := l.source(ctx, c)
	if err != nil || !ok {
		return err
	}
	if l.p.crlf {
		if c, err = l.dosLines(ctx, c, old); err != nil {
			l.fail(c, c.from+c.to, "%v", err)
			return nil
		}
	}
	if err := l.checkFree(ctx, c); err != nil {
		return err
	}
	f := l.patched(c, old)
	if len(l.fails) > before {
		return nil
	}
	if c.removes() {
		if len(f.lines) > 0 {
			l.fail(c, c.from, "the patch removes the file, but %d %s left of it", len(f.lines),
				plural(len(f.lines), "line is", "lines are"))
			return nil
		}
		delete(l.made, c.from)
		l.gone[c.from] = true
		return nil
	}
	if c.renames() {
		l.gone[c.from] = true
	}
	if f.link() {
		if err := checkTarget(c.to, f.text()); err != nil {
			l.fail(c, c.to, "%v", err)
			return nil
		}
	}
	l.made[c.to] = f
	return nil
}

// source returns the file a change begins with, nil for one it creates, and
// whether there is one as the change expects it.
func (l *layer) source(ctx context.Context, c *change) (*file, bool, error) {
	if c.creates() {
		return nil, true, nil
	}
	f, again := l.made[c.from]
	if c.copied || c.renames() || !again {
		var err error
		if f, err = l.d.get(ctx, c.from); err != nil {
			return nil, false, err
		}
	}
	switch {
	case l.gone[c.from] && !again && !c.copied && !c.renames():
		l.fail(c, c.from, "the file does not exist any more: this patch took it away above")
	case f == nil && c.plain && len(c.hunks) == 1 && c.hunks[0].oldPos == 0 && len(c.hunks[0].old) == 0:
		// GNU diff -N does not say that a file is new, its hunk does.
		return nil, true, nil
	case f == nil && c.removes():
		l.fail(c, c.from, "the file to be removed does not exist; perhaps the patch is applied already")
	case f == nil:
		l.fail(c, c.from, "the file does not exist")
	case l.reverse && (c.newMode != 0 || c.removes()) && c.oldMode != 0 && c.oldMode != f.mode:
		l.fail(c, c.from, "the file has another mode")
	case f.link() != (c.oldMode&fs.ModeSymlink != 0):
		l.fail(c, c.from, "the patch takes it for %s, but it is %s", kindName(c.oldMode), kindName(f.mode))
	default:
		return f, true, nil
	}
	return nil, false, nil
}

func kindName(m fs.FileMode) string {
	if m&fs.ModeSymlink != 0 {
		return "a symbolic link"
	}
	return "a file"
}

// checkFree refuses a change whose new file is there already.
func (l *layer) checkFree(ctx context.Context, c *change) error {
	if c.to == "" || c.to == c.from {
		return nil
	}
	f := l.made[c.to]
	if f == nil && !l.leaving[c.to] {
		var err error
		if f, err = l.d.get(ctx, c.to); err != nil {
			return err
		}
	}
	switch {
	case f == nil:
	case c.creates() && len(c.hunks) == 1 && slices.Equal(c.hunks[0].new, f.lines):
		l.fail(c, c.to, "the file to be created exists already, as the patch would create it")
	default:
		l.fail(c, c.to, "the file to be created exists")
	}
	return nil
}

// patched returns old with the hunks applied and the new mode. Hunks that do
// not fit are recorded, and the result does not count then.
func (l *layer) patched(c *change, old *file) *file {
	f := &file{mode: 0o644}
	m := &matcher{}
	if old != nil {
		f.mode, m.lines = old.mode, old.lines
	}
	if c.newMode != 0 {
		f.mode = c.newMode
	}
	name := c.from
	if old == nil {
		name = c.to
	}
	for _, h := range c.hunks {
		bad := m.apply(h)
		if bad == nil {
			if m.shift != 0 {
				at := m.at - len(h.old) + 1
				l.moved = append(l.moved, Move{File: name, Hunk: h.number, Line: at - m.shift, At: at, Offset: m.shift})
			}
			continue
		}
		fail := Failure{Patch: l.p.name, File: name, Hunk: h.number, Hunks: len(c.hunks),
			Line: h.line, Header: show(h.header), Why: bad.why}
		if bad.excerpt && !l.reverse {
			fail.compare(m.lines, bad)
		}
		if !l.reverse {
			fail.Diff = h.shown()
		}
		l.fails = append(l.fails, fail)
	}
	f.lines = m.finish()
	l.d.compares += m.compares
	l.offset = max(l.offset, m.offset)
	return f
}

// linkAbove returns the folder of name that is a symbolic link, before or
// after the changes so far.
func (l *layer) linkAbove(name string) (link string) {
	parents(name, func(dir string) bool {
		m, ok := l.d.kind(dir)
		if f := l.made[dir]; f != nil {
			m, ok = f.mode, true
		}
		if ok && m&fs.ModeSymlink != 0 && (!l.gone[dir] || l.made[dir] != nil) {
			link = dir
		}
		return link == ""
	})
	return link
}

// checkPlace refuses a file where a folder is, or below another file.
func (l *layer) checkPlace(c *change) {
	if l.d.now[c.to] == nil {
		return
	}
	before := len(l.fails)
	if l.d.folder(c.to) {
		l.fail(c, c.to, "the file to be created is a folder")
	}
	parents(c.to, func(dir string) bool {
		_, is := l.d.kind(dir)
		if is {
			l.fail(c, c.to, "the folder %s is a file", show(dir))
		}
		return !is
	})
	if len(l.fails) > before {
		l.failed[c.to] = true
	}
}

// show calls visit with the files of the patch on both sides.
func (l *layer) show(ctx context.Context, st Status) error {
	before, after := map[string]File{}, map[string]File{}
	for _, n := range st.Files {
		f, err := l.d.get(ctx, n)
		if err != nil {
			return err
		}
		if f != nil {
			before[n] = File{Data: []byte(f.text()), Mode: f.mode}
		}
		if m, ok := l.made[n]; ok {
			f = m
		} else if l.gone[n] {
			f = nil
		}
		if f != nil {
			after[n] = File{Data: []byte(f.text()), Mode: f.mode}
		}
	}
	return l.visit(st, before, after)
}
