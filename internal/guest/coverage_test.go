package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/event"
)

// counting makes the checks' program one that counts, as the kernel's gcov
// does: each run of a check adds its name to the counters of an object.
func counting(t *testing.T, params string) *world {
	t.Helper()
	w := newWorld(t, "bzmage.mode=coverage "+params)
	w.write(t, "sys/kernel/debug/gcov/reset", "")
	gcda := "sys/kernel/debug/gcov/build/fs/a.gcda"
	w.write(t, gcda, "boot")
	if err := os.Symlink("/build/fs/a.gcno", filepath.Join(w.root, "sys/kernel/debug/gcov/build/fs/a.gcno")); err != nil {
		t.Fatal(err)
	}
	// Who finds a reset sets the counters to zero first.
	script := fmt.Sprintf(`cd %q
case "$*" in *-test.list=*) ;; *)
	[ ! -s sys/kernel/debug/gcov/reset ] || : >%s
	: >sys/kernel/debug/gcov/reset
	for a; do case $a in -test.run=*) echo "${a#-test.run=}" >>%s;; esac; done;;
esac
exec %q "$@"`, w.root, gcda, gcda, checksBinary)
	w.checks = append([]string{"/bin/sh", "-c", script, "sh"}, w.checks[1:]...)
	return w
}

// coverage lets the guest live, and returns what it sent: a line for each file
// of counters.
func (w *world) coverage(t *testing.T, expected ...string) (event.Result, []string) {
	t.Helper()
	w.live()
	f, err := os.Open(filepath.Join(w.root, "dev/vport0p2"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := event.NewState("1d", expected)
	s.WantCoverage()
	if err := s.Fold(f); err != nil {
		t.Fatal(err)
	}
	t.Logf("console:\n%s", w.console)
	var sent []string
	for _, c := range s.Result().Coverage {
		text, err := c.Counters()
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, fmt.Sprintf("%s %s %q", c.Check, c.Object, text))
	}
	return s.Result(), sent
}

// Each check runs by itself, and its counters are its own. One that ends its
// process takes neither the others nor their counters with it.
func TestCoverageOfEachCheck(t *testing.T) {
	w := counting(t, "bzmage.run=^(TestPass|TestExit3|TestFail|TestSkip)$")
	res, sent := w.coverage(t, "TestPass", "TestFail", "TestSkip", "TestExit3")
	want := []string{
		` /build/fs/a.gcda "boot"`,
		`TestPass /build/fs/a.gcda "^TestPass$\n"`,
		`TestFail /build/fs/a.gcda "^TestFail$\n"`,
		`TestSkip /build/fs/a.gcda "^TestSkip$\n"`,
		`TestExit3 /build/fs/a.gcda "^TestExit3$\n"`,
	}
	if d := cmp.Diff(want, sent); d != "" {
		t.Error(d)
	}
	if res.Violations != nil || res.Done == nil || res.Done.Exit != 3 || res.Done.Error != "" {
		t.Errorf("violations %q, done %+v", res.Violations, res.Done)
	}
	want = []string{"the checks ended with exit code 3", "check TestFail failed", "check TestFail/part failed", "check TestExit3 did not end"}
	if d := cmp.Diff(want, res.Problems()); d != "" {
		t.Error(d)
	}
}

func TestCoverageOfChecksThatPass(t *testing.T) {
	w := counting(t, "bzmage.run=^Test(Pass|Skip)$")
	res, sent := w.coverage(t, "TestPass", "TestSkip")
	if p := res.Problems(); p != nil || len(sent) != 3 {
		t.Errorf("problems %q, sent %q", p, sent)
	}
	if !strings.Contains(strings.Join(w.kernel.mounted, " "), debugDir) {
		t.Errorf("mounted %q", w.kernel.mounted)
	}
}

func TestCoverageThatCannotBeMeasured(t *testing.T) {
	tests := []struct {
		name   string
		params string
		break_ func(w *world)
		want   string
	}{
		{"no gcov in the kernel", "", func(w *world) { _ = os.RemoveAll(w.root + gcovDir) }, "send the counters of the kernel"},
		{"no reset", "", func(w *world) { _ = os.Remove(w.root + gcovReset); _ = os.Mkdir(w.root+gcovReset, 0o755) }, "set the counters to zero"},
		{"no debugfs", "", func(w *world) { w.kernel.mountErr = map[string]error{debugDir: os.ErrInvalid} }, "was the kernel built with it?"},
		{"too much", "", func(w *world) { _ = os.Truncate(w.root+gcovDir+"/build/fs/a.gcda", event.MaxCounters+1) }, "is the most"},
		{"no list", "", func(w *world) { w.checks = []string{"/bin/false"} }, "the list of checks ended with exit code 1"},
		{"no time", "bzmage.run=^Test(Endless|Orphans)$ bzmage.timeout=300ms", func(w *world) {}, "no time is left for check "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.params == "" {
				tt.params = "bzmage.run=^TestPass$"
			}
			w := counting(t, tt.params)
			tt.break_(w)
			res, _ := w.coverage(t)
			if res.Done == nil || res.Done.Exit == 0 || !strings.Contains(res.Done.Error, tt.want) {
				t.Errorf("done %+v, want %q", res.Done, tt.want)
			}
		})
	}
}
