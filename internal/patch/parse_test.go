package patch

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const mailed = `From 4661866669b2103f19ceb89ef67a78ebad9468b1 Mon Sep 17 00:00:00 2001
From: A <a@example.com>
Date: Sun, 22 Nov 2026 12:00:00 +0000
Subject: [PATCH 1/3] sched: add rand_count(), the number behind
 /proc/<pid>/rand

Body with a line that is no diff:
--- here
+++ there

Signed-off-by: A <a@example.com>
---
 x | 1 +
 1 file changed, 1 insertion(+)

diff --git a/dir/x b/dir/x
index 2040c2f76dcf..ff1efe83a133 100644
--- a/dir/x
+++ b/dir/x
@@ -1,2 +1,3 @@ int f(void)
 one
+two
 three
-- 
2.39.5

`

func parse(text string, strip int) (*parsed, error) {
	return parsePatch(patchFile{entry: entry{name: "p", strip: strip}, text: text})
}

func TestParseMail(t *testing.T) {
	p, err := parse(mailed, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := "sched: add rand_count(), the number behind /proc/<pid>/rand"; p.subject != want {
		t.Errorf("subject %q", p.subject)
	}
	if want := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC); !p.date.Equal(want) {
		t.Errorf("date %v", p.date)
	}
	want := []*change{{from: "dir/x", to: "dir/x", oldMode: 0o644, line: 16, hunks: []*hunk{{
		number: 1, line: 20, header: "@@ -1,2 +1,3 @@ int f(void)", oldPos: 1, newPos: 1,
		old: []string{"one\n", "three\n"}, new: []string{"one\n", "two\n", "three\n"}, oldAt: []int{21, 23}, head: 1, tail: 1,
		size: 3, body: []string{" one\n", "+two\n", " three\n"},
	}}}}
	if d := cmp.Diff(want, p.changes, cmp.AllowUnexported(change{}, hunk{})); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}

// What a header says of names, as "from>to" with the modes.
func TestParseNames(t *testing.T) {
	const h = "@@ -1 +1 @@\n-a\n+b\n"
	for name, tc := range map[string]struct {
		text  string
		strip int
		want  string
	}{
		"git":            {"diff --git a/d/x b/d/x\n--- a/d/x\n+++ b/d/x\n" + h, 1, "d/x>d/x"},
		"git -p0":        {"diff --git d/x d/x\n--- d/x\n+++ d/x\n" + h, 0, "d/x>d/x"},
		"git -p0 quoted": {"diff --git \"d/\\303\\244\" \"d/\\303\\244\"\n--- \"d/\\303\\244\"\n+++ \"d/\\303\\244\"\n" + h, 0, "d/ä>d/ä"},
		"git quoted":     {"diff --git \"a/d/\\303\\244\" \"b/d/\\303\\244\"\n--- \"a/d/\\303\\244\"\n+++ \"b/d/\\303\\244\"\n" + h, 1, "d/ä>d/ä"},
		"plain":          {"--- linux-5.4/d/x\t2020-01-01\n+++ linux/d/x\t2020-01-02\n" + h, 1, "d/x>d/x"},
		"plain -p0":      {"--- d/x\n+++ d/x\n" + h, 0, "d/x>d/x"},
		"quilt":          {"A text.\n\nIndex: linux/d/x\n=====\n--- linux.orig/d/x\n+++ linux/d/x\n" + h, 1, "d/x>d/x"},
		"plain new":      {"--- /dev/null\n+++ b/d/x\n@@ -0,0 +1 @@\n+b\n", 1, ">d/x"},
		"plain removed":  {"--- a/d/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-b\n", 1, "d/x>"},
		"epoch":          {"--- a/d/x\t1970-01-01 00:00:00 +0000\n+++ b/d/x\t2020-01-02 00:00:00 +0000\n@@ -0,0 +1 @@\n+b\n", 1, ">d/x"},
		"new":            {"diff --git a/d/x b/d/x\nnew file mode 100755\n--- /dev/null\n+++ b/d/x\n@@ -0,0 +1 @@\n+b\n", 1, ">d/x 0755"},
		"new empty":      {"diff --git a/d/x b/d/x\nnew file mode 100644\nindex 00..e6\n", 1, ">d/x 0644"},
		"new -p0":        {"diff --git d/x d/x\nnew file mode 100644\nindex 00..e6\n", 0, ">d/x 0644"},
		"removed":        {"diff --git a/d/x b/d/x\ndeleted file mode 100644\n--- a/d/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-b\n", 1, "d/x> 0644:"},
		"rename":         {"diff --git a/d/x b/e/y\nsimilarity index 100%\nrename from d/x\nrename to e/y\n", 1, "d/x>e/y"},
		"rename -p0":     {"diff --git d/x e/x\nsimilarity index 100%\nrename from d/x\nrename to e/x\n", 0, "d/x>e/x"},
		"copy":           {"diff --git a/d/x b/e/y\ncopy from d/x\ncopy to e/y\n", 1, "copy d/x>e/y"},
		"mode":           {"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n", 1, "x>x 0644:0755"},
		"link":           {"diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+y\n\\ No newline at end of file\n", 1, ">x L"},
		"group mode":     {"diff --git a/x b/x\nnew file mode 100664\n", 1, ">x 0644"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := parse(tc.text, tc.strip)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.changes) != 1 {
				t.Fatalf("%d changes", len(p.changes))
			}
			if got := header(p.changes[0]); got != tc.want {
				t.Errorf("header %q, want %q", got, tc.want)
			}
		})
	}
}

func header(c *change) string {
	m := map[fs.FileMode]string{0: "", 0o644: "0644", 0o755: "0755", fs.ModeSymlink: "L"}
	s := c.from + ">" + c.to
	if c.copied {
		s = "copy " + s
	}
	switch {
	case c.oldMode != 0:
		return s + " " + m[c.oldMode] + ":" + m[c.newMode]
	case c.newMode != 0:
		return s + " " + m[c.newMode]
	}
	return s
}

func TestParseRefuses(t *testing.T) {
	const head = "diff --git a/x b/x\n--- a/x\n+++ b/x\n"
	const ok = head + "@@ -1 +1 @@\n-a\n+b\n"
	of := func(name string) string {
		return "diff --git a/" + name + " b/" + name + "\n--- a/" + name + "\n+++ b/" + name + "\n@@ -1 +1 @@\n-a\n+b\n"
	}
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":               {"", "no diff"},
		"text":                  {"Hello\n\nworld\n", "no diff"},
		"leaves":                {of("../x"), "leaves the folder"},
		"leaves inside":         {of("d/../../x"), "leaves the folder"},
		"absolute":              {of("/etc/passwd"), "absolute"},
		"absolute at once":      {"diff --git a/x b/x\n--- /etc/passwd\n+++ /etc/passwd\n@@ -1 +1 @@\n-a\n+b\n", "absolute"},
		"absolute quoted":       {"diff --git a/x b/x\n--- \"/etc/passwd\"\n+++ \"/etc/passwd\"\n@@ -1 +1 @@\n-a\n+b\n", "absolute"},
		"absolute mode":         {"diff --git a//etc/x b//etc/x\nold mode 100644\nnew mode 100755\n", "absolute"},
		"absolute plain":        {"--- a//etc/passwd\n+++ a//etc/passwd\n@@ -1 +1 @@\n-a\n+b\n", "absolute"},
		"git's folder":          {of(".git/hooks/x"), "git's own folder"},
		"git's folder below":    {of("d/.GIT/x"), "git's own folder"},
		"not plain":             {of("d/./x"), "plain form"},
		"no name to strip":      {"--- x\n+++ x\n@@ -1 +1 @@\n-a\n+b\n", "put -p0"},
		"no name to strip, git": {"diff --git x x\n--- x\n+++ x\n@@ -1 +1 @@\n-a\n+b\n", "put -p0"},
		"rename leaves":         {"diff --git a/x b/y\nrename from ../x\nrename to y\n", "leaves"},
		"rename to outside":     {"diff --git a/x b/y\nrename from x\nrename to /y\n", "absolute"},
		"copy and rename":       {"diff --git a/x b/y\ncopy from x\nrename to y\n", "two things"},
		"to itself":             {"diff --git a/x b/x\nrename from x\nrename to x\n", "itself"},
		"names differ":          {"diff --git a/x b/y\n--- a/x\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n", "differ"},
		"binary":                {"diff --git a/logo.png b/logo.png\nindex 1..2 100644\nGIT binary patch\nliteral 3\nKcmZ\n\nliteral 0\nHcm\n\n", "logo.png is a binary patch"},
		"binary, no data":       {"diff --git a/logo.png b/logo.png\nindex 1..2 100644\nBinary files a/logo.png and b/logo.png differ\n", "logo.png"},
		"binary, plain":         {ok + "diff -r a/logo.png b/logo.png\nBinary files a/logo.png and b/logo.png differ\n", "logo.png"},
		"binary, plain only":    {"diff -r a/logo.png b/logo.png\nBinary files a/logo.png and b/logo.png differ\n" + ok, "logo.png"},
		"submodule":             {"diff --git a/x b/x\nnew file mode 160000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+Subproject commit 1\n", "submodule"},
		"device":                {"diff --git a/x b/x\nnew file mode 020644\n", "mode 20644"},
		"file to link":          {"diff --git a/x b/x\nold mode 100644\nnew mode 120000\n", "in one step"},
		"merge":                 {"diff --cc x\nindex 1,2..3\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,1 @@@\n- a\n -b\n++c\n", "merge"},
		"changes nothing":       {"diff --git a/x b/x\nindex 1..2 100644\n", "changes nothing"},
		"only context":          {head + "@@ -1 +1 @@\n a\n", "no changes"},
		"no file":               {"@@ -1 +1 @@\n-a\n+b\n", "without file header"},
		"hunk cut off":          {head + "@@ -1,3 +1,3 @@\n a\n-b\n", "cut off"},
		"line cut off":          {head + "@@ -1 +1 @@\n-a\n+b", "cut off"},
		"counts less":           {ok + "+c\n", "line 7: +c looks like a part of the hunk above"},
		"counts less, minus":    {ok + "-c\n", "looks like a part"},
		"counts less, equal":    {ok + " c\n", "looks like a part"},
		"counts more":           {head + "@@ -1,2 +1,2 @@\n-a\n+b\ndiff --git a/y b/y\n", "line 7: not a line of the hunk of line 4"},
		"counts wrong":          {head + "@@ -1,1 +1,2 @@\n-a\n-b\n+c\n", "does not hold what its header counts"},
		"header":                {head + "@@ -1 +x @@\n-a\n+b\n", "cannot read the hunk header"},
		"header later":          {ok + "@@ -5 @@\n-a\n+b\n", "cannot read the hunk header"},
		"numbers too large":     {head + "@@ -99999999999 +1 @@\n-a\n+b\n", "cannot read the hunk header"},
		"text between":          {ok + "\nnote\n@@ -5 +5 @@\n-a\n+b\n", "a hunk without a file name"},
		"windows in part":       {strings.Replace(ok, "+++ b/x\n", "+++ b/x\r\n", 1), "Windows line ends"},
		"encoded mail":          {"From: a\nContent-Transfer-Encoding: quoted-printable\n\n" + ok, "encoded"},
		"newline inside":        {head + "@@ -1,2 +1,2 @@\n a\n\\ No newline at end of file\n-b\n+c\n", "without a newline"},
		"new with old":          {"diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "depends on old contents"},
		"two hunks new":         {"diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n@@ -0,0 +2 @@\n+b\n", "more than one hunk"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(tc.text, 1)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error does not say %q: %v", tc.want, err)
			}
		})
	}
}

func TestSubject(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"\n\nFix the thing\n\nBody\n": "Fix the thing",
		"Subject: Fix\n\n":            "Fix",
		"commit 1234\nAuthor: A <a@b.c>\n\n    Title\n\n    Body\n": "Title",
		"Fix \x1b[31mred\n": `Fix \x1b[31mred`,
		"diff -r a b\n":     "",
	} {
		if got := subject(text); got != want {
			t.Errorf("subject of %q: %q, want %q", text, got, want)
		}
	}
}
