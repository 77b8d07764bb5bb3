// Package toolchain is the one place that knows the compilers a kernel is
// built with: which programs they are, which packages have them, and which
// variables make is given, by the kernel's release.
package toolchain

import (
	"regexp"
	"strings"

	"github.com/hashicorp/go-version"

	"bzmage/internal/arch"
)

// Toolchain is GNU's gcc or LLVM's clang with their linkers. The zero value is
// gcc as the machine has it.
type Toolchain struct {
	LLVM  bool
	Major string // of the compiler, such as 12; empty: the one the machine calls by the plain name
}

// Values says what [Parse] takes.
const Values = "gcc, llvm, or one by its version: gcc-12, llvm-14"

var reName = regexp.MustCompile(`^(gcc|llvm)(?:-([1-9][0-9]{0,2}))?$`)

// Parse returns the toolchain of that name; an empty one is gcc.
func Parse(name string) (t Toolchain, ok bool) {
	if name == "" {
		return t, true
	}
	m := reName.FindStringSubmatch(name)
	if m == nil {
		return t, false
	}
	return Toolchain{LLVM: m[1] == "llvm", Major: m[2]}, true
}

// String returns the name that Parse takes.
func (t Toolchain) String() string {
	if t.LLVM {
		return "llvm" + t.suffix()
	}
	return "gcc" + t.suffix()
}

// Variant returns what the names of a target's files end in: nothing for the
// default, as a kernel by another compiler is another target.
func (t Toolchain) Variant() string {
	if t == (Toolchain{}) {
		return ""
	}
	return t.String()
}

func (t Toolchain) suffix() string {
	if t.Major == "" {
		return ""
	}
	return "-" + t.Major
}

// HostCompiler returns what compiles the kernel's host programs.
func (t Toolchain) HostCompiler() string {
	if t.LLVM {
		return "clang" + t.suffix()
	}
	return "gcc" + t.suffix()
}

// Compiler returns what compiles the kernel for a. One clang has all arches.
func (t Toolchain) Compiler(a arch.Arch) string {
	if t.LLVM {
		return t.HostCompiler()
	}
	return a.Tool(t.HostCompiler())
}

// Gcov returns what reads the counters of the compiler for a.
func (t Toolchain) Gcov(a arch.Arch) string { return a.Tool("gcov" + t.suffix()) }

// Linker returns what links the kernel for a.
func (t Toolchain) Linker(a arch.Arch) string {
	if t.LLVM {
		return "ld.lld" + t.suffix()
	}
	return a.Tool("ld")
}

// reform is the release in which kbuild learned LLVM=-14. The variables one by
// one do the same in every older release, with LLVM=1 (5.7) and without; what
// compiles the host programs is one of them (Documentation/kbuild/llvm.rst).
var reform = version.Must(version.NewVersion("5.18"))

// Vars returns make's variables to build release for a.
//
// CROSS_COMPILE also tells clang what to compile for (--target), and, before
// 5.15, where GNU's assembler is: clang's own is not the default there.
func (t Toolchain) Vars(a arch.Arch, release string) []string {
	vars := []string{"CROSS_COMPILE=" + a.CrossCompile()}
	switch {
	case t.LLVM && since(release, reform):
		if t.Major == "" {
			return append(vars, "LLVM=1")
		}
		return append(vars, "LLVM="+t.suffix())
	case t.LLVM:
		for _, v := range llvm() {
			vars = append(vars, v+t.suffix())
		}
	case t.Major != "":
		vars = append(vars, "CC="+t.Compiler(a), "HOSTCC="+t.HostCompiler(), "HOSTCXX=g++"+t.suffix())
	}
	return vars
}

func llvm() []string {
	return []string{
		"CC=clang", "LD=ld.lld", "AR=llvm-ar", "NM=llvm-nm", "STRIP=llvm-strip", "OBJCOPY=llvm-objcopy",
		"OBJDUMP=llvm-objdump", "OBJSIZE=llvm-size", "READELF=llvm-readelf",
		"HOSTCC=clang", "HOSTCXX=clang++", "HOSTAR=llvm-ar", "HOSTLD=ld.lld",
	}
}

// since says whether release is at least first. What cannot be read counts as
// old: the old variables work in every release.
func since(release string, first *version.Version) bool {
	v, err := version.NewVersion(release)
	return err == nil && v.Core().GreaterThanOrEqual(first)
}

var reVersion = regexp.MustCompile(`\d+(\.\d+)+`)

// Made says whether a kernel's banner names the compiler whose --version says
// line: by what it calls itself, and by its version.
func (t Toolchain) Made(banner, line string) bool {
	v := lastVersion(line)
	return v != "" && strings.Contains(banner, v) && strings.Contains(banner, "clang version") == t.LLVM
}

// Short returns what a --version line says in two words, such as "gcc 12.2.0".
func (t Toolchain) Short(line string) string {
	name := "gcc"
	if t.LLVM {
		name = "clang"
	}
	return strings.TrimSpace(name + " " + lastVersion(line))
}

// lastVersion returns the version in a --version line: the last one, as a
// remark before it may hold numbers of its own.
func lastVersion(line string) string {
	v := reVersion.FindAllString(line, -1)
	if len(v) == 0 {
		return ""
	}
	return v[len(v)-1]
}

// Packages returns, by package manager, the package of a compiler or linker
// of this toolchain: plain is its name without a version.
func (t Toolchain) Packages(plain arch.Packages) arch.Packages {
	if t.Major == "" {
		return plain
	}
	named := arch.Packages{}
	for manager, name := range plain {
		named[manager] = t.versioned(manager, name)
	}
	return named
}

// versioned returns how a distribution names a package of one version:
// gcc-12-aarch64-linux-gnu, cross-aarch64-gcc12, clang14; gcc itself Fedora
// and Arch have in one version only.
func (t Toolchain) versioned(manager, name string) string {
	switch {
	case manager == "apt-get" && t.LLVM:
		return name + "-" + t.Major
	case manager == "apt-get":
		return "gcc-" + t.Major + strings.TrimPrefix(name, "gcc")
	case t.LLVM || manager == "zypper":
		return strings.TrimRight(name, "0123456789") + t.Major
	}
	return name
}
