package patch

import (
	"context"
	"fmt"
	"io/fs"
	"slices"

	"bzmage/internal/key"
	"bzmage/internal/unpack"
)

// Look returns what Apply would leave, and with what it would change in the
// tree also why. It writes nothing and waits for nobody: a run that changes the
// tree meanwhile makes it wrong. A series that does not apply is an error.
func Look(ctx context.Context, p Params) (Result, []key.Change, error) {
	series, err := load(p.Series)
	if err != nil {
		return Result{}, nil, err
	}
	s, err := openStore(p.Tree)
	if err != nil {
		return Result{}, nil, err
	}
	defer s.close()
	if s.settled(digest(series)) {
		return s.result(), nil, nil
	}
	if err := s.readManifest(); err != nil {
		return Result{}, nil, err
	}
	all := contents{first: map[string]string{}, last: map[string]string{}}
	list, err := replay(ctx, newDraft(s), parseAll(series), all.visit)
	if err != nil {
		return Result{}, nil, err
	}
	r := Report{Digest: digest(series), Patches: list}
	res := Result{Digest: r.Digest, Patches: r.applied(), Contents: all.changed()}
	old := s.result()
	for name := range key.Inputs(res.Contents).With(old.Contents) {
		// Of the same series, a run did not come to its end, or a file is gone.
		if res.Contents[name] != old.Contents[name] || old.Digest == res.Digest {
			res.Changed = append(res.Changed, name)
		}
	}
	slices.Sort(res.Changed)
	return res, s.why(r), r.Err()
}

// LookEdits is [Edits] that waits for nobody and writes nothing.
func LookEdits(ctx context.Context, t unpack.Tree) ([]Edit, error) {
	s, err := openStore(t)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.readManifest(); err != nil {
		return nil, err
	}
	return s.edits(ctx)
}

// why says what the series has that the applied one had not.
func (s *store) why(r Report) []key.Change {
	old := s.state.Result
	switch {
	case old.Digest == "":
		return key.First()
	case s.state.Engine != engine:
		return key.NewStage()
	case old.Digest == r.Digest:
		return []key.Change{{Name: "the tree is not as the last run was to leave it"}}
	}
	before, now := key.Inputs{}, key.Inputs{}
	for _, a := range old.Patches {
		before[a.Name] = a.SHA256
	}
	for _, a := range r.Patches {
		now[a.Name] = a.SHA256
	}
	if why := now.Since(before); len(why) > 0 {
		return why
	}
	return []key.Change{{Name: "series", Old: old.Digest, New: r.Digest}} // their order
}

// result returns what was applied last.
func (s *store) result() Result {
	res := s.state.Result
	res.Contents = map[string]string{}
	for name, r := range s.state.Files {
		var applied *version
		if r.Applied != nil {
			applied = &r.Applied.version
		}
		if !applied.equal(r.Pristine) {
			res.Contents[name] = became(r.Pristine.word(), applied.word())
		}
	}
	return res
}

// became returns what became of a file as [Result.Contents] has it.
func became(before, after string) string {
	if before == Removed && after != Removed {
		return Added + " " + after
	}
	return after
}

// word returns a version in words.
func (v *version) word() string {
	if v == nil {
		return Removed
	}
	return fmt.Sprintf("%s %o", v.SHA256, uint32(v.Mode))
}

// contents collects what a series makes of files.
type contents struct {
	first, last map[string]string // before the first patch that touches it, and after the last
}

func (c contents) visit(_ Status, before, after map[string]File) error {
	word := func(files map[string]File, name string) string {
		f, ok := files[name]
		if !ok {
			return Removed
		}
		return (&version{sum(string(f.Data)), f.Mode & (fs.ModeSymlink | fs.ModePerm)}).word()
	}
	for _, files := range []map[string]File{before, after} {
		for name := range files {
			if _, ok := c.first[name]; !ok {
				c.first[name] = word(before, name)
			}
			c.last[name] = word(after, name)
		}
	}
	return nil
}

func (c contents) changed() map[string]string {
	m := map[string]string{}
	for name, word := range c.last {
		if word != c.first[name] {
			m[name] = became(c.first[name], word)
		}
	}
	return m
}
