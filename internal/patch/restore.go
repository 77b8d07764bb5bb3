package patch

import (
	"context"
	"path/filepath"
	"slices"

	"bzmage/internal/fault"
	"bzmage/internal/unpack"
)

// Original returns what name was before a person edited it, nil if it was not
// there.
func Original(ctx context.Context, t unpack.Tree, name string) (*File, error) {
	s, done, err := open(ctx, t, name)
	if err != nil {
		return nil, err
	}
	defer done()
	e := s.expected(name)
	if e == nil {
		return nil, nil
	}
	text, err := s.content(ctx, e.entry(name))
	if err != nil {
		return nil, err
	}
	return &File{Data: []byte(text), Mode: e.Mode}, nil
}

// Restore throws a person's edits of the named files away, and only of these:
// each holds again what the last [Apply] left, or is removed if it was not
// there. It returns the files it wrote or removed.
func Restore(ctx context.Context, t unpack.Tree, names ...string) ([]string, error) {
	s, done, err := open(ctx, t, names...)
	if err != nil {
		return nil, err
	}
	defer done()
	if s.journal != nil {
		return nil, fault.New(fault.Usage, "run mage patch first", "restore files: the last change of the tree was cut off")
	}
	d := newDraft(s)
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	pl := &plan{records: map[string]record{}, contents: map[string]string{}, allowed: map[string][]*version{}}
	for _, name := range names {
		if err := pl.restore(ctx, s, d, name); err != nil {
			return nil, machine(err, "restore files")
		}
	}
	if len(pl.ops) == 0 {
		return []string{}, nil
	}
	if err := pl.checkFolders(s); err != nil {
		return nil, machine(err, "restore files")
	}
	if len(pl.edits) > 0 {
		return nil, obstructed(ctx, s, d, pl.edits)
	}
	return pl.paths(), commit(ctx, Params{}, s, pl, s.state.Result)
}

func (p *plan) restore(ctx context.Context, s *store, d *draft, name string) error {
	e := s.expected(name)
	have, err := s.look(name, e)
	if err != nil {
		return err
	}
	rec, touched := s.state.Files[name]
	if !touched {
		rec.Pristine = s.pristine(name)
	}
	o := op{name: name, had: have}
	switch {
	case e == nil && have.info == nil, e != nil && have.version.equal(&e.version):
		return nil
	case have.info != nil && have.version == nil:
		return fault.New(fault.Usage, "move "+s.path(name)+" away", "%s is neither a file nor a link", show(name))
	case e != nil:
		o.want = &e.version
		if o.text, err = s.content(ctx, e.entry(name)); err != nil {
			return err
		}
	}
	p.ops = append(p.ops, o)
	p.records[name] = rec
	return p.collect(ctx, s, d, name, rec, o.want, o.text)
}

// entry returns the stamp as an entry of a manifest.
func (st *stamp) entry(name string) unpack.Entry {
	return unpack.Entry{Path: name, Mode: st.Mode, Size: st.Size, MTime: st.MTime, SHA256: st.SHA256}
}

// open locks the tree and reads what is known of it. The names are checked.
func open(ctx context.Context, t unpack.Tree, names ...string) (*store, func(), error) {
	for _, n := range names {
		if err := checkPath(n); err != nil {
			return nil, nil, fault.New(fault.Usage, "name a file by its path below "+filepath.Join(t.Root, srcDir), "%w", err)
		}
	}
	unlock, err := lock(ctx, t, discard())
	if err != nil {
		return nil, nil, err
	}
	s, err := openStore(t)
	if err != nil {
		unlock()
		return nil, nil, err
	}
	done := func() { s.close(); unlock() }
	if err := s.readManifest(); err != nil {
		done()
		return nil, nil, err
	}
	return s, done, nil
}
