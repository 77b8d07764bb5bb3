package tools

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/toolchain"
)

// fakeTool puts a program into an otherwise empty PATH.
func fakeTool(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func TestLook(t *testing.T) {
	tests := []struct{ name, script, minimum, problem, version string }{
		{"new enough", "echo GNU Make 4.3; echo more", "4.2", "", "GNU Make 4.3"},
		{"too old", "echo GNU Make 3.81", "4.2", "3.81.0 is older than 4.2", "GNU Make 3.81"},
		{"a remark with numbers", "echo 'gcc (Debian 4.9.2-14+deb12u1) 12.2.0'", "5.1", "", "gcc (Debian 4.9.2-14+deb12u1) 12.2.0"},
		{"a version in the remark only", "echo 'flex 2.6.4 (x)'", "2.5.35", "", "flex 2.6.4 (x)"},
		{"no version", "echo hello", "1.0", "no version in", "hello"},
		{"any version", "echo hello", "", "", "hello"},
		{"does not start", "echo broken >&2; exit 1", "", "does not start", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fakeTool(t, "thing", tt.script)
			found, err := Look(t.Context(), []Tool{{Name: "thing", Min: tt.minimum}}, "gcc")
			if err != nil {
				t.Fatal(err)
			}
			f := found[0]
			if f.Version != tt.version || (f.Problem == "") != (tt.problem == "") || !strings.Contains(f.Problem, tt.problem) {
				t.Errorf("got version %q, problem %q", f.Version, f.Problem)
			}
		})
	}
}

func TestLookForWhatIsNotThere(t *testing.T) {
	fakeTool(t, "other", "")
	found, err := Look(t.Context(), Table(arch.All(), toolchain.Toolchain{}), "gcc")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Problem == "" {
			t.Errorf("%s was found in an empty PATH", f.Name)
		}
		for _, m := range []string{APT, DNF, Pacman, Zypper} {
			if f.Packages[m] == "" {
				t.Errorf("%s: no package for %s", f.Name, m)
			}
		}
	}
	apt := Packages(found, APT)
	for _, want := range []string{"flex", "libelf-dev", "qemu-system-arm", "gcc-aarch64-linux-gnu", "xz-utils"} {
		if arch.All()[0].Native() && !slices.Contains(apt, want) {
			t.Errorf("%s is not among %q", want, apt)
		}
	}
	seen := map[string]bool{}
	for _, p := range apt {
		if seen[p] {
			t.Errorf("%s stands there twice", p)
		}
		seen[p] = true
	}
}

// Each toolchain brings its own compiler and linker, leaves the other's out,
// and has a package for each of them everywhere.
func TestToolchains(t *testing.T) {
	tests := []struct {
		tc          toolchain.Toolchain
		with, alone string // apt's packages that are in, and programs that are not
	}{
		{toolchain.Toolchain{}, "gcc binutils", "clang ld.lld gcc-12"},
		{toolchain.Toolchain{Major: "12"}, "gcc-12 binutils", "gcc clang"},
		{toolchain.Toolchain{LLVM: true}, "clang lld llvm binutils", "gcc aarch64-linux-gnu-gcc x86_64-linux-gnu-gcc"},
		{toolchain.Toolchain{LLVM: true, Major: "14"}, "clang-14 lld-14 llvm-14 binutils", "gcc clang ld.lld"},
	}
	for _, tt := range tests {
		var packages, names []string
		for _, tool := range Table(arch.All(), tt.tc) {
			packages, names = append(packages, tool.Packages[APT]), append(names, tool.Name)
			for _, m := range []string{APT, DNF, Pacman, Zypper} {
				if tool.Packages[m] == "" {
					t.Errorf("%v: %s: no package for %s", tt.tc, tool.Name, m)
				}
			}
		}
		for _, want := range strings.Fields(tt.with) {
			if !slices.Contains(packages, want) {
				t.Errorf("%v: %s is not among %q", tt.tc, want, packages)
			}
		}
		for _, not := range strings.Fields(tt.alone) {
			if slices.Contains(names, not) {
				t.Errorf("%v: %s is among %q", tt.tc, not, names)
			}
		}
		if slices.Sort(names); len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("%v: a tool stands twice in %q", tt.tc, names)
		}
		for _, a := range arch.All() {
			if as := a.Tool("as"); tt.tc.LLVM != slices.Contains(names, as) && !a.Native() {
				t.Errorf("%v: %s: %q", tt.tc, as, names)
			}
			if !slices.Contains(names, tt.tc.Compiler(a)) || !slices.Contains(names, tt.tc.Linker(a)) {
				t.Errorf("%v: what compiles or links %s is not among %q", tt.tc, a.Name, names)
			}
		}
	}
}

func TestGo(t *testing.T) {
	path, err := Go()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("%s: %v, %v", path, info, err)
	}
	t.Setenv("PATH", t.TempDir())
	if path, err := Go(); fault.KindOf(err) != fault.Machine || fault.HintOf(err) == "" {
		t.Errorf("without go: %q, %v", path, err)
	}
}

func TestInstallLine(t *testing.T) {
	for manager, want := range map[string]string{
		APT:    "apt-get install -y --no-install-recommends a b",
		DNF:    "dnf install -y a b",
		Pacman: "pacman -S --needed --noconfirm a b",
		Zypper: "zypper --non-interactive install a b",
	} {
		if got := strings.Join(InstallLine(manager, []string{"a", "b"}), " "); got != want {
			t.Errorf("%s: %q, want %q", manager, got, want)
		}
	}
}
