package repo_test

import (
	"slices"
	"strings"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/repo"
)

func TestTagsAtHead(t *testing.T) {
	c := fresh(t)
	c.commit("one")
	c.git("tag", "v0")
	c.commit("two")
	for _, name := range []string{"b", "a/б", "odd'\"$(x)"} {
		c.git("tag", name)
	}
	c.git("tag", "-a", "-m", "says\nmore", "annotated")
	c.git("tag", "tree", "HEAD^{tree}") // is no release
	s := c.read()
	want := []string{"a/б", "annotated", "b", "odd'\"$(x)"}
	if !slices.Equal(s.Tags, want) {
		t.Errorf("tags %q, want %q", s.Tags, want)
	}
	for name, annotated := range map[string]bool{"annotated": true, "b": false} {
		if tag, ok, err := s.Tag(t.Context(), name); err != nil || !ok || tag.Annotated != annotated || tag.Signed || tag.Commit != s.Commit {
			t.Errorf("%s: %+v %v %v", name, tag, ok, err)
		}
	}
	if tag, ok, err := s.Tag(t.Context(), "a"); err != nil || ok {
		t.Errorf("a, which is a folder of tags: %+v %v %v", tag, ok, err)
	}
}

func TestASignedTag(t *testing.T) {
	c := fresh(t)
	c.commit("one")
	// A signature is known by its armor; nobody checks it here.
	object := "object " + c.git("rev-parse", "HEAD") + "\ntype commit\ntag v1\ntagger C <c@example.com> 1 +0000\n\nsays\n" +
		"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"
	c.write("object", object)
	c.git("update-ref", "refs/tags/v1", c.git("hash-object", "-t", "tag", "-w", "object"))
	if tag, ok, err := c.read().Tag(t.Context(), "v1"); err != nil || !ok || !tag.Annotated || !tag.Signed {
		t.Errorf("%+v %v %v", tag, ok, err)
	}
}

func TestPreviousIsOfTheSameLine(t *testing.T) {
	c := fresh(t)
	c.commit("one")
	c.git("tag", "5.4-1")
	if got := c.previous("5.4-"); got != "none" {
		t.Errorf("the first release: %s", got)
	}
	for _, tag := range []string{"6.1-1", "5.4-2", "6.1-2", "other"} {
		c.day++
		c.commit(tag)
		c.git("tag", "-a", "-m", tag, tag)
	}
	c.git("tag", "5.4-3") // at the head, with the tag of another line
	if got := c.previous("5.4-"); got != "5.4-2" {
		t.Errorf("%s, want 5.4-2", got)
	}
	if got := c.previous("6.1-"); got != "6.1-2" {
		t.Errorf("%s, want 6.1-2", got)
	}
	c.git("checkout", "-q", "--detach", "5.4-2")
	if got := c.previous("6.1-"); got != "6.1-1" {
		t.Errorf("%s, want 6.1-1: a release that came later is not before", got)
	}
}

// The dates of a history lie: a rebased or a late tag is not the nearest.
func TestPreviousIsByAncestry(t *testing.T) {
	c := fresh(t)
	c.commit("one")
	first := c.git("rev-parse", "HEAD")
	c.commit("two")
	c.git("tag", "-a", "-m", "x", "v2")
	c.day = 300
	c.git("tag", "-a", "-m", "late", "v1", first)
	c.day = 0
	c.commit("three")
	if got := c.previous("v"); got != "v2" {
		t.Errorf("%s, want v2", got)
	}
}

func TestPreviousOverMerges(t *testing.T) {
	c := fresh(t)
	c.commit("base")
	c.git("tag", "v1")
	c.git("checkout", "-q", "-b", "side")
	c.day = 9
	c.commit("side")
	c.git("tag", "v1.9-side")
	c.git("checkout", "-q", "main")
	c.day = 1
	c.commit("main")
	c.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	if got := c.previous("v"); got != "v1.9-side" {
		t.Errorf("%s, want v1.9-side, which v1 is below", got)
	}
	c.git("tag", "v2", "HEAD^1")
	if got := c.previous("v"); got != "v2" {
		t.Errorf("%s, want v2: the branch itself goes before what was merged into it", got)
	}
}

func TestPreviousOfAShallowClone(t *testing.T) {
	c := fresh(t)
	c.commit("one")
	c.git("tag", "v1")
	for range 4 {
		c.commit("more")
	}
	shallow := func(depth string) *clone {
		s := &clone{t: t, dir: t.TempDir(), env: c.env}
		s.git("clone", "-q", "--depth", depth, "file://"+c.dir, ".")
		return s
	}
	s := shallow("2")
	if !s.read().Shallow {
		t.Fatal("the clone is not shallow")
	}
	_, _, _, err := s.read().Previous(t.Context(), func(string) bool { return true })
	if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "git fetch --unshallow --tags") {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
	s.git("fetch", "-q", "--unshallow", "--tags")
	if got := s.previous("v"); got != "v1" {
		t.Errorf("%s, want v1", got)
	}
	c.git("tag", "v2", "HEAD~1")
	if got := shallow("3").previous("v"); got != "v2" {
		t.Errorf("%s, want v2: what was cut off is below it", got)
	}
}

func TestFilesOfACommit(t *testing.T) {
	c := fresh(t)
	files := map[string]string{"a/series": "x\n", "a/new\nline": "no newline", "a/deep/é": "", "ab": "beside", "a/bin": "\x00\xff\n\n"}
	for name, text := range files {
		c.write(name, text)
	}
	c.write(".gitattributes", "* text eol=crlf\n")
	c.git("config", "core.autocrlf", "true")
	old := c.commit("one")
	c.write("a/series", "changed")
	c.commit("two")
	ctx := t.Context()
	for name, text := range files {
		if got, ok, err := repo.Show(ctx, c.dir, old, name); err != nil || !ok || string(got) != text {
			t.Errorf("%q: %q %v %v, want %q", name, got, ok, err, text)
		}
	}
	for _, name := range []string{"nothing", "a", "A/series", "a/*"} {
		if got, ok, err := repo.Show(ctx, c.dir, old, name); err != nil || ok {
			t.Errorf("%s: %q %v %v, want none", name, got, ok, err)
		}
	}
	list, err := repo.List(ctx, c.dir, old, "a")
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	if want := []string{"bin", "deep/é", "new\nline", "series"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%q %v, want %q", names, err, want)
	}
	all, err := repo.Folder(ctx, c.dir, old, "a/")
	if err != nil || len(all) != 4 || string(all["bin"]) != files["a/bin"] || string(all["series"]) != "x\n" {
		t.Errorf("%q %v", all, err)
	}
	for name, bad := range map[string][2]string{"up": {old, "../x"}, "absolute": {old, "/etc/passwd"}, "option": {"--help", "a"}, "word": {"HEAD", "a"},
		"unknown": {strings.Repeat("0", 40), "a"}} {
		if _, err := repo.List(ctx, c.dir, bad[0], bad[1]); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
