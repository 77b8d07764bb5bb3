package console

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(text string) *Reader {
	r := NewReader()
	for _, b := range []byte(text) { // a serial port gives bytes, not lines
		r.Write([]byte{b})
	}
	r.Close()
	return r
}

func TestCrashes(t *testing.T) {
	tests := []struct {
		name, log string
		want      []string // kind: title
		fatal     bool
	}{
		{"a clean boot", "[    0.000000] Linux version 5.4.302 (gcc) #1\r\n[    0.1] Command line: panic=-1 oops=panic\n[    0.2] Run /init as init process\n", nil, false},
		{"a panic", "[    1.234567] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n",
			[]string{"init: Attempted to kill init"}, true},
		{"without time and with CR", "Kernel panic - not syncing: VFS\r\n", []string{"panic: panic: VFS"}, true},
		{"with a caller", "[    1.2][    T1] BUG: kernel NULL pointer dereference, address: 0000000000000000\n",
			[]string{"oops: NULL pointer dereference"}, false},
		{"arm64", "[    0.9] Unable to handle kernel NULL pointer dereference at virtual address 0\n[    0.9] Internal error: Oops: 96000005 [#1] SMP\n",
			[]string{"oops: NULL pointer dereference"}, false},
		{"a warning", "[    0.5] ------------[ cut here ]------------\n[    0.5] WARNING: CPU: 0 PID: 1 at fs/proc/base.c:10 f+0x1/0x2\n",
			[]string{"warning: WARNING in f"}, false},
		{"a lockup", "[   24.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [init:1]\n",
			[]string{"lockup: soft lockup"}, false},
		{"a stall", "[   21.0] rcu: INFO: rcu_sched self-detected stall on CPU\n",
			[]string{"rcu-stall: RCU stall"}, false},
		{"lockdep", "[    2.0] WARNING: possible circular locking dependency detected\n",
			[]string{"lockdep: lockdep: possible circular locking dependency detected"}, false},
		{"KASAN", "[    2.0] BUG: KASAN: use-after-free in f+0x1/0x2\n", []string{"kasan: KASAN: use-after-free in f"}, false},
		{"slab", "[    2.0] BUG kmalloc-64 (Not tainted): Poison overwritten\n", []string{"slab: slab: Poison overwritten in cache kmalloc-64"}, false},
		{"a watchdog that is well", "[    0.1] NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.\n[    0.1] NMI watchdog: Perf NMI watchdog permanently disabled\n[    0.2] hrtimer: interrupt took 1234567 ns\n", nil, false},
		{"a hard lockup", "[   14.1] NMI watchdog: Watchdog detected hard LOCKUP on cpu 0\n", []string{"lockup: hard lockup"}, false},
		{"a leak", "[    9.1] kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n", []string{"kmemleak: kmemleak: memory leak"}, false},
		{"an unfinished line", "[    0.1] Kernel panic - not sync", nil, false},
		{"an unfinished panic", "[    0.1] Kernel panic - not syncing: x", []string{"panic: panic: x"}, true},
		{"words of a check", "    rand_test.go:3: the log says Kernel panic - not syncing\n[    0.1] debug: WARNING: CPU: 0\n", nil, false},
		{"escapes before", "\x1b[2J\x1b[1;31m[    0.1] Kernel panic - not syncing: y\x1b[0m\n", []string{"panic: panic: y"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := read(tt.log)
			var got []string
			for _, c := range r.Crashes() {
				got = append(got, c.Kind+": "+c.Title)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if r.Fatal() != tt.fatal {
				t.Errorf("fatal %v", r.Fatal())
			}
		})
	}
}

func TestLinesOfACrash(t *testing.T) {
	var b strings.Builder
	b.WriteString("before\nKernel panic - not syncing: x\n")
	for range 500 {
		b.WriteString("Call Trace line\n")
	}
	c := read(b.String()).Crashes()[0]
	if len(c.Lines) != crashLines || c.Lines[0] != "Kernel panic - not syncing: x" || c.Lines[1] != "Call Trace line" {
		t.Errorf("%d lines, first %q", len(c.Lines), c.Lines[0])
	}
}

func TestHostileConsoleIsBounded(t *testing.T) {
	r := read(strings.Repeat("Kernel panic - not syncing: x\n", 1000) + strings.Repeat("y", 1<<20) + "\n\x1b]0;title\x07" + string([]byte{0xff, 0xfe}) + "\n")
	if len(r.Crashes()) > maxCrashes || len(r.Tail()) > tailLines {
		t.Errorf("%d crashes, %d last lines", len(r.Crashes()), len(r.Tail()))
	}
	for _, l := range r.Tail() {
		if len(l) > lineWidth || strings.ContainsAny(l, "\x1b\x07") {
			t.Errorf("line %.40q of %d bytes", l, len(l))
		}
	}
}

// On arm64 the call of panic may be the last instruction of a function.
func TestWhoCalledPanicCannotBeSeen(t *testing.T) {
	r := NewReader()
	for _, line := range []string{
		"Kernel panic - not syncing: test", "CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.1.192 #1", "Call trace:",
		" dump_backtrace.part.0+0xcc/0xe0", " show_stack+0x14/0x30", " dump_stack+0x14/0x1c", " panic+0x168/0x330",
		" console_suspend_disable+0x0/0x4c", " do_one_initcall+0x58/0x1c0", " kernel_init+0x20/0x120", "---[ end Kernel panic - not syncing: test ]---",
	} {
		r.Write([]byte("[    0.5] " + line + "\r\n"))
	}
	r.Close()
	if c := r.Crashes(); len(c) != 1 || c[0].Title != "panic: test" {
		t.Errorf("got %+v", c)
	}
}
