package patch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"
)

// writer carries out a plan. Everything is written to new/ first; what the tree
// holds moves or is linked to old/, so that an error on the way can be undone
// to the last mtime. A kill is not undone: the journal says what may lie in the
// tree then, and the next run goes on from there.
type writer struct {
	s     *store
	step  func(point string) error
	undo  []func() error
	dirs  map[string]bool // folders whose entries changed
	stamp map[string]*stamp
}

// commit brings the tree to the plan and the state to res.
func commit(ctx context.Context, p Params, s *store, pl *plan, res Result) error {
	w := &writer{s: s, step: p.step, dirs: map[string]bool{}, stamp: map[string]*stamp{}}
	if w.step == nil {
		w.step = func(string) error { return nil }
	}
	if err := w.prepare(pl); err != nil {
		return machine(err, "prepare the change of the tree")
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("change the tree: %w", context.Cause(ctx))
	}
	if len(pl.ops) > 0 {
		if err := w.change(pl); err != nil {
			return err
		}
	}
	for n, r := range pl.records {
		if st, ok := w.stamp[n]; ok {
			r.Applied = st
		}
		s.state.Files[n] = r
	}
	s.state.Engine, s.state.Result = engine, res
	if err := s.finish(w.step); err != nil {
		return machine(err, "record the change of the tree")
	}
	return nil
}

// change writes the journal and then the tree. After an error the tree is as
// it was.
func (w *writer) change(pl *plan) error {
	pending := w.s.journal != nil
	if err := w.s.save(journalFile, journal{Files: pl.allowed}); err != nil {
		return machine(err, "write the journal of the change")
	}
	err := w.step("journal")
	if err == nil {
		err = w.files(pl.ops)
	}
	if err == nil {
		err = w.syncFolders()
	}
	if err == nil {
		return nil
	}
	for _, undo := range slices.Backward(w.undo) {
		if e := undo(); e != nil {
			return machine(errors.Join(err, fmt.Errorf("undo the change: %w", e)), "change the tree")
		}
	}
	if !pending {
		if e := w.s.root.Remove(journalFile); e != nil {
			err = errors.Join(err, e)
		}
	}
	return machine(err, "change the tree, which is as it was before")
}

// files removes first and writes then, as a file may stand where a folder was.
func (w *writer) files(ops []op) error {
	for _, removing := range []bool{true, false} {
		for i, o := range ops {
			if o.removes() != removing {
				continue
			}
			if err := w.file(i, o); err != nil {
				return fmt.Errorf("%s: %w", show(o.name), err)
			}
		}
	}
	return nil
}

func (w *writer) file(i int, o op) error {
	if err := w.step("file"); err != nil {
		return err
	}
	if err := w.s.unchanged(o); err != nil {
		return err
	}
	w.dirs[path.Dir(o.name)] = true
	switch {
	case o.removes():
		return w.remove(i, o)
	case o.remodes():
		return w.remode(o)
	}
	return w.write(i, o)
}

// unchanged says whether the file is still what the plan has seen.
func (s *store) unchanged(o op) error {
	fi, err := s.root.Lstat(src(o.name))
	was := o.had.info
	switch {
	case was == nil && err != nil:
		return nil // not there, nor was it
	case was != nil && was.IsDir():
		return nil // empty by now, or the rename says that it is not
	case err != nil:
		return err
	case was == nil || !os.SameFile(fi, was) || fi.Size() != was.Size() || !fi.ModTime().Equal(was.ModTime()):
		return errors.New("somebody changed it at this moment; run again")
	}
	return nil
}

func (w *writer) remove(i int, o op) error {
	root, name := w.s.root, src(o.name)
	if err := root.Rename(name, kept(i)); err != nil {
		return err
	}
	w.undo = append(w.undo, func() error {
		return errors.Join(root.MkdirAll(path.Dir(name), 0o755), root.Rename(kept(i), name))
	})
	w.stamp[o.name] = nil
	w.pruneAbove(o.name)
	return nil
}

// pruneAbove removes the folders above name that hold nothing any more, as git
// does.
func (w *writer) pruneAbove(name string) {
	parents(name, func(dir string) bool {
		if w.s.root.Remove(src(dir)) != nil {
			return false
		}
		delete(w.dirs, dir)
		w.dirs[path.Dir(dir)] = true
		return true
	})
}

func (w *writer) remode(o op) error {
	root, name := w.s.root, src(o.name)
	if err := root.Chmod(name, o.want.Mode); err != nil {
		return err
	}
	w.undo = append(w.undo, func() error { return root.Chmod(name, o.had.info.Mode().Perm()) })
	return w.note(o)
}

func (w *writer) write(i int, o op) error {
	root, name := w.s.root, src(o.name)
	w.undo = append(w.undo, func() error { w.pruneAbove(o.name); return nil })
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	before, over := time.Time{}, o.had.version != nil
	if o.had.info != nil && o.had.info.IsDir() {
		if err := removeFolders(root, name); err != nil {
			return err
		}
	}
	if over {
		before = o.had.info.ModTime()
		if err := root.Link(name, kept(i)); err != nil {
			return err
		}
	}
	if o.want.Mode&fs.ModeSymlink == 0 {
		// make compares mtimes: the new one is later than the one before, and
		// than anything that was built until now.
		now := time.Now()
		if !now.After(before) {
			now = before.Add(time.Second)
		}
		if err := root.Chtimes(staged(i), now, now); err != nil {
			return err
		}
	}
	if err := w.step("rename"); err != nil {
		return err
	}
	if err := root.Rename(staged(i), name); err != nil {
		return err
	}
	w.undo = append(w.undo, func() error {
		if over {
			return root.Rename(kept(i), name)
		}
		return root.Remove(name)
	})
	return w.note(o)
}

// removeFolders removes a folder that holds nothing but folders. It removes no
// file, whatever has come into it since it was looked at.
func removeFolders(root *os.Root, name string) error {
	var dirs []string
	err := fs.WalkDir(root.FS(), name, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := root.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// note keeps the stamp of a file that was written.
func (w *writer) note(o op) error {
	fi, err := w.s.root.Lstat(src(o.name))
	if err != nil {
		return err
	}
	w.stamp[o.name] = found{o.want, fi}.stamp()
	return nil
}

// syncFolders makes the renames last, before the state says they were done.
func (w *writer) syncFolders() error {
	var dirs []string
	for dir := range w.dirs {
		name := src(dir)
		if _, err := w.s.root.Lstat(name); missing(err) {
			continue
		}
		dirs = append(dirs, name)
	}
	return w.s.sync(dirs)
}

// finish records that the tree is at its state.
func (s *store) finish(step func(string) error) error {
	if err := step("state"); err != nil {
		return err
	}
	if err := s.save(stateFile, s.state); err != nil {
		return err
	}
	if err := step("done"); err != nil {
		return err
	}
	if err := s.root.Remove(journalFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// What is left over is room on the disk, no more: the next run removes it if
	// this one cannot. It knows by new/, so that goes last.
	_ = errors.Join(s.prune(), s.root.RemoveAll(oldDir), s.root.RemoveAll(newDir))
	return nil
}
