package pipeline

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bzmage/internal/boot"
	"bzmage/internal/event"
)

// slowProject returns the project of a test that CI has no time for, and its
// line. `mage testSlow` runs those; KERNEL, KERNEL_SOURCE and ARCH choose.
func slowProject(t *testing.T, settings ...string) (Project, string) {
	t.Helper()
	if testing.Short() || os.Getenv("BZMAGE_SLOW") == "" {
		t.Skip("builds and boots kernels for many minutes; go tool mage testSlow runs it")
	}
	line := os.Getenv("KERNEL")
	if line == "" {
		line = "6.1"
	}
	if a := os.Getenv("ARCH"); a != "" {
		settings = append(settings, "ARCH="+a)
	}
	return testProject(t, line, os.Getenv("KERNEL_SOURCE"), settings...), line
}

// flaw is a mistake in the series that the checks have to notice.
type flaw struct {
	name     string
	in       string   // the file
	old, new string   // each place of old becomes new
	checks   []string // these have to fail, each in every target
}

const (
	schedFile = "kernel/sched/base.c"
	procFile  = "fs/proc/base.c"
	getRandom = "\tget_random_bytes(&count, sizeof(count));\n"
)

// flaws are mistakes that compile.
func flaws() []flaw {
	return []flaw{
		{"constant", schedFile, getRandom, getRandom + "\tcount = 42;\n", []string{"TestRandBits", "TestRandRewind"}},
		{"a counter", schedFile, getRandom, "\tstatic atomic_t last;\n\n\tcount = atomic_inc_return(&last);\n", []string{"TestRandBits"}},
		{"a bit that is always set", schedFile, getRandom, getRandom + "\tcount |= 1 << 17;\n", []string{"TestRandBits"}},
		{"a sign that is always plus", schedFile, getRandom, getRandom + "\tcount &= INT_MAX;\n", []string{"TestRandBits"}},
		{"the same number twice", schedFile, getRandom, "\tstatic int last, odd;\n\n\todd = !odd;\n\tif (odd)\n\t\tget_random_bytes(&last, sizeof(last));\n\tcount = last;\n", []string{"TestRandBits"}},
		{"no width", schedFile, "%-21lld", "%lld", []string{"TestRandFormat"}},
		{"tasks that are never let go", procFile, "\trand_count(p, ns, m);\n\n\tput_task_struct(p);\n", "\trand_count(p, ns, m);\n", []string{"TestRandLetsGoOfTasks"}},
		{"memory that is never given back", procFile, "\t.write\t\t= rand_write,\n\t.llseek\t\t= seq_lseek,\n\t.release\t= single_release,", "\t.write\t\t= rand_write,\n\t.llseek\t\t= seq_lseek,\n\t.release\t= seq_release,", []string{"TestRandKeepsLevel"}},
		{"no error for a task that is gone", procFile, "\tif (!p)\n\t\treturn -ESRCH;\n\trand_count", "\tif (!p)\n\t\treturn 0;\n\trand_count", []string{"TestRandEndedProcess", "TestRandZombie"}},
		{"for its owner only", procFile, "0444, rand_operations", "0400, rand_operations", []string{"TestRandMode", "TestRandWalkByOthers"}},
		{"for all to write", procFile, "0444, rand_operations", "0666, rand_operations", []string{"TestRandMode", "TestRandWriteByOthers"}},
		{"not for threads", procFile, "\tREG(\"rand\",\t 0444, rand_operations),\n", "", []string{"TestRandThreads", "TestRandNeighbours"}},
		{"a write that fails", procFile, "\t   size_t count, loff_t *offset)\n{\n\treturn count;", "\t   size_t count, loff_t *offset)\n{\n\treturn -EINVAL;", []string{"TestRandWriteByRoot"}},
		{"no seeking", procFile, "\t.write\t\t= rand_write,\n\t.llseek\t\t= seq_lseek,", "\t.write\t\t= rand_write,\n\t.llseek\t\t= no_llseek,", []string{"TestRandSeek", "TestRandRewind"}},
		{"a warning in the log", procFile, "\trand_count(p, ns, m);\n", "\tpr_warn_once(\"rand is read\\n\");\n\trand_count(p, ns, m);\n", []string{"TestZKernelLog"}},
	}
}

// TestSlowFlaws makes one mistake after the other in a copy of the series, and
// wants each of them noticed by the checks that are about it.
func TestSlowFlaws(t *testing.T) {
	p, line := slowProject(t)
	dir := filepath.Join(p.Root, "patches", line)
	names := readSeries(t, dir)
	good := map[string]string{schedFile: inTree(t, p, schedFile), procFile: inTree(t, p, procFile)}
	for _, f := range flaws() {
		t.Run(f.name, func(t *testing.T) {
			bad := strings.ReplaceAll(good[f.in], f.old, f.new)
			writeBreak(t, dir, names, diffOf(t, f.in, good[f.in], bad))
			r, err := verify(t, p)
			if err == nil || len(r.Verdicts) != len(p.Settings.Archs) {
				t.Fatalf("%d verdicts, error %v", len(r.Verdicts), err)
			}
			for _, v := range r.Verdicts {
				wantNoticed(t, v, f.checks)
			}
		})
	}
}

func wantNoticed(t *testing.T, v boot.Verdict, checks []string) {
	t.Helper()
	var failed []string
	for _, c := range v.Checks {
		if c.Status == event.Fail && !strings.Contains(c.Name, "/") {
			failed = append(failed, c.Name)
		}
	}
	t.Logf("%s: %s: %s", v.Target(), v.Verdict, strings.Join(failed, " "))
	if v.Verdict != boot.CheckFailed {
		t.Errorf("%s: %s, %s", v.Target(), v.Verdict, v.Reason)
	}
	for _, want := range checks {
		if !slices.Contains(failed, want) {
			t.Errorf("%s: %s did not notice", v.Target(), want)
		}
	}
}

// inTree returns a file of the patched tree.
func inTree(t *testing.T, p Project, name string) string {
	t.Helper()
	src, err := p.Patch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(src.Tree.Src(), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// diffOf returns what makes a file of the tree another one.
func diffOf(t *testing.T, in, old, text string) string {
	t.Helper()
	dir := t.TempDir()
	argv := []string{"-u", "--label", "a/" + in, "--label", "b/" + in}
	for _, side := range []string{old, text} {
		path := filepath.Join(dir, string(rune('a'+len(argv))))
		if err := os.WriteFile(path, []byte(side), 0o644); err != nil {
			t.Fatal(err)
		}
		argv = append(argv, path)
	}
	diff, err := exec.Command("diff", argv...).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 { // 1: they differ
		t.Fatalf("%s: diff: %v; the series is not what this test knows", in, err)
	}
	return string(diff)
}

// writeBreak puts a patch behind the series names of the folder.
func writeBreak(t *testing.T, dir string, names []string, diff string) {
	t.Helper()
	const name = "9999-break.patch"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(breakMail+diff), 0o644); err != nil {
		t.Fatal(err)
	}
	writeSeries(t, dir, append(slices.Clone(names), name))
}
