package notes_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/notes"
)

// sevenKinds returns two series of the same people, in which each thing that may
// become of a patch becomes of one.
func sevenKinds(t *testing.T) (before, now []notes.Patch) {
	r := newTree(t)
	r.insert("kept: as it was", "a", 20, "kept")
	r.insert("dropped: not needed\n\n[ Upstream commit 0123456789abcdef0123456789abcdef01234567 ]", "b", 20, "dropped")
	r.insert("rewritten: in another way", "c", 20, "one way", "to do it")
	r.insert("rebased: to another place", "d", 20, "rebased")
	r.insert("reworded: only that", "e", 20, "reworded")
	r.insert("moved: to the front", "f", 20, "moved")
	r.insert("renamed: like", "g", 20, "this is", "rewritten too")
	before = r.series("base")

	r.insert("new base", "d", 3, "from upstream", "more of it")
	r.git("tag", "newbase")
	r.insert("moved: to the front", "f", 20, "moved")
	r.insert("kept: as it was", "a", 20, "kept")
	r.insert("rewritten: in another way", "c", 20, "another way", "to do something")
	r.insert("rebased: to another place", "d", 22, "rebased")
	r.insert("reworded: only that\n\nNow it says why.", "e", 20, "reworded")
	r.insert("renaming: another word", "g", 20, "this is", "rewritten too")
	r.insert("added: in the end", "h", 20, "added")
	return before, r.series("newbase")
}

func TestChangesOfEachKind(t *testing.T) {
	before, now := sevenKinds(t)
	want := []notes.Change{
		{Kind: notes.Added, Name: "0007-added-in-the-end.patch", Subject: "added: in the end", To: 7},
		{Kind: notes.Dropped, Name: "0002-dropped-not-needed.patch", Subject: "dropped: not needed", From: 2, Upstream: "0123456789abcdef0123456789abcdef01234567"},
		{Kind: notes.Rewritten, Name: "0003-rewritten-in-another-way.patch", Subject: "rewritten: in another way", From: 3, To: 3},
		{Kind: notes.Rebased, Name: "0004-rebased-to-another-place.patch", Subject: "rebased: to another place", From: 4, To: 4},
		{Kind: notes.Reworded, Name: "0005-reworded-only-that.patch", Subject: "reworded: only that", Reworded: true, From: 5, To: 5},
		{Kind: notes.Reworded, Name: "0006-renaming-another-word.patch", Was: "0007-renamed-like.patch", Subject: "renaming: another word", Reworded: true, From: 7, To: 6},
		{Kind: notes.Moved, Name: "0001-moved-to-the-front.patch", Was: "0006-moved-to-the-front.patch", Subject: "moved: to the front", Moved: true, From: 6, To: 1},
	}
	if d := cmp.Diff(want, notes.Changes(before, now)); d != "" {
		t.Error(d)
	}
	if same := notes.Changes(now, now); len(same) != 0 {
		t.Errorf("a series and itself: %+v", same)
	}
}

// one returns a series of one patch.
func one(name, text string) []notes.Patch {
	return []notes.Patch{{Name: name, Text: []byte(text), Strip: 1}}
}

func diff(subject, header, body string) string {
	return "Subject: " + subject + "\n\n---\n--- a/f\n+++ b/f\n" + header + "\n" + body
}

func TestHowOnePatchChanges(t *testing.T) {
	base := diff("s", "@@ -5,2 +5,3 @@", " a\n+new line\n b\n")
	many := strings.Repeat("+word\n", 1) + "+one\n+two\n+three\n+four\n"
	tests := map[string]struct {
		before, now []notes.Patch
		want        string
	}{
		"nothing":          {one("p", base), one("p", base), ""},
		"a number":         {one("0001-p", base), one("0002-p", strings.Replace(base, ": s", ": [PATCH 2/9] s", 1)), ""},
		"line numbers":     {one("p", base), one("p", diff("s", "@@ -9,2 +9,3 @@", " a\n+new line\n b\n")), "rebased p"},
		"context":          {one("p", base), one("p", diff("s", "@@ -5,2 +5,3 @@", " a\n+new line\n c\n")), "rebased p"},
		"white space":      {one("p", base), one("p", diff("s", "@@ -5,2 +5,3 @@", " a\n+new  line\n b\n")), "rewritten p"},
		"added is removed": {one("p", base), one("p", diff("s", "@@ -5,3 +5,2 @@", " a\n-new line\n b\n")), "rewritten p"},
		"another file":     {one("p", base), one("p", strings.ReplaceAll(base, "/f\n", "/g\n")), "rewritten p"},
		"name":             {one("p", base), one("q", base), "renamed q, was p"},
		"by subject":       {one("p", base), one("q", diff("s", "@@ -5,2 +5,3 @@", " a\n+other\n b\n")), "rewritten q, was p"},
		"by lines": {one("p", diff("s", "@@ -5,2 +5,7 @@", " a\n"+many+" b\n")),
			one("q", diff("t", "@@ -5,2 +5,7 @@", " a\n"+strings.Replace(many, "two", "zwei", 1)+" b\n")), "rewritten q, was p"},
		"too few lines": {one("p", diff("s", "@@ -5,2 +5,7 @@", " a\n"+many+" b\n")),
			one("q", diff("t", "@@ -5,2 +5,4 @@", " a\n+one\n+else\n b\n")), "added q; dropped p"},
		"CRLF":             {one("p", base), one("p", strings.ReplaceAll(base, "\n", "\r\n")), ""},
		"names without a/": {[]notes.Patch{{Name: "p", Text: []byte(strings.NewReplacer("a/f", "f", "b/f", "f").Replace(base)), Strip: 0}}, one("p", base), ""},
		"unreadable":       {one("p", "what\nis this\n"), one("p", "what\nis that\n"), "rewritten p"},
		"a better match":   {append(one("p", base), one("q", diff("t", "@@ -5,2 +5,3 @@", " a\n+two\n b\n"))...), one("p", diff("t", "@@ -5,2 +5,3 @@", " a\n+two\n b\n")), "dropped p; renamed p, was q"},
	}
	for name, tt := range tests {
		var got []string
		for _, c := range notes.Changes(tt.before, tt.now) {
			text := string(c.Kind) + " " + c.Name
			if c.Was != "" {
				text += ", was " + c.Was
			}
			got = append(got, text)
		}
		if s := strings.Join(got, "; "); s != tt.want {
			t.Errorf("%s: %q, want %q", name, s, tt.want)
		}
	}
}

// Only what left its place counts as moved, not all that made room for it.
func TestFewestPatchesAreMoved(t *testing.T) {
	var before []notes.Patch
	for i := range 6 {
		before = append(before, one(fmt.Sprintf("p%d", i), diff(fmt.Sprint(i), "@@ -5,2 +5,3 @@", fmt.Sprintf(" a\n+line %d\n b\n", i)))...)
	}
	now := append(append([]notes.Patch{before[5]}, before[1:5]...), before[0])
	list := notes.Changes(before, now)
	if len(list) != 2 || list[0].Name != "p5" || list[1].Name != "p0" || list[0].Kind != notes.Moved || list[1].From != 1 || list[1].To != 6 {
		t.Errorf("%+v", list)
	}
}

// Series made to be slow are not.
func TestManyLikePatchesTakeNoTime(t *testing.T) {
	var before, now []notes.Patch
	for i := range 400 {
		var b strings.Builder
		for j := range 100 {
			fmt.Fprintf(&b, "+same %d\n", j)
		}
		body := func(end string) string { return diff(end, "@@ -5,2 +5,103 @@", " a\n"+b.String()+"+"+end+"\n b\n") }
		before = append(before, one(fmt.Sprint("a", i), body(fmt.Sprint("x", i)))...)
		now = append(now, one(fmt.Sprint("b", i), body(fmt.Sprint("y", i)))...)
	}
	start := time.Now()
	if list := notes.Changes(before, now); len(list) != 800 || time.Since(start) > 10*time.Second {
		t.Errorf("%d changes in %v", len(list), time.Since(start))
	}
}

func FuzzChanges(f *testing.F) {
	base := diff("s", "@@ -5,2 +5,3 @@", " a\n+new line\n b\n")
	f.Add("p", base, "q", strings.Replace(base, "new", "old", 1))
	f.Add("0001-p", "", "0002-p", base)
	f.Add("p", "GIT binary patch\n", "p", "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n")
	f.Fuzz(func(t *testing.T, name, text, name2, text2 string) {
		a, b := one(name, text), one(name2, text2)
		if list := notes.Changes(a, a); len(list) != 0 {
			t.Fatalf("a patch and itself: %+v", list)
		}
		both, back := notes.Changes(a, b), notes.Changes(b, a)
		if len(both) != len(back) || len(both) > 2 {
			t.Fatalf("there %+v, back %+v", both, back)
		}
		if d := cmp.Diff(both, notes.Changes(a, b)); d != "" {
			t.Fatal(d)
		}
	})
}
