package checkpatch

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// edit returns good with one text in place of another.
func edit(t *testing.T, old, to string) string {
	t.Helper()
	if !strings.Contains(good, old) {
		t.Fatalf("good has no %q", old)
	}
	return strings.Replace(good, old, to, 1)
}

func TestRules(t *testing.T) {
	const signed = "Signed-off-by: A Person <a@example.com>\n"
	subject := func(s string) string { return edit(t, "[PATCH] kernel: set x for the test", s) }
	footer := func(s string) string { return edit(t, signed, s) }
	diff := good[strings.Index(good, "diff --git"):]
	for name, tc := range map[string]struct {
		text string
		want string // type:line of each finding
	}{
		"good":                    {good, ""},
		"no diff":                 {good[:strings.Index(good, "diff --git")], "NO_DIFF:1"},
		"a change of mode":        {good[:strings.Index(good, "diff --git")] + "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n", ""},
		"a diff alone":            {diff, "MAIL_HEADER:1 NO_MESSAGE:1"},
		"a text and a diff":       {"Set x.\n\n" + signed + diff, "MAIL_HEADER:1"},
		"quilt with a header":     {"From: A Person <a@example.com>\nSubject: kernel: set x\n\nSet x.\n\n" + signed + diff, ""},
		"no From:":                {edit(t, "From: A Person <a@example.com>\n", ""), "MAIL_HEADER:1"},
		"no Subject:":             {edit(t, "Subject: [PATCH] kernel: set x for the test\n", ""), "MAIL_HEADER:1"},
		"an empty subject":        {subject(""), "MAIL_HEADER:1"},
		"no message":              {edit(t, "The value of x was never set, so set it to one.\n\n"+signed, "\n"), "NO_MESSAGE:4"},
		"two sign-offs":           {footer(signed + "Signed-off-by: B <b@example.com>\n"), ""},
		"no sign-off":             {footer(""), ""}, // that is for checkpatch to say
		"a tag before":            {footer("Link: https://example.com/\n" + signed), ""},
		"a tag behind":            {footer(signed + "Cc: stable@vger.kernel.org\n"), "SIGN_OFF_LAST:9"},
		"text behind":             {footer(signed + "\nAnd more.\n"), "SIGN_OFF_LAST:10"},
		"a remark behind":         {footer(signed + "[b@example.com: adapted\n it]\n" + signed), ""},
		"a remark at the end":     {footer(signed + "[b@example.com: adapted]\n"), ""},
		"Fixes":                   {footer("Fixes: 54a4f0239f2e (\"kernel: add x\")\n" + signed), ""},
		"Fixes with 40 digits":    {footer("Fixes: 54a4f0239f2e54a4f0239f2e54a4f0239f2e0123 (\"kernel: \"add\" x\")\n" + signed), ""},
		"Fixes with 11":           {footer("Fixes: 54a4f0239f2 (\"kernel: add x\")\n" + signed), "FIXES_TAG:8"},
		"Fixes in capitals":       {footer("Fixes: 54A4F0239F2E (\"kernel: add x\")\n" + signed), "FIXES_TAG:8"},
		"Fixes on two lines":      {footer("Fixes: 54a4f0239f2e (\"kernel:\n add x\")\n" + signed), "FIXES_TAG:8"},
		"Fixes without a title":   {footer("fixes: 54a4f0239f2e\n" + signed), "FIXES_TAG:8"},
		"Fixes without brackets":  {footer("Fixes: 54a4f0239f2e \"kernel: add x\"\n" + signed), "FIXES_TAG:8"},
		"Fixes with a comment":    {footer("Fixes: 54a4f0239f2e (\"kernel: add x\") # 5.4\n" + signed), "FIXES_TAG:8"},
		"Fixes twice":             {footer("Fixes: a\nFixes: b\n" + signed), "FIXES_TAG:8 FIXES_TAG:9"},
		"no subsystem":            {subject("[PATCH] Set x for the test"), "SUBJECT_PREFIX:4"},
		"an empty subsystem":      {subject("[PATCH] : set x"), "SUBJECT_PREFIX:4"},
		"a subsystem alone":       {subject("[PATCH] kernel:"), "SUBJECT_PREFIX:4"},
		"two subsystems":          {subject("[PATCH 5.4 v2] arm64: dts: set x"), ""},
		"a revert":                {subject(`[PATCH] Revert "` + strings.Repeat("x", 80) + `"`), ""},
		"a period":                {subject("[PATCH] kernel: set x."), "SUBJECT_PERIOD:4"},
		"three of them":           {subject("[PATCH] kernel: set x..."), ""},
		"75 characters":           {subject("[PATCH] kernel: " + strings.Repeat("ü", 75-8)), ""},
		"76 characters":           {subject("[PATCH] kernel: " + strings.Repeat("ü", 76-8)), "SUBJECT_LENGTH:4"},
		"a folded subject":        {subject("[PATCH] kernel: set x\n for the test."), "SUBJECT_PERIOD:4"},
		"CR LF":                   {strings.ReplaceAll(good, "\n", "\r\n"), "CRLF:1"},
		"one CR LF":               {edit(t, "x = 1;\n", "x = 1;\r\n"), "CRLF:21"},
		"a set without its begin": {subject("[PATCH 2/2] kernel: set x"), "PATCH_NUMBERING:4"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range obey([]document{read("a.patch", tc.text)}, 0) {
				got = append(got, fmt.Sprintf("%s:%d", f.Type, f.Line))
			}
			if s := strings.Join(got, " "); s != tc.want {
				t.Errorf("got %q, want %q", s, tc.want)
			}
		})
	}
}

func TestNumbering(t *testing.T) {
	for series, want := range map[string]string{
		"":                        "",
		"0001-: 0002-: 0010-:":    "",
		"a: 0002-: b: 0003-:":     "",
		"0002-: 0001-:":           "2",
		"0001-: a: 0001-:":        "3",
		"x/0002-: y/0001-:":       "",
		"a:1/1 b: c:1/2 d:2/2":    "",
		"a:1/2 b:2/2 c:1/2 d:2/2": "",
		"a:1/3 b:3/3":             "2",
		"a:1/2 b:":                "1",
		"a:1/2":                   "1",
		"a:2/2":                   "1",
		"a: b:2/2":                "2",
		"a:1/2 b:2/3 c:3/3":       "2",
		"a:1/2 b:1/2 c:2/2":       "1",
		"a:2/2 b:1/2":             "1 2",
		"a:0/2 b:1/1":             "1",
		"a:3/2":                   "1",
		"a:1/2 b:2/2 c:2/2":       "3",
	} {
		var docs []document
		for i, word := range strings.Fields(series) {
			name, number, _ := strings.Cut(word, ":")
			docs = append(docs, read(fmt.Sprintf("%s%c.patch", name, 'a'+i), "Subject: [PATCH v2 "+number+"] x: y\n\n"))
		}
		var got []string
		for i := range docs {
			if found := numbering(docs, i); len(found) > 0 {
				got = append(got, fmt.Sprint(i+1))
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: patches %q, want %q", series, s, want)
		}
	}
}

// What git format-patch writes has no findings of ours.
func TestRulesOnWhatGitWrites(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		missing(t, "git")
	}
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Jürgen Ä", "GIT_AUTHOR_EMAIL=j@example.com",
			"GIT_COMMITTER_NAME=Jürgen Ä", "GIT_COMMITTER_EMAIL=j@example.com")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
	}
	git("init", "-q")
	subjects := []string{"kernel: add ü", "kernel: " + strings.Repeat("long ", 13), `Revert "kernel: a thing."`}
	for i, s := range subjects {
		write1(t, filepath.Join(dir, "a.c"), strings.Repeat("line\n", i+1))
		git("add", "a.c")
		git("commit", "-q", "-s", "-m", s, "-m", "Because of ä.")
	}
	git("format-patch", "-q", "--root", "-o", "out")
	files, err := filepath.Glob(filepath.Join(dir, "out", "*"))
	if err != nil || len(files) != len(subjects) {
		t.Fatal(files, err)
	}
	series := map[string]string{}
	for _, f := range files {
		series[filepath.Base(f)] = readFile(t, f)
	}
	docs, err := load(seriesOf(t, series))
	if err != nil {
		t.Fatal(err)
	}
	for i := range docs {
		if d := cmp.Diff([]Finding(nil), obey(docs, i)); d != "" {
			t.Errorf("%s: %s\n%s", docs[i].name, d, strings.Join(docs[i].lines, "\n"))
		}
		if title, _ := docs[i].title(); title != strings.TrimSpace(subjects[i]) {
			t.Errorf("title %q, want %q", title, subjects[i])
		}
	}
}
