package repo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bzmage/internal/repo"
	"bzmage/internal/run"
)

// clone is a real checkout that a test works in.
type clone struct {
	t   *testing.T
	dir string
	env []string
	day int // each commit is a day after the one before
}

func fresh(t *testing.T) *clone {
	t.Helper()
	c := &clone{t: t, dir: t.TempDir()}
	c.env = identity()
	needs(t)
	c.git("init", "-q", "-b", "main")
	return c
}

func identity() []string {
	return []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com",
		"GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com"}
}

func needs(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("git is missing")
	}
	t.Skip("git is missing")
}

func (c *clone) git(args ...string) string {
	c.t.Helper()
	when := "GIT_COMMITTER_DATE=" + time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).AddDate(0, 0, c.day).Format(time.RFC3339)
	out, err := run.Output(c.t.Context(), run.Cmd{Argv: append([]string{"git"}, args...), Dir: c.dir, Env: run.Env(append(c.env, when)...)})
	if err != nil {
		c.t.Fatalf("git %v: %v", args, err)
	}
	return out
}

func (c *clone) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// commit commits all files and returns the commit.
func (c *clone) commit(message string) string {
	c.t.Helper()
	c.git("add", "-A")
	c.git("commit", "-q", "--allow-empty", "-m", message)
	return c.git("rev-parse", "HEAD")
}

func (c *clone) read() repo.State {
	c.t.Helper()
	s, err := repo.Read(c.t.Context(), c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// previous returns the tag before, or "none", or the error.
func (c *clone) previous(prefix string) string {
	c.t.Helper()
	tag, commit, ok, err := c.read().Previous(c.t.Context(), func(tag string) bool { return strings.HasPrefix(tag, prefix) })
	switch {
	case err != nil:
		return err.Error()
	case !ok:
		return "none"
	case c.git("rev-parse", "refs/tags/"+tag+"^{commit}") != commit:
		return tag + " with a wrong commit"
	}
	return tag
}
