package repo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/fault"
)

// Tag is what git has of a tag.
type Tag struct {
	Name      string
	Commit    string
	Annotated bool // an object of its own, with a tagger and a message
	Signed    bool // it holds a signature; whose, and whether it is good, is not known
}

// Format of a tag for for-each-ref; no ref's name can hold a space (git-check-ref-format(1)).
const tagFormat = "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(if)%(contents:signature)%(then)signed%(else)unsigned%(end) %(refname)"

// parseTag reads a line of tagFormat. A tag of no commit is not ok.
func parseTag(line string) (Tag, bool) {
	word := strings.Split(line, " ")
	if len(word) != 6 {
		return Tag{}, false
	}
	t := Tag{Name: strings.TrimPrefix(word[5], "refs/tags/"), Commit: word[1]}
	if word[0] == "tag" {
		t.Annotated, t.Signed, t.Commit, word[0] = true, word[4] == "signed", word[3], word[2]
	}
	return t, word[0] == "commit"
}

// tags returns the tags that the arguments of for-each-ref select, in its order.
func (g *git) tags(ctx context.Context, args ...string) ([]Tag, error) {
	out, err := g.line(ctx, append([]string{"for-each-ref", tagFormat}, args...)...)
	if err != nil {
		return nil, err
	}
	var list []Tag
	for line := range strings.Lines(out) {
		if t, ok := parseTag(strings.TrimSuffix(line, "\n")); ok {
			list = append(list, t)
		}
	}
	return list, nil
}

func (s *State) readTags(ctx context.Context, g *git) error {
	list, err := g.tags(ctx, "--points-at="+s.Commit, "refs/tags")
	for _, t := range list {
		s.Tags = append(s.Tags, t.Name)
	}
	slices.Sort(s.Tags)
	return err
}

// Tag returns what git has of the tag of that name; false: there is none.
// Its signature is not checked, which takes the keys of those who may tag.
func (s State) Tag(ctx context.Context, name string) (Tag, bool, error) {
	list, err := s.git.tags(ctx, "refs/tags/"+name)
	for _, t := range list {
		if t.Name == name { // a pattern also selects what is below it
			return t, true, nil
		}
	}
	return Tag{}, false, err
}

// Previous returns the release before: of the tags that are wanted, the nearest
// one below the commit, and its commit. Tags at the commit are not below it.
//
// A tag is nearer than those below itself. Where merges leave several, none
// below another, it is that of the line of first parents, which is the branch
// that the others were merged into; else the newest. Tags of other lines are
// for wanted to refuse. When none is found, ok is false; when the clone is too shallow
// to know, that is the user's error.
func (s State) Previous(ctx context.Context, wanted func(tag string) bool) (tag, commit string, ok bool, err error) {
	list, err := s.git.tags(ctx, "--merged="+s.Commit, "--sort=-version:refname", "--sort=-creatordate", "refs/tags")
	if err != nil {
		return "", "", false, err
	}
	list = slices.DeleteFunc(list, func(t Tag) bool { return t.Commit == s.Commit || !wanted(t.Name) })
	if len(list) > 0 {
		if list, err = s.git.nearest(ctx, s.Commit, list); err != nil {
			return "", "", false, err
		}
	}
	if err := s.git.known(ctx, s, list); err != nil {
		return "", "", false, err
	}
	if len(list) == 0 {
		return "", "", false, nil
	}
	return list[0].Name, list[0].Commit, true, nil
}

// nearest returns the tags that have no other one above them, the best first.
func (g *git) nearest(ctx context.Context, head string, list []Tag) ([]Tag, error) {
	var commits []string
	for _, t := range list {
		commits = append(commits, t.Commit)
	}
	slices.Sort(commits)
	top, err := g.line(ctx, append([]string{"merge-base", "--independent"}, slices.Compact(commits)...)...)
	if err != nil {
		return nil, err
	}
	independent := set(top)
	list = slices.DeleteFunc(list, func(t Tag) bool { return !independent[t.Commit] })
	if len(independent) == 1 {
		return list, nil
	}
	chain, err := g.line(ctx, "rev-list", "--first-parent", head)
	if err != nil {
		return nil, err
	}
	first := set(chain)
	slices.SortStableFunc(list, func(a, b Tag) int {
		switch {
		case first[a.Commit] == first[b.Commit]:
			return 0
		case first[a.Commit]:
			return -1
		}
		return 1
	})
	return list, nil
}

// known says whether history is whole from the commit down to the tags that
// were found: where it was cut off before, a nearer tag may lie below the cut.
func (g *git) known(ctx context.Context, s State, found []Tag) error {
	if !s.Shallow {
		return nil
	}
	// gitrepository-layout(5): the commits whose parents were not fetched.
	file, err := g.line(ctx, "rev-parse", "--git-path", "shallow")
	if err != nil {
		return err
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(g.root, file)
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Machine, "", "read where history was cut off: %w", err)
	}
	args := []string{"rev-list", s.Commit}
	for _, t := range found {
		args = append(args, "^"+t.Commit)
	}
	above, err := g.line(ctx, args...)
	if err != nil {
		return err
	}
	edge := set(string(text))
	for commit := range strings.Lines(above) {
		if edge[strings.TrimSpace(commit)] {
			return fault.New(fault.Usage, "git fetch --unshallow --tags",
				"which release came before cannot be known: the clone is shallow, and its history ends at commit %.12s", commit)
		}
	}
	return nil
}

// set returns the lines of text.
func set(text string) map[string]bool {
	all := map[string]bool{}
	for _, l := range strings.Fields(text) {
		all[l] = true
	}
	return all
}
