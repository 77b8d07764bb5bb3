package series

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
	"bzmage/internal/unpack"
)

// Params is what works on a series and its tree.
type Params struct {
	Tree   unpack.Tree // with the series applied
	Folder string      // of the series
	Backup string      // where the folder is kept as it was, when it is changed
}

// Refresh folds what a person changed in the tree into the patches it belongs
// to, or, with a name, all of it into that patch. Patches whose diff is as it
// should be keep every byte; in the others the diff and the diffstat are made
// anew. It returns the names of the patches it wrote.
//
// When an edit belongs to no patch, nothing is written.
func Refresh(ctx context.Context, p Params, name string) ([]string, error) {
	changes, edits, err := p.read(ctx)
	if err != nil {
		return nil, err
	}
	into := -1
	if name != "" {
		into = slices.IndexFunc(changes, func(c Change) bool { return c.Name == name || c.Name == name+".patch" })
		if into < 0 {
			return nil, fault.New(fault.Usage, "its patches are: "+strings.Join(names(changes), " "), "the series has no patch %s", name)
		}
	}
	folded, bad := Fold(changes, edits, into)
	if len(bad) > 0 {
		return nil, misplaced(bad)
	}
	files, err := rewrite(ctx, changes, folded)
	if err != nil {
		return nil, err
	}
	if err := p.prove(ctx, files, folded); err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, nil
	}
	if err := Exchange(p.Folder, p.Backup, files, []string{}); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(files)), p.settle(ctx)
}

func names(changes []Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, c.Name)
	}
	return all
}

func misplaced(bad []Misplaced) error {
	var lines []string
	for _, m := range bad {
		lines = append(lines, m.String())
	}
	return fault.New(fault.Patch, "name the patch that should take all edits: go tool mage series:refresh -into=NAME; or make a new one of them: go tool mage series:new TITLE",
		"%d edits belong to no patch, and nothing was written:\n  %s", len(bad), strings.Join(lines, "\n  "))
}

// read returns what the series makes of the tree, and what a person made of it
// then.
func (p Params) read(ctx context.Context) ([]Change, []Edited, error) {
	changes, err := History(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	found, err := patch.Edits(ctx, p.Tree)
	if err != nil {
		return nil, nil, err
	}
	var edits []Edited
	for _, f := range found {
		e := Edited{Path: f.Path}
		if e.Now, err = onDisk(filepath.Join(p.Tree.Src(), filepath.FromSlash(f.Path))); err != nil {
			return nil, nil, err
		}
		if e.Was, err = p.was(ctx, changes, f); err != nil {
			return nil, nil, err
		}
		if e.Now == nil && e.Was == nil || e.Now != nil && e.Was != nil && bytes.Equal(e.Now.Data, e.Was.Data) && e.Now.Mode == e.Was.Mode {
			continue
		}
		edits = append(edits, e)
	}
	return changes, edits, nil
}

// was returns the file as the series leaves it.
func (p Params) was(ctx context.Context, changes []Change, e patch.Edit) (*patch.File, error) {
	for _, c := range slices.Backward(changes) {
		f, is := c.After[e.Path]
		if is {
			return &f, nil
		}
		if _, was := c.Before[e.Path]; was {
			return nil, nil // it takes the file away
		}
	}
	return patch.Original(ctx, p.Tree, e.Path)
}

// onDisk returns a file of the tree, nil if there is none.
func onDisk(path string) (*patch.File, error) {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	switch {
	case err != nil:
	case fi.Mode()&fs.ModeSymlink != 0:
		var target string
		if target, err = os.Readlink(path); err == nil {
			return &patch.File{Data: []byte(target), Mode: fs.ModeSymlink}, nil
		}
	case !fi.Mode().IsRegular():
		return nil, fault.New(fault.Patch, "remove it, or leave a file there", "%s is neither a file nor a link", path)
	default:
		var text []byte
		if text, err = os.ReadFile(path); err == nil {
			return &patch.File{Data: text, Mode: 0o644 | fi.Mode()&0o100>>6*0o111}, nil
		}
	}
	return nil, fault.New(fault.Machine, "see that the file is yours to read", "read an edit: %w", err)
}

// rewrite returns the text of each patch that has to change.
func rewrite(ctx context.Context, old, folded []Change) (map[string][]byte, error) {
	files := map[string][]byte{}
	for i, c := range folded {
		if c.Offset == 0 && same(c.Before, old[i].Before) && same(c.After, old[i].After) {
			continue
		}
		diff, err := Render(ctx, c.Before, c.After, c.Mail)
		if err != nil {
			return nil, err
		}
		if len(diff.Text) == 0 {
			return nil, fault.New(fault.Patch, "take its line out of the series file, or undo the edit", "nothing would be left of patch %s", c.Name)
		}
		text, err := c.Mail.Replace(diff)
		if err != nil {
			return nil, fault.New(fault.Patch, "make the patch anew with git format-patch", "patch %s: %w", c.Name, err)
		}
		if !bytes.Equal(text, c.Mail.Text) {
			files[c.Name] = text
		}
	}
	return files, nil
}

func same(a, b map[string]patch.File) bool {
	return maps.EqualFunc(a, b, func(x, y patch.File) bool { return x.Mode == y.Mode && bytes.Equal(x.Data, y.Data) })
}

// prove applies the series as it would be: it must come to the tree that is
// there. Nothing is written over before that.
func (p Params) prove(ctx context.Context, files map[string][]byte, folded []Change) error {
	scratchDir, err := os.MkdirTemp("", "bzmage-series-")
	if err != nil {
		return scratch(err)
	}
	defer os.RemoveAll(scratchDir)
	trial := Params{Tree: p.Tree, Folder: filepath.Join(scratchDir, "series")}
	if err := Prefix(p.Folder, math.MaxInt, trial.Folder); err != nil {
		return err
	}
	if err := Exchange(trial.Folder, filepath.Join(scratchDir, "old"), files, []string{}); err != nil {
		return err
	}
	made, err := History(ctx, trial)
	if err == nil && !same(outcome(made), outcome(folded)) {
		err = errors.New("it makes another tree")
	}
	if err != nil {
		return fault.New(fault.Internal, "tell bzmage's developers; nothing was written", "prove the refreshed series: %w", err)
	}
	return nil
}

// outcome returns the files that the series touches as it leaves them.
func outcome(changes []Change) map[string]patch.File {
	files := map[string]patch.File{}
	for _, c := range changes {
		for name := range c.Before {
			delete(files, name)
		}
		maps.Copy(files, c.After)
	}
	return files
}

// settle applies the series to the tree, which holds its outcome already.
func (p Params) settle(ctx context.Context) error {
	if _, err := patch.Apply(ctx, patch.Params{Tree: p.Tree, Series: p.Folder}); err != nil {
		return fmt.Errorf("the series is written; apply it: %w", err)
	}
	return nil
}
