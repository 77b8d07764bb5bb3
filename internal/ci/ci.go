// Package ci says what a pipeline runs: which lines of kernels.toml, on which
// arches, in which flavours. In go the lines and the user's choices; out come
// the YAML of a GitLab child pipeline or the JSON of matrices for GitHub
// Actions. Each job is of one line at most, so that more runners build more
// lines at once.
package ci

import (
	"slices"
	"strings"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/kernels"
)

// MaxJobs is how many jobs there may be: GitLab takes no more of one matrix,
// GitHub 256.
const MaxJobs = 200

// Params are the user's choices.
type Params struct {
	File       kernels.File
	Kernel     string   // the line KERNEL; empty: all
	Lines      []string // BZMAGE_LINES; empty: all
	Tag        string   // that the pipeline is for; empty: none
	Archs      []arch.Arch
	Toolchains []string // that the release flavour is verified with; the first is the one that all else is built with
}

// Roles of jobs. The pipeline's file has a template for each.
const (
	Checkpatch = "checkpatch"
	Build      = "build"
	Verify     = "verify"
	Coverage   = "coverage"
	Slow       = "slow" // verify of a flavour that takes long
	Reproduce  = "reproduce"
)

// Roles returns them in the order of the pipeline.
func Roles() []string { return []string{Checkpatch, Build, Verify, Coverage, Slow, Reproduce} }

// Job is one job. What is empty is not said to mage.
type Job struct {
	Role      string
	Kernel    string
	Arch      string
	Flavour   string
	Toolchain string
	Needs     []string // names of jobs that come first
}

// Name is unique in a pipeline: "verify 6.1 x86_64 release gcc".
func (j Job) Name() string {
	role := j.Role
	if role == Coverage || role == Slow {
		role = Verify
	}
	return strings.Join(slices.DeleteFunc([]string{role, j.Kernel, j.Arch, j.Flavour, j.Toolchain}, func(s string) bool { return s == "" }), " ")
}

// Jobs returns the jobs of all lines that are asked for.
func Jobs(p Params) ([]Job, error) {
	lines, err := p.lines()
	if err != nil {
		return nil, err
	}
	var all []Job
	for _, l := range lines {
		all = append(all, p.line(l.Name)...)
	}
	if len(all) > MaxJobs {
		return nil, fault.New(fault.Usage, "BZMAGE_LINES='"+p.File.Lines[0].Name+" ...', one pipeline for some of the lines each", "%d jobs are more than the %d that a pipeline may have", len(all), MaxJobs)
	}
	return all, nil
}

// lines returns what the tag is of; else what the user asks for; else all.
func (p Params) lines() ([]kernels.Line, error) {
	if _, ok := p.File.LineOfTag(p.Tag); ok || p.Tag != "" && p.Kernel != "" {
		l, err := LineOf(p.File, p.Kernel, p.Tag)
		return []kernels.Line{l}, err
	}
	var lines []kernels.Line
	for _, l := range p.File.Lines {
		if (p.Kernel == "" || l.Name == p.Kernel) && (len(p.Lines) == 0 || slices.Contains(p.Lines, l.Name)) {
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return nil, fault.New(fault.Usage, "unset one of them", "KERNEL=%s is not among BZMAGE_LINES=%s", p.Kernel, strings.Join(p.Lines, " "))
	}
	return lines, nil
}

// LineOf returns the line that the release of a tag is of: the one KERNEL
// names, or else the one that the tag does.
func LineOf(f kernels.File, kernel, tag string) (kernels.Line, error) {
	const hint = "name a tag after its line, as v5.4.302-bzmage, or set KERNEL"
	if kernel == "" && tag == "" {
		return kernels.Line{}, fault.New(fault.Usage, "KERNEL="+f.Lines[0].Name, "the pipeline is for no tag, and KERNEL is not set")
	}
	if kernel == "" {
		if l, ok := f.LineOfTag(tag); ok {
			return l, nil
		}
		return kernels.Line{}, fault.New(fault.Usage, hint, "tag %q names no line; there are %s", tag, strings.Join(f.LineNames(), ", "))
	}
	l, ok := f.Line(kernel)
	switch {
	case !ok:
		return l, fault.New(fault.Usage, "KERNEL="+f.Lines[0].Name, "unknown KERNEL=%s; there are %s", kernel, strings.Join(f.LineNames(), ", "))
	case f.Foreign(kernel, tag):
		return l, fault.New(fault.Usage, "unset KERNEL", "KERNEL=%s, and tag %s is of another line", kernel, tag)
	}
	return l, nil
}

// line returns the jobs of one line.
func (p Params) line(name string) []Job {
	first := p.Toolchains[0]
	all := []Job{{Role: Checkpatch, Kernel: name}}
	var builds []string
	for _, a := range p.Archs {
		build := Job{Role: Build, Kernel: name, Arch: a.Name, Flavour: "release", Toolchain: first}
		builds = append(builds, build.Name())
		all = append(all, build)
		verify := func(role, flavour, toolchain string) {
			all = append(all, Job{role, name, a.Name, flavour, toolchain, []string{build.Name()}})
		}
		for _, tc := range p.Toolchains {
			verify(Verify, "release", tc)
		}
		for _, flavour := range p.File.FlavourNames() {
			switch {
			case flavour == "release":
			case p.File.Flavours[flavour].Coverage == nil:
				verify(Slow, flavour, first)
			case !strings.HasPrefix(first, "llvm"): // clang's counters are not read
				verify(Coverage, flavour, first)
			}
		}
	}
	repro := Job{Role: Reproduce, Kernel: name, Toolchain: first, Needs: builds}
	if len(p.Archs) == 1 {
		repro.Arch = p.Archs[0].Name
	}
	return append(all, repro)
}
