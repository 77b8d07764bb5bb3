package tools

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"bzmage/internal/arch"
	"bzmage/internal/key"
	"bzmage/internal/run"
	"bzmage/internal/toolchain"
)

// Identity returns what a toolchain is made of, by hash: each of its programs
// as found here, those that a compiler starts (cc1, as, ld), and the C library
// that a compiler links with, of which the kernel's Kconfig asks whether it is
// there (CC_CAN_LINK). Names are <tool>/<part>; a part that is "libc <arch>" is
// of that arch alone. What is not there has no hash, and comes to be noticed.
//
// Versions say too little: a compiler that is patched keeps its own.
func Identity(ctx context.Context, hashes *key.Hashes, archs []arch.Arch, tc toolchain.Toolchain) (key.Inputs, error) {
	asks := []ask{{tool: "ld", part: "program", file: "ld"}}
	for _, t := range Of(compilers(archs, tc), ForBuild) {
		asks = append(asks, ask{tool: t.Name, part: "program", file: t.Name})
	}
	for _, a := range archs {
		asks = append(asks, asksOf(a, tc)...)
	}
	sums := make([]string, len(asks))
	var g errgroup.Group
	g.SetLimit(4)
	for i, q := range asks {
		g.Go(func() (err error) {
			sums[i], err = q.sum(ctx, hashes)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	in := key.Inputs{}
	for i, q := range asks {
		in[q.tool+"/"+q.part] = sums[i]
	}
	return in, nil
}

// ask is one file of a toolchain to look for.
type ask struct {
	tool, part string
	argv       []string // prints where the file is; nil: it is in PATH
	file       string
}

// asksOf returns what the compiler for an arch, and the host's, reach.
func asksOf(a arch.Arch, tc toolchain.Toolchain) []ask {
	cc := tc.Compiler(a)
	var target []string
	if tc.LLVM && !a.Native() {
		target = []string{"--target=" + strings.TrimSuffix(a.Cross, "-")}
	}
	var asks []ask
	for _, compiler := range slices.Compact([]string{cc, tc.HostCompiler()}) {
		if tc.LLVM {
			break // it is all in the one program and its libraries
		}
		for _, name := range []string{"cc1", "as", "ld", "collect2"} {
			asks = append(asks, ask{compiler, name, []string{compiler, "-print-prog-name=" + name}, name})
		}
	}
	for _, name := range []string{"crt1.o", "libc.so", "libc.a"} {
		argv := append(append([]string{cc}, target...), "-print-file-name="+name)
		asks = append(asks, ask{cc, "libc " + a.Name + " " + name, argv, name})
	}
	return asks
}

// sum returns the hash of the file, empty where there is none. A program's is
// over the libraries it needs, too: clang is little more than them.
func (q ask) sum(ctx context.Context, hashes *key.Hashes) (string, error) {
	path := q.file
	if q.argv != nil {
		out, err := run.Output(ctx, run.Cmd{Argv: q.argv, Env: run.Env()})
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if err != nil {
			return "", nil // a compiler that is not there is said elsewhere
		}
		path = out
	}
	isProgram := !strings.HasPrefix(q.part, "libc ")
	if !filepath.IsAbs(path) {
		if path = program(path); path == "" || !isProgram {
			return "", nil
		}
	}
	files := []string{path}
	if isProgram {
		files = append(files, libraries(path)...)
	}
	h := sha256.New()
	for _, f := range files {
		sum, err := hashes.Sum(f)
		if err != nil {
			return "", nil
		}
		fmt.Fprintln(h, filepath.Base(f), sum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// wrappers stand in PATH under a compiler's name and start the real one.
var wrappers = []string{"ccache", "sccache", "distcc", "icecc"}

// program returns the file that is started under a name, behind wrappers.
func program(name string) string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path, err := exec.LookPath(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		real, err := filepath.EvalSymlinks(path)
		if err == nil && !slices.Contains(wrappers, filepath.Base(real)) {
			return real
		}
	}
	return ""
}

// libraries returns the shared libraries a program names, as far as they are
// where the system keeps them.
func libraries(path string) []string {
	f, err := elf.Open(path)
	if err != nil {
		return nil // a script
	}
	defer f.Close() // only read
	names, _ := f.ImportedLibraries()
	var files []string
	for _, name := range names {
		for _, dir := range []string{filepath.Join(filepath.Dir(path), "..", "lib"), "/usr/lib/*", "/usr/lib64", "/usr/lib", "/lib64", "/lib"} {
			if found, _ := filepath.Glob(filepath.Join(dir, name)); len(found) > 0 {
				files = append(files, found...)
				break
			}
		}
	}
	return files
}
