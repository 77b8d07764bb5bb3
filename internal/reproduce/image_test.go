package reproduce

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// kernels writes a vmlinux and an image of it beside each other on both sides.
func kernels(t *testing.T, image func(vmlinux []byte, side int) []byte) (string, string) {
	t.Helper()
	const code = "const char _text[64] = \"start\"; const char banner[] = \"Linux by one\"; void _start(void) {}"
	vmlinux, _ := compileC(t, "gcc", code, code, "-nostdlib", "-static", "-Wl,--build-id=none", "-fno-asynchronous-unwind-tables", "-fno-toplevel-reorder")
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for i, dir := range dirs {
		for name, text := range map[string][]byte{"vmlinux": vmlinux, "f": image(vmlinux, i)} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dirs[0], dirs[1]
}

func compareImages(t *testing.T, image func(vmlinux []byte, side int) []byte) []string {
	t.Helper()
	a, b := kernels(t, image)
	d, err := Compare(a, b, []string{"f", "vmlinux"})
	if err != nil || len(d) != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	return d[0].Where
}

// An arm64 image has no symbols: those of the vmlinux beside it are told.
func TestRawImage(t *testing.T) {
	for _, zipped := range []bool{false, true} {
		got := compareImages(t, func(_ []byte, side int) []byte {
			image := make([]byte, 4096)
			copy(image[0x38:], "ARM\x64")
			copy(image[64:], []string{"Linux by one", "Linux by two"}[side])
			if zipped {
				return gz(t, image, 9)
			}
			return image
		})
		want(t, got, `3 of 4096 bytes, the first at 0x49, section \.rodata, symbol banner\+0x9: "Linux by one" and "Linux by two"$`)
	}
}

// Where two kernels differ, their images are told by them first.
func TestImageByKernel(t *testing.T) {
	a, b := kernels(t, func(_ []byte, side int) []byte {
		image := make([]byte, 4096)
		copy(image[0x38:], "ARM\x64")
		image[100] = byte(side)
		return image
	})
	text, err := os.ReadFile(filepath.Join(b, "vmlinux"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b, "vmlinux"), bytes.Replace(text, []byte("by one"), []byte("by two"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := Compare(a, b, []string{"f"})
	if err != nil || len(d) != 1 || len(d[0].Where) != 2 || !strings.HasPrefix(d[0].Where[0], "by vmlinux: section .rodata: ") {
		t.Errorf("%+v, %v", d, err)
	}
}

// bzImageOf packs a kernel as Documentation/x86/boot.rst says.
func bzImageOf(setup string, payload []byte) []byte {
	image := make([]byte, 5*512+16)
	copy(image[0x202:], "HdrS")
	image[0x1f1] = 4
	copy(image[0x300:], setup)
	binary.LittleEndian.PutUint32(image[0x248:], 16)
	binary.LittleEndian.PutUint32(image[0x24c:], uint32(len(payload)))
	return append(append(image, payload...), "end"...)
}

func TestBzImage(t *testing.T) {
	vm, other := compileC(t, "gcc", code, code2(), "-s")
	got := where(t, bzImageOf("same", gz(t, vm, 9)), bzImageOf("same", gz(t, other, 9)))
	want(t, got, `^the compressed kernel: uncompressed: section \.rodata: .*"/home/one/linux/entry\.S" and "/home/two/`)
	got = where(t, bzImageOf("by one", gz(t, vm, 9)), bzImageOf("by two", gz(t, vm, 9)))
	want(t, got, `^the set-up code: 3 of 2560 bytes, the first at 0x303: "by one" and "by two"$`)
	got = where(t, bzImageOf("", []byte("\xfd7zXZ one")), bzImageOf("", []byte("\xfd7zXZ two")))
	want(t, got, `^the compressed kernel: 3 of 9 bytes`)
}

// A payload without symbols borrows those of vmlinux, by address.
func TestStrippedPayload(t *testing.T) {
	got := compareImages(t, func(vmlinux []byte, side int) []byte {
		return bzImageOf("", gz(t, strip(t, vmlinux, side), 9))
	})
	want(t, got, `section \.rodata: .*symbol banner\+0x[0-9a-f]+: .*Linux by`)
}

// code2 is code with another folder in it.
func code2() string { return strings.Replace(code, "/one/", "/two/", 1) }

// strip takes the symbols off, and for the second side plants another name.
func strip(t *testing.T, vmlinux []byte, side int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	if side == 1 {
		vmlinux = bytes.Replace(vmlinux, []byte("by one"), []byte("by two"), 1)
	}
	if err := os.WriteFile(path, vmlinux, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("strip", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
