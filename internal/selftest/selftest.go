// Package selftest builds those of the kernel's own tests of /proc
// (tools/testing/selftests) that are programs of one file, so that a guest can
// run them. In go a kernel tree and a compiler; out come static programs, and
// selftest.json, the [Result], which names also what could not be built.
//
// Programs are kept while nothing changes that goes in: the sources, the
// compiler, its C library, how it is called.
package selftest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/key"
	"bzmage/internal/run"
	"bzmage/internal/toolchain"
)

// Manifest is the name of the file with the Result, in Dir and in the guest.
const Manifest = "selftest.json"

// suites are the folders of tools/testing/selftests that are about /proc, and
// their programs; none: all that the Makefile names.
func suites() map[string][]string {
	return map[string][]string{
		"proc":          nil,
		"pid_namespace": nil,
		"pidfd":         {"pidfd_fdinfo_test"}, // reads /proc/self/fdinfo
	}
}

// Params says what to build.
type Params struct {
	Tree      string // a kernel tree, only read
	Arch      arch.Arch
	Toolchain toolchain.Toolchain
	Version   string // of the compiler: the first line of its --version
	Dir       string // where the programs go; made if needed, and all ours

	Tools  key.Inputs  // what the compiler is made of, its C library too
	Hashes *key.Hashes // of files read before; nil: none
}

// Result is what was built.
type Result struct {
	Dir      string    `json:"-"`
	None     string    `json:"none,omitempty"` // why there is no program at all
	Programs []Program `json:"programs"`
	LeftOut  []LeftOut `json:"left_out"`
	Kept     bool      `json:"-"` // nothing had to be built

	key kept // of all that went in
}

// Program is a test that was built: Dir/Name, and Name is suite/program.
type Program struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// LeftOut is a test that the tree has and that does not build.
type LeftOut struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Look returns what Build would keep, or with what it would build anew also
// why: the inputs that changed, or the programs that were altered. It writes
// nothing.
func Look(p Params) (Result, []key.Change, error) {
	b, err := newBuilder(p)
	if err != nil {
		return Result{}, nil, machine(err)
	}
	return b.look()
}

func newBuilder(p Params) (b builder, err error) {
	b = builder{Params: p, root: filepath.Join(p.Tree, "tools", "testing", "selftests")}
	if b.Dir, err = filepath.Abs(p.Dir); err != nil {
		return b, err
	}
	b.programs, err = b.names()
	return b, err
}

// Build builds the programs. That one does not build is part of the result; an
// error is about this machine.
func Build(ctx context.Context, p Params) (Result, error) {
	b, err := newBuilder(p)
	if err != nil {
		return Result{}, machine(err)
	}
	res, why, err := b.look()
	if err != nil || len(why) == 0 {
		return res, err
	}
	names := b.programs
	if err := os.RemoveAll(b.Dir); err != nil {
		return Result{}, machine(err)
	}
	if err := b.compileAll(ctx, names, &res); err != nil {
		return Result{}, err
	}
	switch {
	case len(names) == 0:
		res.None = "this kernel's tree has no selftests of /proc"
	case len(res.Programs) == 0:
		res.None = fmt.Sprintf("none of %d programs builds; the first: %s; is there a static C library for %s? go tool mage setup",
			len(names), res.LeftOut[0].Why, p.Arch.Name)
	}
	return res, b.keep(res)
}

// kept is the file Dir/key.json. The guest gets to see the manifest only, whose
// bytes do not depend on this machine.
type kept struct {
	Inputs   key.Inputs `json:"inputs"`   // all that went in
	Key      string     `json:"key"`      // hash of the inputs
	Manifest string     `json:"manifest"` // its sha256
}

const keyFile = "key.json"

func (b *builder) keep(res Result) error {
	text, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	res.key.Manifest = fmt.Sprintf("%x", sha256.Sum256(text))
	note, err := json.MarshalIndent(res.key, "", "  ")
	if err != nil {
		return err
	}
	err = errors.Join(os.MkdirAll(b.Dir, 0o755), renameio.WriteFile(filepath.Join(b.Dir, Manifest), text, 0o644))
	if err == nil {
		err = renameio.WriteFile(filepath.Join(b.Dir, keyFile), append(note, '\n'), 0o644)
	}
	if err != nil {
		return machine(err)
	}
	return nil
}

type builder struct {
	Params
	root     string
	programs []string // as suite/program
}

var reProgs = regexp.MustCompile(`(?m)^TEST_GEN_PROGS\s*\+?:?=[ \t]*((?:[^\n\\]|\\\n|\\.)*)$`)

// names returns the tests, as suite/program, of which there is a C file.
func (b *builder) names() ([]string, error) {
	var names []string
	for _, suite := range slices.Sorted(maps.Keys(suites())) {
		programs := suites()[suite]
		if programs == nil {
			text, err := os.ReadFile(filepath.Join(b.root, suite, "Makefile"))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			for _, m := range reProgs.FindAllStringSubmatch(string(text), -1) {
				programs = append(programs, strings.Fields(strings.ReplaceAll(m[1], "\\\n", " "))...)
			}
		}
		for _, program := range programs {
			name := suite + "/" + program
			// A name that is a path, or a variable of make, is none.
			if !regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`).MatchString(program) || slices.Contains(names, name) {
				continue
			}
			if _, err := os.Stat(filepath.Join(b.root, name+".c")); err == nil {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// stage is raised when the same inputs would give other programs.
const stage = "selftest 2"

// inputs is what goes in; of the tree's files only what these programs are made
// of.
func (b *builder) inputs() (key.Inputs, error) {
	in := b.Tools.With(key.Inputs{"compiler": b.Version, "command": run.Cmd{Argv: b.argv("x", "y")}.String(), "names": strings.Join(b.programs, " ")})
	var files []string
	for suite := range suites() {
		found, err := filepath.Glob(filepath.Join(b.root, suite, "*.[ch]"))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	shared, err := filepath.Glob(filepath.Join(b.root, "*.h"))
	if err != nil {
		return nil, err
	}
	for _, path := range append(files, shared...) {
		if in[strings.TrimPrefix(path, b.root+string(os.PathSeparator))], err = b.Hashes.Sum(path); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// target tells clang what to compile for; a gcc has one target.
func (b *builder) target() []string {
	if b.Toolchain.LLVM && !b.Arch.Native() {
		return []string{"--target=" + strings.TrimSuffix(b.Arch.Cross, "-")}
	}
	return nil
}

// argv compiles source to out as the suites' Makefiles do, but static and
// without what a debugger needs. The name of the source stands in the program,
// so it has no folder.
func (b *builder) argv(source, out string) []string {
	argv := append([]string{b.Toolchain.Compiler(b.Arch)}, b.target()...)
	return append(argv, "-O2", "-w", "-D_GNU_SOURCE", "-pthread", "-static", "-s", source, "-o", out)
}

// compileAll compiles one after the other: the stage has one job slot.
func (b *builder) compileAll(ctx context.Context, names []string, res *Result) error {
	for _, name := range names {
		why, err := b.compile(ctx, name)
		if err != nil {
			return err
		}
		if why != "" {
			res.LeftOut = append(res.LeftOut, LeftOut{name, why})
			continue
		}
		hash, err := sum(filepath.Join(b.Dir, name))
		if err != nil {
			return machine(err)
		}
		res.Programs = append(res.Programs, Program{name, hash})
	}
	return nil
}

var reError = regexp.MustCompile(`(?m)^.*\b(?:error|cannot find|undefined reference).*$`)

// compile returns why a test cannot be built, or nothing.
func (b *builder) compile(ctx context.Context, name string) (why string, err error) {
	out := filepath.Join(b.Dir, name)
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return "", machine(err)
	}
	var text strings.Builder
	err = run.Run(ctx, run.Cmd{
		Argv: b.argv(filepath.Base(name)+".c", out), Dir: filepath.Join(b.root, filepath.Dir(name)),
		Env: run.Env(), Stdout: &text, Merge: true,
	})
	switch {
	case err == nil:
		return "", nil
	case !run.Failed(err):
		return "", fault.New(fault.Machine, "", "build the kernel's selftests: %w", err)
	}
	if why = strings.TrimSpace(reError.FindString(text.String())); why == "" {
		why = err.Error()
	}
	return why, nil
}

// look returns what an earlier run built of the same, if it is still whole, or
// the beginning of a new result and why.
func (b *builder) look() (Result, []key.Change, error) {
	in, err := b.inputs()
	if err != nil {
		return Result{}, nil, machine(err)
	}
	fresh := Result{Dir: b.Dir, Programs: []Program{}, LeftOut: []LeftOut{}, key: kept{Inputs: in, Key: in.Sum(stage)}}
	res := Result{Dir: b.Dir, Kept: true}
	text, err := os.ReadFile(filepath.Join(b.Dir, Manifest))
	note, noteErr := os.ReadFile(filepath.Join(b.Dir, keyFile))
	if err != nil || noteErr != nil || json.Unmarshal(text, &res) != nil || json.Unmarshal(note, &res.key) != nil {
		return fresh, key.First(), nil
	}
	if why := in.Since(res.key.Inputs); len(why) > 0 {
		return fresh, why, nil
	}
	if res.key.Key != fresh.key.Key {
		return fresh, key.NewStage(), nil
	}
	want := map[string]string{Manifest: res.key.Manifest}
	for _, p := range res.Programs {
		want[p.Name] = p.SHA256
	}
	why := key.Files(want, func(name string) (string, error) { return b.Hashes.Sum(filepath.Join(b.Dir, name)) })
	if len(why) > 0 {
		return fresh, why, nil
	}
	return res, nil, nil
}

func sum(path string) (string, error) {
	text, err := os.ReadFile(path)
	return fmt.Sprintf("%x", sha256.Sum256(text)), err
}

func machine(err error) error {
	return fault.New(fault.Machine, "", "build the kernel's selftests: %w", err)
}
