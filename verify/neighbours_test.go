package verify

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/neighbours"
)

// The rand files have come, and nothing else in their folders has changed: the
// same names and modes, in the same order, as in the kernel without the
// series. What that has is recorded from the source of the line, with the
// options each name depends on; the kernel says itself which it was built with.
func TestRandNeighbours(t *testing.T) {
	words := strings.SplitN(release(t), ".", 3)
	name := "neighbours-" + words[0] + "." + words[1] + ".txt"
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatalf("%v; write it as TestRecord of internal/neighbours says", err)
	}
	record, err := neighbours.Parse(string(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	has := config(t)
	if has == nil {
		t.Skip("this kernel does not show its config (CONFIG_IKCONFIG_PROC)")
	}
	tids := lockThreads(t, 1)
	for _, folder := range []struct{ table, dir string }{
		{neighbours.Process, "/proc/self"},
		{neighbours.Process, "/proc/1"},
		{neighbours.Process, "/proc/2"}, // a kernel thread
		{neighbours.Thread, fmt.Sprintf("/proc/self/task/%d", tids[0])},
		{neighbours.Thread, "/proc/2/task/2"},
	} {
		var want []string
		for _, e := range record {
			if e.Table == folder.table && e.In(has) {
				want = append(want, e.Mode.String()+" "+e.Name)
			}
			if e.Table == folder.table && e.Name == "limits" { // the entry before it, on all lines
				want = append(want, "-r--r--r-- rand")
			}
		}
		if d := cmp.Diff(want, list(t, folder.dir)); d != "" {
			t.Errorf("%s (-want +got):\n%s", folder.dir, d)
		}
	}
}

// list returns the modes and names in a folder, in the folder's own order.
func list(t *testing.T, dir string) []string {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		info, err := os.Lstat(dir + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		mode := info.Mode() & (fs.ModeType | fs.ModePerm)
		all = append(all, mode.String()+" "+e.Name())
	}
	return all
}
