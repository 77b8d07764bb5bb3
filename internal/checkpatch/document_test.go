package checkpatch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The spot of each line stands before it: nothing, a file, or a file and line;
// "-" is a line that says nothing that lasts.
const spots = `-|From 1111111111111111111111111111111111111111 Mon Sep 17 00:00:00 2001
|From: A Person <a@example.com>
|Subject: [PATCH v2 2/3] =?UTF-8?q?kernel:_f=C3=BCr?=
| the test
|
|--- is no diff here
|
|Signed-off-by: A Person <a@example.com>
|---
| kernel/x.c | 1 +
|
kernel/x.c|diff --git a/kernel/x.c b/kernel/x.c
kernel/x.c|index 1111111..2222222 100644
kernel/x.c|--- a/kernel/x.c
kernel/x.c|+++ b/kernel/x.c
kernel/x.c:10|@@ -9,5 +10,6 @@ void g(void)
kernel/x.c:10| a
kernel/x.c:11|--- old
kernel/x.c:11|+++ new
kernel/x.c:12|+
kernel/x.c:13|
kernel/x.c:14| b
kernel/x.c:15| c
kernel/x.c:40|@@ -40 +40 @@
kernel/x.c:40|-d
kernel/x.c:40|+e
kernel/x.c:40|\ No newline at end of file
new name.h|diff --git a/old.h b/new name.h
new name.h|similarity index 100%
new name.h|rename from old.h
new name.h|rename to new name.h
run.sh|diff --git a/run.sh b/run.sh
run.sh|old mode 100644
run.sh|new mode 100755
gone.c|diff --git a/gone.c b/gone.c
gone.c|deleted file mode 100644
gone.c|--- a/gone.c
gone.c|+++ /dev/null
gone.c|@@ -1,2 +0,0 @@
gone.c|-x
gone.c|-y
-|` + `-- 
-|2.39.5
-|
`

func TestSpots(t *testing.T) {
	var text, want strings.Builder
	for line := range strings.Lines(spots) {
		spot, rest, _ := strings.Cut(line, "|")
		text.WriteString(rest)
		want.WriteString(spot + "|" + rest)
	}
	d := read("a.patch", text.String())
	var got strings.Builder
	for i, s := range d.spots {
		where := s.file
		if s.line > 0 {
			where += fmt.Sprintf(":%d", s.line)
		}
		if s.void {
			where = "-"
		}
		got.WriteString(where + "|" + d.lines[i] + "\n")
	}
	if diff := cmp.Diff(want.String(), got.String()); diff != "" {
		t.Errorf("spots (-want +got):\n%s", diff)
	}
	if title, _ := d.title(); title != "kernel: für the test" || d.subjectLine != 3 {
		t.Errorf("title %q in line %d", title, d.subjectLine)
	}
	if n, m := d.number(); n != 2 || m != 3 {
		t.Errorf("number %d/%d", n, m)
	}
	if message := strings.Join(d.lines[d.body:d.end], "|"); message != "|--- is no diff here||Signed-off-by: A Person <a@example.com>" {
		t.Errorf("message %q", message)
	}
}

// Names as git, diff and quilt write them, with -p1 and -p0.
func TestNames(t *testing.T) {
	for header, want := range map[string]string{
		"--- a/kernel/x.c\n+++ b/kernel/x.c\n":                                              "kernel/x.c",
		"--- linux-5.4.orig/kernel/x.c\t2020-01-01\n+++ linux-5.4/kernel/x.c\t2020\n":       "kernel/x.c",
		"--- kernel/x.c\n+++ kernel/x.c\n":                                                  "kernel/x.c",
		"--- /dev/null\n+++ b/kernel/x.c\n":                                                 "kernel/x.c",
		"Index: linux/kernel/x.c\n=====\n--- linux.orig/kernel/x.c\n+++ linux/kernel/x.c\n": "kernel/x.c",
		"diff -u a/kernel/x.c b/kernel/x.c\n--- a/kernel/x.c\n+++ b/kernel/x.c\n":           "kernel/x.c",
		"--- \"a/k\\303\\274.c\"\n+++ \"b/k\\303\\274.c\"\n":                                "kü.c",
		"--- a/kernel/x.c\r\n+++ b/kernel/x.c\r\n":                                          "kernel/x.c",
	} {
		d := read("a.patch", header+"@@ -1 +7 @@\n-a\n+b\n")
		last := d.spots[len(d.spots)-1]
		if last.file != want || last.line != 7 {
			t.Errorf("%q is about %+v", header, last)
		}
	}
}

func TestShellNames(t *testing.T) {
	for line, bad := range map[string]bool{
		"+++ b/kernel/x.c":      false,
		"+++ b/x;touch${IFS}y":  true,
		"+++ \tb/x;y":           true,
		"+++ b/x ;y":            false, // checkpatch takes the first word
		"diff --git a/x b/$(y)": true,
		"diff --git a/$(y) b/x": false, // and here the last
		"diff --git`y`":         true,
		"+++ b/x\\y":            true,
		"+++ b/-f":              true,
		"+++ --self-test":       true,
		"+++ b/k\xc3\xbc.c":     false,
		"++++ $(y)":             false,
		"+++":                   false,
		"+++ ":                  false,
		"+ $(y)":                false,
		"+++ b/arch/x86/lib/a_b-c+d,e@f=g:h~%^.S": false,
	} {
		n, name := read("a.patch", "text\n"+line+"\n").shellName()
		if (n == 2) != bad || (name != "") != bad {
			t.Errorf("%q: line %d, %q", line, n, name)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(good)
	f.Add(strings.ReplaceAll(spots, "|", ""))
	f.Add("--- a\n+++ b\n@@ -1 +1 @@\n\\\n@@ -0,0 +999999999,999999999 @@\n+\n+++\ndiff --git \n")
	f.Fuzz(func(t *testing.T, text string) {
		docs := []document{read("0001-a.patch", text), read("0001-b.patch", text)}
		for i, d := range docs {
			if len(d.spots) != len(d.lines) || d.body > d.end || d.end > len(d.lines) || d.subjectLine > len(d.lines) {
				t.Fatalf("%d spots, %d lines, message %d to %d", len(d.spots), len(d.lines), d.body, d.end)
			}
			d.shellName()
			found := obey(docs, i)
			if len(d.lines) == 0 {
				continue
			}
			for _, f := range locate(d, found) {
				if f.Line < 1 || f.Line > len(d.lines) || f.FileLine < 0 || f.FileLine > 0 && f.File == "" {
					t.Errorf("finding %+v", f)
				}
				for _, s := range []string{f.File, f.Text, f.Message} {
					if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
						t.Errorf("finding %+v", f)
					}
				}
			}
		}
	})
}
