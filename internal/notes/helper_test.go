package notes_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/notes"
	"bzmage/internal/run"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s: %s", path, d)
	}
}

// tree is a real repository in which a series is made.
type tree struct {
	t   *testing.T
	dir string
}

// newTree returns one with a tag base, in which each of the files a to h has
// forty lines.
func newTree(t *testing.T) *tree {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git is missing")
		}
		t.Skip("git is missing")
	}
	r := &tree{t, t.TempDir()}
	r.git("init", "-q", "-b", "main")
	for _, name := range strings.Split("abcdefgh", "") {
		r.write(name, lines(name))
	}
	r.commit("base")
	r.git("tag", "base")
	return r
}

func lines(name string) []string {
	var list []string
	for i := range 40 {
		list = append(list, fmt.Sprintf("line %d of %s", i+1, name))
	}
	return list
}

func (r *tree) git(args ...string) string {
	r.t.Helper()
	out, err := run.Output(r.t.Context(), run.Cmd{Argv: append([]string{"git"}, args...), Dir: r.dir, Env: run.Env("GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com",
		"GIT_AUTHOR_DATE=2026-01-02T00:00:00Z", "GIT_COMMITTER_DATE=2026-01-02T00:00:00Z")})
	if err != nil {
		r.t.Fatalf("git %v: %v", args, err)
	}
	return out
}

func (r *tree) write(name string, text []string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(strings.Join(text, "\n")+"\n"), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// insert commits more lines of a file, behind its line at.
func (r *tree) insert(message, name string, at int, more ...string) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(name, slices.Insert(strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), at, more...))
	r.commit(message)
}

func (r *tree) commit(message string) {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
}

// series returns what was committed since a tag, and goes back to base.
func (r *tree) series(since string) []notes.Patch {
	r.t.Helper()
	out := r.t.TempDir()
	r.git("format-patch", "-q", "-o", out, since)
	r.git("checkout", "-q", "--detach", "base")
	names, err := filepath.Glob(filepath.Join(out, "*.patch"))
	if err != nil {
		r.t.Fatal(err)
	}
	var list []notes.Patch
	for _, n := range names { // sorted
		text, err := os.ReadFile(n)
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, notes.Patch{Name: filepath.Base(n), Text: text, Strip: 1})
	}
	return list
}
