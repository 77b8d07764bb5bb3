package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/arch"
	"bzmage/internal/build"
	"bzmage/internal/fault"
	"bzmage/internal/initramfs"
	"bzmage/internal/kernels"
	"bzmage/internal/qemu"
)

// guestKernel is a kernel of a checkout with some files, whose flavour has
// that guest.
func guestKernel(t *testing.T, g kernels.Guest) *kernel {
	t.Helper()
	root := filepath.Join(t.TempDir(), "a[b]*")
	for _, name := range []string{"x/one.ko", "x/two.ko", "y/one.ko", "arm64/a"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := Project{Root: root, File: kernels.File{Flavours: map[string]kernels.Flavour{"debug": {Guest: g}}}}
	p.Settings.Flavour = "debug"
	return &kernel{p: p}
}

func TestGuestMachine(t *testing.T) {
	a, _ := arch.Find("arm64")
	k := guestKernel(t, kernels.Guest{Memory: 1024, CPUs: 3, Append: "one two=2", Slow: 3})
	m := k.machine(a, qemu.TCG, build.Result{Image: "Image"}, initramfs.Result{})
	if m.Memory != 1024 || m.CPUs != 3 || !strings.HasSuffix(m.Cmdline(), " one two=2") {
		t.Errorf("got %+v, %s", m, m.Cmdline())
	}
	if l := k.limits(qemu.TCG); l.Silence != 45*time.Second || l.Total != 45*time.Minute || l.Panic != 6*time.Second {
		t.Errorf("limits %+v", l)
	}
}

func TestGuestFiles(t *testing.T) {
	a, _ := arch.Find("arm64")
	k := guestKernel(t, kernels.Guest{Files: []string{"x/*.ko", "{arch}/a", "x/one.ko"}})
	got, err := k.guestFiles(a)
	if err != nil {
		t.Fatal(err)
	}
	var want []initramfs.Extra
	for _, name := range []string{"x/one.ko", "x/two.ko", "arm64/a"} {
		want = append(want, initramfs.Extra{Name: "verify/files/" + filepath.Base(name), Path: k.p.path(name)})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for pattern, want := range map[string]string{"z/*": "there is no z/*", "*/one.ko": "x/one.ko and y/one.ko would both be /verify/files/one.ko"} {
		_, err := guestKernel(t, kernels.Guest{Files: []string{pattern}}).guestFiles(a)
		if err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v, want %q", pattern, err, want)
		}
	}
}
