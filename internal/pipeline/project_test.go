package pipeline

import (
	"testing"

	"bzmage/internal/arch"
	"bzmage/internal/toolchain"
)

// A kernel by another compiler is another target: neither's objects, dist,
// logs or verdict may be taken for the other's.
func TestTargetNames(t *testing.T) {
	a, _ := arch.Find("arm64")
	for name, want := range map[string]string{
		"": "arm64-debug", "gcc": "arm64-debug", "gcc-12": "arm64-debug-gcc-12", "llvm": "arm64-debug-llvm", "llvm-14": "arm64-debug-llvm-14",
	} {
		p := Project{}
		p.Settings.Flavour = "debug"
		p.Settings.Toolchain, _ = toolchain.Parse(name)
		if got := p.target(a); got != want {
			t.Errorf("TOOLCHAIN=%s: %s, want %s", name, got, want)
		}
	}
}
