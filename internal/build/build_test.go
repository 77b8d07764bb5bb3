package build

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bzmage/internal/arch"
	"bzmage/internal/config"
	"bzmage/internal/fault"
	"bzmage/internal/kbuild"
	"bzmage/internal/toolchain"
)

// x86Image returns a header as Documentation/x86/boot.rst describes it.
func x86Image(release string, flags byte) []byte {
	b := make([]byte, 0x1000)
	b[0x1fe], b[0x1ff] = 0x55, 0xaa
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x206:], 0x020f)
	binary.LittleEndian.PutUint16(b[0x20e:], 0x0700)
	b[0x236] = flags
	copy(b[0x900:], release+" (bzmage@bzmage) #1 SMP\x00")
	return b
}

func armImage(release string) []byte {
	b := make([]byte, 0x1000)
	copy(b[0x38:], "ARM\x64")
	copy(b[0x800:], "Linux version "+release+" (bzmage@bzmage)\x00")
	return b
}

func TestReadImage(t *testing.T) {
	old := x86Image("5.4.1", 1)
	binary.LittleEndian.PutUint16(old[0x206:], 0x0204)
	far := x86Image("5.4.1", 1)
	binary.LittleEndian.PutUint16(far[0x20e:], 0xffff)
	tests := []struct {
		name  string
		image []byte
		want  Header
		err   string
	}{
		{"x86_64", x86Image("5.4.302-bzmage", 1), Header{"x86_64", "5.4.302-bzmage"}, ""},
		{"arm64", armImage("6.1.1-x"), Header{"arm64", "6.1.1-x"}, ""},
		{"32 bit", x86Image("5.4.1", 0), Header{}, "32-bit"},
		{"an old protocol", old, Header{}, "too old"},
		{"a release outside", far, Header{}, "outside"},
		{"arm64 without a release", append([]byte(nil), bytes.Replace(armImage("x"), []byte("Linux"), []byte("Minix"), 1)...), Header{}, "without a release"},
		{"zeros", make([]byte, 0x1000), Header{}, "neither"},
		{"short", []byte("MZ"), Header{}, "no kernel image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(path, tt.image, 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := ReadImage(path)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("got %v, want %q", err, tt.err)
			}
			if got != tt.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// tree returns the parameters of a build by real make of a small makefile
// whose recipe for the images is given.
func tree(t *testing.T, recipe string) Params {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	src, obj := filepath.Join(dir, "src"), filepath.Join(dir, "obj")
	for _, d := range []string{src, obj} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(src, "image"), x86Image("5.4.1-x", 1), 0o644); err != nil {
		t.Fatal(err)
	}
	mk := banner + "bzImage:\n\t@echo '  CC      a.o'\n\t@echo '  LD      vmlinux'\n\t@echo run >> " + dir + "/runs\n" + recipe
	if err := os.WriteFile(filepath.Join(src, "Makefile"), []byte(mk), 0o644); err != nil {
		t.Fatal(err)
	}
	a, _ := arch.Find("x86_64")
	return Params{
		Make: kbuild.Make{Src: src, Obj: obj, Arch: a}, Config: config.Result{SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte("CONFIG=y\n")))}, Release: "5.4.1-x",
		Compiler: "gcc (Debian 12.2.0-14) 12.2.0", Linker: "GNU ld 2.40",
		Inputs: map[string]string{"series": "1"}, Dist: filepath.Join(dir, "dist"), Log: filepath.Join(dir, "log"),
	}
}

// banner makes the kernel say what it was compiled with, as init/version.c does.
const banner = "BANNER = Linux version 5.4.1-x (bzmage@bzmage) (gcc version 12.2.0 (Debian 12.2.0-14)) \\#1 SMP\n"

const goodRecipe = "\tmkdir -p $(O)/arch/x86/boot && cp image $(O)/arch/x86/boot/bzImage\n" +
	"\tcd $(O) && echo \"$(BANNER)\" > vmlinux && echo map > System.map && echo CONFIG=y > .config\n"

func runs(t *testing.T, p Params) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(p.Dist), "runs"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "run")
}

func TestBuild(t *testing.T) {
	p := tree(t, goodRecipe)
	var last string
	p.Progress = func(done, total int, file string) { last = fmt.Sprintf("%d of %d: %s", done, total, file) }
	res, err := Build(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Toolchain{"gcc", p.Compiler, p.Linker, "gcc version 12.2.0 (Debian 12.2.0-14)"}); res.Toolchain != want {
		t.Errorf("built with %+v", res.Toolchain)
	}
	if res.Steps != 2 || last != "2 of 2: vmlinux" || res.Image != "bzImage" || res.Kept {
		t.Errorf("got %+v, last progress %q", res, last)
	}
	for _, name := range []string{"bzImage", "vmlinux", "System.map", "config"} {
		f, ok := res.File(name)
		if got, err := hashFile(res.Path(name)); !ok || err != nil || got != f {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	loaded, err := Load(p.Dist)
	if d := cmp.Diff(res, loaded, cmpopts.IgnoreFields(Result{}, "Kept")); err != nil || d != "" {
		t.Errorf("build.json gives another value: %v\n%s", err, d)
	}
}

func TestBuildIsKeptUntilSomethingChanges(t *testing.T) {
	p := tree(t, goodRecipe)
	if _, err := Build(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if res, err := Build(t.Context(), p); err != nil || !res.Kept || runs(t, p) != 1 {
		t.Fatalf("the second time: kept %v, %v, %d runs", res.Kept, err, runs(t, p))
	}
	tests := []struct {
		name   string
		change func() error
	}{
		{"another input", func() error { p.Inputs = map[string]string{"series": "2"}; return nil }},
		{"another variable", func() error { p.Make.LocalVersion = "-y"; return nil }},
		{"an altered image", func() error { return os.WriteFile(filepath.Join(p.Dist, "bzImage"), []byte("x"), 0o644) }},
		{"a file gone", func() error { return os.Remove(filepath.Join(p.Dist, "System.map")) }},
		{"no build.json", func() error { return os.Remove(filepath.Join(p.Dist, "build.json")) }},
		{"half a build.json", func() error { return os.Truncate(filepath.Join(p.Dist, "build.json"), 20) }},
	}
	for i, tt := range tests {
		if err := tt.change(); err != nil {
			t.Fatal(err)
		}
		res, err := Build(t.Context(), p)
		if err != nil || res.Kept || runs(t, p) != 2+i {
			t.Errorf("%s: kept %v, %v, %d runs", tt.name, res.Kept, err, runs(t, p))
		}
	}
}

// A dist that was good must survive a build that fails.
func TestAFailedBuildLeavesTheOldDist(t *testing.T) {
	p := tree(t, goodRecipe)
	if _, err := Build(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(filepath.Join(p.Dist, "build.json"))
	if err != nil {
		t.Fatal(err)
	}
	p.Inputs = map[string]string{"series": "2"}
	p.Touched = []Touch{{"patch: 1.patch", []string{"a.c", "b.c"}}, {"patch: 2.patch", []string{"b.c"}}}
	mk := "bzImage:\n\t@echo 'a.c:3:5: error: expected ;'; exit 2\n"
	if err := os.WriteFile(filepath.Join(p.Make.Src, "Makefile"), []byte(mk), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Build(t.Context(), p)
	if want := "build: x86_64 (gcc 12.2.0): a.c:3:5: error: expected ;\n"; fault.KindOf(err) != fault.Build || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{"\n  > a.c:3:5: error: expected ;\n", "\nobject: bzImage\n", "\npatch: 1.patch touches a.c\n", "\nmake: exit code 2"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not hold %q", err, want)
		}
	}
	for _, want := range []string{p.Log, "make -C " + p.Make.Src} {
		if !strings.Contains(fault.HintOf(err), want) {
			t.Errorf("the hint %q does not hold %q", fault.HintOf(err), want)
		}
	}
	now, err := os.ReadFile(filepath.Join(p.Dist, "build.json"))
	if err != nil || !bytes.Equal(old, now) {
		t.Errorf("the old dist is gone: %v", err)
	}
}

// The config that was checked must be the one that make built with.
func TestBuildRefusesAnotherConfig(t *testing.T) {
	p := tree(t, strings.Replace(goodRecipe, "CONFIG=y", "CONFIG=m", 1))
	_, err := Build(t.Context(), p)
	if fault.KindOf(err) != fault.Config || fault.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(p.Dist); err == nil {
		t.Error("there is a dist")
	}
}

// What a kernel was compiled with is read from the kernel, not from PATH.
func TestBuildRefusesAnotherCompiler(t *testing.T) {
	tests := []struct {
		name, compiler string
		tc             toolchain.Toolchain
		recipe, want   string
	}{
		{"another version", "gcc (Debian 11.3.0-1) 11.3.0", toolchain.Toolchain{}, goodRecipe, "not by"},
		{"another compiler", "Debian clang version 12.2.0", toolchain.Toolchain{LLVM: true}, goodRecipe, "not by"},
		{"none", "gcc (Debian 12.2.0-14) 12.2.0", toolchain.Toolchain{}, strings.Replace(goodRecipe, "$(BANNER)", "elf", 1), "does not say"},
	}
	for _, tt := range tests {
		p := tree(t, tt.recipe)
		p.Compiler, p.Make.Toolchain = tt.compiler, tt.tc
		if _, err := Build(t.Context(), p); fault.KindOf(err) != fault.Build || !strings.Contains(err.Error(), tt.want) || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if _, err := os.Stat(p.Dist); err == nil {
			t.Errorf("%s: there is a dist", tt.name)
		}
	}
}

// A vmlinux is read in pieces, and its banner may lie across two of them.
func TestReadCompiler(t *testing.T) {
	const text = "Linux version 6.1.1 (bzmage@bzmage) (gcc (x) 12.2.0, GNU ld 2.40) #1 SMP\n"
	for _, at := range []int{0, 1, 1<<20 - 1, 1<<20 - 40, 1 << 20, 3<<20 - 10} {
		path := filepath.Join(t.TempDir(), "vmlinux")
		if err := os.WriteFile(path, append(make([]byte, at), text...), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := readCompiler(path); err != nil || got != "gcc (x) 12.2.0, GNU ld 2.40" {
			t.Errorf("at %d: %q, %v", at, got, err)
		}
	}
}

func TestBuildRefusesAWrongImage(t *testing.T) {
	tests := []struct{ name, recipe, want string }{
		{"no image", "\ttrue\n", "no such file"},
		{"another arch", "\tmkdir -p $(O)/arch/x86/boot && cp arm $(O)/arch/x86/boot/bzImage\n", "is for arm64"},
		{"another release", strings.Replace(goodRecipe, "cp image", "cp other", 1), "is for x86_64 5.4.2, not"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := tree(t, tt.recipe)
			for name, b := range map[string][]byte{"arm": armImage("5.4.1-x"), "other": x86Image("5.4.2", 1)} {
				if err := os.WriteFile(filepath.Join(p.Make.Src, name), b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Build(t.Context(), p)
			if fault.KindOf(err) != fault.Build || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, err := os.Stat(p.Dist); err == nil {
				t.Error("there is a dist")
			}
		})
	}
}

func FuzzReadImage(f *testing.F) {
	f.Add(x86Image("5.4.1", 1))
	f.Add(armImage("5.4.1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if h, err := ReadImage(path); err == nil && (h.Arch == "" || h.Release == "") {
			t.Errorf("accepted as %+v", h)
		}
	})
}
