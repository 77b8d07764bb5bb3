// Package build compiles one target: it runs make, reads the images it left,
// and collects the dist.
//
// In goes a configured tree; out comes a folder with the images, vmlinux,
// System.map, config and build.json, which lists every input and output by
// hash. The folder changes in one step, so it is always the old or the new.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/ccache"
	"bzmage/internal/config"
	"bzmage/internal/farm"
	"bzmage/internal/fault"
	"bzmage/internal/kbuild"
	"bzmage/internal/key"
	"bzmage/internal/plain"
	"bzmage/internal/trace"
)

// Params is what a target is built of.
type Params struct {
	Make     kbuild.Make
	Config   config.Result
	Release  string       // uname -r the image must say
	Compiler string       // first line of the compiler's --version
	Linker   string       // the same of the linker
	Inputs   key.Inputs   // everything that goes in beside what make is told, by hash or version
	Hashes   *key.Hashes  // of files read before; nil: none
	Touched  []Touch      // who touched which files of the tree
	Dist     string       // the folder to make
	Modules  []string     // modules of make's folder that go into the dist, for the guest
	Notes    []string     // files of make's folder that go into the dist by their path; one that is not there is left out
	Log      string       // file for what make prints
	Count    bool         // spend two seconds to learn how many steps a first build has
	Gate     func() error // asked before a dist takes the place of the old one, and may say no; nil: nobody objects
	Progress func(done, total int, file string)
	Help     func() Help // what else compiled, asked when make is done; nil: nobody
}

// Help is what saved the compilers of this machine their work.
type Help struct {
	CCache *ccache.Stats `json:"ccache,omitempty"`
	Farm   *farm.Stats   `json:"farm,omitempty"`
}

// Toolchain is what an image was built with.
type Toolchain struct {
	Name     string `json:"name"` // as TOOLCHAIN has it
	Compiler string `json:"compiler"`
	Linker   string `json:"linker"`
	Kernel   string `json:"kernel"` // what the kernel itself says of both
}

// File is one file of a dist.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Result is build.json.
type Result struct {
	Arch    string      `json:"arch"`
	Release string      `json:"release"`
	Image   string      `json:"image"` // the file that boots
	Files   []File      `json:"files"`
	Inputs  key.Inputs  `json:"inputs"`
	Key     string      `json:"key"` // hash of the inputs
	Command string      `json:"command"`
	Steps   int         `json:"steps"` // what make did
	Seconds float64     `json:"seconds"`
	CPU     trace.Usage `json:"cpu"` // of make and all it started

	Toolchain Toolchain `json:"toolchain"`
	Help      Help      `json:"help,omitzero"`

	Dist string `json:"-"`
	Kept bool   `json:"-"` // nothing had to be done
}

// File returns the file of that name.
func (r Result) File(name string) (File, bool) {
	i := slices.IndexFunc(r.Files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return File{}, false
	}
	return r.Files[i], true
}

// Path returns where the file of that name lies.
func (r Result) Path(name string) string { return filepath.Join(r.Dist, name) }

// Look returns the dist that Build would keep, or the beginning of a new one
// and why: the inputs that changed, or the files that are gone or altered. It
// writes nothing.
func Look(p Params) (Result, []key.Change) {
	in := p.Inputs.With(p.Make.Inputs(p.targets()...)).With(key.Inputs{"modules": strings.Join(p.Modules, " ")})
	res := Result{
		Arch: p.Make.Arch.Name, Release: p.Release, Image: p.Make.Arch.BootImage().Name, Dist: p.Dist,
		Inputs: in, Key: in.Sum(stage), Command: p.Make.Repeat(p.Make.Arch.Targets...),
		Toolchain: Toolchain{Name: p.Make.Toolchain.String(), Compiler: p.Compiler, Linker: p.Linker},
	}
	old, why := p.kept(res)
	if len(why) > 0 {
		return res, why
	}
	return old, nil
}

// Build compiles the target, or keeps the dist that is there when nothing
// that goes in has changed and nothing of it was touched.
func Build(ctx context.Context, p Params) (Result, error) {
	res, why := Look(p)
	if len(why) == 0 {
		return res, nil
	}
	start := time.Now()
	inner, span := trace.Begin(ctx, "make "+p.Make.Arch.Name)
	steps, err := p.make(inner)
	span.End(err)
	if err != nil {
		return Result{}, err
	}
	res.Steps, res.Seconds, res.CPU = steps, time.Since(start).Seconds(), span.Usage()
	if p.Help != nil {
		res.Help = p.Help()
	}
	if err := errors.Join(p.check(), p.checkModules()); err != nil {
		return Result{}, err
	}
	if res.Toolchain.Kernel, err = p.madeBy(); err != nil {
		return Result{}, err
	}
	if p.Gate != nil {
		if err := p.Gate(); err != nil {
			return Result{}, err
		}
	}
	return p.collect(res)
}

// stage is raised when the same inputs would give another dist.
const stage = "build 3"

// kept returns the earlier dist, and why it is not one of the same things: an
// input, or a file that is not what was built.
func (p Params) kept(want Result) (Result, []key.Change) {
	old, err := Load(p.Dist)
	if err != nil {
		return Result{}, key.First()
	}
	if why := want.Inputs.Since(old.Inputs); len(why) > 0 {
		return Result{}, why
	}
	if old.Key != want.Key {
		return Result{}, key.NewStage()
	}
	files := map[string]string{}
	for _, f := range old.Files {
		files[f.Name] = f.SHA256
	}
	old.Kept = true
	return old, key.Files(files, func(name string) (string, error) { return p.Hashes.Sum(filepath.Join(p.Dist, name)) })
}

// Load reads the build.json of a dist.
func Load(dist string) (Result, error) {
	text, err := os.ReadFile(filepath.Join(dist, "build.json"))
	if err != nil {
		return Result{}, fmt.Errorf("read a dist: %w", err)
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return Result{}, fmt.Errorf("read %s: %w", filepath.Join(dist, "build.json"), err)
	}
	r.Dist = dist
	return r, nil
}

// make runs make and returns how many steps it took.
func (p Params) make(ctx context.Context) (int, error) {
	total := p.lastSteps()
	if total == 0 && p.Count {
		total = p.Make.Count(ctx, p.Log)
	}
	phase := trace.Phases(ctx)
	defer phase("")
	in := kbuild.Compile
	steps := &kbuild.Steps{Each: func(done int, file string) {
		in = in.After(file)
		phase(p.Make.Arch.Name + ": " + string(in))
		if p.Progress != nil {
			p.Progress(done, max(total, done), file)
		}
	}}
	first := !p.built()
	if err := p.Make.Run(ctx, p.Log, steps, p.targets()...); err != nil {
		return 0, p.Explain(p.failed(err))
	}
	if first {
		// Only a first build does every step; the next first one wants to know.
		_ = os.WriteFile(p.stepsFile(), fmt.Appendln(nil, steps.Done()), 0o644)
	}
	return steps.Done(), nil
}

func (p Params) stepsFile() string { return p.Dist + ".steps" }

// built says whether make's folder holds a finished build already: then most
// steps will not be done, and nobody knows how many.
func (p Params) built() bool {
	_, err := os.Stat(filepath.Join(p.Make.Obj, "vmlinux"))
	return err == nil
}

func (p Params) lastSteps() int {
	if p.built() {
		return 0
	}
	text, err := os.ReadFile(p.stepsFile())
	if err != nil {
		return 0
	}
	var n int
	if _, err := fmt.Sscan(string(text), &n); err != nil {
		return 0
	}
	return n
}

// check reads the image: it must be of the arch and release asked for.
func (p Params) check() error {
	img := p.Make.Arch.BootImage()
	got, err := ReadImage(filepath.Join(p.Make.Obj, img.Path))
	if err != nil {
		return fault.New(fault.Build, "look at "+p.Log, "make ended well, but %w", err)
	}
	if want := (Header{Arch: p.Make.Arch.Name, Release: p.Release}); got != want {
		return fault.New(fault.Build, "take the build folder away and build again: rm -r "+p.Make.Obj,
			"%s is for %s %s, not for %s %s", img.Name, got.Arch, got.Release, want.Arch, want.Release)
	}
	return nil
}

// madeBy returns what the kernel says it was compiled with, which must be the
// compiler that was asked for.
func (p Params) madeBy() (string, error) {
	says, err := readCompiler(filepath.Join(p.Make.Obj, "vmlinux"))
	if err != nil {
		return "", fault.New(fault.Build, "look at "+p.Log, "make ended well, but %w", err)
	}
	if !p.Make.Toolchain.Made(says, p.Compiler) {
		return "", fault.New(fault.Build, "take the build folder away and build again: rm -r "+p.Make.Obj,
			"the kernel for %s says it was built by %q, not by %q", p.Make.Arch.Name, plain.Text(says), p.Compiler)
	}
	return says, nil
}

// collect copies what make left into a new folder and puts that in the place
// of the old one.
func (p Params) collect(res Result) (Result, error) {
	fresh := p.Dist + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return Result{}, machine(err)
	}
	if err := os.MkdirAll(fresh, 0o755); err != nil {
		return Result{}, machine(err)
	}
	from := map[string]string{"vmlinux": "vmlinux", "System.map": "System.map", "config": ".config"}
	for _, img := range p.Make.Arch.Images {
		from[img.Name] = img.Path
	}
	if err := errors.Join(p.addNotes(from, fresh), p.addModules(from, fresh)); err != nil {
		return Result{}, machine(err)
	}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		to := filepath.Join(fresh, name)
		if err := copyFile(filepath.Join(p.Make.Obj, from[name]), to); err != nil {
			return Result{}, machine(err)
		}
		f, err := hashFile(to)
		if err != nil {
			return Result{}, machine(err)
		}
		f.Name = name
		res.Files = append(res.Files, f)
	}
	if f, _ := res.File("config"); f.SHA256 != p.Config.SHA256 {
		return Result{}, fault.New(fault.Config, "take the build folder away and build again: rm -r "+p.Make.Obj,
			"make built with another .config than the one that was checked; compare %s with it", filepath.Join(fresh, "config"))
	}
	text, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return Result{}, err
	}
	if err := writeSync(filepath.Join(fresh, "build.json"), append(text, '\n')); err != nil {
		return Result{}, machine(err)
	}
	return res, machine(Swap(fresh, p.Dist))
}

// Swap puts the folder fresh in the place of old, in one step.
func Swap(fresh, old string) error {
	err := unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, old, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOENT) {
		return os.Rename(fresh, old)
	}
	if err != nil {
		return fmt.Errorf("put %s in its place: %w", old, err)
	}
	return os.RemoveAll(fresh)
}

func machine(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Machine, "free some disk space", "collect the dist: %w", err)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(0o644), out.Sync(), out.Close())
}

func writeSync(path string, text []byte) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return errors.Join(err, out.Sync(), out.Close())
}

func hashFile(path string) (File, error) {
	in, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer in.Close()
	h := sha256.New()
	n, err := io.Copy(h, in)
	return File{Name: filepath.Base(path), Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}
