// Package pipeline puts the stages together: from a line of kernels.toml and a
// series of patches to verdicts. Each stage calls the one it needs, and each
// keeps what it has when nothing that goes in has changed.
//
// In go a [Project] (a checkout and the user's settings); out come files under
// its build folder and, at the end, a report.
package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/jobserver"
	"bzmage/internal/kbuild"
	"bzmage/internal/kernels"
	"bzmage/internal/key"
	"bzmage/internal/keyring"
	"bzmage/internal/settings"
	"bzmage/internal/ui"
)

// Project is a checkout with the user's settings.
type Project struct {
	Root     string // the top folder
	Work     string // what is made lies there, below Root; empty: build
	Module   string // the folder of go.mod, with verify/ and cmd/procrand
	File     kernels.File
	Settings settings.Settings
	Jobs     *jobserver.Server // of all that a run starts
	Force    bool              // boot again what has a verdict
	Keys     keyring.Keys
	Hashes   *key.Hashes // of files read before; nil: none
	chosen   *chosen     // the line of this run, once it is known; nil: it is chosen anew each time
	looking  bool        // nothing is written, and no network asked
	UI       *ui.UI
	Terminal *os.File // where a person types; nil: nowhere

	getenv func(string) string // for what reads secrets, and what a pipeline's server says of its job
}

// Stage is one step on the way from a patch to a verdict.
type Stage struct{ Name, In, Out string }

// Stages returns the stages in order, with what goes in and what comes out.
func Stages() []Stage {
	return []Stage{
		{"fetch", "a line of kernels.toml", "an archive in the cache, with the proofs made of it"},
		{"unpack", "an archive", "a kernel tree under build/tree"},
		{"patch", "a tree and a series", "the tree with the series applied, all or nothing"},
		{"checkpatch", "a series", "findings; none may be new"},
		{"configure", "a tree and fragments, per arch", "a .config in which every line asked for survived"},
		{"build", "a tree and a .config, per arch", "a dist under build/dist: image, vmlinux, System.map, config, build.json"},
		{"initramfs", "verify/*.go and cmd/procrand, per arch", "an initramfs whose /init is the checks"},
		{"boot", "an image and an initramfs", "a verdict about those exact bytes"},
		{"report", "verdicts", "build/reports/<line>: verdict.json, junit.xml, verdict.ktap, console logs"},
		{"package", "targets that passed", "build/release/<line>/<tag>: images, archives, packages, sums, signature, SBOM, provenance"},
		{"publish", "the folder of a release", "a release of GitHub or GitLab with these very files"},
		{"reproduce", "the files of a build", "whether a second build elsewhere gives the same bytes, and what differs: reproduce.json"},
	}
}

// Open reads the checkout at root and the user's settings.
func Open(root string, getenv func(string) string) (Project, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return Project{}, err
	}
	file, err := kernels.Load(filepath.Join(root, "configs", "kernels.toml"))
	if err != nil {
		return Project{}, err
	}
	set, err := settings.Read(getenv, file)
	if err != nil {
		return Project{}, err
	}
	keys, err := keyring.Load(filepath.Join(root, "configs", "keys"))
	if err != nil {
		return Project{}, err
	}
	jobs, err := jobserver.New(set.Jobs)
	if err != nil {
		return Project{}, fault.New(fault.Machine, "", "%w", err)
	}
	p := Project{Root: root, Module: root, File: file, Settings: set, Jobs: jobs, Keys: keys, chosen: &chosen{}, getenv: getenv}
	p.Hashes = key.NewHashes(p.build("hashes.json"))
	if set.CI {
		p.Hashes.Distrust() // a build folder that was kept may come from another machine
	}
	return p, kbuild.CheckPath(root)
}

// path joins a path below the checkout.
func (p Project) path(elem ...string) string {
	return filepath.Join(append([]string{p.Root}, elem...)...)
}

// build joins a path below the build folder.
func (p Project) build(elem ...string) string {
	work := p.Work
	if work == "" {
		work = "build"
	}
	return p.path(append([]string{work}, elem...)...)
}

// target names a target in paths, with its toolchain unless that is the
// default.
func (p Project) target(a arch.Arch) string {
	name := a.Name + "-" + p.Settings.Flavour
	if v := p.Settings.Toolchain.Variant(); v != "" {
		name += "-" + v
	}
	return name
}

// consoleName returns the name of a console's log. A kept verdict points to
// its own, which a boot of a few checks must not overwrite.
func (p Project) consoleName(a arch.Arch) string {
	if p.Settings.Checks.All() {
		return "console-" + p.target(a) + ".log"
	}
	return "console-" + p.target(a) + "-part.log"
}

// log returns the log file of a stage, below build/log.
func (p Project) log(line, stage string) (string, error) {
	dir := p.build("log", line)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fault.New(fault.Machine, "make "+dir+" writable", "keep a log: %w", err)
	}
	return filepath.Join(dir, stage+".log"), nil
}

// progress returns a function that shows how many bytes of a file are done.
func (p Project) progress(name, verb string) func(done, total int64) {
	start := time.Now()
	return func(done, total int64) {
		text := fmt.Sprintf("%s %d MB", verb, done>>20)
		if total > 0 {
			text = fmt.Sprintf("%s %d of %d MB", verb, done>>20, total>>20)
		}
		p.UI.Progress(name, fmt.Sprintf("%s, %.0f s", text, time.Since(start).Seconds()))
	}
}
