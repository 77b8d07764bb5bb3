package series

import (
	"fmt"
	"io/fs"
	"maps"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
)

// developed is a series by real git, applied to a tree: each state is a commit
// over origin.
func developed(t *testing.T, origin map[string]patch.File, states ...map[string]patch.File) Params {
	t.Helper()
	r := newRepo(t)
	r.commit(origin, "Begin")
	files := map[string][]byte{"notes.txt": []byte("not a patch\n")}
	list := "# a comment\n"
	for i, s := range states {
		r.commit(s, fmt.Sprintf("sub: change %d\n\nWhy.\n\nSigned-off-by: A <a@example.com>", i+1))
		name := fmt.Sprintf("%04d-change.patch", i+1)
		files[name] = []byte(strings.Replace(r.git("format-patch", "--stdout", "-1"), "[PATCH]", fmt.Sprintf("[PATCH %d/%d]", i+1, len(states)), 1))
		list += name + " # see there\n"
	}
	files["series"] = []byte(list)
	p := Params{Tree: newTree(t, origin), Folder: written(t, files), Backup: filepath.Join(t.TempDir(), "backup")}
	appliedTo(t, p)
	return p
}

func appliedTo(t *testing.T, p Params) patch.Result {
	t.Helper()
	res, err := patch.Apply(t.Context(), patch.Params{Tree: p.Tree, Series: p.Folder})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func with(files map[string]patch.File, name, content string) map[string]patch.File {
	files = maps.Clone(files)
	if files[name] = text(content); content == "" {
		delete(files, name)
	}
	return files
}

// folderOf returns all files of a series.
func folderOf(t *testing.T, p Params) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(p.Folder), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var b []byte
			b, err = os.ReadFile(filepath.Join(p.Folder, path))
			all[path] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (p Params) edit(t *testing.T, name string, content string) {
	t.Helper()
	if content == "" {
		if err := os.Remove(filepath.Join(p.Tree.Src(), name)); err != nil {
			t.Fatal(err)
		}
		return
	}
	put(t, p.Tree.Src(), map[string]patch.File{name: text(content)})
}

// settled fails unless the series comes to just what a person left in the tree.
func (p Params) settled(t *testing.T) {
	t.Helper()
	if res := appliedTo(t, p); len(res.Changed) > 0 {
		t.Errorf("the tree had to change: %v", res.Changed)
	}
	edits, err := patch.Edits(t.Context(), p.Tree)
	if err != nil || len(edits) > 0 {
		t.Errorf("edits are left: %v, %v", edits, err)
	}
	r, err := patch.Try(t.Context(), patch.Params{Tree: p.Tree, Series: p.Folder})
	if err != nil || Count(r.Patches) != fmt.Sprintf("%d clean", len(r.Patches)) {
		t.Errorf("the series is %s, %v", Count(r.Patches), err)
	}
}

func twoPatches(t *testing.T) (p Params, origin map[string]patch.File, last string) {
	src := source(20)
	origin = map[string]patch.File{"a.c": text(src), "b.c": text(source(3)), "free.c": text(source(2))}
	one := with(with(origin, "a.c", strings.Replace(src, "fffc;", "fffc + 1;", 1)), "b.c", source(4))
	last = strings.Replace(string(one["a.c"].Data), "ffffs;", "ffffs - 1;", 1)
	return developed(t, origin, one, with(one, "a.c", last)), origin, last
}

func TestRefresh(t *testing.T) {
	p, _, last := twoPatches(t)
	before := folderOf(t, p)
	p.edit(t, "a.c", strings.Replace(last, "fffc + 1;", "fffc + 2;\n\ty++;", 1))
	wrote, err := Refresh(t.Context(), p, "")
	if err != nil {
		t.Fatal(err)
	}
	// The second is concerned too: its hunk moved down a line.
	if d := cmp.Diff([]string{"0001-change.patch", "0002-change.patch"}, wrote); d != "" {
		t.Error(d)
	}
	p.settled(t)
	after := folderOf(t, p)
	if !strings.Contains(after["0001-change.patch"], "+\ty += fffc + 2;\n+\ty++;\n") {
		t.Error(after["0001-change.patch"])
	}
	for _, name := range []string{"series", "notes.txt"} {
		if before[name] != after[name] {
			t.Errorf("%s changed: %s", name, after[name])
		}
	}
	for _, name := range wrote {
		if reStat.ReplaceAllString(message(t, before[name]), "") != reStat.ReplaceAllString(message(t, after[name]), "") {
			t.Errorf("the message of %s changed", name)
		}
	}
	if d := cmp.Diff(before, folderOf(t, Params{Folder: p.Backup})); d != "" {
		t.Errorf("the backup is not what was there:\n%s", d)
	}
	p.Backup += "-2"
	if wrote, err := Refresh(t.Context(), p, ""); err != nil || len(wrote) > 0 {
		t.Errorf("the second time it wrote %v, %v", wrote, err)
	}
}

func TestRefreshWritesOnlyWhatChanged(t *testing.T) {
	p, _, last := twoPatches(t)
	before := folderOf(t, p)
	p.edit(t, "a.c", strings.Replace(last, "ffffs - 1;", "ffffs - 3;", 1))
	if wrote, err := Refresh(t.Context(), p, ""); err != nil || !slices.Equal(wrote, []string{"0002-change.patch"}) {
		t.Fatalf("wrote %v, %v", wrote, err)
	}
	p.settled(t)
	if after := folderOf(t, p); after["0001-change.patch"] != before["0001-change.patch"] {
		t.Error("the first patch changed")
	}
}

func TestRefreshInto(t *testing.T) {
	p, origin, last := twoPatches(t)
	p.edit(t, "new.h", "one\n")
	p.edit(t, "free.c", string(origin["free.c"].Data)+"/* end */\n")
	p.edit(t, "a.c", "/* top */\n"+last)
	before := folderOf(t, p)
	_, err := Refresh(t.Context(), p, "")
	if fault.KindOf(err) != fault.Patch || !strings.Contains(err.Error(), "free.c:") || !strings.Contains(err.Error(), "new.h: the file is new") {
		t.Errorf("got %v", err)
	}
	if d := cmp.Diff(before, folderOf(t, p)); d != "" {
		t.Errorf("a refresh that failed wrote:\n%s", d)
	}
	if _, err := Refresh(t.Context(), p, "0003"); fault.KindOf(err) != fault.Usage {
		t.Errorf("a name that is none: %v", err)
	}
	if _, err := Refresh(t.Context(), p, "0001-change"); err != nil {
		t.Fatal(err)
	}
	p.settled(t)
	if text := folderOf(t, p)["0001-change.patch"]; !strings.Contains(text, "+/* top */") || !strings.Contains(text, " create mode 100644 new.h\n") {
		t.Error(text)
	}
}

// A patch that applies some lines away is written anew though nobody edited
// the tree, and nothing else is.
func TestRefreshOffset(t *testing.T) {
	p, _, _ := twoPatches(t)
	path := filepath.Join(p.Folder, "0002-change.patch")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	moved := regexp.MustCompile(`@@ -(\d+),(\d+) \+(\d+),`).ReplaceAll(old, []byte("@@ -1$1,$2 +1$3,"))
	if err := os.WriteFile(path, moved, 0o644); err != nil {
		t.Fatal(err)
	}
	if res := appliedTo(t, p); res.Patches[1].Offset == 0 {
		t.Fatal("the patch applies where it says")
	}
	if wrote, err := Refresh(t.Context(), p, ""); err != nil || !slices.Equal(wrote, []string{"0002-change.patch"}) {
		t.Fatalf("wrote %v, %v", wrote, err)
	}
	if d := cmp.Diff(string(old), folderOf(t, p)["0002-change.patch"]); d != "" {
		t.Errorf("-git's own +refreshed:\n%s", d)
	}
}

func TestRefreshLeavesNoPatchEmpty(t *testing.T) {
	p, _, last := twoPatches(t)
	before := folderOf(t, p)
	p.edit(t, "a.c", strings.Replace(last, "ffffs - 1;", "ffffs;", 1))
	if _, err := Refresh(t.Context(), p, ""); fault.KindOf(err) != fault.Patch || !strings.Contains(err.Error(), "nothing would be left of patch 0002-change.patch") {
		t.Errorf("got %v", err)
	}
	if d := cmp.Diff(before, folderOf(t, p)); d != "" {
		t.Error(d)
	}
}

func TestNew(t *testing.T) {
	p, origin, _ := twoPatches(t)
	draft := Draft{Title: "sub:  add \"more\", and less", From: mail.Address{Name: "Zoë Doe", Address: "z@example.com"}, Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	if _, _, err := New(t.Context(), p, draft); fault.KindOf(err) != fault.Usage {
		t.Fatalf("no edits: %v", err)
	}
	p.edit(t, "new.h", "one\n")
	p.edit(t, "free.c", string(origin["free.c"].Data)+"/* end */\n")
	p.edit(t, "b.c", "")
	before := folderOf(t, p)
	if _, _, err := New(t.Context(), p, Draft{Title: "?!"}); fault.KindOf(err) != fault.Usage {
		t.Errorf("a title without a letter: %v", err)
	}
	name, renumbered, err := New(t.Context(), p, draft)
	if err != nil || renumbered != 2 || name != "0003-sub-add-more-and-less.patch" {
		t.Fatal(name, err)
	}
	p.settled(t)
	after := folderOf(t, p)
	if after["series"] != before["series"]+name+"\n" {
		t.Errorf("series: %s", after["series"])
	}
	want := strings.Replace(before["0001-change.patch"], "[PATCH 1/2]", "[PATCH 1/3]", 1)
	if d := cmp.Diff(want, after["0001-change.patch"]); d != "" {
		t.Errorf("the first patch (-want +got):\n%s", d)
	}
	// git reads it, and makes the same of it.
	r := newRepo(t)
	r.commit(map[string]patch.File{"b.c": text(source(4)), "free.c": origin["free.c"]}, "Begin")
	file := filepath.Join(t.TempDir(), "mail")
	if err := os.WriteFile(file, []byte(strings.Replace(after[name], "\n\n---\n", "\n\nWhy.\n---\n", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	r.git("am", "-q", file)
	got := r.git("log", "-1", "--format=%an <%ae>|%at|%s|%b", "--name-status")
	if d := cmp.Diff("Zoë Doe <z@example.com>|1767323045|sub: add \"more\", and less|Why.\n\n\nD\tb.c\nM\tfree.c\nA\tnew.h\n", got); d != "" {
		t.Errorf("what git am makes of it (-want +got):\n%s", d)
	}
}

func TestPrefix(t *testing.T) {
	p, _, _ := twoPatches(t)
	all := folderOf(t, p)
	dest := filepath.Join(t.TempDir(), "part")
	for n := range 4 {
		if err := Prefix(p.Folder, n, dest); err != nil {
			t.Fatal(err)
		}
		got, err := patch.Names(dest)
		if err != nil || len(got) != min(n, 2) {
			t.Fatalf("%d: %v, %v", n, got, err)
		}
		for _, name := range got {
			if text := folderOf(t, Params{Folder: dest})[name]; text != all[name] {
				t.Errorf("%s is not the patch", name)
			}
		}
	}
}
