package build

import (
	"regexp"
	"strings"
)

// rank says how much a line of a make log tells. The lowest rank found in a
// log is the cause, and of that rank the first line.
type rank int

const (
	failing rank = iota // the machine fails: whatever else is said follows from it or cannot be trusted
	strong              // the cause
	absent              // a program is missing, which some scripts take lightly
	weak                // what follows from a cause: told when there is none
	silent              // says nothing
)

// pattern is one row of the table of lines that say why a make failed.
type pattern struct {
	rank rank
	re   *regexp.Regexp
	mend string // what to do, when the machine is at fault
}

// What to do about a machine that fails.
const (
	mendDisk   = "free some disk space; a target takes about a gigabyte under build/"
	mendMemory = "give this machine more memory, or run fewer commands at once: JOBS=1"
	mendTools  = "go tool mage setup, or install what make asks for"
	mendBroken = "look at what the system says of its disks: dmesg"
)

// patterns is the table, by the words of GNU as, ld and ar (binutils), gcc,
// clang, lld, make, kconfig, modpost, dtc and the shell. A line that only
// quotes source is none of them: see quoted.
var patterns = []pattern{
	{failing, regexp.MustCompile(`[:'] ?'?No space left on device\b|: Disk quota exceeded|: File too large$`), mendDisk},
	{failing, regexp.MustCompile(`(?i)virtual memory exhausted|: Cannot allocate memory|: out of memory(:| allocating |$)|: memory exhausted|LLVM ERROR: out of memory|std::bad_alloc`), mendMemory},
	{failing, regexp.MustCompile(`fatal error: Killed signal terminated program|unable to execute command: Killed|internal compiler error: Killed|terminated with signal 9\b|terminated by signal 9\b|^(make(\[\d+\])?: \*\*\* .*)?Killed$|: line \d+: +\d+ Killed\b|\] Error 137$`), mendMemory},
	{failing, regexp.MustCompile(`: fork: (retry: )?Resource temporarily unavailable|: vfork: Resource temporarily unavailable`), mendMemory},
	{failing, regexp.MustCompile(`: Input/output error\b|: Read-only file system\b|terminated with signal 7\b|: Stale file handle\b`), mendBroken},

	{strong, regexp.MustCompile(`\*\*\*.*[Pp]lease install|Cannot generate ORC metadata`), mendTools}, // kbuild's own checks

	{strong, regexp.MustCompile(`^\S.*: (fatal |internal compiler )?error: `), ""},         // gcc, clang, lld, objtool
	{strong, regexp.MustCompile(`^\S.*: (Fatal e|E)rror: `), ""},                           // as
	{strong, regexp.MustCompile(`undefined reference to |multiple definition of `), ""},    // ld
	{strong, regexp.MustCompile(`^\S*ld(\.lld)?(-\d+)?: ?\S*:\d+: |^\S*ld: error`), ""},    // ld, in a linker script
	{strong, regexp.MustCompile(`^(ERROR|FATAL): (modpost: )?`), ""},                       // modpost
	{strong, regexp.MustCompile(`^\S+:\d+: \*\*\* |: \*\*\* No rule to make target `), ""}, // make itself
	{strong, regexp.MustCompile(`^\S*Kconfig\S*:\d+: (syntax error|unknown |invalid |can't |recursive |unexpected )`), ""},
	{strong, regexp.MustCompile(`^(Error: \S+:\d+\.\d+|FATAL ERROR: )`), ""}, // dtc

	{absent, reAbsent, ""},

	{weak, regexp.MustCompile(`\*\*\* \[|\bld returned \d|linker command failed|final link failed|\] Error \d+$|compilation terminated|warnings being treated as errors`), ""},
}

var (
	// reAbsent matches what sh, bash, make and env say of a program that is
	// not there.
	reAbsent = regexp.MustCompile(`^\S*sh: (?:\d+: |line \d+: )?([\w.+-]+): (?:command )?not found$` +
		`|^\S+\.sh: (?:\d+: |line \d+: )([\w.+-]+): (?:command )?not found$` +
		`|^make(?:\[\d+\])?: ([\w.+-]+): (?:Command not found|No such file or directory)$` +
		`|^\S*env: ['‘]?([\w.+-]+)['’]?: No such file or directory$`)

	// rePlace matches the place a compiler speaks of, or a linker in its script.
	rePlace = regexp.MustCompile(`^(?:\S*ld(?:\.lld)?(?:-\d+)?: ?(?:error: )?)?([^\s:]+):(\d+):`)

	// reQuoted matches source that a compiler quotes, what a makefile only
	// tries, and what is no error.
	reQuoted = regexp.MustCompile(`^ *\d* \||^<stdin>:|^(?:\S+: )*(?:warning|note|remark|Warning): `)

	// reOwnWords matches errors whose text is the source's own: whoever wrote
	// it could blame the machine.
	reOwnWords = regexp.MustCompile(`#error\b|static assertion failed|static_assert failed|declared with .?error|attribute error`)

	// reStep matches kbuild's word for a step, "  CC      fs/proc/base.o".
	reStep = regexp.MustCompile(`^  ([A-Z][A-Z0-9_+-]*)(?: \[M\])? +(\S+)`)

	// reFailed matches make's word for a target that failed.
	reFailed = regexp.MustCompile(`\*\*\* \[(?:[^\]]*: )?([^\]\s]+)\]`)

	// reChain matches the files a header was reached through.
	reChain = regexp.MustCompile(`^(?:In file included from|                 from) ([^\s:]+):\d+`)

	// reObject matches an object file that a linker speaks of, and the
	// archive whose folder its name begins at.
	reObject = regexp.MustCompile(`([\w./+-]+\.o)\b(?:.* in archive (\S+))?`)

	// reNoRule matches make's word for a file that nothing makes.
	reNoRule = regexp.MustCompile(`\*\*\* No rule to make target '([^'\s]+)'`)

	// reHeader matches a header that was not found.
	reHeader = regexp.MustCompile(`fatal error: '?([^\s']+?)'?(?:: No such file or directory| file not found)$`)
)

// words are what a line must hold one of to match any pattern: most lines hold
// none, and looking for words is a hundred times faster.
var words = []string{
	"rror", "ERROR", "FATAL", "***", "illed", "emory", "bad_alloc", "signal 7", "signal 9", "unavailable",
	"No space left", "quota", "too large", "Read-only", "Stale", "reference to ", "definition of ", "ld:", "Kconfig",
	"Cannot generate", "not found", "No such file", " returned ", "terminated",
}

func anyWord(line string) bool {
	for _, w := range words {
		if strings.Contains(line, w) {
			return true
		}
	}
	return false
}

// judge returns the first row a line matches, or one that says nothing.
func judge(line string) pattern {
	if !anyWord(line) || reStep.MatchString(line) || reQuoted.MatchString(line) {
		return pattern{rank: silent}
	}
	for _, p := range patterns {
		if p.rank == failing && reOwnWords.MatchString(line) {
			continue
		}
		if p.re.MatchString(line) {
			return p
		}
	}
	return pattern{rank: silent}
}

// hostHeaders are headers of this machine that the kernel's host programs
// include, by how their names begin, and the package that Debian has them in.
var hostHeaders = []struct{ prefix, debian string }{
	{"libelf.h", "libelf-dev"}, {"gelf.h", "libelf-dev"}, {"elfutils/", "libdw-dev"}, {"dwarf.h", "libdw-dev"},
	{"openssl/", "libssl-dev"}, {"gmp.h", "libgmp-dev"}, {"mpc.h", "libmpc-dev"}, {"mpfr.h", "libmpfr-dev"},
	{"gcc-plugin.h", "gcc-<version>-plugin-dev"}, {"ncurses.h", "libncurses-dev"}, {"curses.h", "libncurses-dev"},
	{"yaml.h", "libyaml-dev"}, {"zlib.h", "zlib1g-dev"}, {"stdio.h", "libc6-dev"}, {"stdlib.h", "libc6-dev"},
	{"sys/", "libc6-dev"}, {"bits/", "libc6-dev"},
}

// debianPackage returns the package of a header of this machine, or "".
func debianPackage(header string) string {
	for _, h := range hostHeaders {
		if strings.HasPrefix(header, h.prefix) {
			return h.debian
		}
	}
	return ""
}
