// Package tools is the one table of what bzmage needs on a machine: programs
// and headers, what each is for, and which packages have them.
package tools

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"
	"golang.org/x/sync/errgroup"

	"bzmage/internal/arch"
	"bzmage/internal/run"
	"bzmage/internal/toolchain"
)

// Tool is one thing a machine must have.
type Tool struct {
	Name     string
	For      string            // why it is needed
	Use      Use               // which stages cannot do without
	Min      string            // the oldest version that will do; empty: any
	Version  []string          // arguments that print the version; nil: --version
	Header   string            // not a program but a header of this name
	Compiler string            // whose header it is; empty: the host's
	Packages map[string]string // by package manager
}

// Use says which stages need a tool.
type Use int

// The uses.
const (
	ForBuild Use = iota // config and build; its version is an input of theirs
	ForBoot             // verify and demo
	ForRest             // fetch, checkpatch, tests
	Wanted              // verify runs without, and does less
)

// Of returns the tools of a table that are of one of the uses.
func Of(table []Tool, uses ...Use) []Tool {
	return slices.DeleteFunc(slices.Clone(table), func(t Tool) bool { return !slices.Contains(uses, t.Use) })
}

// The package managers.
const (
	APT    = "apt-get"
	DNF    = "dnf"
	Pacman = "pacman"
	Zypper = "zypper"
)

func same(name string) map[string]string {
	return map[string]string{APT: name, DNF: name, Pacman: name, Zypper: name}
}

// Table returns what is needed to build with a toolchain and boot for the
// arches. The versions are those of the kernel's
// Documentation/process/changes.rst (5.4 and 6.1).
func Table(archs []arch.Arch, tc toolchain.Toolchain) []Tool {
	list := append(compilers(archs, tc), []Tool{
		{Name: "make", For: "the kernel's build", Min: "4.2", Packages: same("make")},
		{Name: "ld", For: "the kernel's host programs", Min: "2.23", Packages: same("binutils")},
		{Name: "flex", For: "kconfig and dtc", Min: "2.5.35", Packages: same("flex")},
		{Name: "bison", For: "kconfig and dtc", Min: "2.0", Packages: same("bison")},
		{Name: "bc", For: "the kernel's timeconst.h", Packages: same("bc")},
		{Name: "perl", For: "checkpatch and the kernel's build", Min: "5.10", Packages: same("perl"), Version: []string{"-e", "printf qq(perl %vd\n), $^V"}},
		{Name: "xz", For: "kernel archives", Use: ForRest, Packages: map[string]string{APT: "xz-utils", DNF: "xz", Pacman: "xz", Zypper: "xz"}},
		{Name: "bzip2", For: "mage test", Use: ForRest, Version: []string{"--help"}, Packages: same("bzip2")}, // its --version compresses, too
		{Name: "git", For: "mage test and working on patches", Use: ForRest, Packages: same("git")},
		{Name: "cpio", For: "mage test, and kernels with an initramfs of their own", Use: ForRest, Packages: same("cpio")},
		{Name: "stdio.h", For: "the kernel's host programs", Header: "stdio.h", Packages: map[string]string{APT: "libc6-dev", DNF: "glibc-devel", Pacman: "glibc", Zypper: "glibc-devel"}},
		{Name: "libelf.h", For: "objtool", Header: "libelf.h", Packages: map[string]string{APT: "libelf-dev", DNF: "elfutils-libelf-devel", Pacman: "libelf", Zypper: "libelf-devel"}},
		{Name: "openssl/opensslv.h", For: "module signing and certificates", Header: "openssl/opensslv.h", Packages: map[string]string{APT: "libssl-dev", DNF: "openssl-devel", Pacman: "openssl", Zypper: "libopenssl-devel"}},
	}...)
	for _, a := range archs {
		list = append(list, Tool{Name: a.QEMU, For: a.Name + " guests", Use: ForBoot, Min: "5.0", Packages: a.Emulator})
	}
	return append(append(list, ForBench()...), ForReproduce()...)
}

// compilers returns the compilers of a toolchain and what goes with them. The
// host's binutils are needed in any case, and are in the table already.
func compilers(archs []arch.Arch, tc toolchain.Toolchain) []Tool {
	host := Tool{Name: tc.HostCompiler(), For: "the kernel's host programs", Min: "5.1", Packages: tc.Packages(same("gcc"))}
	var list []Tool
	if tc.LLVM {
		host.For, host.Min, host.Packages = "kernels and their host programs", "11.0", tc.Packages(same("clang"))
		ar := strings.Replace(tc.HostCompiler(), "clang", "llvm-ar", 1) // one of the package's many
		list = []Tool{
			{Name: tc.Linker(arch.Arch{}), For: "kernels", Min: "11.0", Packages: tc.Packages(same("lld"))},
			{Name: ar, For: "kernels", Min: "11.0", Packages: tc.Packages(same("llvm"))},
		}
	}
	list = append([]Tool{host}, list...)
	for _, a := range archs {
		switch {
		case a.Native():
		case tc.LLVM:
			list = append(list, Tool{Name: a.Tool("as"), For: a.Name + " kernels before 5.15", Min: "2.23", Packages: a.Binutils})
		default:
			list = append(list,
				Tool{Name: tc.Compiler(a), For: a.Name + " kernels", Min: "5.1", Packages: tc.Packages(a.GCC)},
				Tool{Name: tc.Linker(a), For: a.Name + " kernels", Min: "2.23", Packages: a.Binutils},
				Tool{Name: "stdlib.h for " + a.Name, For: "the kernel's selftests in " + a.Name + " guests", Use: Wanted, Header: "stdlib.h", Compiler: tc.Compiler(a), Packages: a.LibC})
		}
	}
	return list
}

// Found is what a machine has of a tool.
type Found struct {
	Tool
	Path    string
	Version string
	Problem string // empty: it will do
}

var reVersion = regexp.MustCompile(`\d+(\.\d+)+`)

// Look looks for each tool of the table, and for its headers by the compiler
// cc or, as long as that is missing, by gcc.
func Look(ctx context.Context, table []Tool, cc string) ([]Found, error) {
	if _, err := exec.LookPath(cc); err != nil {
		cc = "gcc"
	}
	all := make([]Found, len(table))
	var g errgroup.Group
	g.SetLimit(4) // most of the time goes into starting programs
	for i, t := range table {
		g.Go(func() (err error) {
			all[i], err = look(ctx, t, cc)
			return err
		})
	}
	return all, g.Wait()
}

func look(ctx context.Context, t Tool, cc string) (Found, error) {
	f := Found{Tool: t}
	if t.Header != "" {
		return lookHeader(ctx, f, cc)
	}
	path, err := exec.LookPath(t.Name)
	if err != nil {
		f.Problem = "not found"
		return f, nil
	}
	f.Path = path
	args := t.Version
	if args == nil {
		args = []string{"--version"}
	}
	out, err := run.Output(ctx, run.Cmd{Argv: append([]string{path}, args...), Env: run.Env()})
	if ctx.Err() != nil {
		return f, context.Cause(ctx)
	}
	if err != nil {
		f.Problem = "does not start: " + err.Error()
		return f, nil
	}
	first, _, _ := strings.Cut(out, "\n")
	f.Version = first
	f.Problem = tooOld(first, t.Min)
	return f, nil
}

func tooOld(line, minimum string) string {
	if minimum == "" {
		return ""
	}
	got, err := version.NewVersion(reVersion.FindString(lastWord(line)))
	if err != nil {
		return fmt.Sprintf("no version in %q", line)
	}
	if got.LessThan(version.Must(version.NewVersion(minimum))) {
		return fmt.Sprintf("%s is older than %s", got, minimum)
	}
	return ""
}

// lastWord returns the part of a version line behind a remark in brackets:
// the remark may hold numbers of its own ("gcc (Debian 12.2.0-14) 12.2.0").
func lastWord(line string) string {
	if i := strings.LastIndex(line, ") "); i >= 0 && reVersion.MatchString(line[i:]) {
		return line[i:]
	}
	return line
}

func lookHeader(ctx context.Context, f Found, cc string) (Found, error) {
	if f.Compiler != "" {
		cc = f.Compiler
	}
	_, err := run.Output(ctx, run.Cmd{
		Argv:  []string{cc, "-E", "-x", "c", "-o", "/dev/null", "-"},
		Stdin: strings.NewReader("#include <" + f.Header + ">\n"), Env: run.Env(),
	})
	if ctx.Err() != nil {
		return f, context.Cause(ctx)
	}
	if err != nil {
		f.Problem = "not found"
	}
	return f, nil
}

// Packages returns the packages of what will not do, each once.
func Packages(found []Found, manager string) []string {
	var names []string
	seen := map[string]bool{}
	for _, f := range found {
		if p := f.Packages[manager]; f.Problem != "" && p != "" && !seen[p] {
			seen[p] = true
			names = append(names, p)
		}
	}
	return names
}

// InstallLine returns the command that installs packages with a manager.
func InstallLine(manager string, packages []string) []string {
	verb := map[string][]string{
		APT:    {"apt-get", "install", "-y", "--no-install-recommends"},
		DNF:    {"dnf", "install", "-y"},
		Pacman: {"pacman", "-S", "--needed", "--noconfirm"},
		Zypper: {"zypper", "--non-interactive", "install"},
	}[manager]
	return append(append([]string(nil), verb...), packages...)
}

// Manager returns the package manager of this machine, or "".
func Manager() string {
	for _, m := range []string{APT, DNF, Pacman, Zypper} {
		if _, err := exec.LookPath(m); err == nil {
			return m
		}
	}
	return ""
}
