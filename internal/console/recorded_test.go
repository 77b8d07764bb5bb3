package console

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/crashes.golden anew")

// recorded returns the logs that real kernels left: testdata/record/README.md.
func recorded(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/logs/*.log")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d logs, %v", len(files), err)
	}
	logs := map[string][]byte{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		logs[strings.TrimSuffix(filepath.Base(f), ".log")] = text
	}
	return logs
}

// readAll reads a console in pieces of that many bytes; 0 is one piece.
func readAll(text []byte, piece int) *Reader {
	r := NewReader()
	for len(text) > 0 {
		n := len(text)
		if piece > 0 {
			n = min(n, piece)
		}
		r.Write(text[:n])
		text = text[n:]
	}
	r.Close()
	return r
}

// tell writes down what was found in a log, with the lines' numbers in it.
func tell(text []byte) string {
	var b strings.Builder
	for _, c := range readAll(text, 0).Crashes() {
		fmt.Fprintf(&b, "  %s | %s | %s | lines %d-%d, %d | fatal %v", c.Kind, c.Title, c.Key,
			c.From, c.To, len(c.Lines), c.Fatal)
		if c.Cut {
			b.WriteString(" | cut")
		}
		if c.Times > 0 {
			fmt.Fprintf(&b, " | %d times", c.Times)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestRecordedCrashes(t *testing.T) {
	logs := recorded(t)
	var got strings.Builder
	for _, name := range slices.Sorted(maps.Keys(logs)) {
		fmt.Fprintf(&got, "%s\n%s", name, tell(logs[name]))
	}
	const golden = "testdata/crashes.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("look at it, then run the test with -update:\n%s", d)
	}
}

// A kernel that crashed raises an alarm, one that did not raises none.
func TestRecordedAlarms(t *testing.T) {
	for name, text := range recorded(t) {
		n := len(readAll(text, 0).Crashes())
		if clean := strings.Contains(name, "clean"); clean != (n == 0) {
			t.Errorf("%s: %d crashes", name, n)
		}
	}
}

// Two boots with the same crash have the same key.
func TestRecordedTwice(t *testing.T) {
	logs, pairs := recorded(t), 0
	for name, text := range logs {
		again, ok := logs[name+".again"]
		if !ok {
			continue
		}
		pairs++
		a, b := readAll(text, 0).Crashes()[0], readAll(again, 0).Crashes()[0]
		if bytes.Equal(text, again) || a.Key != b.Key {
			t.Errorf("%s: %s %q and %s %q", name, a.Key, a.Title, b.Key, b.Title)
		}
	}
	if pairs == 0 {
		t.Error("there are no pairs")
	}
}

// Where a read ends does not matter.
func TestRecordedInPieces(t *testing.T) {
	for name, text := range recorded(t) {
		want := readAll(text, 0)
		for _, n := range []int{1, 7, 4096} {
			got := readAll(text, n)
			if d := cmp.Diff(want.Crashes(), got.Crashes()); d != "" {
				t.Errorf("%s in pieces of %d: %s", name, n, d)
			}
		}
	}
}

// No log says where it was made.
func TestRecordedIsClean(t *testing.T) {
	for name, text := range recorded(t) {
		if len(text) > 40<<10 {
			t.Errorf("%s has %d bytes", name, len(text))
		}
		for _, word := range []string{"/tmp/", "/root/", "/home/"} {
			if bytes.Contains(text, []byte(word)) {
				t.Errorf("%s has %s", name, word)
			}
		}
	}
}
