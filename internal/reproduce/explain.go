package reproduce

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"bzmage/internal/plain"
)

// explainer collects where two contents differ.
type explainer struct {
	vmlinux func() (*symbols, error) // of the kernel beside the file, for images without symbols
	image   bool                     // it is such an image
	where   []string
	more    int // places that were found and are not listed
	depth   int
}

// deepest is how far archives are looked into that lie in archives: a deb is an
// ar of compressed tars of compressed modules, which are ELF.
const deepest = 8

func (e *explainer) add(label, format string, args ...any) {
	if len(e.where) == mostWhere {
		e.more++
		return
	}
	e.where = append(e.where, label+fmt.Sprintf(format, args...))
}

func (e *explainer) found() int { return len(e.where) + e.more }

func (e *explainer) result() []string {
	if e.more > 0 {
		return append(e.where, fmt.Sprintf("and %d more", e.more))
	}
	return e.where
}

// format is a kind of content: how to know it, and how to explain a difference.
type format struct {
	is   func([]byte) bool
	look func(e *explainer, label string, a, b []byte) error
}

func magic(at int, text string) func([]byte) bool {
	return func(b []byte) bool { return len(b) >= at+len(text) && string(b[at:at+len(text)]) == text }
}

// formats are tried in order; the sources say what the marks are.
func formats() []format {
	return []format{
		{magic(0, "\x7fELF"), (*explainer).elf},
		{magic(0, "\x1f\x8b"), (*explainer).unzipped}, // RFC 1952
		{magic(0, zstdMagic), (*explainer).unzipped},  // RFC 8878
		{magic(0, arMagic), members(readAr)},
		{magic(0, rpmMagic), members(readRPM)},
		{magic(0, "07070"), members(readCPIO)},           // Documentation/driver-api/early-userspace/buffer-format.rst
		{magic(257, "ustar"), members(readTar)},          // POSIX pax, "ustar Interchange Format"
		{magic(0x202, "HdrS"), (*explainer).bzImage},     // Documentation/x86/boot.rst
		{magic(0x38, "ARM\x64"), (*explainer).rawKernel}, // Documentation/arm64/booting.rst
		{isText, (*explainer).text},
	}
}

// explain adds at least one place if a and b differ. What cannot be read as
// what it seems to be is bytes.
func (e *explainer) explain(label string, a, b []byte) {
	if bytes.Equal(a, b) {
		return
	}
	before := e.found()
	e.depth++
	defer func() { e.depth-- }()
	for _, f := range formats() {
		if e.depth > deepest || !f.is(a) || !f.is(b) {
			continue
		}
		if err := f.look(e, label, a, b); err != nil || e.found() == before {
			break // what was found, if anything, is true all the same
		}
		return
	}
	if e.found() == before {
		e.bytes(label, a, b, nil)
	}
}

// bytes tells the first byte that differs; locate, which may be nil, says what
// lies at an offset.
func (e *explainer) bytes(label string, a, b []byte, locate func(off int) string) {
	off := first(a, b)
	at := ""
	if locate != nil {
		at = locate(off)
	}
	if at != "" {
		at = ", " + at
	}
	if len(a) != len(b) {
		e.add(label, "%d and %d bytes, the first that differs at 0x%x%s: %s", len(a), len(b), off, at, both(a, b, off))
		return
	}
	e.add(label, "%d of %d bytes, the first at 0x%x%s: %s", count(a, b), len(a), off, at, both(a, b, off))
}

// first returns the offset of the first byte that differs.
func first(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func count(a, b []byte) int {
	n := 0
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// both shows what both sides have around an offset: text, or bytes.
func both(a, b []byte, off int) string {
	x, y := around(a, off), around(b, off)
	if len(x) >= 4 && len(y) >= 4 {
		return quote(x) + " and " + quote(y)
	}
	return hexAt(a, off) + " and " + hexAt(b, off)
}

// around returns the printable text that an offset is in.
func around(b []byte, off int) string {
	const before, behind = 40, 60
	from, to := off, off
	for from > 0 && off-from < before && isPrint(b[from-1]) {
		from--
	}
	for to < len(b) && to-off < behind && isPrint(b[to]) {
		to++
	}
	return string(b[min(from, len(b)):to])
}

func isPrint(c byte) bool { return c >= ' ' && c < 0x7f }

func hexAt(b []byte, off int) string {
	if off >= len(b) {
		return "nothing"
	}
	return fmt.Sprintf("% x", b[off:min(off+8, len(b))])
}

// quote makes text of a file fit for one line of a terminal.
func quote(s string) string { return fmt.Sprintf("%q", plain.Line(s, 120)) }

// isText says whether this looks like lines of text.
func isText(b []byte) bool {
	head := b[:min(len(b), 8192)]
	for cut := 0; cut < utf8.UTFMax && len(head) < len(b) && !utf8.Valid(head); cut++ {
		head = head[:len(head)-1] // a character that is cut
	}
	return !bytes.ContainsRune(head, 0) && utf8.Valid(head)
}

const zstdMagic = "\x28\xb5\x2f\xfd"

// unzipped looks into both as they are without compression.
func (e *explainer) unzipped(label string, a, b []byte) error {
	x, err := unzip(a)
	if err != nil {
		return err
	}
	y, err := unzip(b)
	if err != nil {
		return err
	}
	if bytes.Equal(x, y) {
		e.bytes(label+"the compression only: ", a, b, nil)
		return nil
	}
	e.explain(label+"uncompressed: ", x, y)
	return nil
}

var errUnzip = errors.New("not to be uncompressed here")

// unzip returns the first stream of a gzip or zstd file: the kernel's own have
// its size behind them.
func unzip(b []byte) ([]byte, error) {
	var in io.Reader
	switch {
	case strings.HasPrefix(string(b[:min(4, len(b))]), "\x1f\x8b"):
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		z.Multistream(false)
		in = z
	case magic(0, zstdMagic)(b):
		z, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<27))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		in = z
	default:
		return nil, errUnzip
	}
	out, err := io.ReadAll(io.LimitReader(in, mostRead+1))
	if len(out) > mostRead {
		return nil, errTooBig
	}
	if len(out) > 0 && errors.Is(err, zstd.ErrMagicMismatch) {
		err = nil // the size behind the stream
	}
	return out, err
}
