package initramfs

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"

	"bzmage/internal/fault"
	"bzmage/internal/run"
	"bzmage/internal/tools"
)

// builder runs the Go toolchain.
type builder struct {
	Params
	goTool  string
	version string
	scratch string
}

// recipe is a program to build.
type recipe struct {
	name string   // path in the archive
	args []string // go's command
	pkg  string
}

func newBuilder(ctx context.Context, p Params, scratch string) (*builder, error) {
	if _, ok := machines()[p.Arch]; !ok {
		return nil, fmt.Errorf("build the initramfs: there is no arch %q", p.Arch)
	}
	b := &builder{Params: p, scratch: scratch}
	var err error
	if b.goTool, err = tools.Go(); err != nil {
		return nil, err
	}
	if b.version, err = b.ask(ctx, "version", "env", "GOVERSION"); err != nil {
		return nil, err
	}
	return b, nil
}

// env is the environment of go for a program of that arch. What could change
// the code is set (but for GOFLAGS, which is the user's), where go finds its modules and caches is passed on.
func env(arch string) []string {
	return run.Env("GOPATH", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE",
		"GOTOOLCHAIN", "GOTMPDIR", "GOENV", "GOINSECURE",
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off", "GO111MODULE=on")
}

// programs builds what goes into the archive.
func (b *builder) programs(ctx context.Context) ([]entry, error) {
	var entries []entry
	for _, r := range b.recipes() {
		out, err := b.compile(ctx, r, b.Arch)
		if err != nil {
			return nil, err
		}
		if err := checkELF(out, b.Arch); err != nil {
			return nil, fault.New(fault.Guest, "build without cgo", "build %s: %w", r.name, err)
		}
		entries = append(entries, entry{name: r.name, mode: cpio.TypeReg | 0o755, file: out})
	}
	return entries, nil
}

// compile builds a program and returns where it is.
func (b *builder) compile(ctx context.Context, r recipe, arch string) (string, error) {
	base := filepath.Base(r.name) + "-" + arch
	out := filepath.Join(b.scratch, base)
	log := filepath.Join(b.Dir, "initramfs-"+base+".log")
	argv := append([]string{b.goTool}, r.args...)
	argv = append(argv, "-o", out, "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", r.pkg)
	// The stage has one job slot. With one of these go runs one compiler at a
	// time, and that one thread.
	err := run.Run(ctx, run.Cmd{Argv: argv, Dir: b.Module, Env: append(env(arch), "GOMAXPROCS=1"), Log: log})
	if err != nil {
		return "", b.explain(r, log, err)
	}
	if _, err := os.Stat(out); err != nil {
		// go test -c says "[no test files]" and ends well.
		return "", fault.New(fault.Guest, "add a check to "+r.pkg, "build %s: there are no checks in %s", r.name, r.pkg)
	}
	// It says nothing when all went well.
	if err := os.Remove(log); err != nil {
		return "", machine(err)
	}
	return out, nil
}

var (
	reGoError = regexp.MustCompile(`^\S+\.go:\d+(:\d+)?: `)
	reNetwork = regexp.MustCompile(`dial tcp|no such host|i/o timeout|proxyconnect|TLS handshake|connection re(set|fused)`)
)

// explain turns a failed build into an error with the first lines that the
// compiler wrote.
func (b *builder) explain(r recipe, log string, err error) error {
	var exit *run.ExitError
	if !errors.As(err, &exit) || exit.Signal != 0 {
		return fault.New(fault.Machine, "", "build %s: %w", r.name, err)
	}
	text, readErr := os.ReadFile(log)
	if readErr != nil {
		return machine(errors.Join(err, readErr))
	}
	const most = 3
	var first []string
	more := 0
	for line := range strings.Lines(string(text)) {
		switch {
		case !reGoError.MatchString(line):
		case len(first) < most:
			first = append(first, strings.TrimSpace(line))
		default:
			more++
		}
	}
	kind, hint := fault.Guest, "see "+log
	switch {
	case len(first) == 0 && reNetwork.Match(text):
		kind, hint = fault.Machine, "go cannot fetch a module: check the network, or GOPROXY"
		fallthrough
	case len(first) == 0:
		return fault.New(kind, hint, "build %s from %s: %w; log: %s", r.name, r.pkg, err, log)
	case more > 0:
		first = append(first, fmt.Sprintf("and %d more lines", more))
	}
	return fault.New(kind, hint, "build %s from %s: %s; log: %s", r.name, r.pkg, strings.Join(first, "; "), log)
}

// checks returns the names of the checks. Their binary is asked, which takes
// one that runs here: for another arch it is built once more.
func (b *builder) checks(ctx context.Context) ([]string, error) {
	r := b.recipes()[0]
	bin := filepath.Join(b.scratch, filepath.Base(r.name)+"-"+b.Arch)
	if b.Arch != runtime.GOARCH {
		if err := b.sameFiles(ctx); err != nil {
			return nil, err
		}
		var err error
		if bin, err = b.compile(ctx, r, runtime.GOARCH); err != nil {
			return nil, err
		}
	}
	list, err := run.Output(ctx, run.Cmd{Argv: []string{bin, "-test.list", "."}, Dir: b.scratch, Env: run.Env()})
	if err != nil {
		return nil, fault.New(fault.Guest, "", "list the checks: %w", err)
	}
	var names []string
	for name := range strings.FieldsSeq(list) {
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, fault.New(fault.Guest, "add a check to "+b.CheckPackage, "there are no checks in %s", b.CheckPackage)
	}
	slices.Sort(names)
	return names, nil
}

// sameFiles makes sure that the checks for both arches are made of the same
// files, as the names of one arch's are asked for the other's.
func (b *builder) sameFiles(ctx context.Context) error {
	var lists [2]string
	for i, arch := range []string{b.Arch, runtime.GOARCH} {
		var err error
		lists[i], err = run.Output(ctx, run.Cmd{
			Argv: []string{b.goTool, "list", "-f", "{{.TestGoFiles}} {{.XTestGoFiles}}", b.CheckPackage},
			Dir:  b.Module, Env: env(arch), Log: filepath.Join(b.scratch, "list.log"),
		})
		if err != nil {
			return fault.New(fault.Guest, "", "list the files of %s: %w", b.CheckPackage, err)
		}
	}
	if lists[0] != lists[1] {
		return fault.New(fault.Guest, "use runtime.GOARCH within a check instead of a build constraint",
			"the checks of %s differ by arch: %s for %s, %s for %s", b.CheckPackage, lists[0], b.Arch, lists[1], runtime.GOARCH)
	}
	return nil
}

// ask returns what a go command prints.
func (b *builder) ask(ctx context.Context, what string, args ...string) (string, error) {
	out, err := run.Output(ctx, run.Cmd{Argv: append([]string{b.goTool}, args...), Dir: b.Module, Env: env(b.Arch)})
	if err != nil {
		return "", fault.New(fault.Machine, "check that `go env` works in "+b.Module, "ask go for its %s: %w", what, err)
	}
	return out, nil
}

// machines are the arches, with the number ELF has for them.
func machines() map[string]elf.Machine {
	return map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
}

// checkELF makes sure that the guest can run a program: it is one for its
// arch, and needs no dynamic linker.
func checkELF(path, arch string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	if f.Machine != machines()[arch] {
		return fmt.Errorf("it is for %v, not for %s", f.Machine, arch)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("it is linked dynamically, and the guest has no linker")
		}
	}
	return nil
}
