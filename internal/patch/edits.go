package patch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"bzmage/internal/unpack"
)

// Kinds of [Edit].
const (
	Modified = "modified"
	Added    = "added"
	Removed  = "removed"
)

// Edit is one file that a person changed in the tree.
type Edit struct {
	Path   string `json:"path"`
	Kind   string `json:"kind"`             // modified, added, removed
	SHA256 string `json:"sha256,omitempty"` // of what is there now; empty if that is no file
}

// Edits returns what a person changed in the tree since it was unpacked and
// patched, sorted by path. A file that has the size and mtime it was left with
// is taken for unchanged, any other is read. Folders as such do not count.
func Edits(ctx context.Context, t unpack.Tree) ([]Edit, error) {
	s, done, err := open(ctx, t)
	if err != nil {
		return nil, err
	}
	defer done()
	return s.edits(ctx)
}

func (s *store) edits(ctx context.Context) ([]Edit, error) {
	w := newWalk(s)
	if err := w.run(ctx); err != nil {
		return nil, machine(err, "look for edits in the tree")
	}
	edits := w.edits
	for i, e := range w.files {
		if !w.seen[i] && e.stamp != nil && !contains(s.pending(e.name), nil) {
			edits = append(edits, Edit{Path: e.name, Kind: Removed})
		}
	}
	slices.SortFunc(edits, func(a, b Edit) int { return strings.Compare(a.Path, b.Path) })
	return edits, nil
}

// pending returns what a killed run may have left at name.
func (s *store) pending(name string) []*version {
	if s.journal == nil {
		return nil
	}
	return s.journal.Files[name]
}

// expectation is a file that should be in the tree, or with a nil stamp one
// that should not.
type expectation struct {
	name  string
	stamp *stamp
}

// walk compares the tree with the files expected in it, several folders at a
// time.
type walk struct {
	s     *store
	files []expectation
	index map[string]int32
	seen  []bool // each element is written by the one goroutine that meets the file

	mu    sync.Mutex
	more  *sync.Cond
	todo  []string // folders below src, "" being src itself
	busy  int      // goroutines that may add to todo
	edits []Edit
	err   error
}

func newWalk(s *store) *walk {
	w := &walk{s: s, index: make(map[string]int32, len(s.manifest)), todo: []string{""}}
	w.more = sync.NewCond(&w.mu)
	add := func(name string, st *stamp) {
		w.index[name] = int32(len(w.files))
		w.files = append(w.files, expectation{name, st})
	}
	w.files = make([]expectation, 0, len(s.manifest)+len(s.state.Files))
	stamps := make([]stamp, len(s.manifest))
	for i, e := range s.manifest {
		stamps[i] = stamp{version{e.SHA256, e.Mode}, e.Size, e.MTime}
		add(e.Path, &stamps[i])
	}
	for name, r := range s.state.Files {
		if i, ok := w.index[name]; ok {
			w.files[i].stamp = r.Applied
			continue
		}
		add(name, r.Applied)
	}
	w.seen = make([]bool, len(w.files))
	return w
}

func (w *walk) run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range max(4, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for dir, ok := w.take(ctx); ok; dir, ok = w.take(ctx) {
				folders, edits, err := w.folder(dir)
				w.give(folders, edits, err)
			}
		})
	}
	wg.Wait()
	return w.err
}

// take waits for a folder to look at. It returns false when all is done.
func (w *walk) take(ctx context.Context) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.todo) == 0 && w.busy > 0 && w.err == nil {
		w.more.Wait()
	}
	if w.err == nil && ctx.Err() != nil {
		w.err = fmt.Errorf("look for edits: %w", context.Cause(ctx))
	}
	if w.err != nil || len(w.todo) == 0 {
		w.more.Broadcast()
		return "", false
	}
	last := len(w.todo) - 1
	dir := w.todo[last]
	w.todo = w.todo[:last]
	w.busy++
	return dir, true
}

func (w *walk) give(folders []string, edits []Edit, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	w.todo = append(w.todo, folders...)
	w.edits = append(w.edits, edits...)
	if w.err == nil {
		w.err = err
	}
	w.more.Broadcast()
}

// folder looks at the files of one folder and returns the folders in it.
func (w *walk) folder(dir string) (folders []string, edits []Edit, err error) {
	f, err := os.Open(w.s.path(dir))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, nil, err
	}
	prefix := ""
	if dir != "" {
		prefix = dir + "/"
	}
	fd := int(f.Fd())
	for _, base := range names {
		name := prefix + base
		var st unix.Stat_t
		if err := unix.Fstatat(fd, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			if errors.Is(err, unix.ENOENT) {
				continue // deleted meanwhile
			}
			return nil, nil, &fs.PathError{Op: "stat", Path: w.s.path(name), Err: err}
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			folders = append(folders, name)
			continue
		}
		e, changed, err := w.file(name, &st)
		if err != nil {
			return nil, nil, err
		}
		if changed {
			edits = append(edits, e)
		}
	}
	return folders, edits, nil
}

// file compares one file with what should be there.
func (w *walk) file(name string, st *unix.Stat_t) (Edit, bool, error) {
	var expected *stamp
	if i, ok := w.index[name]; ok {
		w.seen[i] = true
		expected = w.files[i].stamp
	}
	if expected != nil && same(modeOf(st.Mode), st.Size, st.Mtim.Nano(), expected) {
		return Edit{}, false, nil
	}
	have, err := w.s.look(name)
	if err != nil || have.info == nil {
		return Edit{}, false, err
	}
	if expected != nil && have.version.equal(&expected.version) || have.version != nil && contains(w.s.pending(name), have.version) {
		return Edit{}, false, nil
	}
	return edit(name, expected, have), true, nil
}

// modeOf translates the mode of stat(2), as far as [plainMode] looks at it.
func modeOf(m uint32) fs.FileMode {
	perm := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFREG:
		return perm
	case unix.S_IFLNK:
		return perm | fs.ModeSymlink
	}
	return perm | fs.ModeIrregular
}
