package pipeline

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/plain"
	"bzmage/internal/run"
	"bzmage/internal/update"
)

// Remote is the repository that a proposal is pushed to. The token goes to git
// by its environment, and only over https to this very host.
type Remote struct {
	URL   string // an address or a path
	User  string // that goes with the token: x-access-token at GitHub, oauth2 at GitLab
	Token string // empty: what git is configured with
}

// env is what git needs to know of the remote. The header that the address had
// before, by actions/checkout say, is taken away first.
func (r Remote) env() []string {
	env := []string{"GIT_TERMINAL_PROMPT=0", "GIT_SSH_COMMAND", "SSH_AUTH_SOCK", "GIT_CONFIG_GLOBAL"}
	u, err := url.Parse(r.URL)
	if r.Token == "" || err != nil || u.Scheme != "https" {
		return run.Env(env...)
	}
	key := "http." + (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}).String() + ".extraHeader"
	secret := base64.StdEncoding.EncodeToString([]byte(r.User + ":" + r.Token))
	return run.Env(append(env, "GIT_CONFIG_COUNT=3",
		"GIT_CONFIG_KEY_0="+key, "GIT_CONFIG_VALUE_0=",
		"GIT_CONFIG_KEY_1="+key, "GIT_CONFIG_VALUE_1=Authorization: Basic "+secret,
		"GIT_CONFIG_KEY_2=http.followRedirects", "GIT_CONFIG_VALUE_2=false")...)
}

// clone is a checkout of the base branch that belongs to update:pr alone.
type clone struct {
	dir    string
	remote Remote
	base   string // the default branch of the remote
	commit string // its newest
	theirs string // the newest commit of the proposal's branch; empty: there is no such branch
	branch string
}

func (c *clone) git(ctx context.Context, env []string, args ...string) (string, error) {
	argv := append([]string{"git", "--no-pager", "-C", c.dir, "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "commit.gpgSign=false"}, args...)
	out, err := run.Output(ctx, run.Cmd{Argv: argv, Env: append(c.remote.env(), env...)})
	if err != nil && ctx.Err() == nil {
		return out, fault.New(fault.Machine, "see that git reaches the remote, and that the token may write to it", "git %s: %w", args[0], err)
	}
	return out, err
}

// openClone makes the checkout in dir what the remote's default branch is now.
// What is in its build folder stays.
func openClone(ctx context.Context, dir string, r Remote, line string) (*clone, error) {
	c := &clone{dir: dir, remote: r, branch: update.Branch(line)}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.New(fault.Machine, "make "+dir+" writable", "update: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		if _, err := c.git(ctx, nil, "init", "--quiet"); err != nil {
			return nil, err
		}
	}
	for _, lock := range []string{"index.lock", "HEAD.lock", "shallow.lock"} { // of a run that was killed; this one holds the checkout's lock
		if err := os.Remove(filepath.Join(dir, ".git", lock)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fault.New(fault.Machine, "rm -r "+dir, "update: %w", err)
		}
	}
	if err := c.look(ctx); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"fetch", "--quiet", "--depth=1", "--no-tags", "--", r.URL, "refs/heads/" + c.base},
		{"checkout", "--quiet", "--force", "--detach", c.commit},
		{"clean", "--quiet", "-ffdx", "--exclude=/build"},
	} {
		if _, err := c.git(ctx, nil, args...); err != nil {
			return nil, err
		}
	}
	return c, os.RemoveAll(filepath.Join(dir, "build", "series")) // what earlier runs rebased
}

// look asks the remote for its default branch and the proposal's.
func (c *clone) look(ctx context.Context) error {
	text, err := c.git(ctx, nil, "ls-remote", "--symref", "--", c.remote.URL, "HEAD", "refs/heads/"+c.branch)
	if err != nil {
		return err
	}
	c.theirs = ""
	for row := range strings.Lines(text) {
		id, name, _ := strings.Cut(strings.TrimSpace(row), "\t")
		switch ref, isRef := strings.CutPrefix(id, "ref: refs/heads/"); {
		case isRef && name == "HEAD":
			c.base = ref
		case name == "HEAD":
			c.commit = id
		case name == "refs/heads/"+c.branch:
			c.theirs = id
		}
	}
	if c.base == "" || c.commit == "" {
		return fault.New(fault.Usage, "push a first commit", "the remote has no default branch: %s", plain.Line(text, 200))
	}
	return nil
}

// save commits the files and pushes the branch, if it is not that already. The
// same base and the same files are the same commit.
func (c *clone) save(ctx context.Context, message string, files ...string) (commit string, pushed bool, err error) {
	if _, err := c.git(ctx, nil, append([]string{"add", "--all", "--force", "--"}, files...)...); err != nil {
		return "", false, err
	}
	when, err := c.git(ctx, nil, "log", "-1", "--format=%ct", c.commit)
	if err != nil {
		return "", false, err
	}
	env := []string{"GIT_AUTHOR_DATE=" + when + " +0000", "GIT_COMMITTER_DATE=" + when + " +0000"}
	if _, err := author(ctx, c.dir); err != nil {
		for _, who := range []string{"AUTHOR", "COMMITTER"} {
			env = append(env, "GIT_"+who+"_NAME=bzmage", "GIT_"+who+"_EMAIL=bzmage@localhost")
		}
	}
	if _, err := c.git(ctx, env, "commit", "--quiet", "--no-verify", "--cleanup=verbatim", "-m", message); err != nil {
		return "", false, err
	}
	if commit, err = c.git(ctx, nil, "rev-parse", "HEAD"); err != nil || commit == c.theirs {
		return commit, false, err
	}
	if err := c.ours(ctx); err != nil {
		return "", false, err
	}
	lease := fmt.Sprintf("--force-with-lease=refs/heads/%s:%s", c.branch, c.theirs)
	_, err = c.git(ctx, nil, "push", "--quiet", "--no-verify", lease, "--", c.remote.URL, commit+":refs/heads/"+c.branch)
	return commit, err == nil, err
}

// ours refuses to push over what a person put on the branch.
func (c *clone) ours(ctx context.Context) error {
	if c.theirs == "" {
		return nil
	}
	if _, err := c.git(ctx, nil, "fetch", "--quiet", "--depth=1", "--no-tags", "--", c.remote.URL, "refs/heads/"+c.branch); err != nil {
		return err
	}
	text, err := c.git(ctx, nil, "log", "-1", "--format=%B", c.theirs)
	if err != nil {
		return err
	}
	if !strings.Contains(text, "\n"+update.Trailer) {
		return fault.New(fault.Usage, "merge the branch, or delete it: git push origin :"+c.branch, "somebody has pushed to %s, which is left as it is", c.branch)
	}
	return nil
}
