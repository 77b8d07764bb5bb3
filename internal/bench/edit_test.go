package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/run"
)

const added = `Subject: [PATCH] x

---
--- /dev/null
+++ b/x.h
@@ -0,0 +1,2 @@
+{
+}
--- /dev/null
+++ b/x.c
@@ -0,0 +1,9 @@
+#define __used
+int f(void)
+{
+	return 1;
+}
+int g(void)
+{
+	return 2;
+}
-- 
2.39.5
`

// An edited patch applies, and has one line more that is the run's own.
func TestEdited(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for n, want := range map[int]string{1: "bench 1", 20: "bench 20"} {
		text, ok := edited(added, n)
		if !ok {
			t.Fatal("no place for an edit")
		}
		dir := t.TempDir()
		git := func(argv ...string) {
			cmd := run.Cmd{Argv: append([]string{"git"}, argv...), Dir: dir, Env: run.Env("GIT_CEILING_DIRECTORIES=" + dir), Stdin: strings.NewReader(text)}
			if err := run.Run(t.Context(), cmd); err != nil {
				t.Fatal(err)
			}
		}
		git("apply", "-")
		got, err := os.ReadFile(filepath.Join(dir, "x.c"))
		if err != nil {
			t.Fatal(err)
		}
		head := "#define __used\nint f(void)\n{\n\treturn 1;\n}\n\nstatic const char bench_edit[] __used = \"" + want + "\";\nint g"
		if !strings.HasPrefix(string(got), head) || !strings.HasSuffix(string(got), "return 2;\n}\n") {
			t.Errorf("x.c is %s", got)
		}
		if h, _ := os.ReadFile(filepath.Join(dir, "x.h")); string(h) != "{\n}\n" {
			t.Errorf("x.h is %s", h)
		}
	}
	for _, none := range []string{"", "+}\n", strings.ReplaceAll(added, "x.c", "x.S"), strings.ReplaceAll(added, "+}", "+} x;")} {
		if _, ok := edited(none, 1); ok {
			t.Errorf("an edit in %q", none)
		}
	}
}

// The series of this checkout can be edited.
func TestFirstEdit(t *testing.T) {
	folders, err := filepath.Glob("../../patches/*")
	if err != nil || len(folders) == 0 {
		t.Fatal(folders, err)
	}
	for _, dir := range folders {
		files, err := readSeries(dir)
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := firstEdit(files); !ok || !strings.HasPrefix(name, "0001-") {
			t.Errorf("%s: %s %v", dir, name, ok)
		}
	}
	if name, ok := firstEdit(map[string][]byte{"series": []byte("a.patch\n"), "a.patch": []byte("nothing")}); ok {
		t.Errorf("an edit in %s", name)
	}
}

func TestWithoutCCache(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"masked", "real"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"ccache": "", "masked/gcc": "../ccache", "gcc-12": "", "real/gcc": "../gcc-12"} {
		path := filepath.Join(dir, name)
		err := os.Symlink(to, path)
		if to == "" {
			err = os.WriteFile(path, nil, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got := withoutCCache(filepath.Join(dir, "masked") + ":" + filepath.Join(dir, "real") + ":" + filepath.Join(dir, "none"))
	if want := filepath.Join(dir, "real") + ":" + filepath.Join(dir, "none"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
