package series

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/patch"
	"bzmage/internal/run"
)

func needs(t testing.TB, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", tool)
	}
	t.Skipf("%s is missing", tool)
}

// repo is a git repository as a developer has it.
type repo struct {
	t   *testing.T
	dir string
}

func newRepo(t *testing.T) repo {
	needs(t, "git")
	r := repo{t, t.TempDir()}
	r.git("init", "-q")
	return r
}

func (r repo) git(args ...string) string {
	r.t.Helper()
	out, err := run.Output(r.t.Context(), run.Cmd{Argv: append([]string{"git", "-c", "core.abbrev=12"}, args...), Dir: r.dir,
		Env: run.Env("HOME="+r.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com", "GIT_AUTHOR_DATE=@1700000000 +0000", "GIT_COMMITTER_DATE=@1700000000 +0000")})
	if err != nil {
		r.t.Fatal(err)
	}
	return out + "\n"
}

// commit makes files the content of the repository.
func (r repo) commit(files map[string]patch.File, message string) {
	r.t.Helper()
	list, err := os.ReadDir(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range list {
		if e.Name() != ".git" {
			if err := os.RemoveAll(filepath.Join(r.dir, e.Name())); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	put(r.t, r.dir, files)
	attributes := filepath.Join(r.dir, ".git", "info", "attributes")
	if err := os.WriteFile(attributes, []byte("*.c diff=cpp\n"), 0o644); err != nil {
		r.t.Fatal(err)
	}
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", message)
}

func put(t testing.TB, dir string, files map[string]patch.File) {
	t.Helper()
	for name, f := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil && f.Mode&fs.ModeSymlink != 0 {
			err = os.Symlink(string(f.Data), path)
		} else if err == nil {
			err = os.WriteFile(path, f.Data, f.Mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func text(s string) patch.File { return patch.File{Data: []byte(s), Mode: 0o644} }

// source is a C file with n functions.
func source(n int) string {
	var b strings.Builder
	for i := range n {
		name := strings.Repeat("f", i%5+1) + string(rune('a'+i%26))
		b.WriteString("static int " + name + "(int x)\n{\n\tint y = x;\n\nagain:\n\ty -= 1;\n\ty -= 2;\n\ty -= 3;\n\ty += " + name + ";\n\ty *= 2;\n\treturn y;\n}\n\n")
	}
	return b.String()
}

// What Render and Replace make of a mail is what git format-patch makes.
func TestRenderIsFormatPatch(t *testing.T) {
	long := source(30)
	for name, tc := range map[string]struct{ before, after map[string]patch.File }{
		"change":   {map[string]patch.File{"k/a.c": text(long)}, map[string]patch.File{"k/a.c": text(strings.Replace(long, "fffc;", "fffc + 1;", 1))}},
		"long":     {map[string]patch.File{}, map[string]patch.File{"a/path/of/many/folders/in/the/tree/that/is/long/a.c": text(long)}},
		"new file": {map[string]patch.File{"k/a.c": text(long)}, map[string]patch.File{"k/a.c": text(long), "k/new file.h": text("one\ntwo")}},
		"removed":  {map[string]patch.File{"k/a.c": text(long), "b": text("x\n")}, map[string]patch.File{"k/a.c": text(long)}},
		"renamed":  {map[string]patch.File{"k/a.c": text(long)}, map[string]patch.File{"lib/b.c": text(long + "// end\n")}},
		"mode":     {map[string]patch.File{"k/a.sh": text("x\n")}, map[string]patch.File{"k/a.sh": {Data: []byte("x\n"), Mode: 0o755}}},
		"link":     {map[string]patch.File{"k/a.c": text(long), "l": {Data: []byte("k/a.c"), Mode: fs.ModeSymlink}}, map[string]patch.File{"k/a.c": text(long), "l": {Data: []byte("k"), Mode: fs.ModeSymlink}}},
		"names":    {map[string]patch.File{"ä \"q\".c": text("1\n")}, map[string]patch.File{"ä \"q\".c": text("2\n")}},
		"windows":  {map[string]patch.File{"a.c": text("1\r\n2\r\n")}, map[string]patch.File{"a.c": text("1\r\n3\r\n")}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.commit(tc.before, "Begin")
			r.commit(tc.after, "Change something\n\nA message that tells of a diffstat:\n a.c | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n and goes on.\n")
			want := r.git("format-patch", "--stdout", "--subject-prefix=PATCH v2", "-1")
			// The same patch as it was before: other files, other numbers.
			old := map[string]patch.File{"other.c": text("1\n2\n3\n")}
			r.commit(old, "Begin again")
			r.commit(map[string]patch.File{"other.c": text("1\nx\n3\n")}, "Change")
			like := Mail{Text: []byte(r.git("format-patch", "--stdout", "-1")), Strip: 1}
			d, err := Render(t.Context(), tc.before, tc.after, like)
			if err != nil {
				t.Fatal(err)
			}
			// A mail whose diff and diffstat are those of another change.
			from, to, err := patch.Extent(string(like.Text), 1)
			if err != nil {
				t.Fatal(err)
			}
			wantFrom, wantTo, err := patch.Extent(want, 1)
			if err != nil {
				t.Fatal(err)
			}
			stat := want[strings.LastIndex(want[:wantFrom], "---\n")+4 : wantFrom]
			head := strings.TrimSuffix(want[:wantFrom], stat) + " other.c | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\n"
			mail := Mail{Text: []byte(head + string(like.Text[from:to]) + want[wantTo:]), Strip: 1}
			got, err := mail.Replace(d)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("patch (-git +ours):\n%s", diff)
			}
		})
	}
}

// A diff of another algorithm, with shorter hashes and more context, stays so.
func TestRenderKeepsTheForm(t *testing.T) {
	before := "a\nb\nc\n{\n1\n}\n\n{\n2\n}\nx\ny\nz\n" + source(9)
	after := "a\nb\nc\n{\n2\n}\n\n{\n1\n}\n{\n1\n}\nx\nY\nz\n" + source(9)
	files := func(head string) (b, a map[string]patch.File) {
		head += "head 1\nhead 2\nhead 3\nhead 4\nhead 5\nhead 6\nhead 7\nhead 8\n"
		return map[string]patch.File{"a.c": text(head + before)}, map[string]patch.File{"a.c": text(head + after)}
	}
	r := newRepo(t)
	b, a := files("")
	r.commit(b, "Begin")
	r.commit(a, "Change")
	moved := "1\n2\n3\n4\n5\n6\n7\n8\n"
	for _, args := range [][]string{{"--abbrev=7"}, {"--patience", "-U5"}, {"--histogram", "-U7", "--abbrev=20"}, {"--no-prefix"}, {"-U20"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			strip := 1
			if args[0] == "--no-prefix" {
				strip = 0
			}
			mail := Mail{Text: []byte(r.git(append([]string{"format-patch", "--stdout", "-1"}, args...)...)), Strip: strip}
			d, err := Render(t.Context(), b, a, mail)
			if err != nil {
				t.Fatal(err)
			}
			same, err := mail.Replace(d)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(mail.Text), string(same)); diff != "" {
				t.Errorf("the patch changed, though its files did not:\n%s", diff)
			}
			b, a := files(moved)
			if d, err = Render(t.Context(), b, a, mail); err != nil {
				t.Fatal(err)
			}
			off, err := mail.Replace(d)
			if err != nil {
				t.Fatal(err)
			}
			was, is := strings.Split(string(mail.Text), "\n"), strings.Split(string(off), "\n")
			if args[len(args)-1] != "-U20" && len(was) != len(is) { // -U20 has more context now
				t.Fatalf("%d lines became %d:\n%s", len(was), len(is), off)
			}
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	needs(t, "git")
	b := map[string]patch.File{"logo": text("1\x002")}
	if _, err := Render(t.Context(), b, nil, Mail{}); err == nil || !strings.Contains(err.Error(), "logo is binary") {
		t.Errorf("a binary file: %v", err)
	}
	d, err := Render(t.Context(), nil, nil, Mail{})
	if err != nil || len(d.Text) != 0 {
		t.Errorf("nothing: %q, %v", d.Text, err)
	}
	if _, err := (Mail{Text: []byte("x\n")}).Replace(d); err == nil {
		t.Error("an empty diff was put into a patch")
	}
	between := "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\nA note.\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-1\n+2\n"
	if _, err := (Mail{[]byte(between), 1}).Replace(Diff{Text: []byte("diff --git a/x b/x\n")}); err == nil || !strings.Contains(err.Error(), "line 6: text between") {
		t.Errorf("text between two diffs: %v", err)
	}
}
