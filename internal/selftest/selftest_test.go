package selftest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/arch"
)

// tree writes files below tools/testing/selftests of a tree.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, "tools", "testing", "selftests", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func small() map[string]string {
	return map[string]string{
		"proc/Makefile": "CFLAGS += -Wall\nTEST_GEN_PROGS :=\nTEST_GEN_PROGS += one\nTEST_GEN_PROGS += two \\\n\tthree\n" +
			"TEST_GEN_PROGS += ../../evil\nTEST_GEN_PROGS += missing\nTEST_GEN_PROGS += $(X)\n# TEST_GEN_PROGS += comment\ninclude ../lib.mk\n",
		"proc/one.c":   "#include <assert.h>\n#include \"../kselftest.h\"\nint main(int n, char **v) { assert(n < 2); return KSFT_SKIP; }\n",
		"proc/two.c":   "#error \"no such arch\"\n",
		"proc/three.c": "int nowhere(void);\nint main(void) { return nowhere(); }\n",
		"kselftest.h":  "#define KSFT_SKIP 4\n",

		"pidfd/pidfd_fdinfo_test.c": "int main(void) { return 0; }\n",
		"pidfd/other.c":             "int main(void) { return 0; }\n",
	}
}

// native returns the arch of this machine, whose programs run here.
func native(t *testing.T) arch.Arch {
	t.Helper()
	for _, a := range arch.All() {
		if a.Native() {
			return a
		}
	}
	t.Skip("a machine of another arch")
	return arch.Arch{}
}

func build(t *testing.T, p Params) Result {
	t.Helper()
	res, err := Build(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestBuild(t *testing.T) {
	p := Params{Tree: tree(t, small()), Arch: native(t), Version: "1", Dir: filepath.Join(t.TempDir(), "out")}
	res := build(t, p)
	var names []string
	for _, program := range res.Programs {
		names = append(names, program.Name)
	}
	if d := cmp.Diff([]string{"pidfd/pidfd_fdinfo_test", "proc/one"}, names); d != "" {
		t.Error(d)
	}
	why := map[string]string{"proc/two": "no such arch", "proc/three": "undefined reference"}
	for _, l := range res.LeftOut {
		if !strings.Contains(l.Why, why[l.Name]) || why[l.Name] == "" {
			t.Errorf("%s: %s", l.Name, l.Why)
		}
		delete(why, l.Name)
	}
	if len(why) > 0 {
		t.Errorf("not named: %v", why)
	}
	var exit *exec.ExitError
	if err := exec.Command(filepath.Join(res.Dir, "proc/one")).Run(); !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Errorf("the program ends with %v, want exit code 4", err)
	}
	if text, err := os.ReadFile(filepath.Join(res.Dir, "proc/one")); err != nil || strings.Contains(string(text), p.Tree) {
		t.Errorf("the folder of the tree is in the program (%v)", err)
	}
}

// Nothing is built twice, and what changed is.
func TestKept(t *testing.T) {
	p := Params{Tree: tree(t, small()), Arch: native(t), Version: "1", Dir: filepath.Join(t.TempDir(), "out")}
	first := build(t, p)
	again := build(t, p)
	if !again.Kept || cmp.Diff(first.Programs, again.Programs) != "" || cmp.Diff(first.LeftOut, again.LeftOut) != "" {
		t.Errorf("the same again gives %+v, want what was kept of %+v", again, first)
	}
	sources := filepath.Join(p.Tree, "tools", "testing", "selftests")
	for name, change := range map[string]func() error{
		"another compiler": func() error { p.Version = "2"; return nil },
		"a header":         func() error { return os.WriteFile(sources+"/kselftest.h", []byte("#define KSFT_SKIP 5\n"), 0o644) },
		"a program is damaged": func() error {
			return os.WriteFile(filepath.Join(p.Dir, "proc/one"), nil, 0o755)
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if res := build(t, p); res.Kept {
			t.Errorf("%s: kept", name)
		}
		if res := build(t, p); !res.Kept {
			t.Errorf("%s: built again and again", name)
		}
	}
	other := build(t, Params{Tree: tree(t, small()), Arch: p.Arch, Version: "1", Dir: filepath.Join(t.TempDir(), "out")})
	if cmp.Diff(first.Programs, other.Programs) != "" {
		t.Error("another folder gives other bytes")
	}
}

// That there is nothing to run is said, and is no error.
func TestNone(t *testing.T) {
	a := native(t)
	if res := build(t, Params{Tree: tree(t, nil), Arch: a, Dir: t.TempDir() + "/out"}); !strings.Contains(res.None, "no selftests") {
		t.Errorf("no tests: %+v", res)
	}
	files := small()
	files["proc/one.c"], files["pidfd/pidfd_fdinfo_test.c"] = files["proc/two.c"], files["proc/two.c"]
	if res := build(t, Params{Tree: tree(t, files), Arch: a, Dir: t.TempDir() + "/out"}); !strings.Contains(res.None, "go tool mage setup") {
		t.Errorf("none that builds: %+v", res)
	}
}
