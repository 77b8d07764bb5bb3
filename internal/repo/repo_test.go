package repo_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/repo"
)

func TestReadACleanCheckout(t *testing.T) {
	c := fresh(t)
	c.write(".gitignore", "*.o\n")
	head := c.commit("one")
	c.write("built.o", "ignored")
	c.git("remote", "add", "origin", "https://me:secret@example.com/o/r.git?token=secret")
	s := c.read()
	if s.Commit != head || !s.CommitTime.Equal(s.CommitTime.UTC()) || s.CommitTime.Format("2006-01-02") != "2026-01-02" {
		t.Errorf("commit %s of %v, want %s of 2026-01-02", s.Commit, s.CommitTime, head)
	}
	if !s.Clean() || s.Branch != "main" || s.Shallow || len(s.Tags) != 0 || s.Origin != "https://example.com/o/r.git" {
		t.Errorf("%+v", s)
	}
}

func TestWhatIsDirtyIsNamed(t *testing.T) {
	odd := []string{"new\nline", "quo\"te", "ünï", " space ", "-dash", "a\tb"}
	c := fresh(t)
	for _, name := range append([]string{"changed", "gone", "hidden", "skipped", "moved", "mode"}, odd[:2]...) {
		c.write(name, "1")
	}
	c.commit("one")
	c.git("config", "status.showUntrackedFiles", "no") // a setting that must not hide anything
	c.git("update-index", "--assume-unchanged", "hidden")
	c.git("update-index", "--skip-worktree", "skipped")
	c.git("mv", "moved", "moved-to")
	for _, name := range append(odd, "changed", "hidden", "folder/untracked") {
		c.write(name, "22")
	}
	if err := os.Remove(filepath.Join(c.dir, "gone")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(c.dir, "mode"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := append(odd, "changed", "gone", "hidden", "skipped", "moved", "moved-to", "mode", "folder/untracked")
	slices.Sort(want)
	s := c.read()
	if d := cmp.Diff(want, s.Dirty); d != "" || s.Clean() || s.More {
		t.Errorf("clean %v, more %v: %s", s.Clean(), s.More, d)
	}
}

func TestManyDirtyFilesAreBounded(t *testing.T) {
	c := fresh(t)
	c.commit("one")
	for i := range 300 {
		c.write(filepath.Join("d", strings.Repeat("x", i%100+1)+string(rune('a'+i/100))), "")
	}
	if s := c.read(); len(s.Dirty) != 200 || !s.More || s.Clean() {
		t.Errorf("%d files, more: %v", len(s.Dirty), s.More)
	}
}

func TestVariablesLeadNowhere(t *testing.T) {
	other, c := fresh(t), fresh(t)
	other.commit("another repository")
	head := c.commit("one")
	ignore := filepath.Join(t.TempDir(), "ignore")
	if err := os.WriteFile(ignore, []byte("*\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("[core]\n\texcludesFile = "+ignore+"\n[status]\n\tshowUntrackedFiles = no\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_DIR", filepath.Join(other.dir, ".git"))
	t.Setenv("GIT_WORK_TREE", other.dir)
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other.dir, "nothing"))
	t.Setenv("GIT_CONFIG_GLOBAL", config)
	c.write("untracked", "")
	s := c.read()
	if s.Commit != head || !slices.Equal(s.Dirty, []string{"untracked"}) {
		t.Errorf("commit %s, dirty %q; want %s and the untracked file", s.Commit, s.Dirty, head)
	}
}

func TestWhatIsNoCheckout(t *testing.T) {
	c := fresh(t)
	below := filepath.Join(c.dir, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	bare := t.TempDir()
	c.git("init", "-q", "--bare", bare)
	for name, tt := range map[string]struct{ dir, want string }{
		"no commit":  {c.dir, "there is no commit yet"},
		"an archive": {t.TempDir(), "is not the top folder of a git checkout"},
		"below":      {below, "is not the top folder of a git checkout"},
		"bare":       {bare, "without a checkout"},
		"nothing":    {filepath.Join(c.dir, "nothing"), "no such file"},
	} {
		_, err := repo.Read(t.Context(), tt.dir)
		if err == nil || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (%v), hint %q; want %q", name, err, fault.KindOf(err), fault.HintOf(err), tt.want)
		}
	}
}

// git takes this variable for its own tests: the checkout belongs to another.
func TestACheckoutOfAnotherUser(t *testing.T) {
	c := fresh(t)
	head := c.commit("one")
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, ".gitconfig"))
	if os.Getuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	for _, name := range []string{".", ".git"} {
		if err := os.Chown(filepath.Join(c.dir, name), 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	_, err := repo.Read(t.Context(), c.dir)
	if err == nil || !strings.Contains(err.Error(), "belongs to another user") || !strings.Contains(fault.HintOf(err), "safe.directory "+c.dir) {
		t.Fatalf("%v, hint %q", err, fault.HintOf(err))
	}
	c.env = append(c.env, "GIT_CONFIG_GLOBAL="+filepath.Join(home, ".gitconfig"))
	c.git("config", "--file", filepath.Join(home, ".gitconfig"), "safe.directory", c.dir)
	if s := c.read(); s.Commit != head {
		t.Errorf("%s, want %s: who trusts the checkout is heard", s.Commit, head)
	}
}

func TestDetachedHeadAndWorktree(t *testing.T) {
	c := fresh(t)
	c.commit("one")
	other := filepath.Join(t.TempDir(), "tree")
	c.git("worktree", "add", "-q", "-b", "topic/a", other)
	w := *c
	w.dir = other
	two := w.commit("two")
	if s := w.read(); s.Commit != two || s.Branch != "topic/a" || !s.Clean() {
		t.Errorf("a worktree: %+v", s)
	}
	w.git("checkout", "-q", "--detach")
	if s := w.read(); s.Commit != two || s.Branch != "" {
		t.Errorf("detached: %+v", s)
	}
}

func TestASubmoduleThatMoved(t *testing.T) {
	inner, c := fresh(t), fresh(t)
	inner.commit("inner")
	c.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner.dir, "sub")
	c.git("config", "-f", ".gitmodules", "submodule.sub.ignore", "all")
	c.git("config", "submodule.sub.ignore", "all")
	c.commit("with a submodule")
	if s := c.read(); !s.Clean() {
		t.Fatalf("dirty: %q", s.Dirty)
	}
	sub := *c
	sub.dir = filepath.Join(c.dir, "sub")
	sub.commit("moved")
	if s := c.read(); !slices.Equal(s.Dirty, []string{"sub"}) {
		t.Errorf("dirty: %q, want the submodule", s.Dirty)
	}
}

func TestOriginHasNoSecrets(t *testing.T) {
	c := fresh(t)
	c.commit("one")
	for address, want := range map[string]string{
		"https://oauth2:glpat-x@gitlab.example.com/a/b.git": "https://gitlab.example.com/a/b.git",
		"https://token@example.com:8443/a/b#x":              "https://example.com:8443/a/b",
		"ssh://git:pw@example.com/a/b":                      "ssh://example.com/a/b",
		"git@github.com:owner/name.git":                     "github.com:owner/name.git",
		"user:pw@github.com:owner/name.git":                 "github.com:owner/name.git",
		"https://us%zzer:secret@example.com/":               "",
		"../folder:with@colon":                              "../folder:with@colon",
	} {
		c.git("config", "remote.origin.url", address)
		if got := c.read().Origin; got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}
