package pipeline

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/plain"
	"bzmage/internal/qemu"
	"bzmage/internal/tools"
)

// diskNeeded is what a tree, two output folders and the downloads take.
const diskNeeded = 6 << 30

// finding is one line of doctor's report.
type finding struct {
	what, has string
	ok        bool
	advice    bool   // not needed for verify
	mend      string // the line that mends it
}

// Doctor says for everything verify needs whether it will do, and returns an
// error if verify could not run.
func (p Project) Doctor(ctx context.Context, out io.Writer) error {
	var all []finding
	found, err := p.look(ctx)
	if err != nil {
		return err
	}
	all = append(all, finding{what: "go", has: runtime.Version(), ok: true})
	for _, f := range found {
		all = append(all, p.tool(f))
	}
	all = append(all, p.disk("build folder", p.Root, ""), p.disk("cache folder", p.Settings.Cache, ", or set XDG_CACHE_HOME"))
	all = append(all, p.sharingFindings(ctx)...)
	accels, err := p.accelerators(ctx)
	if err != nil {
		return err
	}
	all = append(all, accels...)
	sources, err := p.sources(ctx)
	if err != nil {
		return err
	}
	return show(out, append(append(all, sources...), p.keyFindings()...))
}

func (p Project) tool(f tools.Found) finding {
	mend := p.setupLine()
	if m := tools.Manager(); m != "" && m != tools.APT && f.Packages[m] != "" {
		mend = strings.Join(tools.InstallLine(m, []string{f.Packages[m]}), " ")
	}
	has := f.Version
	if f.Header != "" {
		has = "header"
	}
	if f.Problem != "" {
		has = f.Problem + " (for " + f.For + ")"
	}
	return finding{what: f.Name, has: has, ok: f.Problem == "", advice: f.Use == tools.Wanted, mend: mend}
}

func (p Project) disk(what, dir, or string) finding {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return finding{what: what, has: err.Error(), mend: "make " + dir + " writable"}
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return finding{what: what, has: err.Error(), mend: "df " + dir}
	}
	free := s.Bavail * uint64(s.Bsize)
	return finding{what: what, has: fmt.Sprintf("%d GiB free in %s", free>>30, dir), ok: free >= diskNeeded,
		mend: fmt.Sprintf("free %d GiB there%s", diskNeeded>>30, or)}
}

// accelerators tries each arch's emulator with a guest of a few bytes, and
// KVM where the arch is the host's.
func (p Project) accelerators(ctx context.Context) ([]finding, error) {
	var all []finding
	for _, a := range p.Settings.Archs {
		err := qemu.Probe(ctx, a, qemu.TCG)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		f := finding{what: a.Name + " guest", has: "a probe guest ran (tcg)", ok: err == nil, mend: p.setupLine()}
		if err != nil {
			f.has = err.Error()
		}
		all = append(all, f)
		if !a.Native() {
			continue
		}
		err = qemu.Probe(ctx, a, qemu.KVM)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		kvm := finding{what: "kvm", has: "a probe guest ran", ok: true, advice: true}
		if err != nil {
			kvm.has, kvm.ok = "does not work here, guests are emulated: "+err.Error(), false
		}
		all = append(all, kvm)
	}
	return all, nil
}

// sources says which lines can be had. One that can is enough, unless KERNEL
// asks for one.
func (p Project) sources(ctx context.Context) ([]finding, error) {
	if p.Settings.KernelSource != "" {
		return p.givenSource(ctx)
	}
	var all []finding
	any := false
	for _, line := range p.File.Lines {
		f := finding{what: "line " + line.Name, mend: "connect to the network, or set KERNEL_SOURCE to a kernel tarball or folder"}
		params := p.fetchParams(line)
		params.Fresh = true
		source, err := fetch.Available(ctx, params)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			f.has = strings.Join(strings.Fields(err.Error()), " ")
		} else {
			f.has, f.ok, any = "from "+source, true, true
		}
		f.advice = p.Settings.Kernel != line.Name
		all = append(all, f)
	}
	if !any {
		for i := range all {
			all[i].advice = false
		}
	}
	return all, nil
}

// givenSource says whether KERNEL_SOURCE will do.
func (p Project) givenSource(ctx context.Context) ([]finding, error) {
	f := finding{what: "KERNEL_SOURCE", mend: "give a kernel tarball or the top folder of a kernel tree of line " + strings.Join(p.File.LineNames(), " or ")}
	line, why, err := p.chooseBySource(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		f.has = err.Error()
	case p.Settings.Kernel != "" && p.Settings.Kernel != line.Name:
		f.has = why + ", and KERNEL=" + p.Settings.Kernel
	default:
		f.has, f.ok = why+", unverified", true
	}
	return []finding{f}, nil
}

func show(out io.Writer, all []finding) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var bad []string
	hint := ""
	for _, f := range all {
		mark := "ok"
		switch {
		case !f.ok && f.advice:
			mark = "-"
		case !f.ok:
			mark = "MISSING"
			if bad = append(bad, f.what); hint == "" {
				hint = f.mend
			}
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", mark, f.what, plain.Text(f.has))
		if !f.ok && !f.advice {
			fmt.Fprintf(tw, "\t\tto mend it: %s\n", f.mend)
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if len(bad) > 0 {
		return fault.New(fault.Machine, hint, "verify could not run here: %s", strings.Join(bad, ", "))
	}
	return nil
}
