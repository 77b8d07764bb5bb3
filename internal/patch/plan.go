package patch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/run"
)

// op is one file that a change writes, removes, or gives another mode.
type op struct {
	name string
	want *version // nil: removed
	text string   // the content, when it has to be written
	had  found    // what lies there now
}

func (o op) removes() bool { return o.want == nil }

// remodes says whether only the mode differs.
func (o op) remodes() bool {
	v := o.had.version
	return v != nil && o.want != nil && v.SHA256 == o.want.SHA256 && (v.Mode|o.want.Mode)&fs.ModeType == 0
}

// plan is what leads from the tree on the disk to the draft.
type plan struct {
	ops      []op              // sorted by name
	records  map[string]record // of the state to be; files of ops get their stamps when written
	contents map[string]string // by sha256: what to keep copies of
	allowed  map[string][]*version
	edits    []Obstacle // edits in the way
}

func (p *plan) paths() []string {
	names := make([]string, 0, len(p.ops))
	for _, o := range p.ops {
		names = append(names, o.name)
	}
	return names
}

// makePlan compares the tree with the draft. Edits that stand in the way are
// its error.
func makePlan(ctx context.Context, s *store, d *draft) (*plan, error) {
	p := &plan{records: map[string]record{}, contents: map[string]string{}, allowed: map[string][]*version{}}
	names := map[string]bool{}
	for n := range d.now {
		names[n] = true
	}
	for n := range s.state.Files {
		names[n] = true
	}
	if s.journal != nil {
		p.allowed = maps.Clone(s.journal.Files)
		for n := range s.journal.Files {
			names[n] = true
		}
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		if err := p.add(ctx, s, d, n); err != nil {
			return nil, machine(err, "compare the tree with the series")
		}
	}
	if err := p.checkFolders(s); err != nil {
		return nil, machine(err, "compare the tree with the series")
	}
	if len(p.edits) > 0 {
		return nil, obstructed(ctx, s, d, p.edits)
	}
	return p, nil
}

// add compares one file.
func (p *plan) add(ctx context.Context, s *store, d *draft, name string) error {
	before, touched := s.state.Files[name]
	rec := record{Pristine: before.Pristine}
	if !touched {
		rec.Pristine = s.pristine(name)
	}
	want, text, err := p.want(ctx, d, name, rec.Pristine)
	if err != nil {
		return err
	}
	if !touched && want.equal(rec.Pristine) && p.allowed[name] == nil {
		return nil // patches that cancel each other
	}
	expected := s.expected(name)
	have, err := s.look(name, expected)
	if err != nil {
		return err
	}
	known := s.known(name)
	switch {
	case have.version.equal(want) && (have.info == nil) == (want == nil):
		rec.Applied = have.stamp()
	case want == nil && have.version == nil:
		// A folder, or something that is neither folder nor file; it is
		// neither what we made nor in our way.
	case have.info == nil || contains(known, have.version) && have.version != nil:
		p.ops = append(p.ops, op{name: name, want: want, text: text, had: have})
	case touched && len(known) == 1 && known[0].equal(want):
		rec.Applied = before.Applied // a person's edit, which the series does not touch
	case have.info.IsDir():
		// Is it empty once the files to be removed are gone? See checkFolders.
		p.ops = append(p.ops, op{name: name, want: want, text: text, had: have})
	default:
		p.edits = append(p.edits, Obstacle{Edit: edit(name, expected, have)})
		return nil
	}
	p.records[name] = rec
	return p.collect(ctx, s, d, name, rec, want, text)
}

// want returns what the draft has for name.
func (p *plan) want(ctx context.Context, d *draft, name string, pristine *version) (*version, string, error) {
	f, drafted := d.now[name]
	if !drafted {
		if pristine == nil {
			return nil, "", nil
		}
		var err error
		if f, err = d.pristine(ctx, name); err != nil {
			return nil, "", err
		}
	}
	if f == nil {
		return nil, "", nil
	}
	text := f.text()
	return &version{SHA256: sum(text), Mode: f.mode}, text, nil
}

// collect notes the contents to keep and what a killed run may leave.
func (p *plan) collect(ctx context.Context, s *store, d *draft, name string, rec record, want *version, text string) error {
	if !contains(p.allowed[name], want) {
		p.allowed[name] = append(slices.Clone(p.allowed[name]), want)
	}
	if want != nil {
		p.contents[want.SHA256] = text
	}
	if rec.Pristine == nil {
		return nil
	}
	if _, ok := p.contents[rec.Pristine.SHA256]; ok {
		return nil
	}
	if _, err := s.root.Lstat(object(rec.Pristine.SHA256)); err == nil {
		return nil
	}
	f, err := d.pristine(ctx, name)
	if err != nil {
		return err
	}
	p.contents[rec.Pristine.SHA256] = f.text()
	return nil
}

// checkFolders looks at the way to each file of the plan: only folders may
// stand on it, and where a folder becomes a file, nobody's files are in it.
func (p *plan) checkFolders(s *store) error {
	leaving := map[string]bool{}
	for _, o := range p.ops {
		leaving[o.name] = o.removes()
	}
	clear := map[string]bool{} // folders looked at
	for _, o := range p.ops {
		parents(o.name, func(dir string) bool {
			if clear[dir] {
				return false
			}
			clear[dir] = true
			if have, err := s.look(dir); err == nil && have.info != nil && !have.info.IsDir() && !leaving[dir] {
				p.edits = append(p.edits, Obstacle{Edit: edit(dir, s.expected(dir), have)})
			}
			return true
		})
		if o.had.info == nil || !o.had.info.IsDir() {
			continue
		}
		err := fs.WalkDir(s.root.FS(), src(o.name), func(path string, e fs.DirEntry, err error) error {
			name := strings.TrimPrefix(path, srcDir+"/")
			if err == nil && !e.IsDir() && !leaving[name] {
				p.edits = append(p.edits, Obstacle{Edit: Edit{Path: name, Kind: Added}})
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// edit describes what lies at name in place of what is expected there.
func edit(name string, expected *stamp, have found) Edit {
	e := Edit{Path: name, Kind: Modified}
	if expected == nil {
		e.Kind = Added
	}
	if have.info == nil {
		e.Kind = Removed
	}
	if have.version != nil {
		e.SHA256 = have.version.SHA256
	}
	return e
}

// Obstacle is an edit that stands in the way of a series.
type Obstacle struct {
	Edit
	Original string `json:"original,omitempty"` // a file with what stood there before the edit
	Edited   string `json:"edited"`             // the edited file
}

// ObstacleError names the edits that [Apply] would have overwritten.
type ObstacleError struct{ Obstacles []Obstacle }

func (e *ObstacleError) Error() string {
	var b strings.Builder
	n := len(e.Obstacles)
	fmt.Fprintf(&b, "change the tree: %d %s edited in it since, and the series changes %s too:",
		n, plural(n, "file was", "files were"), plural(n, "it", "them"))
	for i, o := range e.Obstacles {
		if i == maxFailures {
			fmt.Fprintf(&b, "\n  and %d more", n-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s: %s", o.Kind, show(o.Path))
		if o.Original != "" {
			fmt.Fprintf(&b, "\n    diff -u %s %s", run.Quote(o.Original), run.Quote(o.Edited))
		}
	}
	return b.String()
}

// obstructed returns the error for edits in the way. It keeps the originals,
// so that a person can compare, and delete the edited file without a loss.
func obstructed(ctx context.Context, s *store, d *draft, edits []Obstacle) error {
	var files []string
	for i := range edits {
		o := &edits[i]
		o.Edited = s.path(o.Path)
		if i < maxFailures {
			files = append(files, run.Quote(o.Edited))
		}
		e := s.expected(o.Path)
		if e == nil || o.Kind != Modified {
			continue
		}
		if text, err := s.readObject(e.SHA256); err == nil {
			o.Original = s.tree.Root + "/" + object(sum(text))
		} else if f, err := d.pristine(ctx, o.Path); err == nil && f != nil && sum(f.text()) == e.SHA256 {
			if err := s.keep(f.text()); err == nil {
				o.Original = s.tree.Root + "/" + object(e.SHA256)
			}
		}
	}
	hint := "keep the edits by making a patch of each diff; throw them away with: rm -r " + strings.Join(files, " ") +
		"; the next run writes the files anew"
	return fault.New(fault.Patch, hint, "%w", &ObstacleError{Obstacles: edits})
}
