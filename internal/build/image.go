package build

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"regexp"
)

// Header is what an image says of itself.
type Header struct {
	Arch    string // x86_64 or arm64
	Release string // uname -r of the kernel, such as 5.4.302-bzmage
}

// reBanner matches the string every kernel carries (init/version.c).
var reBanner = regexp.MustCompile(`Linux version (\S+) \(`)

// reCompiler matches the part of the banner about the compiler, which may hold
// brackets; behind it the build's number follows. reBanner's end is its start.
var reCompiler = regexp.MustCompile(`Linux version [^\s(]{1,64} \([^\s()]{1,128}\) \(([^\n\x00]{1,512})\) #\d`)

// readCompiler returns what a vmlinux says it was compiled with. The file may
// have gigabytes of debug data: it is read in pieces that overlap.
func readCompiler(vmlinux string) (string, error) {
	f, err := os.Open(vmlinux)
	if err != nil {
		return "", fmt.Errorf("read vmlinux: %w", err)
	}
	defer f.Close()
	const overlap = 1 << 10 // more than a banner
	buf := make([]byte, 0, 1<<20)
	for {
		n, err := io.ReadFull(f, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if m := reCompiler.FindSubmatch(buf); m != nil {
			return string(m[1]), nil
		}
		if err != nil {
			return "", fmt.Errorf("%s does not say what it was compiled with", vmlinux)
		}
		buf = buf[:copy(buf, buf[len(buf)-overlap:])]
	}
}

// ReadImage reads the header of an uncompressed or self-extracting kernel
// image. The formats: Documentation/x86/boot.rst ("The Real-Mode Kernel
// Header") and Documentation/arm64/booting.rst.
func ReadImage(path string) (Header, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Header{}, fmt.Errorf("read the image: %w", err)
	}
	if len(b) < 0x268 {
		return Header{}, fmt.Errorf("%s: %d bytes are no kernel image", path, len(b))
	}
	switch {
	case string(b[0x38:0x3c]) == "ARM\x64":
		m := reBanner.FindSubmatch(b)
		if m == nil {
			return Header{}, fmt.Errorf("%s: an arm64 image without a release", path)
		}
		return Header{Arch: "arm64", Release: string(m[1])}, nil
	case string(b[0x202:0x206]) == "HdrS" && b[0x1fe] == 0x55 && b[0x1ff] == 0xaa:
		release, err := x86Release(b)
		if err != nil {
			return Header{}, fmt.Errorf("%s: %w", path, err)
		}
		return Header{Arch: "x86_64", Release: release}, nil
	}
	return Header{}, fmt.Errorf("%s: neither a bzImage nor an arm64 Image", path)
}

// x86Release reads the field kernel_version, which points to a string 0x200
// bytes behind its value, and checks that the kernel is a 64-bit one by
// xloadflags (protocol 2.12).
func x86Release(b []byte) (string, error) {
	if v := binary.LittleEndian.Uint16(b[0x206:]); v < 0x020c {
		return "", fmt.Errorf("boot protocol %d.%02d is too old", v>>8, v&0xff)
	}
	if b[0x236]&1 == 0 {
		return "", fmt.Errorf("a 32-bit bzImage")
	}
	at := int(binary.LittleEndian.Uint16(b[0x20e:])) + 0x200
	if at >= len(b) {
		return "", fmt.Errorf("the release lies outside the file")
	}
	release, _, ok := bytes.Cut(b[at:min(at+256, len(b))], []byte(" "))
	if !ok || len(release) == 0 {
		return "", fmt.Errorf("no release in the header")
	}
	return string(release), nil
}
