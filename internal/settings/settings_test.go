package settings

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
)

func file(t *testing.T) kernels.File {
	t.Helper()
	return kernels.File{
		Lines:    []kernels.Line{{Name: "5.4"}, {Name: "6.1"}},
		Flavours: map[string]kernels.Flavour{"release": {}, "debug": {}},
	}
}

func env(kv ...string) func(string) string {
	m := map[string]string{"HOME": "/home/u"}
	for _, e := range kv {
		k, v, _ := strings.Cut(e, "=")
		m[k] = v
	}
	return func(k string) string { return m[k] }
}

func TestDefaults(t *testing.T) {
	s, err := Read(env(), file(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.Kernel != "" || s.Flavour != "release" || s.Toolchain.String() != "gcc" || len(s.Archs) != 2 || s.Jobs != runtime.NumCPU() || s.CI ||
		s.KernelSource != "" || s.Cache != "/home/u/.cache/bzmage" {
		t.Errorf("got %+v", s)
	}
}

func TestValues(t *testing.T) {
	dir := t.TempDir()
	s, err := Read(env("KERNEL=6.1", "ARCH=arm64", "FLAVOUR=debug", "TOOLCHAIN=llvm-14", "JOBS=7", "KERNEL_SOURCE="+dir, "CI=1", "XDG_CACHE_HOME=/var/c"), file(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.Kernel != "6.1" || s.Flavour != "debug" || s.Toolchain.String() != "llvm-14" || len(s.Archs) != 1 || s.Archs[0].Name != "arm64" || s.Jobs != 7 ||
		!s.CI || s.KernelSource != dir || s.Cache != "/var/c/bzmage" {
		t.Errorf("got %+v", s)
	}
}

func TestUnknownValuesAreRefused(t *testing.T) {
	tests := []struct{ set, want string }{
		{"KERNEL=5.5", "there are 5.4, 6.1"},
		{"KERNEL=5.4.302", "there are 5.4, 6.1"},
		{"ARCH=x86", "there are x86_64, arm64, all"},
		{"FLAVOUR=fast", "there are debug, release"},
		{"TOOLCHAIN=clang", "there are gcc, llvm, or one by its version"},
		{"JOBS=0", "not a number from 1"},
		{"JOBS=many", "not a number from 1"},
		{"KERNEL_SOURCE=" + filepath.Join(t.TempDir(), "gone"), "no such file"},
		{"HOME=", "no folder for downloads"},
	}
	for _, tt := range tests {
		t.Run(tt.set, func(t *testing.T) {
			_, err := Read(env(tt.set), file(t))
			if err == nil || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
				t.Errorf("got %v, want %q, the user's fault, with a hint", err, tt.want)
			}
		})
	}
}

func TestLines(t *testing.T) {
	for value, want := range map[string]string{"": "", "6.1": "6.1", "5.4, 6.1": "5.4+6.1", "6.1 5.4": "6.1+5.4"} {
		s, err := Read(env("BZMAGE_LINES="+value), file(t))
		if got := strings.Join(s.Lines, "+"); err != nil || got != want {
			t.Errorf("%q: %s, %v", value, got, err)
		}
	}
	if _, err := Read(env("BZMAGE_LINES=6.1 4.4"), file(t)); err == nil || !strings.Contains(err.Error(), "BZMAGE_LINES=4.4; there are 5.4, 6.1") {
		t.Errorf("an unknown line: %v", err)
	}
}
