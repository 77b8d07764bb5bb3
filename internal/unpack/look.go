package unpack

import (
	"context"
	"errors"
	"fmt"

	"bzmage/internal/key"
)

// Look returns the tree that Unpack would take as it is, or why it would unpack
// one. It writes nothing; a signature that has not been checked before is left
// to Unpack.
func Look(ctx context.Context, p Params) (Tree, []key.Change, error) {
	u := newUnpacker(p)
	t, err := u.look(ctx)
	switch {
	case err == nil:
		t.Archive = u.Archive
		return t, nil, u.checkRelease(t.Release)
	case ctx.Err() != nil:
		return Tree{}, nil, fmt.Errorf("look for the tree of %s: %w", p.Archive.Path, context.Cause(ctx))
	case errors.Is(err, errNoTree):
		return Tree{}, key.First(), nil
	}
	return Tree{}, []key.Change{{Name: "the tree is damaged: " + err.Error()}}, nil
}

func (u *unpacker) look(ctx context.Context) (Tree, error) {
	if !u.Archive.Folder {
		if !isSum(u.Archive.SHA256) {
			return Tree{}, fmt.Errorf("the archive's sha256 is %q", u.Archive.SHA256)
		}
		return u.whole(u.Archive.SHA256[:idLength])
	}
	seen, err := u.scan(ctx)
	if err != nil {
		return Tree{}, err
	}
	t, err := u.recall(seen)
	if err != nil && !errors.Is(err, errNoTree) {
		return Tree{}, errNoTree // nothing is remembered of it
	}
	return t, err
}
