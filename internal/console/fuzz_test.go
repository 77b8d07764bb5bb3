package console

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// size is what a reader holds, in bytes.
func size(r *Reader) int {
	n := r.line.Len()
	add := func(lines []string) {
		for _, l := range lines {
			n += len(l)
		}
	}
	add(r.tail)
	for _, rep := range r.reports {
		add(rep.lines)
	}
	for _, s := range r.streams {
		for _, m := range s.before {
			n += len(m.line)
		}
	}
	return n
}

func FuzzConsole(f *testing.F) {
	f.Add([]byte("[    0.1] Kernel panic - not syncing: x\r\n\x1b[2J"), 3)
	for name, text := range recorded(f) {
		if !strings.HasPrefix(name, "arm64-5.4-") {
			continue // enough to begin with; long seeds make it slow
		}
		f.Add(text[max(0, len(text)-3000):], 100)
	}
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		whole, pieces := readAll(text, 0), readAll(text, max(piece, 1))
		if d := cmp.Diff(whole.Crashes(), pieces.Crashes()); d != "" || whole.Fatal() != pieces.Fatal() {
			t.Fatalf("in pieces of %d: %s", piece, d)
		}
		if n := len(whole.reports); n > maxCrashes || len(whole.streams) > maxStreams || len(whole.order) != len(whole.streams) {
			t.Fatalf("%d reports, %d streams", n, len(whole.streams))
		}
		lines := whole.Tail()
		for _, c := range whole.Crashes() {
			if c.Kind == "" || c.Title == "" || c.Key == "" || len(c.Lines) == 0 || len(c.Lines) > crashLines || c.From < 1 || c.To < c.From {
				t.Fatalf("%+v", c)
			}
			lines = append(append(lines, c.Title), c.Lines...)
		}
		for _, l := range lines {
			if !utf8.ValidString(l) || len(l) > 4*lineWidth || strings.ContainsFunc(l, func(c rune) bool { return c < ' ' || c == 0x7f }) {
				t.Fatalf("line %.80q", l)
			}
		}
	})
}

// A console of a gigabyte takes no more memory than one of a few megabytes.
func TestMemoryIsBounded(t *testing.T) {
	const most = maxCrashes*crashLines*lineWidth + maxStreams*8*lineWidth + (tailLines+1)*lineWidth
	chunk := []byte(strings.Repeat("[    1.000000][    T7] WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n"+strings.Repeat("x", 2000)+"\n[    1.000000][  T"+"99] Call Trace:\n", 100))
	r := NewReader()
	for i := range 20 {
		copy(chunk[18:], []byte{byte('0' + i%10)}) // other callers
		r.Write(chunk)
	}
	if n := size(r); n > most {
		t.Errorf("%d bytes are held, more than %d", n, most)
	}
}
