package pipeline

import (
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/build"
	"bzmage/internal/event"
	"bzmage/internal/initramfs"
	"bzmage/internal/qemu"
)

// badChecks boots the kernels that are there with checks that do what no check
// should. Each is told apart, by name, and takes no earlier result away.
func badChecks(t *testing.T, p Project, line string) {
	for _, a := range arch.All() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			dist, err := build.Load(p.build("dist", line, a.Name+"-release"))
			if err != nil {
				t.Fatal(err)
			}
			rd, err := initramfs.Build(t.Context(), initramfs.Params{
				Arch: a.GOARCH, Dir: t.TempDir(), Module: p.Module, CheckPackage: "./internal/guest/testdata/checks",
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, tt := range badOnes {
				t.Run(tt.run, func(t *testing.T) { badCheck(t, a, dist, rd, tt) })
			}
		})
	}
}

type badOne struct {
	run, verdict, reason string // reason is a regular expression
	passed               string // a check that passed before it
}

var badOnes = []badOne{
	{"^Test(Pass|Panic|Hang)$", boot.CheckFailed, `^a check failed: TestPanic \(panic: in a check.*\); 1 check did not run$`, "TestPass"},
	{"^Test(Pass|Exit3)$", boot.CheckFailed, `^the checks ended with exit code 3, in TestExit3$`, "TestPass"},
	{"^Test(Pass|Exit0)$", boot.CheckFailed, `^a check failed: TestExit0 \(panic: unexpected call to os.Exit\(0\) during test.*\)$`, "TestPass"},
	{"^Test(Pass|Hang)$|BenchmarkPass", boot.CheckFailed, `^the checks ended with exit code 2, in TestHang: fatal error: all goroutines are asleep - deadlock!$`, "BenchmarkPass"},
	{"^Test(Pass|Endless)$", boot.NoVerdict, `^the guest says: the checks did not end within 5s( and were killed)?, in TestEndless/part$`, "TestPass"},
	{"^Test(Pass|Killed)$", boot.NoVerdict, `^the guest says: the process of the checks was killed by signal 9 \(killed\), in TestKilled$`, "TestPass"},
	{"^Test(Pass|Prints)$", boot.NoVerdict, `^the guest says: the checks printed more than 8 MB and were killed, in TestPrints$`, "TestPass"},
	{"^Test(Pass|LeavesAProcess)$", boot.NoVerdict, `^the guest says: a check left a process behind that holds its output open: process \d+ \(init\), which began in (TestPass or )?TestLeavesAProcess( or TestPass)?$`, "TestLeavesAProcess"},
}

func badCheck(t *testing.T, a arch.Arch, dist build.Result, rd initramfs.Result, tt badOne) {
	expected, err := event.Select(rd.Checks, tt.run)
	if err != nil {
		t.Fatal(err)
	}
	limits := boot.DefaultLimits(qemu.TCG)
	limits.Total = 2*time.Minute + 5*time.Second // 5 s for the checks
	if !slices.Contains(expected, "TestEndless") {
		limits.Total = 5 * time.Minute
	}
	o, err := boot.Run(t.Context(), boot.Params{
		Machine: qemu.Machine{Arch: a, Release: dist.Release, Accel: qemu.TCG, Kernel: dist.Path(dist.Image), Initrd: rd.Path, Memory: 256, CPUs: 2},
		Release: dist.Release, Expected: expected, Run: tt.run, Limits: limits, Console: filepath.Join(t.TempDir(), "console.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	v := boot.Verdict{Release: dist.Release, Run: tt.run}
	v.Judge(o)
	t.Logf("%.1f s: %s: %s", v.TotalSeconds, v.Verdict, v.Reason)
	if v.Verdict != tt.verdict || !regexp.MustCompile(tt.reason).MatchString(v.Reason) {
		t.Errorf("%s: %s; want %s: %s\n%+v", v.Verdict, v.Reason, tt.verdict, tt.reason, o.Events)
	}
	if !slices.ContainsFunc(v.Checks, func(c event.Check) bool { return c.Name == tt.passed && c.Status == event.Pass }) {
		t.Errorf("%s did not pass: %+v", tt.passed, v.Checks)
	}
}
