package boot

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bzmage/internal/plain"
)

// Each of these guests plays a trick. None of them passes, each is named, and
// nothing of what it says can drive a terminal or fill it.
func TestHostileGuests(t *testing.T) {
	const evil = `\033]0;title\007\033[2J\342\200\256\302\233`
	tests := []struct{ name, script, want, reason string }{
		{"a done before the checks ended", "hello; ok TestA; ev run TestB; done_", NoVerdict, "did not run: TestB"},
		{"a done and no checks, then the checks", "hello; done_; ok TestA; ok TestB", NoVerdict, "a test after the done"},
		{"two dones", "hello; ok TestA; ok TestB; done_; done_", NoVerdict, "a done after the done"},
		{"checks before the hello", "ok TestA; hello; ok TestB; done_", NoVerdict, "a test before the hello"},
		{"a pass after a failure", "hello; ev run TestA; ev fail TestA; ev pass TestA; ok TestB; done_", NoVerdict, "TestA ended twice: fail and pass"},
		{"exit code 0 with a failure", "hello; ev run TestA; ev fail TestA; ok TestB; done_", NoVerdict, "exit code 0, but check TestA failed"},
		{"a part without its check", "hello; ok TestB/x; ok TestA; ok TestB; done_", NoVerdict, "part TestB/x of a check that did not begin"},
		{"a part after its check", "hello; ok TestA; ok TestA/x; ok TestB; done_", NoVerdict, "part TestA/x of a check that had ended"},
		{"a check that nobody knows", "hello; ok TestA; ok TestB; ok TestEvil; done_", NoVerdict, "check TestEvil was not expected"},
		{"the way out of a folder", "hello; ok TestA; ok TestB; ok ../../../etc/passwd; done_", NoVerdict, "part ../../../etc/passwd of a check that did not begin"},
		{"another kernel of the same release", "build=ffff; hello; ok TestA; ok TestB; done_", NoVerdict, `the guest is another kernel: its build ID is "ffff", not 0badc0de`},
		{"a kernel that does not say which", "build=; hello; ok TestA; ok TestB; done_", NoVerdict, `its build ID is "", not 0badc0de`},
		{"invalid UTF-8", "hello; printf '\\377\\376\\n' >&3; ok TestA; ok TestB; done_", NoVerdict, "line 2 of the events: not valid UTF-8"},
		{"a line of two megabytes", "hello; head -c 2000000 /dev/zero | tr '\\0' x >&3; echo >&3; ok TestA; ok TestB; done_", NoVerdict, "longer than 1048576 bytes"},
		{"a nest of brackets", "hello; head -c 900000 /dev/zero | tr '\\0' '[' >&3; echo >&3; ok TestA; ok TestB; done_", NoVerdict, "exceeded max depth"},
		{"a nest in a test", `hello; printf '{"type":"test","test":' >&3; head -c 900000 /dev/zero | tr '\0' '[' >&3; echo '}' >&3; ok TestA; ok TestB; done_`, NoVerdict, "exceeded max depth"},
		{"a name of a megabyte", `hello; ev run TestA; printf '{"type":"test","test":{"Action":"run","Package":"bzmage/verify","Test":"TestA/' >&3; head -c 1000000 /dev/zero | tr '\0' x >&3; echo '"}}' >&3; ev pass TestA; ok TestB; done_`, NoVerdict, `is not the name of a check`},
		{"names of control characters", `hello; ok TestA; ok TestB; ev run 'TestA/\u001b[2J\u202e'; done_`, NoVerdict, "part TestA/ of a check that had ended"},
		{"an error that drives a terminal", `hello; ok TestA; ok TestB; printf '{"type":"done","id":"%s","done":{"exit":1,"error":"\\u001b[2J\\n\\u202eoh","uptime":1}}\n' "$id" >&3`, NoVerdict, "the guest says: oh"},
		{"a release that drives a terminal", `hello 'x\u001b[2J\u202e\ny'; ok TestA; ok TestB; done_`, NoVerdict, "the guest is x y, not 5.4.1-x"},
		{"a crash that drives a terminal", "hello; printf '[    1.0] Kernel panic - not syncing: " + evil + "oh\\n'; exit 0", Crashed, "panic: N;titleoh"},
		{"QEMU drives a terminal", "printf '" + evil + "no\\n' >&2; exit 1", Infra, "0;titleno"},
		{"QEMU says a gigabyte", "head -c 200000 /dev/zero | tr '\\0' e >&2; exit 1", Infra, "eee..."},
		{"records without end", `hello; yes '{"type":"test","test":{"Action":"output","Package":"bzmage/verify","Output":"'$(head -c 100000 /dev/zero | tr '\0' x)'"}}' >&3`, Hung, "flood: the guest sent more than 256 MB of records"},
		{"a million names", `hello; i=0; while [ $i -lt 12000 ]; do i=$((i+1)); echo $i; done | sed 's#.*#{"type":"test","test":{"Action":"run","Package":"bzmage/verify","Test":"TestN&"}}#' >&3; ok TestA; ok TestB; done_`, NoVerdict, "check TestN1 was not expected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := machine(t, "build=0badc0de\n"+tt.script)
			p.Limits = Limits{Silence: 30 * time.Second, Total: 5 * time.Minute, Panic: 200 * time.Millisecond}
			o, err := Run(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			v := Verdict{Line: "5.4", Arch: "x86_64", Flavour: "release", Release: p.Release, BuildID: "0badc0de"}
			v.Judge(o)
			if v.Verdict != tt.want || !strings.Contains(v.Reason, tt.reason) {
				t.Errorf("%s: %q, want %s with %q", v.Verdict, v.Reason, tt.want, tt.reason)
			}
			wantShowable(t, v)
		})
	}
}

// wantShowable looks at what a run shows of a verdict.
func wantShowable(t *testing.T, v Verdict) {
	t.Helper()
	err := v.Err().Error()
	for line := range strings.Lines(err) {
		if len(line) > 1200 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if plain.Text(err) != err || !utf8.ValidString(err) || len(v.Reason) > maxReason || strings.Contains(v.Reason, "\n") {
		t.Errorf("not fit to be shown: %q", err)
	}
	if len(v.Checks) > 10_000 || len(v.Broken) > 51 {
		t.Errorf("%d checks, %d violations", len(v.Checks), len(v.Broken))
	}
}

func TestTimeline(t *testing.T) {
	p := machine(t, `printf '\033c'; log Linux; log 'Run /init as init process'; hello; ok TestA; ok TestB; done_`)
	o, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	v := Verdict{Release: p.Release}
	v.Judge(o)
	points := v.Times.Points()
	if len(points) != 7 {
		t.Fatalf("%+v", points)
	}
	for i, at := range points {
		if i > 0 && at.Seconds < points[i-1].Seconds {
			// Console and records are two channels: only within one is there an order.
			if !(points[i-1].Name == "init" && at.Name == "hello") {
				t.Errorf("%s at %v, %s at %v", points[i-1].Name, points[i-1].Seconds, at.Name, at.Seconds)
			}
		}
	}
	if v.Times.KernelInit != 1 || v.Times.KernelDone != 1 || v.Started.IsZero() {
		t.Errorf("%+v, started %v", v.Times, v.Started)
	}
	// What never happened has no time.
	p = machine(t, "log Linux; exit 0")
	if o, err = Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if o.Times.Kernel == 0 || o.Times.Init != 0 || o.Times.Hello != 0 || o.Times.Done != 0 || o.Times.End == 0 {
		t.Errorf("%+v", o.Times)
	}
}
