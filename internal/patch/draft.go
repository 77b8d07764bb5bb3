package patch

import (
	"context"
	"io/fs"
	"slices"
	"strings"

	"bzmage/internal/unpack"
)

// file is a file or a link at one point of the series, in memory. It is not
// changed once made.
type file struct {
	lines []string // with their newlines; of a link, its target
	mode  fs.FileMode
}

func (f *file) link() bool { return f.mode&fs.ModeSymlink != 0 }

// text returns the content.
func (f *file) text() string { return strings.Join(f.lines, "") }

func newFile(text string, mode fs.FileMode) *file {
	f := &file{mode: mode}
	if text != "" {
		f.lines = strings.SplitAfter(text, "\n")
		if last := len(f.lines) - 1; f.lines[last] == "" {
			f.lines = f.lines[:last]
		}
	}
	return f
}

// draft is the tree in memory: the pristine one and, over it, what the patches
// made so far. A file is read when a patch first asks for it.
type draft struct {
	base     base
	now      map[string]*file // nil: removed
	read     map[string]*file // pristine files, as read
	compares int              // lines compared so far
}

// base is the pristine tree below a draft.
type base interface {
	entries() []unpack.Entry // sorted by path
	content(ctx context.Context, e unpack.Entry) (string, error)
}

func newDraft(b base) *draft {
	return &draft{base: b, now: map[string]*file{}, read: map[string]*file{}}
}

// entry returns the pristine entry of name.
func lookup(entries []unpack.Entry, name string) (unpack.Entry, bool) {
	i, ok := slices.BinarySearchFunc(entries, name, func(e unpack.Entry, n string) int { return strings.Compare(e.Path, n) })
	if !ok {
		return unpack.Entry{}, false
	}
	return entries[i], true
}

// kind returns the mode of name as it is now, without reading it.
func (d *draft) kind(name string) (fs.FileMode, bool) {
	if f, ok := d.now[name]; ok {
		if f == nil {
			return 0, false
		}
		return f.mode, true
	}
	e, ok := lookup(d.base.entries(), name)
	return e.Mode, ok
}

// get returns name as it is now, nil if it is not there.
func (d *draft) get(ctx context.Context, name string) (*file, error) {
	if f, ok := d.now[name]; ok {
		return f, nil
	}
	return d.pristine(ctx, name)
}

// pristine returns name as it was unpacked, nil if it was not there.
func (d *draft) pristine(ctx context.Context, name string) (*file, error) {
	if f, ok := d.read[name]; ok {
		return f, nil
	}
	e, ok := lookup(d.base.entries(), name)
	if !ok {
		return nil, nil
	}
	text, err := d.base.content(ctx, e)
	if err != nil {
		return nil, err
	}
	f := newFile(text, e.Mode)
	d.read[name] = f
	return f, nil
}

// folder says whether any file stands below name.
func (d *draft) folder(name string) bool {
	below := name + "/"
	for n, f := range d.now {
		if f != nil && strings.HasPrefix(n, below) {
			return true
		}
	}
	entries := d.base.entries()
	i, _ := slices.BinarySearchFunc(entries, below, func(e unpack.Entry, n string) int { return strings.Compare(e.Path, n) })
	for ; i < len(entries) && strings.HasPrefix(entries[i].Path, below); i++ {
		if f, ok := d.now[entries[i].Path]; !ok || f != nil {
			return true
		}
	}
	return false
}
