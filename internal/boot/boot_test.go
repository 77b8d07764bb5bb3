package boot

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/qemu"
)

// fakeQEMU is a machine whose guest is a shell script: it has the console as
// its standard output and the records' port as descriptor 3, as QEMU has, and
// it refuses a command line that is not the one for a verdict.
const fakeQEMU = `#!/bin/sh
for want in -nodefaults -no-reboot '-serial stdio' 'socket,id=port0,fd=3' 'name=bzmage.events' 'panic=-1' 'bzmage.release=5.4.1-x'; do
	case "$*" in *"$want"*) ;; *) echo "fake: no $want in: $*" >&2; exit 99;; esac
done
id=$(printf '%s' "$*" | sed 's/.*bzmage.id=\([0-9a-f]*\).*/\1/')
hello() { printf '{"type":"hello","id":"%s","hello":{"proto":1,"release":"%s","version":"#1","machine":"x86_64","cpus":2,"build_id":"%s","cmdline":""}}\n' "$id" "${1:-5.4.1-x}" "$build" >&3; }
ev() { printf '{"type":"test","test":{"Action":"%s","Package":"bzmage/verify","Test":"%s"}}\n' "$1" "$2" >&3; }
ok() { ev run $1; ev pass $1; }
done_() { printf '{"type":"done","id":"%s","done":{"exit":%s,"uptime":1}}\n' "$id" "${1:-0}" >&3; }
log() { echo "[    1.000000] $*"; }
`

func machine(t *testing.T, script string) Params {
	t.Helper()
	dir := t.TempDir()
	a, _ := arch.Find("x86_64")
	a.QEMU = filepath.Join(dir, a.QEMU)
	writeProgram(t, a.QEMU, fakeQEMU+script)
	return Params{
		Machine: qemu.Machine{Arch: a, Release: "5.4.1", Accel: qemu.TCG, Memory: 64, CPUs: 1},
		Release: "5.4.1-x", Expected: []string{"TestA", "TestB"}, Console: filepath.Join(dir, "console.log"),
		Limits: Limits{Silence: 4 * time.Second, Total: 10 * time.Second, Panic: 200 * time.Millisecond},
	}
}

// writeProgram writes a program while no other test forks: a child that has
// the file open for writing would keep it from being started (ETXTBSY).
func writeProgram(t *testing.T, path, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestVerdicts(t *testing.T) {
	tests := []struct {
		name, script string
		want         string
		kind         fault.Kind
		reason       string
	}{
		{"a good boot", "log Linux; hello; ok TestA; ok TestB; done_", Pass, fault.Internal, ""},
		{"only skipped checks", "hello; ev run TestA; ev skip TestA; ev run TestB; ev skip TestB; done_", NoVerdict, fault.NoVerdict, "no check passed"},
		{"a part that did not end", "hello; ok TestA; ev run TestB; ev run TestB/x; ev pass TestB; done_", NoVerdict, fault.NoVerdict, "TestB/x did not end"},
		{"a skipped check", "hello; ok TestA; ev run TestB; ev skip TestB; done_", Pass, fault.Internal, ""},
		{"a failing check", "hello; ok TestA; ev run TestB; ev fail TestB; done_ 1", CheckFailed, fault.CheckFailed, "a check failed: TestB"},
		{"a panic and exit 0", "hello; log 'Kernel panic - not syncing: oh'; exit 0", Crashed, fault.Crashed, "panic: oh"},
		{"a panic and no exit", "log 'Kernel panic - not syncing: oh'; sleep 100", Crashed, fault.Crashed, "panic: oh"},
		{"a warning though all passed", "hello; ok TestA; ok TestB; log 'WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2'; done_", Crashed, fault.Crashed, "WARNING in f"},
		{"silence before the checks", "log Linux; sleep 100", Hung, fault.Hung, "before the checks began"},
		{"silence in a check", "hello; ok TestA; ev run TestB; sleep 100", Hung, fault.Hung, "in TestB"},
		{"endless chatter", "hello; while :; do log again; sleep 0.05; done", Hung, fault.Hung, "not done after"},
		{"a flood", "hello; ok TestA; head -c 70000000 /dev/zero; sleep 100", Hung, fault.Hung, "printed more than 64 MB"},
		{"an early exit", "log Linux; exit 0", NoVerdict, fault.EarlyExit, "before the checks began"},
		{"no done", "hello; ok TestA; ok TestB", NoVerdict, fault.MissingDone, "before the last record"},
		{"no done, in a check", "hello; ok TestA; ev run TestB", NoVerdict, fault.MissingDone, "in TestB"},
		{"a missing check", "hello; ok TestA; done_", NoVerdict, fault.NoVerdict, "did not run: TestB"},
		{"an unexpected check", "hello; ok TestA; ok TestB; ok TestC; done_", NoVerdict, fault.NoVerdict, "TestC"},
		{"no check at all", "hello; done_", NoVerdict, fault.NoVerdict, "did not run"},
		{"a bad exit code though all passed", "hello; ok TestA; ok TestB; done_ 2", CheckFailed, fault.CheckFailed, "exit code 2"},
		{"another boot's records", "id=0123; hello; ok TestA; ok TestB; done_", NoVerdict, fault.NoVerdict, "id"},
		{"two hellos", "hello; hello; ok TestA; ok TestB; done_", NoVerdict, fault.NoVerdict, "second hello"},
		{"records after the done", "hello; ok TestA; ok TestB; done_; ok TestA", NoVerdict, fault.NoVerdict, "after the done"},
		{"another kernel", "hello 6.6.6; ok TestA; ok TestB; done_", NoVerdict, fault.NoVerdict, "the guest is 6.6.6"},
		{"noise on the port", "hello; echo rubbish >&3; ok TestA; ok TestB; done_", NoVerdict, fault.NoVerdict, "contradict"},
		{"QEMU itself fails", "echo 'qemu: could not load kernel' >&2; exit 1", Infra, fault.Machine, "could not load kernel"},
		{"QEMU is killed in a check", "hello; ok TestA; ev run TestB; kill -9 $$", NoVerdict, fault.MissingDone, "in TestB"},
		{"QEMU fails after a pass", "hello; ok TestA; ok TestB; done_; exit 3", NoVerdict, fault.NoVerdict, "exit code 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := machine(t, tt.script)
			o, err := Run(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			v := Verdict{Line: "5.4", Arch: "x86_64", Flavour: "release", Release: p.Release}
			v.Judge(o)
			if v.Verdict != tt.want || !strings.Contains(v.Reason, tt.reason) || (v.Reason == "") != (tt.want == Pass) {
				t.Fatalf("%s: %q, want %s with %q\n%+v", v.Verdict, v.Reason, tt.want, tt.reason, o)
			}
			if err := v.Err(); (err == nil) != (tt.want == Pass) || err != nil && fault.KindOf(err) != tt.kind {
				t.Errorf("error %v of kind %v, want %v", err, fault.KindOf(err), tt.kind)
			}
			if _, err := os.Stat(p.Console); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestQEMUIsMissing(t *testing.T) {
	t.Parallel()
	p := machine(t, "")
	p.Machine.Arch.QEMU = "qemu-system-nowhere"
	o, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	var v Verdict
	v.Judge(o)
	if v.Verdict != Infra || fault.KindOf(v.Err()) != fault.Machine {
		t.Errorf("%+v", v)
	}
}

func TestCancelledBootIsNoVerdict(t *testing.T) {
	p := machine(t, "hello; while :; do log again; sleep 0.05; done")
	ctx, cancel := context.WithCancel(t.Context())
	p.Progress = func(string) { cancel() }
	if _, err := Run(ctx, p); !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Interrupted {
		t.Errorf("got %v", err)
	}
}

func TestDemo(t *testing.T) {
	p := machine(t, `printf 's: 1 ns: 2 rand: 3\n\033[2Jx\n' >&4; sleep 100`)
	fakeWithDemo(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	out := writerFunc(func(b []byte) (int, error) {
		if strings.Contains(string(b), "\x1b") {
			t.Errorf("an escape code came through: %q", b)
		}
		if strings.Contains(string(b), "rand: 3") {
			cancel()
		}
		return len(b), nil
	})
	err := Demo(ctx, DemoParams{Machine: p.Machine, Limits: p.Limits, Console: p.Console, Out: out})
	if err != nil {
		t.Errorf("an ended demo is no error: %v", err)
	}
	if ctx.Err() == nil {
		t.Error("the guest's output did not come")
	}
}

func TestDemoOfAMachineThatStops(t *testing.T) {
	p := machine(t, "exit 0")
	fakeWithDemo(t, p)
	err := Demo(t.Context(), DemoParams{Machine: p.Machine, Limits: p.Limits, Console: p.Console, Out: writerFunc(func(b []byte) (int, error) { return len(b), nil })})
	if fault.KindOf(err) != fault.EarlyExit {
		t.Errorf("got %v", err)
	}
}

// fakeWithDemo takes out what the fake asks for that only a verdict has.
func fakeWithDemo(t *testing.T, p Params) {
	t.Helper()
	path := p.Machine.Arch.QEMU
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	demo := strings.Replace(string(text), "'bzmage.release=5.4.1-x'", "'socket,id=port1,fd=4' 'name=bzmage.demo' 'bzmage.mode=demo'", 1)
	writeProgram(t, path, demo)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
