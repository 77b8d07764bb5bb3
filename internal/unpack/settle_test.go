package unpack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bootOf makes a machine that says it is in a boot.
func (y *yard) bootOf(t *testing.T, id string) {
	t.Helper()
	y.u.bootID = filepath.Join(t.TempDir(), "boot_id")
	if id == "" {
		return
	}
	if err := os.WriteFile(y.u.bootID, []byte(id+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func isSettled(t *testing.T, tree Tree) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(tree.Root, unsettled))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return err != nil
}

// In the boot it was unpacked in a tree is used as it is; in the next one only
// if it was known to be on the disk.
func TestTreeAfterARestart(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(t *testing.T, y *yard, tree Tree)
		next   string
		kept   bool
	}{
		"same boot":         {nil, "one", true},
		"power cut":         {nil, "two", false},
		"no word on boots":  {nil, "", false},
		"the note was lost": {func(t *testing.T, _ *yard, tree Tree) { truncate(t, filepath.Join(tree.Root, unsettled)) }, "one", false},
		"settled": {func(t *testing.T, _ *yard, tree Tree) {
			if err := tree.Settle(); err != nil {
				t.Fatal(err)
			}
		}, "two", true},
		"settled by a later run": {func(t *testing.T, y *yard, tree Tree) {
			old := time.Now().Add(-2 * settleAge)
			if err := os.Chtimes(filepath.Join(tree.Root, unsettled), old, old); err != nil {
				t.Fatal(err)
			}
			if _, err := y.unpack(t); err != nil {
				t.Fatal(err)
			}
		}, "two", true},
		"met by a run too early": {func(t *testing.T, y *yard, tree Tree) {
			if _, err := y.unpack(t); err != nil {
				t.Fatal(err)
			}
		}, "two", false},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, makeTar(t, kernel()))
			y.bootOf(t, "one")
			tree, err := y.unpack(t)
			if err != nil || isSettled(t, tree) {
				t.Fatalf("settled at once: %v", err)
			}
			if tt.before != nil {
				tt.before(t, y, tree)
			}
			y.bootOf(t, tt.next)
			if _, err := y.unpack(t); err != nil {
				t.Fatal(err)
			}
			_, err = os.Stat(tree.Root + ".damaged-1")
			if kept := err != nil; kept != tt.kept {
				t.Errorf("kept: %v\n%s", kept, y.log)
			}
			if said := strings.Contains(y.log.String(), "restarted before it was on the disk"); said == tt.kept {
				t.Errorf("what was said: %s", y.log)
			}
			checkTree(t, tree)
		})
	}
}

func truncate(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
}

// A machine that does not say which boot it is in waits for the disk.
func TestNoBootID(t *testing.T) {
	y := newYard(t, makeTar(t, kernel()))
	y.bootOf(t, "")
	tree, err := y.unpack(t)
	if err != nil || !isSettled(t, tree) {
		t.Errorf("not settled: %v", err)
	}
}
