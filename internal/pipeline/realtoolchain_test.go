package pipeline

import (
	"os/exec"
	"strings"
	"testing"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/build"
)

// TestRealKernelLLVM takes line 6.1 to a verdict once more, compiled by clang,
// on the machine's own arch. By gcc and on both arches TestRealKernel61 does.
func TestRealKernelLLVM(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and boots a kernel: 4 minutes on two cores")
	}
	for _, tool := range []string{"clang", "ld.lld", "llvm-ar"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("only where clang is: %v; TOOLCHAIN=llvm go tool mage setup installs it", err)
		}
	}
	a := arch.All()[0]
	for _, other := range arch.All() {
		if other.Native() {
			a = other
		}
	}
	p := testProject(t, "6.1", "", "TOOLCHAIN=llvm", "ARCH="+a.Name)
	r, err := verify(t, p)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Verdicts) != 1 || r.Verdicts[0].Verdict != boot.Pass || r.Verdicts[0].Target() != "6.1 "+a.Name+" release llvm" {
		t.Fatalf("got %+v", r.Verdicts)
	}
	dist, err := build.Load(p.build("dist", "6.1", a.Name+"-release-llvm"))
	if err != nil {
		t.Fatal(err)
	}
	if img, _ := dist.File(dist.Image); img.SHA256 == "" || img.SHA256 != r.Verdicts[0].SHA256["image"] {
		t.Errorf("the verdict is about image %s, the dist holds %s", r.Verdicts[0].SHA256["image"], img.SHA256)
	}
	tc := dist.Toolchain
	if tc.Name != "llvm" || !strings.Contains(tc.Kernel, "clang version") || !strings.Contains(tc.Kernel, "LLD") || !strings.Contains(tc.Linker, "LLD") {
		t.Errorf("built with %+v", tc)
	}
}
