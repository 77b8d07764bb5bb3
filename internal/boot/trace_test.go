package boot

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/console"
	"bzmage/internal/qemu"
	"bzmage/internal/symbol"
)

// A kernel of four functions.
const kernel = `
void default_idle(void) { __asm__("nop"); }
void loop(void) { for (;;) __asm__("nop"); }
void vectors(void) { __asm__("nop"); }
void caller(void) { default_idle(); loop(); }
void _start(void) { vectors(); caller(); }
`

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	src, file := filepath.Join(dir, "k.c"), filepath.Join(dir, "vmlinux")
	if err := os.WriteFile(src, []byte(kernel), 0o644); err != nil {
		t.Fatal(err)
	}
	cc := exec.Command("gcc", "-O0", "-g", "-static", "-nostdlib", "-ffile-prefix-map="+dir+"/=", "-fdebug-prefix-map="+dir+"=.", "-o", file, src)
	cc.Dir = dir
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	table, err := symbol.Open(file, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	at := func(function string) uint64 {
		for a := uint64(0x400000); a < 0x410000; a++ {
			if f := table.At(a); len(f) > 0 && f[0].Function == function {
				return a + 4
			}
		}
		t.Fatal("no " + function)
		return 0
	}
	cpu := func(i int, function string, stack ...uint64) CPU {
		return CPU{CPU: qemu.CPU{Index: i, PC: at(function)}, Stack: stack}
	}
	user := CPU{CPU: qemu.CPU{Index: 1, PC: 0x1000, User: true}}
	tests := []struct {
		name string
		cpus []CPU
		want string
	}{
		{"a loop", []CPU{cpu(0, "default_idle"), cpu(1, "loop", 7, at("caller"))},
			"hangs: CPU 1 in loop (k.c:3), called from ? caller (k.c:5); CPU 0 idle"},
		{"nothing to do", []CPU{cpu(0, "default_idle"), cpu(1, "default_idle")}, "hangs: all CPUs idle, waiting for something"},
		{"a program", []CPU{cpu(0, "default_idle"), user}, "hangs: CPU 0 idle, CPU 1 in user space"},
		{"a program of arm64", []CPU{cpu(0, "vectors"), user}, "hangs: CPU 0 in user space, CPU 1 in user space"},
		{"nowhere", []CPU{{CPU: qemu.CPU{PC: 16}}}, "hangs: CPU 0 at 0x10, which is not in the kernel"},
		{"nobody was asked", nil, "hangs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := Verdict{Verdict: Hung, Reason: "hangs"}
			v.Resolve(Outcome{CPUs: tt.cpus}, table)
			if v.Reason != tt.want {
				t.Errorf("got  %q\nwant %q", v.Reason, tt.want)
			}
		})
	}
	v := Verdict{Verdict: Crashed}
	v.Resolve(Outcome{Crashes: []console.Crash{{Title: "panic: x", Lines: []string{"RIP: 0010:loop+0x4/0x9 "}}}}, table)
	if got := v.Where(); !strings.Contains(got, "panic: x") || !strings.Contains(got, "loop") {
		t.Errorf("got %q", got)
	}
}
