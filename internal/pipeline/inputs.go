package pipeline

import (
	"os/exec"
	"path"
	"slices"
	"strings"

	"bzmage/internal/arch"
	"bzmage/internal/build"
	"bzmage/internal/checkpatch"
	"bzmage/internal/config"
	"bzmage/internal/fault"
	"bzmage/internal/initramfs"
	"bzmage/internal/key"
	"bzmage/internal/patch"
	"bzmage/internal/selftest"
	"bzmage/internal/tools"
)

// What goes into the stages, in one place for a run and for a plan of it.

// toolInputs is what a target is built with: versions, and the bytes of the
// toolchain.
func (k *kernel) toolInputs(a arch.Arch) key.Inputs {
	in := key.Inputs{}
	for _, t := range tools.Of(tools.Table([]arch.Arch{a}, k.p.Settings.Toolchain), tools.ForBuild) {
		in["tool."+t.Name] = k.tools[t.Name]
		for name, sum := range k.tools {
			part, ok := strings.CutPrefix(name, t.Name+"/")
			libc, isLibC := strings.CutPrefix(part, "libc ")
			if ok && (!isLibC || strings.HasPrefix(libc, a.Name+" ")) {
				in["tool."+name] = sum
			}
		}
	}
	return in
}

func (k *kernel) configParams(a arch.Arch) config.Params {
	return config.Params{
		Make: k.make(a), Base: k.src.Line.Base, Fragments: k.fragments(a), Root: k.p.Root, Partial: k.partial,
		Target: []string{k.src.Line.Name, a.Name, k.p.Settings.Flavour},
		Inputs: k.toolInputs(a).With(key.Inputs{
			"source":          k.src.Tree.ID,
			"Kconfig's files": kconfigFiles(k.src.Series.Contents, k.src.Edits),
		}),
	}
}

// kconfigFiles is a hash of what the series and a person made of those files
// that a config may depend on. They are all but code and documentation, as
// Kconfig files run scripts and compilers, and sources outside of scripts and
// tools are given to neither; that a file is there or not counts for every one.
func kconfigFiles(contents map[string]string, edits []patch.Edit) string {
	in := key.Inputs{}
	add := func(name, kind, word string) {
		switch {
		case !neverRead(name):
			in[name] = word
		case kind != patch.Modified:
			in[name] = kind
		}
	}
	for name, word := range contents {
		kind, _, _ := strings.Cut(word, " ")
		if kind != patch.Added && kind != patch.Removed {
			kind = patch.Modified
		}
		add(name, kind, word)
	}
	for _, e := range edits {
		add(e.Path, e.Kind, e.Kind+" "+e.SHA256)
	}
	if len(in) == 0 {
		return ""
	}
	return in.Sum("files")
}

// neverRead says that no config depends on what is in a file of the tree.
func neverRead(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	return top != "scripts" && top != "tools" && !strings.Contains(name, "/tools/") &&
		slices.Contains([]string{".c", ".h", ".S", ".rst", ".txt", ".dts", ".dtsi"}, path.Ext(name))
}

func (k *kernel) buildParams(a arch.Arch, cfg config.Result) build.Params {
	tc := k.p.Settings.Toolchain
	return build.Params{
		Make: k.make(a), Config: cfg, Release: k.src.Tree.Release + k.src.Line.LocalVersion,
		Inputs:   k.inputs(a).With(key.Inputs{"config": cfg.SHA256}),
		Compiler: k.tools[tc.Compiler(a)], Linker: k.tools[tc.Linker(a)],
		Dist: k.out("dist", k.p.target(a)), Hashes: k.p.Hashes, Modules: k.guest().Modules,
	}
}

func (k *kernel) selftestParams(a arch.Arch) selftest.Params {
	tc := k.p.Settings.Toolchain
	in := key.Inputs{}
	for name, value := range k.toolInputs(a) {
		if strings.HasPrefix(name, "tool."+tc.Compiler(a)+"/") {
			in[name] = value
		}
	}
	return selftest.Params{
		Tree: k.src.Tree.Src(), Arch: a, Toolchain: tc, Version: k.tools[tc.Compiler(a)],
		Dir: k.p.build("selftest", k.src.Line.Name, k.p.target(a)), Tools: in, Hashes: k.p.Hashes,
	}
}

func (k *kernel) initramfsParams(a arch.Arch, extra []initramfs.Extra) initramfs.Params {
	return initramfs.Params{
		Arch: a.GOARCH, Dir: k.p.initramfsDir(k.src.Line.Name, a), Module: k.p.Module, Extra: extra, Shell: k.p.Settings.Checks.Shell,
		Hashes: k.p.Hashes, Log: k.p.UI.Log,
	}
}

// checkpatchParams says what to look at. The script sees all of the patched
// tree, and the rules are this program's.
func (p Project) checkpatchParams(src Patched) (checkpatch.Params, error) {
	program, err := p.program()
	if err != nil {
		return checkpatch.Params{}, err
	}
	in := key.Inputs{"source": src.Tree.ID, "series": src.Series.Digest, "edits": src.edits(), "bzmage": program}
	if perl, err := exec.LookPath("perl"); err == nil {
		if in["perl"], err = p.Hashes.Sum(perl); err != nil {
			return checkpatch.Params{}, fault.New(fault.Machine, "", "read perl: %w", err)
		}
	}
	return checkpatch.Params{
		Tree: src.Tree, Series: p.path(src.Line.Patches), Folder: src.Line.Patches, Jobs: p.Jobs, Log: p.UI.Log,
		Kept: p.build("checkpatch", src.Line.Name+".json"), Inputs: in, Hashes: p.Hashes,
	}, nil
}

// initramfsDir is where the initramfs of a target lies: the kernel's own tests
// in it are of the line and the toolchain.
func (p Project) initramfsDir(line string, a arch.Arch) string {
	return p.build("initramfs", line, p.target(a))
}
