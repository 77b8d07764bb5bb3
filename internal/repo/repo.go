// Package repo reads what git knows of a checkout: its commit, its tags, what
// differs from the commit. In goes a folder; out comes a [State]. Nothing is
// written.
package repo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/plain"
	"bzmage/internal/run"
)

// State is a checkout as git sees it.
type State struct {
	Root    string
	Commit  string
	Time    time.Time // of the commit
	Dirty   []string  // files that differ from the commit or that git does not know, without the ignored ones; some of them
	Tags    []string  // of the commit, sorted
	Shallow bool      // the history ends before its beginning
	Origin  string    // the address of the remote origin, without a password; empty: there is none
}

// mostDirty is how many files an error names.
const mostDirty = 10

// Read reads the checkout at root.
func Read(ctx context.Context, root string) (State, error) {
	s := State{Root: root}
	top, err := git(ctx, root, "rev-parse", "--show-toplevel", "--is-shallow-repository", "HEAD")
	if err != nil {
		return s, classify(root, err)
	}
	rows := strings.Split(top, "\n")
	if len(rows) != 3 {
		return s, fault.New(fault.Machine, "git rev-parse --show-toplevel", "git says of %s: %s", root, plain.Line(top, 200))
	}
	if same, err := sameFolder(rows[0], root); err != nil || !same {
		return s, errors.Join(err, fault.New(fault.Usage, "make it a repository of its own: git init", "%s is a folder of the checkout %s, not a checkout itself", root, rows[0]))
	}
	s.Shallow, s.Commit = rows[1] == "true", rows[2]
	if s.Time, err = when(ctx, root, s.Commit); err != nil {
		return s, err
	}
	if s.Dirty, err = dirty(ctx, root); err != nil {
		return s, err
	}
	tags, err := git(ctx, root, "tag", "--points-at", "HEAD")
	if err != nil {
		return s, classify(root, err)
	}
	s.Tags = strings.Fields(tags)
	slices.Sort(s.Tags)
	if origin, err := git(ctx, root, "config", "--get", "remote.origin.url"); err == nil {
		s.Origin = withoutPassword(origin)
	}
	return s, ctx.Err()
}

// sameFolder compares two folders whatever links lead to them.
func sameFolder(a, b string) (bool, error) {
	x, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y), err
}

func when(ctx context.Context, root, commit string) (time.Time, error) {
	text, err := git(ctx, root, "log", "-1", "--no-show-signature", "--format=%ct", commit)
	if err != nil {
		return time.Time{}, classify(root, err)
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0).UTC(), err
}

// dirty lists what differs; with -z a name is as it is, and a rename has its
// old name in a field of its own (git-status(1)).
func dirty(ctx context.Context, root string) ([]string, error) {
	text, err := git(ctx, root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
	if err != nil {
		return nil, classify(root, err)
	}
	var names []string
	for entry := range strings.SplitSeq(text, "\x00") {
		if len(entry) <= 3 {
			continue
		}
		if len(names) == mostDirty {
			return append(names, "and more"), nil
		}
		names = append(names, plain.Line(entry[3:], 200))
	}
	return names, nil
}

// withoutPassword takes user and password from an address.
func withoutPassword(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" {
		return origin // git@host:path, or a path
	}
	if u.Scheme == "http" || u.Scheme == "https" {
		u.User = nil
	}
	return u.String()
}

// Previous returns the newest tag before the commit that is wanted, and the
// commit it is of: of the tags that HEAD descends from, the one whose commit
// was made last. Empty: there is none.
func (s State) Previous(ctx context.Context, wanted func(tag string) bool) (tag, commit string, err error) {
	text, err := git(ctx, s.Root, "for-each-ref", "--merged", "HEAD", "--sort=-committerdate", "--sort=-*committerdate",
		"--format=%(refname:strip=2)%00%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)", "refs/tags")
	if err != nil {
		return "", "", classify(s.Root, err)
	}
	for row := range strings.SplitSeq(text, "\n") {
		name, id, ok := strings.Cut(row, "\x00")
		if ok && id != s.Commit && wanted(name) {
			if tag == "" || s.after(ctx, id, commit) {
				tag, commit = name, id
			}
		}
	}
	if tag == "" && s.Shallow {
		return "", "", fault.New(fault.Usage, "git fetch --unshallow --tags", "the checkout is shallow: the tag before this one cannot be known")
	}
	return tag, commit, ctx.Err()
}

// after says whether the commit a descends from b.
func (s State) after(ctx context.Context, a, b string) bool {
	_, err := git(ctx, s.Root, "merge-base", "--is-ancestor", b, a)
	return err == nil && a != b
}

// List returns the names of the files in a folder at a commit.
func (s State) List(ctx context.Context, commit, folder string) ([]string, error) {
	text, err := git(ctx, s.Root, "ls-tree", "-z", "--name-only", commit, "--", strings.TrimSuffix(folder, "/")+"/")
	if err != nil {
		return nil, classify(s.Root, err)
	}
	var names []string
	for name := range strings.SplitSeq(text, "\x00") {
		if name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// maxFile bounds a file that is read from git.
const maxFile = 16 << 20

// Show returns a file at a commit; nil: it is not there.
func (s State) Show(ctx context.Context, commit, path string) ([]byte, error) {
	size, err := git(ctx, s.Root, "cat-file", "-s", commit+":"+path)
	if err != nil {
		var exit *run.ExitError
		if errors.As(err, &exit) {
			return nil, nil
		}
		return nil, err
	}
	if n, err := strconv.ParseInt(size, 10, 64); err != nil || n > maxFile {
		return nil, fault.New(fault.Usage, "", "%s at %.12s has %s bytes; %d are the most", path, commit, size, maxFile)
	}
	var b strings.Builder
	err = run.Run(ctx, command(s.Root, &b, "cat-file", "blob", commit+":"+path))
	return []byte(b.String()), err
}

func git(ctx context.Context, root string, args ...string) (string, error) {
	return run.Output(ctx, command(root, nil, args...))
}

// command reads the checkout at root and no other: what GIT_DIR and its like
// say is left behind, as run.Env passes none of it on. No hooks, no pager, no
// file system monitor of the user's runs.
func command(root string, out *strings.Builder, args ...string) run.Cmd {
	c := run.Cmd{
		Argv: append([]string{"git", "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false", "-C", root}, args...),
		Env:  run.Env("GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_*", "GIT_CONFIG_VALUE_*"),
	}
	if out != nil {
		c.Stdout = out
	}
	return c
}

// classify says whose fault it is that git does not read a checkout.
func classify(root string, err error) error {
	var exit *run.ExitError
	text := err.Error()
	if errors.As(err, &exit) {
		text = strings.Join(exit.Tail, "\n")
	}
	switch {
	case strings.Contains(text, "dubious ownership"):
		return fault.New(fault.Machine, "git config --global --add safe.directory "+root, "git does not read %s, as it belongs to another user: %w", root, err)
	case strings.Contains(text, "not a git repository"):
		return fault.New(fault.Usage, "git init, or run it in a checkout", "%s is no checkout of git", root)
	case strings.Contains(text, "unknown revision"), strings.Contains(text, "ambiguous argument 'HEAD'"):
		return fault.New(fault.Usage, "git commit", "%s has no commit yet", root)
	}
	return fault.New(fault.Machine, "see what git says there: git -C "+root+" status", "%w", fmt.Errorf("read the checkout: %w", err))
}
