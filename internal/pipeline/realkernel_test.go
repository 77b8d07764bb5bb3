package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/build"
	"bzmage/internal/event"
	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/report"
	"bzmage/internal/testschema"
	"bzmage/internal/ui"
	"bzmage/internal/unpack"
)

// TestRealKernel61 takes line 6.1 from the distribution all the way to verdicts
// on both arches, and then sees the verdict change with the series.
func TestRealKernel61(t *testing.T) { realKernel(t, "6.1", "") }

// TestRealKernel54 is the same for a 5.4 tree, where one is at hand: the one
// KERNEL_SOURCE names, or the pinned release in the cache.
func TestRealKernel54(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and boots two kernels: 6 minutes on two cores")
	}
	const line = "5.4"
	source := os.Getenv("KERNEL_SOURCE")
	if source == "" {
		p, err := Open("../..", os.Getenv)
		if err != nil {
			t.Fatal(err)
		}
		p.UI = testUI(t, "")
		l, _ := p.File.Line(line)
		l.Sources = []string{"cache"}
		if _, err := fetch.Available(t.Context(), p.fetchParams(l)); err != nil {
			t.Skipf("no 5.4 tree at hand: KERNEL_SOURCE is not set, and %v", err)
		}
	} else if release, err := unpack.Release(t.Context(), source); err != nil || !strings.HasPrefix(release, line+".") {
		t.Skipf("KERNEL_SOURCE is no 5.4 tree: %s %v", release, err)
	}
	realKernel(t, line, source)
}

// realKernel works in a folder that stays, so that the next run on the same
// machine is a matter of seconds; nothing in it is trusted but what the stages
// check themselves.
func realKernel(t *testing.T, line, source string) {
	if testing.Short() {
		t.Skip("builds and boots two kernels: 6 minutes on two cores")
	}
	p := testProject(t, line, source)
	series := filepath.Join(p.Root, "patches", line)
	names := readSeries(t, series)

	var first []boot.Verdict
	t.Run("pass", func(t *testing.T) {
		r, err := verify(t, p)
		if err != nil {
			t.Fatal(err)
		}
		wantPass(t, p, r)
		first = r.Verdicts
	})
	if t.Failed() {
		t.FailNow() // the rest would only repeat it
	}
	t.Run("checks that end badly", func(t *testing.T) { badChecks(t, p, line) })
	t.Run("a shell after the checks", func(t *testing.T) { realShell(t, p, line) })
	t.Run("hostile guests", func(t *testing.T) { realHostile(t, p, line) })
	breaks := newBreaker(t, p, line, names)
	t.Run("nothing changed", func(t *testing.T) {
		before := logTimes(t, p, line)
		wantPlan(t, p, nil)
		r, err := verify(t, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Verdicts {
			if !v.Kept || v.Build["time"] != "kept" {
				t.Errorf("%s: kept %v, built %s", v.Target(), v.Kept, v.Build["time"])
			}
		}
		if after := logTimes(t, p, line); !slices.Equal(before, after) {
			t.Errorf("make or QEMU ran again:\n%v\n%v", before, after)
		}
	})
	t.Run("panic in start-up", func(t *testing.T) {
		breaks.addPatch(t, "\tpanic(\"bzmage test\\n\");\n")
		wantPlan(t, p, map[string]string{"patch": Run, "checkpatch": Run, "build": Run, "boot": Run}) // no Kconfig, no selftest
		r, err := verify(t, p)
		wantVerdicts(t, r, err, boot.Crashed, fault.Crashed, "panic: bzmage test")
		wantIn(t, r, "rand_break")
	})
	t.Run("loop in start-up", func(t *testing.T) {
		breaks.addPatch(t, "\tfor (;;)\n\t\tcpu_relax();\n")
		r, err := verify(t, p)
		wantStuck(t, r, err)
		wantIn(t, r, "rand_break")
		// Since the build before, one patch changed, in one .c.
		wantCompiled(t, p, line, "kernel/sched/base.o")
	})
	writeSeries(t, series, names)
	t.Run("without the series", func(t *testing.T) { wantControl(t, p) })
	t.Run("the series again", func(t *testing.T) {
		r, err := verify(t, p)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range r.Verdicts {
			for _, what := range []string{"image", "config", "initramfs"} {
				if v.SHA256[what] != first[i].SHA256[what] {
					t.Errorf("%s: the %s of the same series is not the same bytes", v.Target(), what)
				}
			}
		}
	})
	t.Run("a series that grows", func(t *testing.T) { realSeries(t, p, line) })
}

// testProject returns a project of its own folder, locked, with this checkout's
// configs, patches and Go code; settings are NAME=value.
func testProject(t *testing.T, line, source string, settings ...string) Project {
	t.Helper()
	module, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(module, "build", "test", line)
	out := testUI(t, filepath.Join(root, "build", "log", "bzmage.jsonl"))
	release, err := Project{Root: root, UI: out}.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	for _, dir := range []string{"configs", "patches"} {
		if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(root, dir), os.DirFS(filepath.Join(module, dir))); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"KERNEL": line, "KERNEL_SOURCE": source, "CI": "true",
		"HOME": os.Getenv("HOME"), "XDG_CACHE_HOME": os.Getenv("XDG_CACHE_HOME")}
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		env[name] = value
	}
	p, err := Open(root, func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	p.Module, p.UI = module, out
	return p
}

func testUI(t *testing.T, file string) *ui.UI {
	t.Helper()
	out, err := ui.New(ui.Options{Out: os.Stderr, CI: true, File: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out
}

func verify(t *testing.T, p Project) (report.Report, error) {
	t.Helper()
	start := time.Now()
	r, err := p.Verify(t.Context())
	for _, v := range r.Verdicts {
		t.Logf("%s: %s %s (built %s, hello after %.1f s, end after %.1f s)", v.Target(), v.Verdict, v.Reason, v.Build["time"], v.BootSeconds, v.TotalSeconds)
	}
	t.Logf("%.1f s in all", time.Since(start).Seconds())
	return r, err
}

// wantPass checks a pass against the files it speaks of.
func wantPass(t *testing.T, p Project, r report.Report) {
	t.Helper()
	if len(r.Verdicts) != len(arch.All()) {
		t.Fatalf("%d verdicts", len(r.Verdicts))
	}
	for _, v := range r.Verdicts {
		pass, fail, _ := v.Counts()
		if v.Verdict != boot.Pass || fail != 0 || pass < 10 {
			t.Errorf("%s: %s, %d passed, %d failed", v.Target(), v.Verdict, pass, fail)
		}
		dist, err := build.Load(p.build("dist", v.Line, v.Arch+"-"+v.Flavour))
		if err != nil {
			t.Fatal(err)
		}
		if img, _ := dist.File(dist.Image); img.SHA256 == "" || img.SHA256 != v.SHA256["image"] {
			t.Errorf("%s: the verdict is about image %s, the dist holds %s", v.Target(), v.SHA256["image"], img.SHA256)
		}
		if v.Guest == nil || v.Guest.Release != r.Release+"-bzmage" || v.Guest.CPUs != 2 {
			t.Errorf("%s: the guest was %+v", v.Target(), v.Guest)
		}
		if l := v.Times; v.BuildID == "" || l.Kernel == 0 || l.Init == 0 || l.FirstCheck == 0 || l.KernelInit == 0 || l.KernelDone == 0 {
			t.Errorf("%s: build ID %q, timeline %+v", v.Target(), v.BuildID, l)
		}
	}
	if err := testschema.File(p.build("reports", r.Line, "verdict.json")); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"verdict.json", "junit.xml", "verdict.ktap"} {
		if _, err := os.Stat(p.build("reports", r.Line, name)); err != nil {
			t.Error(err)
		}
	}
}

func wantVerdicts(t *testing.T, r report.Report, err error, verdict string, kind fault.Kind, reason string) {
	t.Helper()
	if fault.KindOf(err) != kind {
		t.Errorf("error %v, want one of kind %v", err, kind)
	}
	if len(r.Verdicts) != len(arch.All()) {
		t.Fatalf("%d verdicts", len(r.Verdicts))
	}
	for _, v := range r.Verdicts {
		if v.Verdict != verdict || !strings.Contains(v.Reason, reason) {
			t.Errorf("%s: %s: %s; want %s with %q\n%s", v.Target(), v.Verdict, v.Reason, verdict, reason, strings.Join(v.Tail, "\n"))
		}
	}
}

// wantStuck: a loop is called a hang, or, where the kernel had something to
// say within the silence that makes one, a lockup by its own watchdog.
func wantStuck(t *testing.T, r report.Report, err error) {
	t.Helper()
	if k := fault.KindOf(err); k != fault.Hung && k != fault.Crashed || len(r.Verdicts) != len(arch.All()) {
		t.Fatalf("%d verdicts, error %v", len(r.Verdicts), err)
	}
	for _, v := range r.Verdicts {
		hung := v.Verdict == boot.Hung && strings.Contains(v.Reason, "before the checks began")
		if !hung && (v.Verdict != boot.Crashed || !strings.Contains(v.Reason, "soft lockup in rand_break")) {
			t.Errorf("%s: %s: %s\n%s", v.Target(), v.Verdict, v.Reason, strings.Join(v.Tail, "\n"))
		}
	}
}

// wantControl: without the series every check fails but those that are known
// to be about something else, on both arches, and the tree is whole again.
func wantControl(t *testing.T, p Project) {
	t.Helper()
	r, err := p.VerifyControl(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	depends := 0
	for _, c := range r.Checks {
		if c.Depends {
			depends++
		}
		if c.Depends == c.Independent && c.Without["arm64"] != event.Skip || len(c.Without) != len(arch.All()) {
			t.Errorf("%+v", c)
		}
	}
	if depends < 10 {
		t.Errorf("%d of %d checks depend on the series", depends, len(r.Checks))
	}
}

// logTimes returns when make and QEMU last wrote their logs.
func logTimes(t *testing.T, p Project, line string) []string {
	t.Helper()
	var times []string
	for _, pattern := range []string{p.build("log", line, "*-*.log"), p.build("reports", line, "console-*.log")} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, fmt.Sprint(filepath.Base(f), info.ModTime()))
		}
	}
	return times
}

func readSeries(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "series"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			names = append(names, line)
		}
	}
	return names
}

func writeSeries(t *testing.T, dir string, names []string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "series"), []byte(strings.Join(append(names, ""), "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// addPatch puts a patch behind the series that breaks the kernel in its
// start-up: body becomes an initcall at the end of the series' own file.
func (b breaker) addPatch(t *testing.T, body string) {
	t.Helper()
	code := "\nstatic int __init rand_break(void)\n{\n" + body + "\treturn 0;\n}\nlate_initcall(rand_break);\n"
	include := strings.Replace(b.file, "#include", "#include <linux/init.h>\n#include", 1)
	writeBreak(t, b.series, b.names, diffOf(t, schedFile, b.file, include+code))
}

const breakMail = `From: bzmage developers <developers@bzmage.example>
Date: Sun, 22 Nov 2026 13:00:00 +0000
Subject: [PATCH] sched: break the kernel when it starts

A kernel that does not come up is what the verdict has to notice, so this
patch makes one on purpose.

Signed-off-by: bzmage developers <developers@bzmage.example>
---
`

// breaker makes series that break the kernel.
type breaker struct {
	series string   // the folder
	names  []string // the patches of the good series
	file   string   // what kernel/sched/base.c holds with it
}

func newBreaker(t *testing.T, p Project, line string, names []string) breaker {
	t.Helper()
	return breaker{filepath.Join(p.Root, "patches", line), names, inTree(t, p, schedFile)}
}
