package toolchain

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/arch"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		want Toolchain
		back string
	}{
		{"", Toolchain{}, "gcc"},
		{"gcc", Toolchain{}, "gcc"},
		{"gcc-12", Toolchain{Major: "12"}, "gcc-12"},
		{"llvm", Toolchain{LLVM: true}, "llvm"},
		{"llvm-14", Toolchain{LLVM: true, Major: "14"}, "llvm-14"},
	}
	for _, tt := range tests {
		got, ok := Parse(tt.name)
		if !ok || got != tt.want || got.String() != tt.back {
			t.Errorf("%q: %+v, %v, %q", tt.name, got, ok, got)
		}
	}
	for _, bad := range []string{"clang", "gcc12", "gcc-", "gcc-012", "gcc-1000", "llvm-14.0", "llvm-14 CC=x", "LLVM", "gcc\n", "-14"} {
		if got, ok := Parse(bad); ok {
			t.Errorf("%q was taken for %+v", bad, got)
		}
	}
}

// The default has no name of its own in paths, and no two others share one.
func TestVariant(t *testing.T) {
	seen := map[string]bool{}
	for name, want := range map[string]string{"gcc": "", "gcc-12": "gcc-12", "llvm": "llvm", "llvm-14": "llvm-14"} {
		tc, _ := Parse(name)
		if got := tc.Variant(); got != want || seen[got] {
			t.Errorf("%s: %q", name, got)
		}
		seen[want] = true
	}
}

// The variables are those of Documentation/kbuild/llvm.rst of each release.
func TestVars(t *testing.T) {
	const byOne = "CC=clang-14 LD=ld.lld-14 AR=llvm-ar-14 NM=llvm-nm-14 STRIP=llvm-strip-14 OBJCOPY=llvm-objcopy-14 " +
		"OBJDUMP=llvm-objdump-14 OBJSIZE=llvm-size-14 READELF=llvm-readelf-14 " +
		"HOSTCC=clang-14 HOSTCXX=clang++-14 HOSTAR=llvm-ar-14 HOSTLD=ld.lld-14"
	plain := strings.ReplaceAll(byOne, "-14", "")
	native, cross := "CROSS_COMPILE=", "CROSS_COMPILE={cross}"
	tests := []struct {
		toolchain, release, want string
	}{
		{"gcc", "5.4.302", ""},
		{"gcc", "6.1.192", ""},
		{"gcc", "", ""},
		{"gcc-12", "5.4.302", "CC={prefix}gcc-12 HOSTCC=gcc-12 HOSTCXX=g++-12"},
		{"gcc-12", "6.1.192", "CC={prefix}gcc-12 HOSTCC=gcc-12 HOSTCXX=g++-12"},
		{"llvm", "5.4", plain},
		{"llvm", "5.4.286", plain},
		{"llvm-14", "5.4.286", byOne},
		{"llvm-14", "5.10.1", byOne}, // it has LLVM=1, but no suffix
		{"llvm-14", "5.17.15", byOne},
		{"llvm-14", "no release", byOne},
		{"llvm-14", "5.18", "LLVM=-14"},
		{"llvm-14", "5.18-rc1", "LLVM=-14"},
		{"llvm-14", "6.1.192", "LLVM=-14"},
		{"llvm", "6.1.192", "LLVM=1"},
	}
	for _, tt := range tests {
		tc, _ := Parse(tt.toolchain)
		for _, a := range arch.All() {
			want := strings.Fields(cross + " " + tt.want)
			if a.Native() {
				want = strings.Fields(native + " " + tt.want)
			}
			for i := range want {
				want[i] = strings.NewReplacer("{cross}", a.Cross, "{prefix}", a.CrossCompile()).Replace(want[i])
			}
			if d := cmp.Diff(want, tc.Vars(a, tt.release)); d != "" {
				t.Errorf("%s, %s, %s: %s", tt.toolchain, tt.release, a.Name, d)
			}
		}
	}
}

func TestPrograms(t *testing.T) {
	for _, a := range arch.All() {
		for name, want := range map[string][3]string{
			"gcc":     {"gcc", a.CrossCompile() + "gcc", a.CrossCompile() + "ld"},
			"gcc-12":  {"gcc-12", a.CrossCompile() + "gcc-12", a.CrossCompile() + "ld"},
			"llvm":    {"clang", "clang", "ld.lld"},
			"llvm-14": {"clang-14", "clang-14", "ld.lld-14"},
		} {
			tc, _ := Parse(name)
			if got := [3]string{tc.HostCompiler(), tc.Compiler(a), tc.Linker(a)}; got != want {
				t.Errorf("%s on %s: %q, want %q", name, a.Name, got, want)
			}
		}
	}
}

// Banners of kernels of lines 5.4 and 6.1, and what their compilers say.
func TestMade(t *testing.T) {
	const (
		gcc54   = "gcc version 12.2.0 (Debian 12.2.0-14+deb12u1)"
		gcc61   = "aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40"
		clang61 = "Debian clang version 14.0.6, Debian LLD 14.0.6"
		gcc     = "gcc (Debian 12.2.0-14+deb12u1) 12.2.0"
		clang   = "Debian clang version 14.0.6"
	)
	tests := []struct {
		toolchain, banner, line string
		want                    bool
	}{
		{"gcc", gcc54, gcc, true},
		{"gcc-12", gcc61, "aarch64-linux-gnu-gcc-12 (Debian 12.2.0-14) 12.2.0", true},
		{"llvm", clang61, clang, true},
		{"llvm", gcc61, clang, false},
		{"gcc", clang61, gcc, false},
		{"gcc", clang61, "gcc 14.0.6", false},
		{"gcc", gcc54, "gcc (Debian 11.3.0-12) 11.3.0", false},
		{"llvm-15", clang61, "Debian clang version 15.0.6", false},
		{"gcc", gcc54, "no version", false},
	}
	for _, tt := range tests {
		tc, _ := Parse(tt.toolchain)
		if got := tc.Made(tt.banner, tt.line); got != tt.want {
			t.Errorf("%s: %q by %q: %v", tt.toolchain, tt.banner, tt.line, got)
		}
	}
}

func TestPackages(t *testing.T) {
	arm, _ := arch.Find("arm64")
	clang := arch.Packages{"apt-get": "clang", "dnf": "clang", "pacman": "clang", "zypper": "clang"}
	tests := []struct {
		toolchain string
		plain     arch.Packages
		want      arch.Packages
	}{
		{"gcc", arm.GCC, arm.GCC},
		{"gcc-12", arm.GCC, arch.Packages{"apt-get": "gcc-12-aarch64-linux-gnu", "dnf": "gcc-aarch64-linux-gnu", "pacman": "aarch64-linux-gnu-gcc", "zypper": "cross-aarch64-gcc12"}},
		{"llvm-14", clang, arch.Packages{"apt-get": "clang-14", "dnf": "clang14", "pacman": "clang14", "zypper": "clang14"}},
		{"llvm", clang, clang},
	}
	for _, tt := range tests {
		tc, _ := Parse(tt.toolchain)
		if d := cmp.Diff(tt.want, tc.Packages(tt.plain)); d != "" {
			t.Errorf("%s: %s", tt.toolchain, d)
		}
	}
}
