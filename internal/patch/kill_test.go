package patch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"bzmage/internal/run"
	"bzmage/internal/unpack"
)

// A child of the test is told by its environment what to apply, and at which
// step to kill itself.
const (
	envTree   = "BZMAGE_TEST_TREE" // the tree as JSON
	envRoot   = "BZMAGE_TEST_ROOT"
	envSeries = "BZMAGE_TEST_SERIES"
	envStep   = "BZMAGE_TEST_STEP"
)

func TestMain(m *testing.M) {
	if os.Getenv(envRoot) == "" {
		os.Exit(m.Run())
	}
	if err := applyAndDie(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func applyAndDie() error {
	p := Params{Series: os.Getenv(envSeries)}
	if err := json.Unmarshal([]byte(os.Getenv(envTree)), &p.Tree); err != nil {
		return err
	}
	p.Tree.Root = os.Getenv(envRoot)
	last, err := strconv.Atoi(os.Getenv(envStep))
	if err != nil {
		return err
	}
	p.step = func(string) error {
		if last--; last == 0 {
			return unix.Kill(os.Getpid(), unix.SIGKILL)
		}
		return nil
	}
	_, err = Apply(context.Background(), p)
	return err
}

// killAt applies the series in a child that is killed at a step. It returns
// false when the child came to its end before that step.
func killAt(t *testing.T, tree unpack.Tree, series string, step int) bool {
	t.Helper()
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	err = run.Run(t.Context(), run.Cmd{
		Argv: []string{os.Args[0]},
		Env:  run.Env(envTree+"="+string(text), envRoot+"="+tree.Root, envSeries+"="+series, envStep+"="+strconv.Itoa(step)),
	})
	var exit *run.ExitError
	switch {
	case err == nil:
		return false
	case errors.As(err, &exit) && exit.Signal == unix.SIGKILL:
		return true
	}
	t.Fatal(err)
	return false
}

// Killed at any step, a run is followed by one that needs no cleaning and ends
// in the same bytes, whatever series that one has; what no series changes keeps
// its mtime, and nothing of it looks like a person's edit.
func TestKilledAtAnyStep(t *testing.T) {
	mid := overlay(origin, first)
	end := overlay(overlay(origin, second), content{"kernel/core.c": "", "kernel/core.c/in": "folder now\n"})
	other := overlay(origin, content{"kernel/fork.c": "other\n", "kernel/core.c": lines(1, 39)})
	one, two, three := seriesFor(t, origin, mid), seriesFor(t, origin, end), seriesFor(t, origin, other)
	follow := map[string]content{one: mid, two: end, three: other}
	quiet := []string{"Makefile", "Kbuild", "kernel/Makefile"}
	steps := 0
	for n := 1; ; n++ {
		for next, want := range follow {
			tree := newTree(t, origin)
			mustApply(t, tree, one)
			before := mtimes(t, tree.Src())
			if !killAt(t, tree, two, n) {
				if steps < 10 {
					t.Fatalf("%d steps only", steps)
				}
				return
			}
			steps++
			if edits := mustEdits(t, tree); len(edits) > 0 {
				t.Errorf("step %d: a killed run looks like edits: %v", n, edits)
			}
			if killAt(t, tree, next, 1+n/2) { // and once more
				steps++
			}
			half := mtimes(t, tree.Src())
			for name := range before {
				if _, ok := half[name]; !ok && mid[name] != "" && end[name] != "" && want[name] != "" {
					t.Errorf("step %d: %s is missing for a moment", n, name)
				}
			}
			mustApply(t, tree, next)
			wantFiles(t, tree, want)
			after := mtimes(t, tree.Src())
			for _, name := range quiet {
				if !after[name].Equal(before[name]) {
					t.Errorf("step %d: %s got another mtime", n, name)
				}
			}
			for name := range want {
				if was, ok := half[name]; ok && after[name].Before(was) {
					t.Errorf("step %d: %s got an earlier mtime", n, name)
				}
			}
			if edits := mustEdits(t, tree); len(edits) > 0 {
				t.Errorf("step %d: edits %v", n, edits)
			}
			wantClean(t, tree, n)
			again := mtimes(t, tree.Root)
			mustApply(t, tree, next)
			if d := cmp.Diff(again, mtimes(t, tree.Root)); d != "" {
				t.Errorf("step %d: the run after writes something:\n%s", n, d)
			}
		}
	}
}

// wantClean looks for what a killed run left beside the tree.
func wantClean(t *testing.T, tree unpack.Tree, step int) {
	t.Helper()
	for _, name := range []string{newDir, oldDir, journalFile} {
		if _, err := os.Lstat(filepath.Join(tree.Root, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("step %d: %s is still there: %v", step, name, err)
		}
	}
	var st state
	text, err := os.ReadFile(filepath.Join(tree.Root, stateFile))
	if err == nil {
		err = json.Unmarshal(text, &st)
	}
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, r := range st.Files {
		if r.Pristine != nil {
			used[r.Pristine.SHA256] = true
		}
		if r.Applied != nil {
			used[r.Applied.SHA256] = true
		}
	}
	list, err := os.ReadDir(filepath.Join(tree.Root, objectsDir))
	if err != nil || len(list) != len(used) {
		t.Errorf("step %d: %d copies for %d contents: %v", step, len(list), len(used), err)
	}
}

// A person edits a file after a run was killed: that is still theirs.
func TestEditAfterAKill(t *testing.T) {
	tree := newTree(t, origin)
	two := seriesFor(t, origin, overlay(origin, second))
	if !killAt(t, tree, two, 4) {
		t.Fatal("not killed")
	}
	put(t, tree.Src(), content{"kernel/fork.c": "mine\n"})
	_, err := Apply(t.Context(), Params{Tree: tree, Series: two})
	var e *ObstacleError
	if !errors.As(err, &e) || len(e.Obstacles) != 1 || e.Obstacles[0].Path != "kernel/fork.c" {
		t.Fatalf("error %v", err)
	}
	if err := os.Remove(filepath.Join(tree.Src(), "kernel/fork.c")); err != nil {
		t.Fatal(err)
	}
	mustApply(t, tree, two)
	wantFiles(t, tree, overlay(origin, second))
}

// Runs that meet wait for each other.
func TestRunsAtOnce(t *testing.T) {
	tree := newTree(t, origin)
	ends := []content{overlay(origin, first), overlay(origin, second)}
	series := []string{seriesFor(t, origin, ends[0]), seriesFor(t, origin, ends[1])}
	errs := make(chan error)
	for i := range 6 {
		go func() {
			_, err := Apply(t.Context(), Params{Tree: tree, Series: series[i%2]})
			errs <- err
		}()
	}
	for range 6 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	mustApply(t, tree, series[0])
	wantFiles(t, tree, ends[0])
}
