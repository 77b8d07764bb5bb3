package patch

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
)

// try tries patches on files in memory.
func try(t *testing.T, files content, patches ...string) ([]Status, content) {
	t.Helper()
	var series []patchFile
	for i, text := range patches {
		series = append(series, patchFile{entry: entry{name: fmt.Sprint(i + 1), strip: 1}, text: text})
	}
	d := newDraft(inMemory(files))
	list, err := replay(t.Context(), d, parseAll(series), nil)
	if err != nil {
		t.Fatal(err)
	}
	return list, drafted(d)
}

func states(list []Status) string {
	var words []string
	for _, s := range list {
		words = append(words, string(s.State))
	}
	return strings.Join(words, " ")
}

// insert returns a diff that puts text behind line n of numbered lines.
func insert(name string, n int, text string) string {
	all := split(lines(1, 60))
	return fmt.Sprintf("--- a/%s\n+++ b/%s\n@@ -%d,2 +%d,3 @@\n %s+%s\n %s", name, name, n, n, all[n-1], text, all[n])
}

// Each state, with the way to it and, beside it, the nearest thing that is
// another.
func TestStates(t *testing.T) {
	base := lines(1, 60)
	all := split(base)
	inserted := func(n int, text string) string {
		return strings.Join(all[:n], "") + text + "\n" + strings.Join(all[n:], "")
	}
	git := "diff --git a/f b/f\n"
	exec := git + "old mode 100644\nnew mode 100755\n"
	create := "diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+1\n"
	remove := "diff --git a/n b/n\ndeleted file mode 100644\n--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"
	rename := "diff --git a/n b/m\nsimilarity index 100%\nrename from n\nrename to m\n"
	f := func(text string) content { return content{"f": text} }
	for name, tc := range map[string]struct {
		files   content
		patches []string
		want    string
	}{
		"clean":                             {f(base), []string{insert("f", 20, "x")}, "clean"},
		"offset":                            {f("0\n0\n" + base), []string{insert("f", 20, "x")}, "offset"},
		"conflict":                          {f(inserted(20, "y")), []string{insert("f", 20, "x")}, "conflict"},
		"upstream":                          {f(inserted(20, "x")), []string{insert("f", 20, "x")}, "upstream"},
		"upstream elsewhere":                {f("0\n" + inserted(20, "x")), []string{insert("f", 20, "x")}, "upstream"},
		"one hunk of two is there":          {f(inserted(20, "x")), []string{insert("f", 20, "x") + strings.SplitAfterN(insert("f", 40, "x"), "\n", 3)[2]}, "conflict"},
		"one file of two has it":            {content{"f": inserted(20, "x"), "g": base}, []string{insert("f", 20, "x") + insert("g", 20, "x")}, "conflict"},
		"what is upstream breaks nothing":   {f(inserted(20, "x")), []string{insert("f", 20, "x"), insert("f", 40, "y")}, "upstream offset"},
		"applied by an earlier patch":       {f(base), []string{insert("f", 20, "x"), insert("f", 20, "x")}, "clean upstream"},
		"empty":                             {f(base), []string{"", "Hello\n", git + "index 1..2 100644\n", git + "--- a/f\n+++ b/f\n@@ -1 +1 @@\n a\n"}, "empty empty empty empty"},
		"blocked":                           {content{"f": "z\n", "g": base}, []string{insert("f", 20, "x"), insert("f", 40, "x"), insert("g", 20, "x"), insert("g", 40, "y") + insert("f", 50, "y")}, "conflict blocked clean blocked"},
		"blocked by a patch not read":       {content{"f": base, "g": base}, []string{insert("f", 20, "x") + "@@ -1 +x @@\n", insert("f", 40, "x"), insert("g", 40, "x")}, "refused blocked clean"},
		"binary":                            {f(base), []string{git + "index 1..2 100644\nGIT binary patch\nliteral 3\nKcmZ\n\nliteral 0\nHcm\n\n"}, "refused"},
		"created already":                   {content{"n": "1\n"}, []string{create}, "upstream"},
		"created otherwise":                 {content{"n": "2\n"}, []string{create}, "conflict"},
		"created with another mode":         {content{"n": "exec:1\n"}, []string{create}, "conflict"},
		"removed already":                   {content{"f": "1\n"}, []string{remove}, "upstream"},
		"renamed already":                   {content{"m": "1\n"}, []string{rename}, "upstream"},
		"renamed, the old one is there too": {content{"m": "1\n", "n": "2\n"}, []string{rename}, "conflict"},
		"copied, and the old one is gone":   {content{"n": "1\n"}, []string{"diff --git a/f b/n\ncopy from f\ncopy to n\n"}, "conflict"},
		"mode":                              {f(base), []string{exec}, "clean"},
		"mode already":                      {content{"f": "exec:" + base}, []string{exec}, "upstream"},
		"reverted and done again":           {f(base), []string{insert("f", 20, "x"), strings.Replace(strings.Replace(insert("f", 20, "x"), "+x\n", "-x\n", 1), "20,2 +20,3", "20,3 +20,2", 1), insert("f", 20, "x")}, "clean clean clean"},
		"it fits far away, and stands here": {f(inserted(20, "x") + all[19] + all[20] + "end\nend\n"), []string{insert("f", 20, "x")}, "upstream"},
		"no word to go by":                  {f("{\n}\n}\n"), []string{"--- a/f\n+++ b/f\n@@ -5,3 +5,2 @@\n {\n-\n }\n"}, "conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			list, _ := try(t, tc.files, tc.patches...)
			if got := states(list); got != tc.want {
				t.Fatalf("states %q, want %q: %+v", got, tc.want, list)
			}
			for _, s := range list {
				if (s.Why == "") != s.Applies() || (len(s.Failures) > 0) != (s.State == Conflict) {
					t.Errorf("%+v", s)
				}
			}
		})
	}
}

// Two patches with the same id as git has it are the same; a patch whose lines
// were changed again since is upstream by its id.
func TestSamePatchID(t *testing.T) {
	r := newRepo(t)
	one := insert("f", 20, "x = 1;") + insert("g", 20, "y = 2;")
	for name, tc := range map[string]struct {
		other string
		same  bool
	}{
		"elsewhere":      {strings.ReplaceAll(one, "-20,2 +20,3", "-30,2 +30,3"), true},
		"white space":    {strings.ReplaceAll(one, "x = 1;", "x  =\t1;"), true},
		"order of files": {insert("g", 20, "y = 2;") + insert("f", 20, "x = 1;"), true},
		"a word":         {strings.ReplaceAll(one, "x = 1;", "x = 2;"), false},
		"a file":         {strings.ReplaceAll(one, "/f\n", "/h\n"), false},
		"less":           {insert("f", 20, "x = 1;"), false},
		"context":        {strings.ReplaceAll(one, "line", "linE"), false},
	} {
		t.Run(name, func(t *testing.T) {
			var ids, gits []string
			for _, text := range []string{one, tc.other} {
				p, err := parse(text, 1)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, p.id())
				gits = append(gits, patchID(r, text))
			}
			if ours, git := ids[0] == ids[1], gits[0] == gits[1]; ours != tc.same || git != tc.same {
				t.Errorf("the same: %v, for git %v, want %v", ours, git, tc.same)
			}
		})
	}
	base := lines(1, 60)
	again := strings.Replace(strings.Replace(insert("f", 20, "x"), "+x\n", "-x\n+y\n", 1), "20,2 +20,3", "20,3 +20,3", 1)
	list, _ := try(t, content{"f": base}, insert("f", 20, "x"), again, strings.ReplaceAll(insert("f", 20, "x"), "-20,2 +20,3", "-21,2 +21,3"))
	if got := states(list); got != "clean clean upstream" || list[2].Why != "the same change as 1" {
		t.Errorf("states %q: %+v", got, list[2])
	}
}

// patchID returns the id that git patch-id --stable gives a plain diff, which
// it reads only with git's header.
func patchID(r *repo, text string) string {
	r.t.Helper()
	var b strings.Builder
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "--- a/"); ok {
			name = strings.TrimSpace(name)
			fmt.Fprintf(&b, "diff --git a/%s b/%s\n", name, name)
		}
		b.WriteString(line)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "in"), []byte(b.String()), 0o644); err != nil {
		r.t.Fatal(err)
	}
	return strings.Fields(r.stdin("in", "patch-id", "--stable"))[0]
}

// What a hunk that moved, or does not fit, says of itself.
func TestReportOfHunks(t *testing.T) {
	base := lines(1, 60)
	list, _ := try(t, content{"f": "0\n0\n" + base, "g": strings.Replace(base, split(base)[40], "other\n", 1)},
		insert("f", 20, "x")+strings.Replace(strings.SplitAfterN(insert("f", 30, "y"), "\n", 3)[2], "+30", "+31", 1),
		insert("g", 10, "x")+strings.Replace(strings.SplitAfterN(insert("g", 41, "y"), "\n", 3)[2], "+41", "+42", 1))
	if d := cmp.Diff([]Move{{"f", 1, 20, 22, 2}, {"f", 2, 30, 32, 2}}, list[0].Moved); d != "" {
		t.Errorf("moved (-want +got):\n%s", d)
	}
	if list[0].Offset != 2 || len(list[1].Failures) != 1 {
		t.Fatalf("%+v", list)
	}
	f := list[1].Failures[0]
	if f.Hunk != 2 || f.Hunks != 2 || len(f.Diff) != 3 || len(f.Expected) != 2 || f.Found[0].Line != 41 || !f.Found[0].Differs || f.Found[1].Differs {
		t.Errorf("failure %+v", f)
	}
	r := Report{Digest: "d", Patches: list}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, back); d != "" {
		t.Errorf("round trip (-want +got):\n%s", d)
	}
}

// The nearest place is looked for in the whole file.
func TestNearestPlaceFarAway(t *testing.T) {
	far := lines(1, 60)
	for i := range 5000 {
		far = fmt.Sprintf("filler %d\n}\n", i) + far
	}
	all := split(lines(1, 60))
	list, _ := try(t, content{"f": strings.Replace(far, all[19], "changed\n", 1)},
		"--- a/f\n+++ b/f\n@@ -18,6 +18,7 @@\n "+strings.Join(all[17:20], " ")+"+x\n "+strings.Join(all[20:23], " "))
	if f := list[0].Failures[0]; f.Found[0].Line != 10018 || f.Found[2].Text != "changed" {
		t.Errorf("found %+v", f.Found)
	}
}

// Try says the same as Apply, and leaves the tree alone.
func TestTryTouchesNothing(t *testing.T) {
	tree := newTree(t, origin)
	mustApply(t, tree, newSeries(t, diff(t, origin, overlay(origin, first))))
	put(t, tree.Src(), content{"kernel/fork.c": "edited\n"})
	before, when := read(t, tree.Src()), mtimes(t, tree.Src())
	good := newSeries(t, diff(t, origin, overlay(origin, second)))
	bad := newSeries(t, diff(t, content{"kernel/core.c": "a\nb\n"}, content{"kernel/core.c": "a\nc\n"}), "", diff(t, origin, overlay(origin, first)))
	seen := []string{}
	visit := func(s Status, before, after map[string]File) error {
		seen = append(seen, fmt.Sprintf("%s %d>%d", s.Name, len(before), len(after)))
		return nil
	}
	r, err := Try(t.Context(), Params{Tree: tree, Series: good, Visit: visit})
	if err != nil || states(r.Patches) != "clean" || !slices.Equal(seen, []string{"a.patch 3>2"}) {
		t.Errorf("%+v, %v, visited %q", r, err, seen)
	}
	r, err = Try(t.Context(), Params{Tree: tree, Series: bad, Visit: visit})
	if err != nil || states(r.Patches) != "conflict empty blocked" || len(seen) != 1 {
		t.Errorf("%+v, %v, visited %q", r, err, seen)
	}
	wantKind(t, r.Err(), fault.Patch, "3 patches do not apply, 1 place does not fit", "patch b.patch: empty", "blocked, as an earlier patch failed on a file of theirs: c.patch")
	if _, err := Apply(t.Context(), Params{Tree: tree, Series: bad}); err == nil || err.Error() != r.Err().Error() {
		t.Errorf("Apply says %v", err)
	}
	if d := cmp.Diff(before, read(t, tree.Src())); d != "" {
		t.Errorf("tree (-before +after):\n%s", d)
	}
	if d := cmp.Diff(when, mtimes(t, tree.Src())); d != "" {
		t.Errorf("mtimes (-before +after):\n%s", d)
	}
}

// What an earlier patch of the series makes is not said of the kernel.
func TestTwiceInTheSeries(t *testing.T) {
	base := content{"f": lines(1, 60)}
	one := insert("f", 20, "x")
	list, _ := try(t, base, one, one)
	if got := list[1]; got.State != Upstream || got.Why != "the same change as "+list[0].Name {
		t.Errorf("the second: %s, %s", got.State, got.Why)
	}
}
