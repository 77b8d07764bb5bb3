package boot

import (
	"strings"
	"sync/atomic"

	"bzmage/internal/plain"
)

// What a guest, or QEMU about it, may say in all.
const (
	maxConsole = 64 << 20  // bytes of the console: a kernel that complains without end is alive, and must not fill the disk
	maxRecords = 256 << 20 // bytes of records: sixteen times the output that is kept of a boot
	maxStderr  = 64 << 10  // bytes of QEMU's own words that are kept
	maxReason  = 400       // bytes of a verdict's reason
)

// words keeps the beginning of what QEMU says. It counts all of it with the
// console, as both go to one file.
type words struct {
	text  strings.Builder
	count *atomic.Int64
}

// Write never fails: QEMU must not be stopped by what it says.
func (w *words) Write(b []byte) (int, error) {
	w.count.Add(int64(len(b)))
	w.text.Write(b[:min(len(b), maxStderr-w.text.Len())])
	return len(b), nil
}

// String returns what was kept, clean.
func (w *words) String() string { return plain.Text(w.text.String()) }

// brief returns the reason of a verdict in one line that a terminal can take,
// whoever said it.
func brief(reason string) string { return plain.Line(reason, maxReason) }
