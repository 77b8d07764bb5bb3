// Package repo reads what git says of a checkout: its commit, whether it is
// clean, its tags, the tag of the release before, and files at a commit.
//
// In goes a folder; out come facts. Nothing is written, and neither a person's
// config of git nor its variables change what is said. What git knows is
// read with its plumbing, NUL between names: a name may hold anything else.
package repo

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bzmage/internal/fault"
)

// Limits of what is kept of git's output.
const (
	maxOutput = 16 << 20
	maxDirty  = 200 // files that are named
)

// State is what git says of a checkout.
type State struct {
	Commit     string
	CommitTime time.Time
	Dirty      []string // changed, or untracked and not ignored: sorted paths from the top, the first 200 of them
	More       bool     // there are more of them
	Tags       []string // at the commit, sorted; annotated or not
	Shallow    bool     // history was cut off when it was cloned
	Branch     string   // main; empty: the head is detached
	Origin     string   // address of the remote "origin", without user, password and query; empty: none

	git *git
}

// Read returns the state of the checkout whose top folder is root. A folder that
// is none, or that belongs to somebody git is not told to trust, is the
// user's error.
func Read(ctx context.Context, root string) (State, error) {
	g, err := open(ctx, root)
	if err != nil {
		return State{}, err
	}
	s := State{git: g}
	for _, read := range []func(context.Context, *git) error{s.readCommit, s.readTags, s.readDirty, s.readOrigin} {
		if err := read(ctx, g); err != nil {
			return State{}, fmt.Errorf("read the checkout: %w", err)
		}
	}
	return s, nil
}

func (s *State) readCommit(ctx context.Context, g *git) error {
	commit, err := g.maybe(ctx, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		return err
	}
	if commit == "" {
		return fault.New(fault.Usage, "git commit", "there is no commit yet")
	}
	stamp, err := g.line(ctx, "show", "--no-patch", "--no-show-signature", "--format=%ct", commit)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("the time of commit %s: %w", commit, err)
	}
	shallow, err := g.line(ctx, "rev-parse", "--is-shallow-repository")
	if err != nil {
		return err
	}
	branch, err := g.maybe(ctx, "symbolic-ref", "--quiet", "HEAD")
	s.Commit, s.CommitTime, s.Shallow, s.Branch = commit, time.Unix(seconds, 0).UTC(), shallow == "true", strings.TrimPrefix(branch, "refs/heads/")
	return err
}

// readDirty lists what differs from the commit. It names as well what a person
// has told git not to look at: nobody knows what is in these files.
func (s *State) readDirty(ctx context.Context, g *git) error {
	status, whole, err := g.output(ctx, maxOutput, nil, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=none", "--no-renames")
	if err != nil {
		return err
	}
	for _, entry := range fields(status) {
		if len(entry) > len("XY ") {
			s.Dirty = append(s.Dirty, entry[len("XY "):])
		}
	}
	index, all, err := g.output(ctx, maxOutput, nil, "ls-files", "-v", "-z", "--full-name")
	if err != nil {
		return err
	}
	for _, entry := range fields(index) {
		// Small letters: assume-unchanged; S: skip-worktree.
		if tag, name, ok := strings.Cut(entry, " "); ok && (tag == "S" || strings.ToLower(tag) == tag) {
			s.Dirty = append(s.Dirty, name)
		}
	}
	slices.Sort(s.Dirty)
	s.Dirty = slices.Compact(s.Dirty)
	s.More = !whole || !all || len(s.Dirty) > maxDirty
	s.Dirty = s.Dirty[:min(len(s.Dirty), maxDirty)]
	return nil
}

// Clean says that the checkout is what its commit says.
func (s State) Clean() bool { return len(s.Dirty) == 0 && !s.More }

func (s *State) readOrigin(ctx context.Context, g *git) error {
	address, err := g.maybe(ctx, "config", "--local", "--get", "remote.origin.url")
	s.Origin = public(address)
	return err
}

// public returns the address of a repository without what may be a secret.
func public(address string) string {
	if !strings.Contains(address, "://") {
		if host, path, ok := strings.Cut(address, ":"); ok && !strings.Contains(host, "/") {
			// scp's form, git@host:path. A colon may also stand in the user.
			whole := host + ":" + path
			return whole[strings.LastIndex(whole, "@")+1:]
		}
		return address // a folder
	}
	u, err := url.Parse(address)
	if err != nil {
		return "" // nobody knows where the secret is
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	return u.String()
}
