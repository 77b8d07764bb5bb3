package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Format is how an archive file is packed.
type Format string

// The formats bzmage reads.
const (
	Tar   Format = "tar"
	Gzip  Format = "gzip"
	Bzip2 Format = "bzip2"
	XZ    Format = "xz"
	Zstd  Format = "zstd"
)

// tarMagic stands in the first header of a tar archive, at offset 257
// (POSIX.1-1988 "ustar"; GNU's differs only after these bytes).
const (
	tarMagic       = "ustar"
	tarMagicOffset = 257
)

// Sniff tells the format of an archive from its first bytes: its name may
// be anything.
func Sniff(r io.ReaderAt) (Format, error) {
	head := make([]byte, 512)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	head = head[:n]
	if n == 0 {
		return "", errors.New("it is empty")
	}
	for format, magic := range map[Format]string{
		Gzip:  "\x1f\x8b",
		Bzip2: "BZh",
		XZ:    "\xfd7zXZ\x00",
		Zstd:  "\x28\xb5\x2f\xfd",
	} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return format, nil
		}
	}
	if n > tarMagicOffset && bytes.HasPrefix(head[tarMagicOffset:], []byte(tarMagic)) {
		return Tar, nil
	}
	return "", fmt.Errorf("it is none of tar, gzip, bzip2, xz and zstd: it begins with %q", head[:min(n, 8)])
}
