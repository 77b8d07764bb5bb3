package patch

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// newHunks parses hunks as they stand in a diff.
func newHunks(t *testing.T, text string) []*hunk {
	t.Helper()
	p, err := parse("diff --git a/x b/x\n--- a/x\n+++ b/x\n"+text, 1)
	if err != nil {
		t.Fatal(err)
	}
	return p.changes[0].hunks
}

func split(s string) []string { return newFile(s, 0).lines }

func TestMatcher(t *testing.T) {
	abc := "a\nb\nc\nd\ne\nf\ng\nh\n"
	mid := "@@ -3,3 +3,4 @@\n c\n d\n+new\n e\n"
	for name, tc := range map[string]struct {
		file, hunks, want string
		offset            int
		why               string
	}{
		"in place":              {file: abc, hunks: mid, want: "a\nb\nc\nd\nnew\ne\nf\ng\nh\n"},
		"later":                 {file: "0\n1\n" + abc, hunks: mid, want: "0\n1\na\nb\nc\nd\nnew\ne\nf\ng\nh\n", offset: 2},
		"earlier":               {file: abc[4:], hunks: mid, want: "c\nd\nnew\ne\nf\ng\nh\n", offset: 2},
		"nearest":               {file: "c\nd\ne\n1\n2\n3\n4\n5\nc\nd\ne\n9\n", hunks: mid, want: "c\nd\nnew\ne\n1\n2\n3\n4\n5\nc\nd\ne\n9\n", offset: 2},
		"as near: the later":    {file: "x\nc\nd\ne\n2\n3\n4\nc\nd\ne\n9\n", hunks: "@@ -5,3 +5,4 @@\n c\n d\n+new\n e\n", want: "x\nc\nd\ne\n2\n3\n4\nc\nd\nnew\ne\n9\n", offset: 3},
		"context differs":       {file: strings.Replace(abc, "c", "C", 1), hunks: mid, why: "not there"},
		"white space differs":   {file: strings.Replace(abc, "c\n", "c \n", 1), hunks: mid, why: "not there"},
		"begin is anchored":     {file: "0\n" + abc, hunks: "@@ -1,2 +1,3 @@\n+new\n a\n b\n", why: "not there"},
		"end is anchored":       {file: abc + "i\n", hunks: "@@ -7,2 +7,3 @@\n g\n h\n+new\n", why: "not there"},
		"end moves":             {file: "0\n" + abc, hunks: "@@ -7,2 +7,3 @@\n g\n h\n+new\n", want: "0\n" + abc + "new\n", offset: 1},
		"empty file":            {file: "", hunks: "@@ -0,0 +1 @@\n+new\n", want: "new\n"},
		"empty file is not":     {file: "a\n", hunks: "@@ -0,0 +1 @@\n+new\n", why: "not there"},
		"to empty":              {file: "a\n", hunks: "@@ -1 +0,0 @@\n-a\n", want: ""},
		"no context":            {file: abc, hunks: "@@ -3,0 +4 @@\n+new\n", why: "no context"},
		"no newline":            {file: "a\nb", hunks: "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n", want: "a\nc\n"},
		"no newline to come":    {file: "a\nb\n", hunks: "@@ -1,2 +1,2 @@\n a\n-b\n+b\n\\ No newline at end of file\n", want: "a\nb"},
		"newline where none is": {file: "a\nb", hunks: "@@ -1,2 +1,2 @@\n-a\n+c\n b\n", why: "not there"},
		"none where newline is": {file: "a\nb\n", hunks: "@@ -1,2 +1,2 @@\n-a\n+c\n b\n\\ No newline at end of file\n", why: "not there"},
		"applied already":       {file: "a\nb\nc\nd\nnew\ne\nf\n", hunks: mid, why: "applied already, at line 3"},
		"blank context":         {file: "a\n\nb\n\nc\n", hunks: "@@ -2,3 +2,3 @@\n\n-b\n+B\n\n", want: "a\n\nB\n\nc\n"},
		"two hunks": {file: "0\n" + abc + "i\nj\nk\nl\n", hunks: "@@ -2,3 +2,3 @@\n b\n-c\n+C\n d\n@@ -8,3 +8,3 @@\n h\n-i\n+I\n j\n",
			want: "0\na\nb\nC\nd\ne\nf\ng\nh\nI\nj\nk\nl\n", offset: 1},
		"order is kept": {file: "h\ni\nj\n" + abc[:10] + "x\n", hunks: "@@ -4,3 +4,3 @@\n b\n-c\n+C\n d\n@@ -8,3 +8,3 @@\n h\n-i\n+I\n j\n", why: "not there"},
		"not before the hunk above": {file: "0\n1\n2\n3\n4\nf\ng\nh\n5\n6\n7\n8\n9\nb\nc\nd\n10\n11\n12\n13\n",
			hunks: "@@ -2,3 +2,3 @@\n b\n-c\n+C\n d\n@@ -6,3 +6,3 @@\n f\n-g\n+G\n h\n", why: "not there"},
		"two places": {file: "0\n1\n2\n3\na\nb\nc\nd\ne\nf\n\tx\n}\ny\n5\n\tx\n}\ny\nz\n",
			hunks: "@@ -2,3 +2,3 @@\n b\n-c\n+C\n d\n@@ -11,3 +11,4 @@\n \tx\n }\n+new\n y\n", why: "fits at line 11, and at line 15"},
		"nearer above": {file: "0\n1\n\tx\n}\ny\nb\nc\nd\ne\nf\ng\n\tx\n}\ny\nz\n",
			hunks: "@@ -6,3 +6,3 @@\n b\n-c\n+C\n d\n@@ -9,3 +9,4 @@\n \tx\n }\n+new\n y\n", want: "0\n1\n\tx\n}\ny\nb\nC\nd\ne\nf\ng\n\tx\n}\nnew\ny\nz\n", offset: 3},
		"nearer above, refused": {file: "0\n1\n\tx\n}\ny\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n\tx\n}\ny\nz\n",
			hunks: "@@ -6,3 +6,3 @@\n b\n-c\n+C\n d\n@@ -9,3 +9,4 @@\n \tx\n }\n+new\n y\n", why: "nearer to its own line above"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &matcher{lines: split(tc.file)}
			var why []string
			for _, h := range newHunks(t, tc.hunks) {
				if bad := m.apply(h); bad != nil {
					why = append(why, bad.why)
				}
			}
			if tc.why != "" {
				if len(why) == 0 || !strings.Contains(strings.Join(why, "\n"), tc.why) {
					t.Errorf("why %q, want %q", why, tc.why)
				}
				return
			}
			if len(why) > 0 {
				t.Fatalf("it does not apply: %q", why)
			}
			if got := strings.Join(m.finish(), ""); got != tc.want || m.offset != tc.offset {
				t.Errorf("got %q, offset %d, want %q, offset %d", got, m.offset, tc.want, tc.offset)
			}
		})
	}
}

// all finds what a search at every place finds.
func TestAllPlaces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func(n, letters int) []string {
		s := make([]string, n)
		for i := range s {
			s[i] = string(rune('a' + r.IntN(letters)))
		}
		return s
	}
	for range 3000 {
		m := &matcher{lines: word(r.IntN(30), 1+r.IntN(3))}
		m.at = r.IntN(len(m.lines) + 1)
		side := word(1+r.IntN(6), 1+r.IntN(3))
		var want []int
		for p := m.at; p+len(side) <= len(m.lines); p++ {
			if slices.Equal(m.lines[p:p+len(side)], side) {
				want = append(want, p)
			}
		}
		if got := m.all(m.lines, m.at, side); !slices.Equal(got, want) {
			t.Fatalf("%q in %q from %d: %v, want %v", side, m.lines, m.at, got, want)
		}
	}
}

// A hunk and a file made of one line again and again: the worst case of a
// search at every place.
func TestSearchIsLinear(t *testing.T) {
	const n = 100_000
	m := &matcher{lines: slices.Repeat([]string{"x\n"}, n)}
	side := append(slices.Repeat([]string{"x\n"}, n/2), "y\n")
	if m.nearest(side, 10) != -1 {
		t.Fatal("found")
	}
	if m.compares > 6*n {
		t.Errorf("%d lines compared in a file of %d", m.compares, n)
	}
}
