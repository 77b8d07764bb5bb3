package tools

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bzmage/internal/arch"
	"bzmage/internal/toolchain"
)

// A compiler whose bytes change is another one, though it says the same of
// itself; so is one whose assembler changes, or whose C library comes or goes.
func TestIdentity(t *testing.T) {
	var native arch.Arch
	for _, a := range arch.All() {
		if a.Native() {
			native = a
		}
	}
	for _, name := range []string{"gcc", "ld", "as"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	driver := "#!/bin/sh\ncase $1 in\n-print-prog-name=as) echo " + dir + "/as-of-gcc;;\n" +
		"-print-file-name=libc.a) test -e " + dir + "/libc.a && echo " + dir + "/libc.a || echo libc.a;;\n" +
		"-print-*=*) echo ${1#*=};;\nesac\n"
	write("gcc", driver)
	write("as-of-gcc", "as")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	look := func() map[string]string {
		t.Helper()
		in, err := Identity(t.Context(), nil, []arch.Arch{native}, toolchain.Toolchain{})
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	libc := "gcc/libc " + native.Name + " libc.a"
	before := look()
	for _, name := range []string{"ld/program", "gcc/program", "gcc/as", "gcc/ld"} {
		if before[name] == "" {
			t.Errorf("%s has no hash in %v", name, before)
		}
	}
	if before[libc] != "" {
		t.Errorf("a C library that is not there has the hash %s", before[libc])
	}
	write("gcc", driver+"# patched\n")
	write("as-of-gcc", "another as")
	write("libc.a", "library")
	after := look()
	for name := range before {
		changed := before[name] != after[name]
		if want := name == "gcc/program" || name == "gcc/as" || name == libc; changed != want {
			t.Errorf("%s changed: %v, want %v", name, changed, want)
		}
	}
	// A compiler cache under the compiler's name is not the compiler.
	cache := t.TempDir()
	if err := os.WriteFile(filepath.Join(cache, "ccache"), []byte("#!/bin/sh\nexec "+dir+"/gcc \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("ccache", filepath.Join(cache, "gcc")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", cache+":"+os.Getenv("PATH"))
	if with := look(); with["gcc/program"] != after["gcc/program"] || with["gcc/as"] != after["gcc/as"] {
		t.Errorf("with a cache it is %v, without %v", with, after)
	}
}
