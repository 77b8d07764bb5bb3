package patch

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/run"
	"bzmage/internal/unpack"
)

// content describes files by path: "" removes, a leading "link:" makes a
// symbolic link, a leading "exec:" a program, "empty:" a file without content.
type content map[string]string

// past is the mtime of each unpacked file, so that a rewritten one stands out.
var past = time.Date(2020, 2, 2, 2, 2, 2, 0, time.UTC)

const makefile = "VERSION = 5\nPATCHLEVEL = 4\nSUBLEVEL = 1\nEXTRAVERSION =\nNAME = Test\n"

// newTree makes a tree with these files and a few more, as package unpack does.
// Unpacking itself would wait for the whole disk each time.
func newTree(t *testing.T, files content) unpack.Tree {
	t.Helper()
	from := t.TempDir()
	put(t, from, content{"Makefile": makefile, "Kbuild": "# top\n", "kernel/Makefile": "obj-y += core.o\n"})
	put(t, from, files)
	tree := unpack.Tree{Root: t.TempDir(), ID: "0123456789abcdef", Release: "5.4.1",
		Archive: fetch.Archive{Path: from, Folder: true, Source: fetch.OverrideName, Origin: from}}
	all := read(t, from)
	put(t, tree.Src(), all)
	var manifest strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		path := filepath.Join(tree.Src(), name)
		mode, text := "0644", all[name]
		if program, ok := cutExec(text); ok {
			mode, text = "0755", program
		}
		target, link := strings.CutPrefix(text, "link:")
		if link {
			mode, text = "link", target
		} else if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&manifest, "%s %s %d %d %s\n", sum(text), mode, len(text), fi.ModTime().UnixNano(), name)
	}
	if err := os.WriteFile(tree.Manifest(), []byte(manifest.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return tree
}

// put makes the files below dir what files says.
func put(t *testing.T, dir string, files content) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		var err error
		target, link := strings.CutPrefix(text, "link:")
		program, exec := strings.CutPrefix(text, "exec:")
		switch {
		case link:
			err = os.Symlink(target, path)
		case exec:
			err = os.WriteFile(path, []byte(program), 0o755)
		case text != "":
			err = os.WriteFile(path, []byte(strings.TrimPrefix(text, "empty:")), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// read returns all files below dir, as put takes them.
func read(t *testing.T, dir string) content {
	t.Helper()
	files := content{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && d.Name() == ".git" {
				return fs.SkipDir
			}
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			files[name] = "link:" + target
			return err
		}
		text, err := os.ReadFile(path)
		files[name] = nonEmpty(string(text))
		if fi, err := d.Info(); err == nil && fi.Mode()&0o100 != 0 {
			files[name] = "exec:" + string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func nonEmpty(text string) string {
	if text == "" {
		return "empty:"
	}
	return text
}

// mtimes returns the mtime of each file below dir, links aside.
func mtimes(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	times := map[string]time.Time{}
	for name, text := range read(t, dir) {
		if strings.HasPrefix(text, "link:") {
			continue
		}
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		times[name] = fi.ModTime()
	}
	return times
}

// newSeries writes patches named 0001.patch and so on, and their series.
func newSeries(t *testing.T, patches ...string) string {
	t.Helper()
	dir := t.TempDir()
	var series strings.Builder
	for i, p := range patches {
		name := string(rune('a'+i%26)) + strings.Repeat("z", i/26) + ".patch"
		series.WriteString(name + "\n")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(p), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "series"), []byte(series.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// diff returns git's diff from one set of files to another.
func diff(t *testing.T, from, to content) string {
	t.Helper()
	r := newRepo(t)
	put(t, r.dir, from)
	r.git("add", "-A")
	old, err := r.try("write-tree")
	if err != nil {
		t.Fatal(err)
	}
	// Sizes and mtimes may be the same, so git must not go by its index.
	r.git("read-tree", "--empty")
	for name := range from {
		if err := os.Remove(filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, r.dir, to)
	r.git("add", "-A")
	out, err := r.try("diff-index", "--cached", "-p", "-M", "--full-index", strings.TrimSpace(old))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// repo is a scratch git repository.
type repo struct {
	t   *testing.T
	dir string
	env []string
}

func newRepo(t *testing.T) *repo {
	t.Helper()
	needs(t, "git")
	r := &repo{t: t, dir: t.TempDir()}
	r.env = run.Env("HOME="+t.TempDir(), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com")
	r.git("init", "-q")
	r.git("config", "core.autocrlf", "false")
	return r
}

func (r *repo) try(args ...string) (string, error) {
	out, err := run.Output(r.t.Context(), run.Cmd{Argv: append([]string{"git"}, args...), Dir: r.dir, Env: r.env})
	if out != "" {
		out += "\n"
	}
	return out, err
}

// stdin runs git with a file of the repository as its input.
func (r *repo) stdin(name string, args ...string) string {
	r.t.Helper()
	f, err := os.Open(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	out, err := run.Output(r.t.Context(), run.Cmd{Argv: append([]string{"git"}, args...), Dir: r.dir, Env: r.env, Stdin: f})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *repo) git(args ...string) {
	r.t.Helper()
	if _, err := r.try(args...); err != nil {
		r.t.Fatal(err)
	}
}

// needs skips a test without the tool, except in the pipeline.
func needs(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", tool)
	}
	t.Skipf("%s is missing", tool)
}

// mustApply applies and compares the tree with want, given as what differs
// from the pristine files.
func mustApply(t *testing.T, tree unpack.Tree, series string) Result {
	t.Helper()
	res, err := Apply(t.Context(), Params{Tree: tree, Series: series})
	if err != nil {
		t.Fatalf("apply: %v\n%s", err, fault.HintOf(err))
	}
	return res
}

func wantFiles(t *testing.T, tree unpack.Tree, want content) {
	t.Helper()
	if d := cmp.Diff(want, read(t, tree.Src())); d != "" {
		t.Errorf("tree (-want +got):\n%s", d)
	}
}

// overlay returns files with changes laid over.
func overlay(files, changes content) content {
	out := content{}
	for n, text := range files {
		out[n] = text
	}
	for n, text := range changes {
		if text == "" {
			delete(out, n)
			continue
		}
		out[n] = text
	}
	return out
}

func wantKind(t *testing.T, err error, kind fault.Kind, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if got := fault.KindOf(err); got != kind {
		t.Errorf("the error is of kind %v, want %v: %v", got, kind, err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error does not say %q:\n%v", p, err)
		}
	}
}

func rejected(t *testing.T, err error) []Failure {
	t.Helper()
	var e *RejectError
	if !errors.As(err, &e) {
		t.Fatalf("want a RejectError, got %v", err)
	}
	return e.Failures()
}

// lines returns numbered lines from a to b, so that each is unlike the others.
func lines(a, b int) string {
	var s strings.Builder
	for i := a; i <= b; i++ {
		s.WriteString("line " + strings.Repeat("x", i%7) + " " + string(rune('a'+i%26)) + " " + time.Duration(i).String() + "\n")
	}
	return s.String()
}
