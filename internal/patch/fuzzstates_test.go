package patch

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzStates tries two texts as a series, in each form a patch may have: every
// patch has a state and what belongs to it, the report survives JSON, nothing
// in it drives a terminal, and a patch that does not apply leaves no trace.
func FuzzStates(f *testing.F) {
	one := "--- a/a\n+++ b/a\n@@ -1,3 +1,4 @@\n 1\n+x\n 2\n 3\n"
	for _, s := range []string{
		mailed, one, strings.ReplaceAll(one, "\n", "\r\n"), "diff --git a/a b/a\nold mode 100644\nnew mode 100755\n",
		"diff --git a/a b/d/n\nrename from a\nrename to d/n\n", "diff --git a/a b/a\ncopy from d/b\ncopy to n\n", "text\n",
		"Index: a\n=====\n--- a\n+++ a\n@@ -1 +1 @@\n-1\n+\x1b\n", "--- a/d/b\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n",
		"diff --git a/x b/x\nindex 1..2 100644\nGIT binary patch\nliteral 3\nKcmZ\n\nliteral 0\nHcm\n\n",
	} {
		f.Add(s, one, true)
		f.Add(one, s, false)
	}
	f.Fuzz(func(t *testing.T, first, second string, strip bool) {
		e := entry{name: "a.patch", strip: 1}
		if !strip {
			e.strip = 0
		}
		d := newDraft(inMemory(small))
		list, err := replay(t.Context(), d, parseAll([]patchFile{{entry: e, text: first}, {entry: e, text: second}}),
			func(s Status, before, after map[string]File) error {
				if !s.Applies() {
					t.Errorf("shown, though %s", s.State)
				}
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
		applies := 0
		for _, s := range list {
			if (s.Why == "") != s.Applies() || (len(s.Failures) > 0) != (s.State == Conflict) || (s.Offset != 0) != (s.State == Offset) && s.Applies() {
				t.Errorf("%+v", s)
			}
			if s.Applies() {
				applies++
			}
		}
		checkExtent(t, first, e.strip)
		checkExtent(t, second, e.strip)
		if r := (Report{Patches: list}); applies < 2 && strings.ContainsRune(r.Err().Error(), '\x1b') {
			t.Errorf("%q", r.Err())
		}
		if whole := list[0].State != Conflict && list[1].State != Conflict && list[0].State != Blocked && list[1].State != Blocked; whole && applies == 0 && len(d.now) > 0 {
			t.Errorf("no patch applies, and %d files changed", len(d.now))
		}
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		var back []Status
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(list, back); diff != "" {
			t.Errorf("round trip (-want +got):\n%s", diff)
		}
	})
}

// checkExtent looks at what Extent says of a text: what is outside of the diff
// is no diff.
func checkExtent(t *testing.T, text string, strip int) {
	text = UnixLines(text)
	from, to, err := Extent(text, strip)
	if err != nil {
		return
	}
	if from < 0 || from > to || to > len(text) {
		t.Fatalf("extent %d to %d of %d", from, to, len(text))
	}
	p, err := parse(text, strip)
	if err != nil {
		return
	}
	if q, err := parse(text[from:to], strip); err != nil || p.id() != q.id() {
		t.Errorf("the diff alone is not that of the patch: %v\n%q\n%q", err, text[from:to], text)
	}
	if _, err := parse(text[:from], strip); !errors.Is(err, errEmpty) && !strings.Contains(text[:from], "encoded") {
		t.Errorf("the text before the diff has one: %v\n%q", err, text[:from])
	}
}

// FuzzSeriesFile reads any text as a series file: what is read holds when it is
// written down again, and Keep takes away just what it is told to.
func FuzzSeriesFile(f *testing.F) {
	f.Add("# top\n\na.patch # why\nsub/b.patch -p0\nc -pab\n")
	f.Add("a -R\nb b\n../c\n\x00\n")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := parseSeries(text)
		if all := Keep(text, func(string) bool { return true }); all != text {
			t.Errorf("%q became %q", text, all)
		}
		if err != nil {
			return
		}
		none, err := parseSeries(Keep(text, func(string) bool { return false }))
		if err != nil || len(none) > 0 {
			t.Errorf("%v, %v are left of %q", none, err, text)
		}
		if len(entries) == 0 {
			return
		}
		rest, err := parseSeries(Keep(text, func(name string) bool { return name != entries[0].name }))
		if err != nil || len(rest) != len(entries)-1 {
			t.Errorf("%v, %v are left of %q", rest, err, text)
		}
	})
}
