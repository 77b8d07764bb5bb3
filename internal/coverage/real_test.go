package coverage

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recorded is a line of testdata/real: what gcov said of the two objects of
// the rand series after a real boot of line 6.1, cut down to the lines of the
// series and a few checks. TestRealCoverage of package pipeline makes such
// boots anew.
type recorded struct {
	Check     string            `json:"check"` // "notes": without counters; empty: the boot
	Documents []json.RawMessage `json:"documents"`
}

// replay adds up what was recorded, without some of the checks.
func replay(t *testing.T, path string, without ...string) (executable int, missed []place) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := counts{}
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var r recorded
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(without, r.Check) {
			continue
		}
		var text strings.Builder
		for _, d := range r.Documents {
			text.Write(d)
		}
		docs, err := ParseGcov(strings.NewReader(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		c.add(strings.TrimPrefix(r.Check, "notes"), "/src", docs)
	}
	for at := range c {
		if l, _ := c.line(AddedLine{File: at.file, Line: at.line}); !l.Covered() {
			missed = append(missed, at)
		}
	}
	return len(c), missed
}

func TestRealCounters(t *testing.T) {
	files, err := filepath.Glob("testdata/real/*.jsonl")
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			n, missed := replay(t, path)
			if n != 19 || missed != nil {
				t.Errorf("of %d lines %v were not run", n, missed)
			}
			// return -ESRCH is run by the checks of what has ended alone.
			if _, missed = replay(t, path, "TestRandEndedProcess", "TestRandEndedThread"); !slices.Equal(missed, []place{{"fs/proc/base.c", 1487}}) {
				t.Errorf("without the checks of what has ended: %v", missed)
			}
			if _, missed = replay(t, path, "TestRandEndedProcess"); missed != nil {
				t.Errorf("without one of two: %v", missed)
			}
			if _, missed = replay(t, path, "TestRandWriteByRoot"); len(missed) != 2 { // rand_write and its return
				t.Errorf("without the check of writing: %v", missed)
			}
		})
	}
}
