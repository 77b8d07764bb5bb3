package neighbours

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	tree   = flag.String("tree", "", "an unpatched kernel tree to compare with the record, for TestRecord")
	update = flag.Bool("update", false, "write the record of -tree")
)

// The records of the lines are what these commands make of their trees:
//
//	go test ./internal/neighbours -run TestRecord -tree ~/linux-5.4.302 -update
//
// The check that uses them, TestRandNeighbours, is its own proof on a kernel
// without the series: it misses rand, twice, and nothing else.
func TestRecord(t *testing.T) {
	if *tree == "" {
		t.Skip("no -tree")
	}
	source, err := os.ReadFile(filepath.Join(*tree, "fs", "proc", "base.c"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(*tree, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	version := map[string]string{}
	for line := range strings.Lines(string(makefile)) {
		name, value, _ := strings.Cut(line, "=")
		version[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	if strings.Contains(string(source), `"rand"`) {
		t.Fatal("this tree has the series applied")
	}
	entries, err := Read(string(source))
	if err != nil {
		t.Fatal(err)
	}
	line := version["VERSION"] + "." + version["PATCHLEVEL"]
	text := fmt.Sprintf("# The files of a process in Linux %s, by fs/proc/base.c. Written by\n# go test ./internal/neighbours -run TestRecord -tree FOLDER -update\n", line)
	for _, e := range entries {
		text += e.Line() + "\n"
	}
	path := filepath.Join("..", "..", "verify", "testdata", "neighbours-"+line+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(old), text); d != "" {
		t.Errorf("the record differs (-record +tree):\n%s", d)
	}
}

// A table as the kernel has it, in short.
const source = `
static const struct pid_entry tgid_base_stuff[] = {
	DIR("task",       S_IRUGO|S_IXUGO, x, y),
	REG("fail-nth", 0644, x),
#ifdef CONFIG_A
	ONE("io",	S_IRUSR, x),
#if defined(CONFIG_B) && defined(CONFIG_C)
	LNK("exe",        x),
#endif
#endif
};
static const struct pid_entry tid_base_stuff[] = {
	NOD("comm",      S_IFREG|S_IRUGO|S_IWUSR,
			 &x,
			 &y, {}),
};
`

func TestRead(t *testing.T) {
	got, err := Read(source)
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Process, "task", fs.ModeDir | 0o555, nil},
		{Process, "fail-nth", 0o644, nil},
		{Process, "io", 0o400, []string{"CONFIG_A"}},
		{Process, "exe", fs.ModeSymlink | 0o777, []string{"CONFIG_A", "CONFIG_B", "CONFIG_C"}},
		{Thread, "comm", 0o644, nil},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	text := "# a comment\n\n"
	for _, e := range got {
		text += e.Line() + "\n"
	}
	back, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range back {
		if e.Line() != got[i].Line() {
			t.Errorf("%q came back as %q", got[i].Line(), e.Line())
		}
	}
	config := map[string]bool{"CONFIG_A=y": true, "CONFIG_B=y": true}
	for name, want := range map[string]bool{"task": true, "io": true, "exe": false} {
		for _, e := range got {
			if e.Name == name && e.In(config) != want {
				t.Errorf("%s with %v: %v", name, config, !want)
			}
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, tt := range []struct{ name, old, new string }{
		{"no table", "tid_base_stuff", "other_stuff"},
		{"another condition", "#ifdef CONFIG_A", "#ifndef CONFIG_A"},
		{"or", "&&", "||"},
		{"an #else", "	LNK", "#else\n	LNK"},
		{"another macro", "ONE(", "TWO("},
		{"another mode", "S_IRUSR", "S_IRWXU"},
		{"an #endif too many", "#endif", "#endif\n#endif"},
		{"an #endif too few", "#endif\n#endif", "#endif"},
		{"the middle of an entry", "&y, {}),", "&y,"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := strings.ReplaceAll(source, tt.old, tt.new)
			if got, err := Read(changed); changed == source || err == nil {
				t.Errorf("read as %v", got)
			}
		})
	}
	for _, line := range []string{"process -r--r--r--", "folder -r--r--r-- x", "process -r--r--r x", "process r--r--r-- x", "process prw-r--r-- x"} {
		if got, err := Parse(line); err == nil {
			t.Errorf("%q was read as %v", line, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("process dr-xr-xr-x task\nthread -r--r--r-- x CONFIG_X\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Parse(text)
		if err != nil {
			return
		}
		for _, e := range all {
			back, err := Parse(e.Line())
			if err != nil || len(back) != 1 || back[0].Line() != e.Line() {
				t.Fatalf("%q: %v, %v", e.Line(), back, err)
			}
		}
	})
}
