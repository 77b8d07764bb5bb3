package guest

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"bzmage/internal/event"
)

func TestChecksThatPass(t *testing.T) {
	w := newWorld(t, "bzmage.run=^(TestPass|TestSkip)$")
	res := w.run(t, "TestPass", "TestSkip")
	if p := res.Problems(); p != nil {
		t.Fatalf("problems %q", p)
	}
	if res.Hello.Cmdline != "console=ttyS0 bzmage.id=1d bzmage.run=^(TestPass|TestSkip)$" || res.Hello.Release == "" || res.Hello.CPUs < 1 {
		t.Errorf("hello %+v", res.Hello)
	}
	if c := res.Checks[0]; c.Name != "TestPass" || c.Status != event.Pass || !strings.Contains(c.Output, "passed in /tmp as 1\n") {
		t.Errorf("%+v", c)
	}
	if c := res.Checks[1]; c.Status != event.Skip {
		t.Errorf("%+v", c)
	}
	if d := cmp.Diff(&event.Done{Uptime: 1.5}, res.Done); d != "" {
		t.Error(d)
	}
	if !strings.HasSuffix(w.console.String(), "bzmage: done, exit code 0\n") {
		t.Error("the console does not say that it is done")
	}
}

// However the checks end, the host hears of it, and the guest comes to its end.
func TestChecksThatDoNotPass(t *testing.T) {
	tests := []struct {
		check   string
		params  string
		exit    int
		err     string // in done
		problem string
		output  string // of the check or the run
	}{
		{check: "TestFail", exit: 1, problem: "check TestFail/part failed", output: "failed\n"},
		{check: "TestPanic", exit: 2, problem: "check TestPanic failed", output: "panic: in a check"},
		{check: "TestGoroutinePanic", exit: 2, problem: "exit code 2", output: "panic: elsewhere"},
		{check: "TestExit0", exit: 2, problem: "check TestExit0 failed", output: "unexpected call to os.Exit(0)"},
		{check: "TestExit3", exit: 3, problem: "check TestExit3 did not end"},
		{check: "TestKilled", exit: 137, err: "the process of the checks was killed by signal 9 (killed)", problem: "check TestKilled did not end"},
		{check: "TestHang", exit: 2, problem: "check TestHang did not end", output: "fatal error: all goroutines are asleep - deadlock!"},
		{check: "TestEndless", params: "bzmage.timeout=300ms", exit: 1, err: "the checks did not end within 300ms", problem: "check TestEndless did not end", output: "checks.TestEndless.func1"},
		{check: "TestPrints", exit: 1, err: "the checks printed more than 8 MB and were killed", problem: "check TestPrints did not end", output: "xxx"},
		{check: "TestLogs", exit: 1, err: "the checks printed more than 8 MB and were killed", problem: "check TestLogs did not end", output: "xxx"},
	}
	for _, tt := range tests {
		t.Run(tt.check, func(t *testing.T) {
			w := newWorld(t, "bzmage.run=^"+tt.check+"$ "+tt.params)
			res := w.run(t, tt.check)
			if res.Violations != nil || res.Done == nil || res.Done.Exit != tt.exit || res.Done.Error != tt.err {
				t.Fatalf("violations %q, done %+v", res.Violations, res.Done)
			}
			if p := strings.Join(res.Problems(), "\n"); !strings.Contains(p, tt.problem) {
				t.Errorf("problems %q", p)
			}
			all := res.Output
			for _, c := range res.Checks {
				all += c.Output
			}
			if !strings.Contains(all, tt.output) {
				t.Errorf("no %q in %q", tt.output, all)
			}
		})
	}
}

// A binary that does not care about its timeout is killed.
func TestChecksThatHaveToBeKilled(t *testing.T) {
	w := newWorld(t, "bzmage.timeout=50ms")
	w.checks, w.grace = []string{"/bin/sh", "-c", "trap '' TERM INT; while :; do sleep 1; done"}, 300*time.Millisecond
	w.checks[2] = strings.Replace(w.checks[2], "TERM INT", "TERM INT QUIT", 1)
	res := w.run(t)
	if res.Done == nil || res.Done.Exit != 1 || res.Done.Error != "the checks did not end within 50ms and were killed" {
		t.Errorf("done %+v", res.Done)
	}
}

func TestOutputIsBounded(t *testing.T) {
	for _, check := range []string{"TestFlood", "TestLongLine"} {
		t.Run(check, func(t *testing.T) {
			w := newWorld(t, "bzmage.run=^"+check+"$")
			res := w.run(t, check)
			if p := res.Problems(); p != nil {
				t.Fatalf("problems %q", p)
			}
			c := res.Checks[0]
			if len(c.Output) > event.MaxOutput+100 || c.Cut || c.Status != event.Pass {
				t.Errorf("%s, output of %d bytes, cut by the host %v", c.Status, len(c.Output), c.Cut)
			}
			if _, last, _ := strings.Cut(c.Output, "bzmage: output cut here, after "); !strings.HasSuffix(last, " bytes\n") || len(last) > 20 {
				t.Errorf("the output ends in %q", c.Output[len(c.Output)-80:])
			}
		})
	}
}

// A process that a check leaves behind holds the pipe open; the guest does not
// wait for it.
func TestProcessLeftBehind(t *testing.T) {
	w := newWorld(t, "bzmage.run=^TestLeavesAProcess$")
	w.grace = time.Second
	start := time.Now()
	res := w.run(t, "TestLeavesAProcess")
	if res.Done == nil || !regexp.MustCompile(`^a check left a process behind that holds its output open: process \d+ \(init\), which began in TestLeavesAProcess$`).MatchString(res.Done.Error) || res.Done.Exit != 1 {
		t.Errorf("done %+v", res.Done)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	if c := res.Checks[0]; c.Status != event.Pass {
		t.Errorf("%+v", c)
	}
}

func TestTicks(t *testing.T) {
	w := newWorld(t, "bzmage.timeout=10s")
	w.tick = time.Millisecond
	w.checks = []string{"/bin/sh", "-c", "sleep 0.3"}
	res := w.run(t)
	if res.Ticks < 10 || res.Violations != nil {
		t.Errorf("%d ticks, violations %q", res.Ticks, res.Violations)
	}
}

// What goes wrong in process 1 itself stands in the last record and on the
// console.
func TestErrorsOfTheGuest(t *testing.T) {
	tests := []struct {
		name   string
		params string
		break_ func(w *world)
		want   string
	}{
		{"command line", "bzmage.rum=x", func(*world) {}, "kernel command line: bzmage.rum: there is no such parameter"},
		{"no /init", "", func(w *world) { w.checks[0] = "/nowhere/init" }, "start /nowhere/init: no such file or directory"},
		{"no test2json", "", func(w *world) { w.converter[0] = "/nowhere/test2json" }, "start /nowhere/test2json: no such file or directory"},
		{"test2json fails", "", func(w *world) { w.converter = []string{"/bin/sh", "-c", "exit 3"} }, "test2json ended with exit code 3"},
		{"test2json is killed", "", func(w *world) { w.converter = []string{"/bin/sh", "-c", "kill -9 $$"} }, "sh was killed by signal 9"},
		{"test2json does not end", "", func(w *world) {
			w.converter, w.grace = []string{"/bin/sh", "-c", "cat >/dev/null; sleep 60"}, 300*time.Millisecond
		}, "test2json did not end"},
		{"no folder for the checks", "", func(w *world) { w.workDir = "/nowhere" }, "no such file or directory"},
		{"a bug", "", func(w *world) { w.checks, w.converter = nil, nil }, "panic in process 1: runtime error: index out of range"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "bzmage.run=^TestFlood$ "+tt.params)
			tt.break_(w)
			res := w.run(t)
			if res.Done == nil || !strings.Contains(res.Done.Error, tt.want) || res.Done.Exit == 0 {
				t.Errorf("done %+v, want an error with %q", res.Done, tt.want)
			}
			if res.Hello == nil || res.Violations != nil {
				t.Errorf("hello %+v, violations %q", res.Hello, res.Violations)
			}
			if !strings.Contains(w.console.String(), tt.want) {
				t.Error("the console does not say so")
			}
		})
	}
}

func TestConverterThatPrintsOtherLines(t *testing.T) {
	w := newWorld(t, "")
	w.checks = []string{"/bin/true"}
	w.converter = []string{"/bin/sh", "-c", `echo no event; echo '{"Action":"pass","Package":"bzmage/verify","Test":"TestA"}'; printf torn; cat`}
	res := w.run(t, "TestA")
	if p := res.Problems(); p != nil || res.Output != "no event\ntorn" {
		t.Errorf("problems %q, output %q", p, res.Output)
	}
}

func TestMounts(t *testing.T) {
	w := newWorld(t, "bzmage.run=^TestPass$")
	w.write(t, "proc/self/mounts", "proc /proc proc rw 0 0\nnone /dev devtmpfs rw 0 0\n")
	w.kernel.mountErr = map[string]error{"/sys": unix.EBUSY} // something is there
	if p := w.run(t, "TestPass").Problems(); p != nil {
		t.Errorf("problems %q", p)
	}
	if d := cmp.Diff([]string{"/sys", "/tmp"}, w.kernel.mounted); d != "" {
		t.Error(d)
	}
}

func TestMountsThatFail(t *testing.T) {
	w := newWorld(t, "")
	w.kernel.mountErr = map[string]error{"/sys": unix.ENODEV, "/tmp": unix.ENODEV}
	w.live()
	for _, want := range []string{"mount sysfs on /sys: no such device; was the kernel built with it?", "mount tmpfs on /tmp: no such device"} {
		if !strings.Contains(w.console.String(), want) {
			t.Errorf("console %q, want %q", w.console, want)
		}
	}
	if !strings.HasSuffix(w.console.String(), "bzmage: done, exit code 1\n") {
		t.Errorf("console %q", w.console)
	}
}

// A full disk, or a host that hung up, ends the guest as well.
func TestPortThatBreaks(t *testing.T) {
	w := newWorld(t, "bzmage.run=^TestPass$")
	if err := os.Remove(w.root + "/dev/vport0p2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", w.root+"/dev/vport0p2"); err != nil {
		t.Fatal(err)
	}
	w.live()
	if want := fmt.Sprint("send a hello record: write ", w.root, "/dev/vport0p2: ", unix.ENOSPC); !strings.Contains(w.console.String(), want) {
		t.Errorf("console %q, want %q", w.console, want)
	}
}

func TestDemo(t *testing.T) {
	w := newWorld(t, "bzmage.mode=demo")
	w.port(t, "vport0p3", event.DemoPort)
	w.demo = []string{"/bin/sh", "-c", "echo s: 1 ns: 2 rand: 3; sleep 0.1; exit 4"}
	res := w.run(t)
	if res.Done == nil || res.Done.Exit != 4 || !strings.HasSuffix(res.Done.Error, "ended with exit code 4") || res.Ticks == 0 || res.Checks != nil {
		t.Errorf("%+v, done %+v", res, res.Done)
	}
	if text, err := os.ReadFile(w.root + "/dev/vport0p3"); err != nil || string(text) != "s: 1 ns: 2 rand: 3\n" {
		t.Errorf("demo port: %q, %v", text, err)
	}
}

// A demo needs neither port; it then prints on the console.
func TestDemoWithoutPorts(t *testing.T) {
	w := newWorld(t, "bzmage.mode=demo")
	if err := errors.Join(os.RemoveAll(w.root+"/sys"), os.RemoveAll(w.root+"/dev")); err != nil {
		t.Fatal(err)
	}
	w.demo = []string{"/bin/sh", "-c", "exit 4"}
	w.live()
	if !strings.HasSuffix(w.console.String(), "ended with exit code 4\nbzmage: done, exit code 4\n") {
		t.Errorf("console %q", w.console)
	}
}
