package coverage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/run"
)

// Each line with a + in it is one that stands in a function, each with a ~ one
// that may be taken for it.
func TestBodies(t *testing.T) {
	for name, text := range map[string]string{
		"a prototype":         "int f(int a);\nvoid g(struct x *p,\n\tint b);\n",
		"a macro":             "#define F(x) do { \\\n\tg(x); \\\n} while (0)\nint a;\n",
		"a type":              "struct s {\n\tint (*f)(void);\n\tint b;\n};\nenum { A, B };\n",
		"an initializer":      "static const struct s t = {\n\t.a = F(1),\n};\n",
		"a function":          "static inline int f(int a)\n{ //+\n\treturn a; //+\n} //+\nint b;\n",
		"on one line":         "static inline int f(void) { return 1; } //+\nint b;\n",
		"after another":       "int f(void);\nstatic inline int g(void)\n{ //+\n\tif (1) { //+\n\t\tx(); //+\n\t} //+\n\treturn 0; //+\n} //+\nstruct s {\n\tint a;\n};\n",
		"braces in a string":  "static inline int f(void)\n{ //+\n\tg(\"}\"); //+\n\treturn '}'; //+\n} //+\nint a;\n",
		"braces in a comment": "/* f() {\n */\nstruct s {\n\tint a; /* } */\n};\nint b;\n",
		"an attribute":        "struct __attribute__((packed)) s { //~\n\tint a; //~\n}; //~\nint b;\n",
		"extern C":            "#ifdef __cplusplus\nextern \"C\" {\n#endif\nint f(int a);\n",
	} {
		t.Run(name, func(t *testing.T) {
			got := bodies(text)
			for i, row := range strings.Split(text, "\n") {
				if want := strings.Contains(row, "//+"); want != got[i+1] && !strings.Contains(row, "//~") {
					t.Errorf("line %d, %q: %v", i+1, row, got[i+1])
				}
			}
		})
	}
}

func FuzzBodies(f *testing.F) {
	f.Add("static inline int f(int a)\n{\n\treturn a;\n}\n")
	f.Add("}}}{(\"'/*\\\n#")
	f.Fuzz(func(t *testing.T, text string) {
		for line := range bodies(text) {
			if line < 1 || line > strings.Count(text, "\n")+1 {
				t.Fatalf("line %d of %q", line, text)
			}
		}
	})
}

func TestSources(t *testing.T) {
	header := "int f(int a);\nstatic inline int g(void)\n{\n\treturn 1;\n}\n"
	at := func(file string, line int) AddedLine { return AddedLine{File: file, Line: line} }
	got, err := Sources([]AddedLine{at("a.c", 1), at("a.c", 2), at("b.h", 1), at("b.h", 4), at("c.h", 1), at("c.h", 2)},
		func(string) (string, error) { return header, nil })
	if d := cmp.Diff([]string{"a.c", "b.h"}, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	if _, err := Sources([]AddedLine{at("b.h", 1)}, func(string) (string, error) { return "", os.ErrNotExist }); err == nil {
		t.Error("a header that is not there is no error")
	}
}

// write makes files below dir.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFind(t *testing.T) {
	src, obj := t.TempDir(), t.TempDir()
	cmd := func(name string, files ...string) string {
		return fmt.Sprintf("cmd_%s := gcc -c -o %s\n\nsource_%s := %s/%s\n\ndeps_%s := \\\n  %s \\\n", name, name, name, src, files[0], name, strings.Join(files[1:], " \\\n  "))
	}
	write(t, src, map[string]string{
		"Makefile": "x := 1\n", "fs/Makefile": "obj-y += a.o\nGCOV_PROFILE_b.o := n\n", "vdso/Makefile": "GCOV_PROFILE := n\nKCOV_INSTRUMENT := n\n",
	})
	write(t, obj, map[string]string{
		"fs/.a.o.cmd":       cmd("fs/a.o", "fs/a.c", src+"/include/linux/x.h"),
		"fs/a.gcno":         "",
		"fs/.b.o.cmd":       cmd("fs/b.o", "fs/b.c", src+"/include/linux/x.h"),
		"fs/.c.o.cmd":       cmd("fs/c.o", "fs/c.c", src+"/include/linux/x.hpp", src+"/include/linux/xx.h"),
		"fs/.built-in.cmd":  "/fs/a.c\n",
		"lib/.d.o.cmd":      cmd("lib/d.o", "lib/d.c", src+"/fs/a.c"),
		"vdso/.a.o.cmd":     cmd("vdso/a.o", "vdso/a.c", src+"/include/linux/x.h"),
		"scripts/.e.o.cmd":  "HOSTCC " + cmd("scripts/e.o", "scripts/e.c", src+"/include/linux/x.h"),
		"fs/not.hidden.cmd": "/fs/a.c\n",
	})
	got, err := Find(obj, src, []string{"fs/a.c", "include/linux/x.h"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Object{
		{Name: "fs/a.o", Files: []string{"fs/a.c", "include/linux/x.h"}, Notes: true},
		{Name: "fs/b.o", Files: []string{"include/linux/x.h"}},
		{Name: "lib/d.o", Files: []string{"fs/a.c"}},
		{Name: "vdso/a.o", Files: []string{"include/linux/x.h"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if v, err := Variable(src, got); v != "GCOV_PROFILE=$(if $(filter fs/a.o lib/d.o,$@),y)" || err != nil {
		t.Error(v, err)
	}
	if _, err := Variable(src, make([]Object, 200_000)); err == nil {
		t.Error("make was told of more objects than it can be")
	}
	if d := cmp.Diff([]string{"fs/a.gcno", "fs/b.gcno", "lib/d.gcno", "vdso/a.gcno"}, NotesOf(got)); d != "" {
		t.Error(d)
	}
	guess := Guess([]string{"lib/d.c", "include/linux/x.h", "fs/a.c"})
	if d := cmp.Diff([]Object{{Name: "fs/a.o", Files: []string{"fs/a.c"}}, {Name: "lib/d.o", Files: []string{"lib/d.c"}}}, guess); d != "" || Same(guess, got) || !Same(guess, guess) {
		t.Error(d)
	}
}

// make hands the variable down to the makes it starts, and each compiles with
// counters what is named and nothing else of that name.
func TestVariableReachesTheObjects(t *testing.T) {
	needs(t, "make")
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"Makefile": "all:\n\t+@$(MAKE) -s -f sub.mk obj=fs\n\t+@$(MAKE) -s -f sub.mk obj=kernel GCOV=\n",
		// As scripts/Makefile.lib and a folder that wants no counters have it.
		"sub.mk": "GCOV_PROFILE := n\nflags = $(if $(patsubst n%,,$(GCOV_PROFILE_$(basename $(notdir $@)).o)$(GCOV_PROFILE)),counted,plain)\n" +
			"all: $(obj)/base.o $(obj)/other.o\n$(obj)/%.o:\n\t@echo $@ $(flags)\n",
	})
	v, err := Variable(dir, []Object{{Name: "fs/base.o"}, {Name: "kernel/other.o"}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.Output(t.Context(), run.Cmd{Argv: []string{"make", "-s", "--no-print-directory", "-C", dir, v}, Env: run.Env()})
	if err != nil {
		t.Fatal(err)
	}
	if want := "fs/base.o counted\nfs/other.o plain\nkernel/base.o plain\nkernel/other.o counted"; out != want {
		t.Errorf("%s\nwant\n%s", out, want)
	}
}
