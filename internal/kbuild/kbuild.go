// Package kbuild calls the kernel's make: always out of tree, with the same
// variables whatever the folder, user, host and clock.
package kbuild

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/jobserver"
	"bzmage/internal/run"
	"bzmage/internal/toolchain"
)

// silence is how long make may print nothing. The longest quiet step is one
// link of a big vmlinux on a slow disk.
const silence = 15 * time.Minute

// Make is a kernel tree and an output folder for one arch.
type Make struct {
	Src          string    // the source tree
	Obj          string    // make's O=, outside of the tree
	Arch         arch.Arch // ARCH
	Toolchain    toolchain.Toolchain
	Version      string    // the tree's own, such as 5.4.302: the toolchain's variables depend on it
	LocalVersion string    // appended to the release
	Time         time.Time // what the kernel says it was built at
	Extra        []string  // more variables, NAME=value
	GNUMake      string    // the first line of make's --version: how it is told of the job slots depends on it
	Jobs         *jobserver.Server

	// Env returns more of make's environment, asked for when make starts. It is
	// about how fast, never about what: it is no part of the command line.
	Env func(context.Context) ([]string, error)
}

// debugMap keeps the output folder out of debug info, and is not there without
// it: make expands this for each kernel by its own .config.
const debugMap = "$(if $(CONFIG_DEBUG_INFO), -fdebug-prefix-map=$(CURDIR)=.)"

// Argv returns the command line for targets, which may be NAME=value too.
//
// The variables are those of Documentation/kbuild/reproducible-builds.rst.
// LOCALVERSION is on the command line even when empty, or setlocalversion
// would add a "+" in a git checkout.
func (m Make) Argv(targets ...string) []string {
	// 5.4 maps __FILE__ in C only: arm64's entry.S would leak the folder.
	prefix := "-ffile-prefix-map=" + m.Src + "/="
	if rel, err := filepath.Rel(m.Obj, m.Src); err == nil {
		// By this name ccache calls the compiler, so that another checkout hits.
		prefix += " -ffile-prefix-map=" + rel + "/="
	}
	prefix += debugMap
	argv := []string{
		"make", "-C", m.Src, "O=" + m.Obj,
		"ARCH=" + m.Arch.Make,
	}
	argv = append(argv, m.Toolchain.Vars(m.Arch, m.Version)...)
	argv = append(argv,
		"LOCALVERSION="+m.LocalVersion,
		"KBUILD_BUILD_TIMESTAMP="+m.Time.UTC().Format("2006-01-02 15:04:05 UTC"),
		"KBUILD_BUILD_USER=bzmage",
		"KBUILD_BUILD_HOST=bzmage",
		"KBUILD_BUILD_VERSION=1",
		"KCFLAGS="+prefix,
		"KAFLAGS="+prefix,
	)
	argv = append(argv, m.Extra...)
	return append(argv, targets...)
}

// Run runs make for targets. What it prints, errors too, goes to the file log
// and, when out is not nil, to out.
func (m Make) Run(ctx context.Context, log string, out io.Writer, targets ...string) error {
	c := run.Cmd{Argv: m.Argv(targets...), Log: log, Stdout: out, Merge: true, Silence: silence}
	var env []string
	if m.Env != nil {
		var err error
		if env, err = m.Env(ctx); err != nil {
			return err
		}
	}
	if m.Jobs == nil {
		c.Env = run.Env(env...)
		return run.Run(ctx, c)
	}
	return m.Jobs.With(ctx, func(ctx context.Context) error {
		flags, files := m.Jobs.Join(m.GNUMake)
		c.Env, c.ExtraFiles = run.Env(append(env, "MAKEFLAGS="+flags)...), files
		return run.Run(ctx, c)
	})
}

// Repeat returns the line that runs the same command by hand.
func (m Make) Repeat(targets ...string) string {
	c := run.Cmd{Argv: m.Argv(targets...)}
	return "LC_ALL=C TZ=UTC " + c.String()
}

// reStep matches what kbuild prints for each step: two spaces, a short word in
// capitals, and the file it makes (scripts/Kbuild.include, "echo-cmd").
var reStep = regexp.MustCompile(`^  ([A-Z][A-Z0-9_+-]*(?: \[M\])?) +(\S+)`)

// Steps is a writer that counts kbuild's steps in what make prints.
type Steps struct {
	Each func(done int, file string) // called for each step
	n    int
	line bytes.Buffer
}

// Write implements [io.Writer]; it never fails.
func (s *Steps) Write(p []byte) (int, error) {
	for _, b := range p {
		if b != '\n' {
			if s.line.Len() < 4096 {
				s.line.WriteByte(b)
			}
			continue
		}
		if m := reStep.FindSubmatch(s.line.Bytes()); m != nil {
			s.n++
			if s.Each != nil {
				s.Each(s.n, string(m[2]))
			}
		}
		s.line.Reset()
	}
	return len(p), nil
}

// Done returns how many steps there were.
func (s *Steps) Done() int { return s.n }

// reDry matches a step in the output of make -n.
var reDry = regexp.MustCompile(`(?m)echo '  [A-Z][A-Z0-9_+-]* +`)

// Count asks make how many steps a first build has, by a dry run over the
// prepared folder; 0 when make cannot say.
func (m Make) Count(ctx context.Context, log string) int {
	if m.Run(ctx, log, nil, "prepare") != nil {
		return 0 // the build itself will say why
	}
	var out bytes.Buffer
	if m.Run(ctx, log, &out, "-n", "-k", "descend") != nil {
		return 0
	}
	return len(reDry.FindAll(out.Bytes(), -1))
}

// CheckPath refuses folders the kernel's make cannot work in.
func CheckPath(dir string) error {
	if strings.ContainsAny(dir, " \t\n:") {
		return fault.New(fault.Usage, "move the checkout to a folder without them",
			"the kernel's make cannot work in a path with spaces or colons: %s", dir)
	}
	return nil
}
