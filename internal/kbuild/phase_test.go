package kbuild

import "testing"

func TestPhases(t *testing.T) {
	for _, steps := range [][]struct {
		file string
		want Phase
	}{
		{ // 6.1, x86_64
			{"arch/x86/kernel/vmlinux.lds", Compile}, {"arch/x86/boot/x.o", Compile}, {"built-in.a", Compile}, {"vmlinux.a", Link}, {"vmlinux.o", Link},
			{"modules.builtin", Link}, {".tmp_vmlinux.kallsyms1.S", Link}, {"System.map", Link}, {"arch/x86/boot/a20.o", Image},
			{"arch/x86/boot/compressed/vmlinux.bin", Image}, {"vmlinux", Image},
		},
		{ // 5.4, arm64
			{"init/version.o", Compile}, {"vmlinux.o", Link}, {"init/version.o", Link}, {".tmp_vmlinux1", Link}, {"vmlinux", Link}, {"arch/arm64/boot/Image", Image},
		},
	} {
		p := Compile
		for _, s := range steps {
			if p = p.After(s.file); p != s.want {
				t.Errorf("%s: %s, want %s", s.file, p, s.want)
			}
		}
	}
}
