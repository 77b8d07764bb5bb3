package reproduce

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkout makes a folder with one file of each kind.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module x\n", ".ci/run": "#!/bin/sh\n", ".gitignore": "/build/\n*.log\n", "patches/6.1/series": "one\n",
		"new": "not tracked", "x.log": "ignored", "build/dist/f": "made", "gone": "tracked, and taken away", "with\nnewline": "x",
	} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o640)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod(filepath.Join(root, ".ci/run"), 0o755), os.Symlink("../new", filepath.Join(root, "patches/link")),
		os.Symlink("/nowhere", filepath.Join(root, "dangling"))); err != nil {
		t.Fatal(err)
	}
	return root
}

// tree returns what lies below a folder: modes, and content or targets.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var text []byte
		if info.Mode().IsRegular() {
			text, err = os.ReadFile(path)
		} else {
			var to string
			to, err = os.Readlink(path)
			text = []byte(to)
		}
		rel, _ := filepath.Rel(root, path)
		all[rel] = info.Mode().String() + " " + string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=x", "-c", "user.email=x@example", "-c", "init.defaultBranch=main"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
}

func TestCopy(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for _, inGit := range []bool{true, false} {
		root := checkout(t)
		if inGit {
			git(t, root, "init", "-q")
			git(t, root, "add", "go.mod", ".ci", ".gitignore", "patches", "gone", "with\nnewline")
			git(t, root, "commit", "-q", "-m", "x")
		}
		if err := errors.Join(os.Remove(filepath.Join(root, "gone")), os.WriteFile(filepath.Join(root, "go.mod"), []byte("module edited\n"), 0o640)); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "copy")
		if err := Copy(t.Context(), root, to); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"go.mod": "-rw-r----- module edited\n", ".ci/run": "-rwxr-xr-x #!/bin/sh\n", ".gitignore": "-rw-r----- /build/\n*.log\n",
			"patches/6.1/series": "-rw-r----- one\n", "new": "-rw-r----- not tracked", "patches/link": "Lrwxrwxrwx ../new",
			"dangling": "Lrwxrwxrwx /nowhere", "with\nnewline": "-rw-r----- x",
		}
		if !inGit {
			want["x.log"] = "-rw-r----- ignored" // nobody says that it is
		}
		if d := cmp.Diff(want, tree(t, to)); d != "" {
			t.Errorf("git %v: %s", inGit, d)
		}
	}
}

// A folder that lies in another's checkout is no checkout of git's: what that
// one ignores belongs to this one.
func TestCopyOfAFolderInACheckout(t *testing.T) {
	outer := checkout(t)
	git(t, outer, "init", "-q")
	if err := os.WriteFile(filepath.Join(outer, "build", "a.log"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "copy")
	if err := Copy(t.Context(), filepath.Join(outer, "build"), to); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, to); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestCopyStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Copy(ctx, checkout(t), filepath.Join(t.TempDir(), "copy")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Downloads are shared by links, and never given to another user.
func TestShareAndGive(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "archive"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := link(filepath.Join(from, "gone"), filepath.Join(dir, "gone")); err != nil {
		t.Error(err)
	}
	if err := link(from, filepath.Join(dir, "to")); err != nil {
		t.Fatal(err)
	}
	if !sameFolder(filepath.Join(from, "archive"), filepath.Join(dir, "to", "archive")) {
		t.Error("not the same file")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	if err := os.WriteFile(filepath.Join(dir, "own"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := give(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{filepath.Join(from, "archive"): "0", filepath.Join(dir, "own"): "65534", filepath.Join(dir, "to"): "65534"} {
		out, err := exec.Command("stat", "-c", "%u", path).Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s belongs to %s, %v; want %s", path, got, err, want)
		}
	}
}

func TestChooseLocale(t *testing.T) {
	for _, tt := range []struct{ installed, first, want string }{
		{"C C.utf8 POSIX", "C", "C.utf8"}, {"C C.utf8 POSIX", "C.utf8", "C"}, {"C C.utf8 POSIX", "C.UTF-8", "C"}, {"C POSIX de_DE.utf8 tr_TR.utf8", "C", "tr_TR.utf8"},
		{"C POSIX tr_TR.utf8", "tr_TR.utf8", "C"}, {"", "C", "C.UTF-8"},
	} {
		if got := chooseLocale(strings.Fields(tt.installed), tt.first); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}
