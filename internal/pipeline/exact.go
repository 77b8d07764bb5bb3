package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

	"bzmage/internal/boot"
	"bzmage/internal/buildid"
	"bzmage/internal/fault"
	"bzmage/internal/qemu"
)

// exact makes sure that the files of a machine are those that the verdict is
// to be about. It is asked before a boot and after it: what QEMU read was
// then what both times was there.
func (k *kernel) exact(v boot.Verdict, m qemu.Machine, when string) error {
	for _, f := range []struct{ what, path string }{{"image", m.Kernel}, {"initramfs", m.Initrd}} {
		got, err := hashOf(f.path)
		if err != nil {
			return fault.New(fault.Machine, "run the same again", "boot %s: the %s cannot be read: %w", v.Target(), f.what, err)
		}
		if want := v.SHA256[f.what]; got != want {
			return fault.New(fault.NoVerdict, "run the same again, and let nothing else write below "+k.p.short(k.p.build()),
				"boot %s: the %s %s was changed %s the boot: its sha256 is %s, and what was built has %s", v.Target(), f.what, k.p.short(f.path), when, got, want)
		}
	}
	return nil
}

func hashOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // only read
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

// buildID returns the build ID of a vmlinux, or nothing: a kernel without one
// cannot be asked for it, and its verdict shows that.
func buildID(vmlinux string) string {
	id, err := buildid.OfFile(vmlinux)
	if err != nil {
		return ""
	}
	return id
}
