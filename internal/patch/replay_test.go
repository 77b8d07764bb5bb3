package patch

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/unpack"
)

// memory is a pristine tree that was never on a disk. It counts its reads.
type memory struct {
	list  []unpack.Entry
	texts map[string]string
	reads int
}

func (m *memory) entries() []unpack.Entry { return m.list }

func (m *memory) content(_ context.Context, e unpack.Entry) (string, error) {
	m.reads++
	return m.texts[e.Path], nil
}

func inMemory(files content) *memory {
	m := &memory{texts: map[string]string{}}
	for name, text := range files {
		e := unpack.Entry{Path: name, Mode: 0o644}
		if target, ok := strings.CutPrefix(text, "link:"); ok {
			e.Mode, text = fs.ModeSymlink, target
		}
		if program, ok := cutExec(text); ok {
			e.Mode, text = 0o755, program
		}
		m.texts[name] = text
		m.list = append(m.list, e)
	}
	slices.SortFunc(m.list, func(a, b unpack.Entry) int { return strings.Compare(a.Path, b.Path) })
	return m
}

// replayText applies patches in memory and returns the files that differ.
func replayText(t *testing.T, files content, patches ...string) (content, []Applied, error) {
	t.Helper()
	var list []*parsed
	for i, text := range patches {
		p, err := parsePatch(patchFile{entry: entry{name: fmt.Sprintf("%d.patch", i+1), strip: 1}, text: text})
		if err != nil {
			t.Fatalf("patch %d: %v", i+1, err)
		}
		list = append(list, p)
	}
	d := newDraft(inMemory(files))
	r := Report{}
	var err error
	if r.Patches, err = replay(t.Context(), d, list, nil); err != nil {
		t.Fatal(err)
	}
	return drafted(d), r.applied(), r.Err()
}

func drafted(d *draft) content {
	out := content{}
	for name, f := range d.now {
		switch {
		case f == nil:
			out[name] = ""
		case f.link():
			out[name] = "link:" + f.text()
		case f.mode == 0o755:
			out[name] = "exec:" + f.text()
		default:
			out[name] = nonEmpty(f.text())
		}
	}
	return out
}

func TestReplay(t *testing.T) {
	for name, tc := range map[string]struct {
		files   content
		patches []string
		want    content
	}{
		"files change places": {content{"a": "a\n", "b": "b\n"},
			[]string{"diff --git a/a b/b\nrename from a\nrename to b\ndiff --git a/b b/a\nrename from b\nrename to a\n"},
			content{"a": "b\n", "b": "a\n"}},
		"renamed in a ring, one changed": {content{"a": "1\n", "b": "2\n", "c": "3\n"},
			[]string{"diff --git a/a b/b\nrename from a\nrename to b\n--- a/a\n+++ b/b\n@@ -1 +1 @@\n-1\n+one\n" +
				"diff --git a/b b/c\nrename from b\nrename to c\ndiff --git a/c b/a\nrename from c\nrename to a\n"},
			content{"a": "3\n", "b": "one\n", "c": "2\n"}},
		"a copy reads what was before the patch": {content{"a": "1\n"},
			[]string{"diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\ndiff --git a/a b/b\ncopy from a\ncopy to b\n"},
			content{"a": "2\n", "b": "1\n"}},
		"a second diff of a file goes on": {content{"a": "1\n"},
			[]string{"--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-2\n+3\n"}, content{"a": "3\n"}},
		"a link becomes a file": {content{"a": "link:b"},
			[]string{"diff --git a/a b/a\ndeleted file mode 120000\n--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-b\n\\ No newline at end of file\n" +
				"diff --git a/a b/a\nnew file mode 100644\n--- /dev/null\n+++ b/a\n@@ -0,0 +1 @@\n+text\n"},
			content{"a": "text\n"}},
		"a link gets another target": {content{"d/a": "link:b"},
			[]string{"diff --git a/d/a b/d/a\nindex 1..2 120000\n--- a/d/a\n+++ b/d/a\n@@ -1 +1 @@\n-b\n\\ No newline at end of file\n+../c\n\\ No newline at end of file\n"},
			content{"d/a": "link:../c"}},
		"a file becomes a folder": {content{"a": "1\n"},
			[]string{"--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n--- /dev/null\n+++ b/a/b\n@@ -0,0 +1 @@\n+2\n"}, content{"a": "", "a/b": "2\n"}},
		"a folder becomes a file": {content{"a/b": "1\n"},
			[]string{"--- /dev/null\n+++ b/a\n@@ -0,0 +1 @@\n+2\n--- a/a/b\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"}, content{"a": "2\n", "a/b": ""}},
		"GNU diff -N without a date": {content{"x": "1\n"},
			[]string{"--- a/new\t2020-01-01 00:00:00\n+++ b/new\t2020-01-01 00:00:00\n@@ -0,0 +1 @@\n+1\n"}, content{"new": "1\n"}},
		"mode and content": {content{"a": "1\n"},
			[]string{"diff --git a/a b/a\nold mode 100644\nnew mode 100755\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n"}, content{"a": "exec:2\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := replayText(t, tc.files, tc.patches...)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("files (-want +got):\n%s", d)
			}
		})
	}
}

func context3(text string, from int) string {
	return " " + strings.Join(split(text)[from:from+3], " ")
}

func TestReplayRefuses(t *testing.T) {
	change := func(name string) string {
		return "diff --git a/" + name + " b/" + name + "\n--- a/" + name + "\n+++ b/" + name + "\n@@ -1 +1 @@\n-1\n+2\n"
	}
	create := func(name, text string) string {
		return "diff --git a/" + name + " b/" + name + "\nnew file mode 100644\n--- /dev/null\n+++ b/" + name + "\n@@ -0,0 +1 @@\n+" + text + "\n"
	}
	link := func(name, target string) string {
		return "diff --git a/" + name + " b/" + name + "\nnew file mode 120000\n--- /dev/null\n+++ b/" + name +
			"\n@@ -0,0 +1 @@\n+" + target + "\n\\ No newline at end of file\n"
	}
	remove := func(name string) string {
		return "diff --git a/" + name + " b/" + name + "\ndeleted file mode 100644\n--- a/" + name + "\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"
	}
	files := content{"a": "1\n", "d/b": "1\n", "in": "link:d", "long": "1\n2\n"}
	for name, tc := range map[string]struct {
		patches []string
		want    string
	}{
		"no such file":                {[]string{change("none")}, "none: the file does not exist"},
		"no such file to rename":      {[]string{"diff --git a/x b/y\nrename from x\nrename to y\n"}, "x: the file does not exist"},
		"no such file to remove":      {[]string{remove("none")}, "upstream: the tree has the whole change already"},
		"exists":                      {[]string{create("a", "2")}, "a: the file to be created exists"},
		"exists as wanted":            {[]string{create("a", "1")}, "upstream: the tree has the whole change already"},
		"renamed over a file":         {[]string{"diff --git a/a b/long\nrename from a\nrename to long\n"}, "long: the file to be created exists"},
		"made twice":                  {[]string{create("n", "1") + create("n", "2")}, "n: the file to be created exists"},
		"lines are left":              {[]string{remove("long")}, "its context is not there"},
		"lines are left, empty diff":  {[]string{"diff --git a/a b/a\ndeleted file mode 100644\nindex 1..0\n"}, "1 line is left of it"},
		"gone above":                  {[]string{remove("a") + change("a")}, "this patch took it away above"},
		"through a link":              {[]string{change("in/b")}, "in/b: the path leads through in, which is a symbolic link"},
		"a new file through a link":   {[]string{create("in/n", "1")}, "symbolic link"},
		"through a new link":          {[]string{link("l", "d"), create("l/x", "1")}, "symbolic link"},
		"through a new link, at once": {[]string{link("l", "d") + create("l/x", "1")}, "symbolic link"},
		"rename through a link":       {[]string{"diff --git a/a b/in/a\nrename from a\nrename to in/a\n"}, "symbolic link"},
		"a link taken for a file":     {[]string{change("in")}, "takes it for a file, but it is a symbolic link"},
		"a link out of the tree":      {[]string{link("l", "../x")}, "outside of the tree"},
		"an absolute link":            {[]string{link("l", "/etc")}, "outside of the tree"},
		"a link through a link":       {[]string{link("l", "in/../../x")}, "not a plain path"},
		"below a file":                {[]string{create("a/n", "1")}, "the folder a is a file"},
		"where a folder is":           {[]string{create("d", "1")}, "the file to be created is a folder"},
		"applied already":             {[]string{change("a"), change("d/b") + "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n"}, "2.patch, line 10: a: hunk 1 of 1: it is applied already, at line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := replayText(t, files, tc.patches...)
			wantKind(t, err, fault.Patch, tc.want)
		})
	}
}

func TestFailuresAreAllReported(t *testing.T) {
	text := lines(1, 60)
	all := split(text)
	hunkAt := func(n int, want string) string {
		return fmt.Sprintf("@@ -%d,3 +%d,3 @@ f()\n %s-%s\n+new\n %s", n, n, all[n-1], want, all[n+1])
	}
	header := "diff --git a/f.c b/f.c\n--- a/f.c\n+++ b/f.c\n"
	right := strings.TrimSuffix(all[30], "\n")
	other := "--- a/g.c\n+++ b/g.c\n@@ -1 +1 @@\n-2\n+3\n"
	_, _, err := replayText(t, content{"f.c": text, "g.c": "1\n"},
		header+hunkAt(10, "wrong")+hunkAt(30, right)+hunkAt(50, "wrong\ttoo \x1b[31m"),
		header+hunkAt(20, "untried"), other)
	fails := rejected(t, err)
	if len(fails) != 3 {
		t.Fatalf("%d failures: %v", len(fails), err)
	}
	if f := fails[1]; f.Hunk != 3 || f.Hunks != 3 || f.Line != 14 || f.Header != "@@ -50,3 +50,3 @@ f()" || f.File != "f.c" || f.Patch != "1.patch" {
		t.Errorf("failure %+v", f)
	}
	want := `apply the series: 3 patches do not apply, 3 places do not fit
patch 1.patch, line 4: f.c: hunk 1 of 3: its context is not there
  @@ -10,3 +10,3 @@ f()
  expected, in the patch:
        5 line xxx k 10ns
  >     6 wrong
        8 line xxxxx m 12ns
  found in f.c:
       10 line xxx k 10ns
  >    11 line xxxx l 11ns
       12 line xxxxx m 12ns
patch 1.patch, line 14: f.c: hunk 3 of 3: its context is not there
  @@ -50,3 +50,3 @@ f()
  expected, in the patch:
       15 line x y 50ns
  >    16 wrong	too \x1b[31m
       18 line xxx a 52ns
  found in f.c:
       50 line x y 50ns
  >    51 line xx z 51ns
       52 line xxx a 52ns
patch 3.patch, line 3: g.c: hunk 1 of 1: its context is not there
  @@ -1 +1 @@
  expected, in the patch:
  >     4 2
  found in g.c:
  >     1 1
blocked, as an earlier patch failed on a file of theirs: 2.patch`
	if d := cmp.Diff(want, err.Error()); d != "" {
		t.Errorf("message (-want +got):\n%s", d)
	}
}

func TestExcerptShowsWhiteSpace(t *testing.T) {
	_, _, err := replayText(t, content{"a": "\tx = 1; \n"}, "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-\tx = 1;\n+\tx = 2;\n")
	wantKind(t, err, fault.Patch, `>     4 "\tx = 1;\n"`, `>     1 "\tx = 1; \n"`)
}

// 300 patches on one file and 300 on files of their own: each file is read
// once, and each patch compares its own lines only.
func TestLongSeriesIsLinear(t *testing.T) {
	const n = 300
	files, text := content{}, lines(1, 20*n)
	files["one.c"] = text
	all := split(text)
	var patches []*parsed
	for i := range n {
		name := fmt.Sprintf("d/%d.c", i)
		files[name] = lines(1, 30)
		at := 20*i + 10
		hunk := fmt.Sprintf("@@ -%d,6 +%d,7 @@\n %s+new %d\n %s", at+1, at+i+1, strings.Join(all[at:at+3], " "), i, strings.Join(all[at+3:at+6], " "))
		p, err := parse("--- a/one.c\n+++ b/one.c\n"+hunk+"--- a/"+name+"\n+++ b/"+name+"\n@@ -1,3 +1,4 @@\n+top\n"+context3(lines(1, 30), 0), 1)
		if err != nil {
			t.Fatal(err)
		}
		patches = append(patches, p)
	}
	m := inMemory(files)
	d := newDraft(m)
	applied, err := replay(t.Context(), d, patches, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.reads != n+1 {
		t.Errorf("%d reads of %d files", m.reads, n+1)
	}
	if want := n * (6 + 3); d.compares != want {
		t.Errorf("%d lines compared, want %d", d.compares, want)
	}
	for _, a := range applied {
		if a.Offset != 0 {
			t.Fatalf("patch with offset %d", a.Offset)
		}
	}
}
