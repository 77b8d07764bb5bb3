package ccache

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/run"
)

// program returns a program of this machine; where it is missing the test is
// skipped, or fails if CI=true.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" && name != "clang" { // which setup installs for TOOLCHAIN=llvm only
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return path
}

// place is a checkout with a source beside the folder it is compiled in.
type place struct {
	root string
	s    Setup
}

const source = `#include "x.h"
const char *where(void) { return __FILE__; }
int f(int x) { return x + ONE; }
`

// newPlace returns a checkout whose ccache keeps all in dir.
func newPlace(t *testing.T, dir string, names ...string) place {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := place{root, Setup{Program: program(t, "ccache"), Dir: dir, Links: filepath.Join(root, "links"), Base: Base(root), Names: names}}
	for name, text := range map[string]string{"tree/x.c": source, "tree/x.h": "#define ONE 1\n", "obj/.keep": "", "part": "as 1"} {
		p.write(t, name, text)
	}
	p.s.Parts = []string{filepath.Join(root, "part")}
	p.setUp(t)
	return p
}

func (p place) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (p place) setUp(t *testing.T) {
	t.Helper()
	if err := p.s.Write(); err != nil {
		t.Fatal(err)
	}
}

// compile compiles as kbuild does, out of tree by an absolute path, and
// returns the object; env nil: with this ccache.
func (p place) compile(t *testing.T, env []string, cc string, flags ...string) ([]byte, Stats) {
	t.Helper()
	text, stats, _ := p.compileSaying(t, env, cc, flags...)
	return text, stats
}

// compileSaying returns what the compiler printed too.
func (p place) compileSaying(t *testing.T, env []string, cc string, flags ...string) ([]byte, Stats, string) {
	t.Helper()
	obj, tree, log := filepath.Join(p.root, "obj"), filepath.Join(p.root, "tree"), filepath.Join(p.root, "log")
	if err := os.RemoveAll(log); err != nil {
		t.Fatal(err)
	}
	if env == nil {
		env = p.s.Env(os.Getenv("PATH"), log)
	}
	argv := append([]string{"sh", "-c", `exec "$@"`, "sh", cc, "-O2", "-I" + tree,
		"-ffile-prefix-map=" + tree + "/=", "-ffile-prefix-map=../tree/=", "-fdebug-prefix-map=" + obj + "=."}, flags...)
	argv = append(argv, "-c", "-o", "x.o", filepath.Join(tree, "x.c"))
	var said strings.Builder
	if err := run.Run(t.Context(), run.Cmd{Argv: argv, Dir: obj, Env: run.Env(env...), Stderr: &said}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(obj, "x.o"))
	if err != nil {
		t.Fatal(err)
	}
	stats, err := ReadLog(log)
	if err != nil {
		t.Fatal(err)
	}
	return text, stats, said.String()
}

// A warning names the file as make did, whether it is new or kept, and
// whichever folder it was made in: what reads it takes the tree off.
func TestWarningsNameTheTree(t *testing.T) {
	for _, cc := range compilers() {
		t.Run(cc, func(t *testing.T) {
			program(t, cc)
			cache := t.TempDir()
			for i, p := range []place{newPlace(t, cache, cc), newPlace(t, cache, cc)} {
				p.write(t, "tree/x.c", "int f(void)\n{\n\tint unused;\n\n\treturn 1;\n}\n")
				_, stats, said := p.compileSaying(t, nil, cc, "-Wunused-variable")
				if want := filepath.Join(p.root, "tree/x.c") + ":3:"; !strings.Contains(said, want) || stats.Hits != i {
					t.Errorf("%+v, and no %q in:\n%s", stats, want, said)
				}
			}
		})
	}
}

func compilers() []string { return []string{"gcc", "aarch64-linux-gnu-gcc", "clang"} }

// What comes out of a cache that another folder filled is, byte for byte, what
// the compiler makes: with debug info, which holds folders, and without.
func TestSameBytes(t *testing.T) {
	for _, cc := range compilers() {
		for _, flags := range [][]string{nil, {"-g"}, {"-gdwarf-5", "-fno-omit-frame-pointer"}} {
			t.Run(fmt.Sprint(cc, flags), func(t *testing.T) {
				program(t, cc)
				cache := t.TempDir()
				first, second := newPlace(t, cache, cc), newPlace(t, cache, cc)
				plain, _ := second.compile(t, Off(), cc, flags...)
				miss, stats := first.compile(t, nil, cc, flags...)
				if stats.Misses != 1 || stats.Hits != 0 {
					t.Errorf("an empty cache: %+v", stats)
				}
				hit, stats := second.compile(t, nil, cc, flags...)
				if stats.Hits != 1 || stats.Misses != 0 {
					t.Errorf("a cache filled from another folder: %+v", stats)
				}
				if string(miss) != string(plain) || string(hit) != string(plain) {
					t.Error("other bytes than without ccache")
				}
				if strings.Contains(string(hit), filepath.Dir(second.root)) {
					t.Error("a folder is in the object")
				}
			})
		}
	}
}

// What a person has set for ccache, and a ccache in PATH already, change
// nothing.
func TestOwnCache(t *testing.T) {
	home := t.TempDir()
	p := newPlace(t, t.TempDir(), "gcc")
	p.write(t, "user.conf", "disable = true\nrecache = true\nmax_size = 1k\n")
	theirs := filepath.Join(home, "bin")
	if err := os.MkdirAll(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(p.s.Program, filepath.Join(theirs, "gcc")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CCACHE_CONFIGPATH", filepath.Join(p.root, "user.conf"))
	t.Setenv("CCACHE_DISABLE", "1")
	t.Setenv("CCACHE_DIR", filepath.Join(home, "theirs"))
	t.Setenv("HOME", home)
	t.Setenv("PATH", theirs+":"+os.Getenv("PATH"))
	p.compile(t, nil, "gcc")
	if _, stats := p.compile(t, nil, "gcc"); stats != (Stats{Hits: 1}) {
		t.Errorf("the second time: %+v", stats)
	}
	for _, name := range []string{"theirs", ".cache/ccache", ".ccache"} {
		if _, err := os.Stat(filepath.Join(home, name)); err == nil {
			t.Errorf("%s: made, and is not ours", name)
		}
	}
	// Off is off for the one in PATH, too.
	p.compile(t, Off(), "gcc")
	if _, err := os.Stat(filepath.Join(home, ".cache", "ccache")); err == nil {
		t.Error("CCACHE=off, and the ccache in PATH wrote its cache")
	}
}

// Another header, flag, assembler or compiler is another object.
func TestMisses(t *testing.T) {
	p := newPlace(t, t.TempDir(), "gcc")
	p.compile(t, nil, "gcc")
	for name, change := range map[string]func() []string{
		"a header":     func() []string { p.write(t, "tree/x.h", "#define ONE 2\n"); return nil },
		"a flag":       func() []string { return []string{"-O1"} },
		"an assembler": func() []string { p.write(t, "part", "as 2"); p.setUp(t); return nil },
	} {
		if _, stats := p.compile(t, nil, "gcc", change()...); stats.Misses != 1 {
			t.Errorf("%s changed: %+v", name, stats)
		}
	}
}

func TestReal(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/ccache", "a/distcc", "b/gcc-12"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range [][2]string{{"ccache", "a/gcc"}, {"distcc", "a/g++"}, {"gcc-12", "b/gcc"}, {"nowhere", "b/g++"}} {
		if err := os.Symlink(link[0], filepath.Join(dir, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	path := "relative:" + filepath.Join(dir, "missing") + ":" + filepath.Join(dir, "a") + ":" + filepath.Join(dir, "b")
	got := []string{Real(path, "gcc"), Real(path, "g++"), Real(path, "a")}
	if d := cmp.Diff([]string{filepath.Join(dir, "b", "gcc"), "", ""}, got); d != "" {
		t.Error(d)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("b", link); err != nil {
		t.Fatal(err)
	}
	if got := Base(link); got != "" {
		t.Errorf("a checkout behind a link has the base %q", got)
	}
}

func TestReadLog(t *testing.T) {
	tests := []struct {
		name, text string
		want       Stats
	}{
		{"nothing", "", Stats{}},
		{"all of it", "# a.c\ncache_miss\ndirect_cache_miss\nlocal_storage_miss\npreprocessed_cache_miss\n" +
			"# b.c\ndirect_cache_hit\nlocal_storage_hit\n# c.c\npreprocessed_cache_hit\nremote_storage_hit\n" +
			"# d.S\nunsupported_code_directive\n# \ncalled_for_link\n# e.c\ncache_miss\nremote_storage_error\n", Stats{2, 2, 1, 2, 1}},
		{"no last newline", "# a.c\ncache_miss", Stats{Misses: 1}},
		{"a source named as a counter", "# cache_miss\ndirect_cache_hit\n", Stats{Hits: 1}},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadLog(path); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
	if got, err := ReadLog(filepath.Join(t.TempDir(), "none")); err != nil || got != (Stats{}) {
		t.Errorf("no log: %+v, %v", got, err)
	}
}

func TestEnv(t *testing.T) {
	s := Setup{Program: "/p/ccache", Dir: "/d", Links: "/l", Prefix: "/send"}
	env := s.Env("/nowhere", "/log")
	for _, want := range []string{"PATH=/l:/nowhere", "CCACHE_PREFIX=/send", "CCACHE_CONFIGPATH=/dev/null", "CCACHE_DIR=/d"} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is not in %q", want, env)
		}
	}
	for _, not := range []string{"CCACHE_BASEDIR", "CCACHE_REMOTE_STORAGE"} {
		if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, not) }) {
			t.Errorf("%s is in %q", not, env)
		}
	}
}
