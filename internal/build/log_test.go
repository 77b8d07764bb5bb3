package build

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/run"
)

var update = flag.Bool("update", false, "write what is found into the heads of testdata/logs")

// series is who touches what in the trees the logs are of: the files of
// patches/5.4 and patches/6.1.
var series = []Touch{
	{By: "patch: 0001-sched.patch", Files: []string{"MAINTAINERS", "include/linux/sched/debug.h", "kernel/sched/Makefile", "kernel/sched/base.c"}},
	{By: "patch: 0002-proc.patch", Files: []string{"fs/proc/base.c"}},
}

// TestRecordedLogs reads logs of real kernels that were really broken. Each
// file has a head with what was done (WHAT, SRC, OBJ) and what is to be found,
// an empty line, and what make printed.
func TestRecordedLogs(t *testing.T) {
	files, err := filepath.Glob("testdata/logs/*.log")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d logs, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".log"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, log, _ := strings.Cut(string(text), "\n\n")
			given := map[string]string{}
			for line := range strings.Lines(head) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				given[name] = value
			}
			c, found := ReadLog(strings.NewReader(log), given["SRC"], given["OBJ"])
			if !found {
				t.Fatal("nothing was found")
			}
			got := describe(given, c)
			if *update {
				if err := os.WriteFile(file, []byte(got+"\n\n"+log), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(head, got); d != "" {
				t.Error(d)
			}
			if c.Around[c.At] != c.Text || len(c.Around) > 2*around+1 {
				t.Errorf("line %d of %q is not %q", c.At, c.Around, c.Text)
			}
			if (c.Kind == fault.Machine) != (c.Mend != "") {
				t.Errorf("%v's fault, and to mend it: %q", c.Kind, c.Mend)
			}
		})
	}
}

func describe(given map[string]string, c Cause) string {
	var b strings.Builder
	for _, name := range []string{"WHAT", "SRC", "OBJ"} {
		fmt.Fprintf(&b, "%s: %s\n", name, given[name])
	}
	fmt.Fprintf(&b, "KIND: %s\nTEXT: %s\nLINE: %d", c.Kind, c.Text, c.Line)
	if c.File != "" {
		fmt.Fprintf(&b, "\nFILE: %s", c.File)
	}
	if c.Place > 0 {
		fmt.Fprintf(&b, ":%d", c.Place)
	}
	for _, f := range c.Chain {
		fmt.Fprintf(&b, "\nFROM: %s", f)
	}
	if c.Object != "" {
		fmt.Fprintf(&b, "\nOBJECT: %s", c.Object)
	}
	if c.Mend != "" {
		fmt.Fprintf(&b, "\nMEND: %s", c.Mend)
		return b.String()
	}
	for _, line := range c.Blame(series) {
		fmt.Fprintf(&b, "\nBLAME: %s", line)
	}
	return b.String()
}

// What make prints that no log was recorded of, and what must not be taken
// for a cause.
func TestReadLog(t *testing.T) {
	const failed = "make[2]: *** [scripts/Makefile.build:266: fs/a.o] Error 1\n"
	tests := []struct {
		name, log string
		kind      fault.Kind
		want      string // empty: nothing is found
	}{
		{"only consequences", "make[1]: *** [Makefile:7: x] Error 1\n", fault.Build, "make[1]: *** [Makefile:7: x] Error 1"},
		{"nothing", "  CC a.o\n", fault.Build, ""},
		{"the first of two", "a.c:1:2: error: one\nb.c:3:4: error: two\n" + failed, fault.Build, "a.c:1:2: error: one"},
		{"a cause behind its consequence", failed + "a.c:1:2: error: one\n", fault.Build, "a.c:1:2: error: one"},
		{"warnings before", "a.c:1:2: warning: error: x\nld: warning: y: No space left on device\na.c:1:2: error: one\n", fault.Build, "a.c:1:2: error: one"},
		{"a step whose name looks bad", "  CC      x: undefined reference to y\n", fault.Build, ""},
		{"a disk behind an error", "a.c:1:2: error: one\nar: x.a: No space left on device\n", fault.Machine, "ar: x.a: No space left on device"},
		{"a linker's bus error", "collect2: fatal error: ld terminated with signal 7 [Bus error], core dumped\n", fault.Machine, "collect2: fatal error: ld terminated with signal 7 [Bus error], core dumped"},
		{"a disk that fails", "cp: error reading 'a': Input/output error\n", fault.Machine, "cp: error reading 'a': Input/output error"},
		{"a C++ program without memory", "terminate called after throwing an instance of 'std::bad_alloc'\n", fault.Machine, "terminate called after throwing an instance of 'std::bad_alloc'"},
		{"killed in a script", "scripts/link-vmlinux.sh: line 95: 12345 Killed ${LD} -o vmlinux\n", fault.Machine, "scripts/link-vmlinux.sh: line 95: 12345 Killed ${LD} -o vmlinux"},
		{"a program that is missing", "make[1]: bison: No such file or directory\nmake[1]: *** [Makefile:1: x] Error 127\n", fault.Machine, "make[1]: bison: No such file or directory"},
		{"a program that is missing and not needed", "sh: 1: pahole: not found\na.c:1:2: error: one\n", fault.Build, "a.c:1:2: error: one"},
		{"a program of the tree", "/bin/sh: 1: ./scripts/mine: not found\nmake: *** [x] Error 127\n", fault.Build, "make: *** [x] Error 127"},
		{"a patch that blames the disk", "a.c:1:2: error: #error x: No space left on device\n" + failed, fault.Build, "a.c:1:2: error: #error x: No space left on device"},
		{"a patch that blames memory", "a.c:1:2: error: static assertion failed: \"Killed\"\n" + failed, fault.Build, "a.c:1:2: error: static assertion failed: \"Killed\""},
		{"quoted source", "    5 | x: No space left on device\n" + failed, fault.Build, strings.TrimSpace(failed)},
		{"modpost of 5.4", "ERROR: \"rand_count\" [drivers/char/x.ko] undefined!\n", fault.Build, "ERROR: \"rand_count\" [drivers/char/x.ko] undefined!"},
		{"kbuild's own check", "Makefile:1043: *** \"Cannot generate ORC metadata for CONFIG_UNWINDER_ORC=y, please install libelf-dev\".  Stop.\n", fault.Machine, "Makefile:1043: *** \"Cannot generate ORC metadata for CONFIG_UNWINDER_ORC=y, please install libelf-dev\".  Stop."},
		{"what a makefile tries", "<stdin>:1:10: fatal error: libelf.h: No such file or directory\na.c:1:2: error: one\n", fault.Build, "a.c:1:2: error: one"},
		{"a device tree", "Error: arch/arm64/boot/dts/a.dts:10.1-5 syntax error\nFATAL ERROR: Unable to parse input tree\n", fault.Build, "Error: arch/arm64/boot/dts/a.dts:10.1-5 syntax error"},
		{"a compiler that crashes", "a.c:1:2: internal compiler error: Segmentation fault\n", fault.Build, "a.c:1:2: internal compiler error: Segmentation fault"},
		{"codes for a terminal", "\x1b[01m\x1b[Ka.c:1:2:\x1b[m\x1b[K \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[Kone\n", fault.Build, "a.c:1:2: error: one"},
		{"no last newline", "a.c:1:2: error: one", fault.Build, "a.c:1:2: error: one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, found := ReadLog(strings.NewReader(tt.log), "/s", "/o")
			if found != (tt.want != "") || c.Text != tt.want || found && c.Kind != tt.kind {
				t.Errorf("found %v: %v: %q, want %q", found, c.Kind, c.Text, tt.want)
			}
		})
	}
}

// Each way of the machine to fail is known, in the words of each program.
func TestTheMachineFails(t *testing.T) {
	for mend, lines := range map[string][]string{
		mendDisk: {
			"fs/a.c:1:1: fatal error: error writing to /tmp/a.s: No space left on device",
			"error: unable to open output file 'fs/a.o': 'No space left on device'",
			"/tmp/a.s: Fatal error: can't close fs/a.o: No space left on device", "ld: final link failed: No space left on device",
			"cp: error writing 'a': Disk quota exceeded", "ld: final link failed: File too large",
		},
		mendMemory: {
			"cc1: out of memory allocating 65536 bytes after a total of 1 bytes", "virtual memory exhausted: Cannot allocate memory",
			"LLVM ERROR: out of memory", "ld: fs/a.o: memory exhausted", "clang-14: error: unable to execute command: Killed",
			"a.c:1:1: internal compiler error: Killed (program cc1)", "collect2: fatal error: ld terminated with signal 9 [Killed]",
			"Killed", "make[3]: *** [scripts/Makefile.build:250: fs/a.o] Killed", "make[3]: *** [scripts/Makefile.build:250: fs/a.o] Error 137",
			"/bin/sh: fork: retry: Resource temporarily unavailable", "gcc: fatal error: cannot execute 'cc1': vfork: Resource temporarily unavailable",
		},
		mendBroken: {"mkdir: cannot create directory 'a': Read-only file system", "cp: a: Stale file handle", "ld: read in flex scanner failed: Input/output error"},
	} {
		for _, line := range lines {
			if c, _ := ReadLog(strings.NewReader("a.c:1:2: error: one\n"+line+"\n"), "/s", "/o"); c.Kind != fault.Machine || c.Text != line || c.Mend != mend {
				t.Errorf("%q: %v: %q, %q", line, c.Kind, c.Text, c.Mend)
			}
		}
	}
}

// A header that is missing is the machine's fault only in a host program, and
// only if it is one that a package has.
func TestMissingHeaders(t *testing.T) {
	tests := []struct {
		name, step, object, header string
		kind                       fault.Kind
	}{
		{"the kernel's", "CC", "fs/a.o", "linux/rand.h", fault.Build},
		{"this machine's, in the kernel", "CC", "fs/a.o", "openssl/bio.h", fault.Build},
		{"this machine's, in a host program", "HOSTCC", "scripts/sign-file", "openssl/bio.h", fault.Machine},
		{"an unknown one, in a host program", "HOSTCC", "scripts/sign-file", "mine.h", fault.Build},
		{"a plugin's", "HOSTCXX", "scripts/gcc-plugins/a.o", "gmp.h", fault.Machine},
	}
	for _, tt := range tests {
		log := fmt.Sprintf("  %-7s %s\n/s/a.c:3:10: fatal error: %s: No such file or directory\nmake[1]: *** [scripts/Makefile.host:95: %s] Error 1\n", tt.step, tt.object, tt.header, tt.object)
		for _, text := range []string{log, strings.Replace(log, tt.header+": No such file or directory", "'"+tt.header+"' file not found", 1)} {
			if c, _ := ReadLog(strings.NewReader(text), "/s", "/o"); c.Kind != tt.kind || c.Object != tt.object {
				t.Errorf("%s: %v, object %q, %q", tt.name, c.Kind, c.Object, c.Text)
			}
		}
	}
}

// Of jobs that ran at once the object is the one that the cause speaks of.
func TestTheObjectOfTheCause(t *testing.T) {
	log := "  CC      fs/b.o\n/s/fs/a.c:3:10: error: one\n" +
		"make[3]: *** [/s/scripts/Makefile.build:266: mm/other.o] Error 1\n" +
		"make[3]: *** [/s/scripts/Makefile.build:266: fs/a.o] Error 1\nmake[2]: *** [/s/Makefile:1: fs] Error 2\n"
	c, _ := ReadLog(strings.NewReader(log), "/s", "/o")
	if c.Object != "fs/a.o" || c.File != "fs/a.c" || c.Place != 3 {
		t.Errorf("%+v", c)
	}
	touches := []Touch{{"a patch", []string{"fs/a.c", "fs/b.c"}}, {"another", []string{"fs/b.c"}}}
	if d := cmp.Diff([]string{"a patch touches fs/a.c"}, c.Blame(touches)); d != "" {
		t.Error(d)
	}
}

// The way to a header belongs to the error right behind it, and to no later
// one.
func TestTheWayToAHeader(t *testing.T) {
	const way = "In file included from /s/a.h:1,\n                 from /s/b.c:2:\n"
	for steps, want := range map[int]int{0: 2, 3: 2, 8: 0} {
		log := way + strings.Repeat("  CC      c.o\n", steps) + "/s/x.h:3:4: error: one\n"
		if c, _ := ReadLog(strings.NewReader(log), "/s", "/o"); len(c.Chain) != want {
			t.Errorf("after %d steps: %q", steps, c.Chain)
		}
	}
}

func TestBlame(t *testing.T) {
	touches := []Touch{{"one", []string{"a.c", "x/vmlinux.lds.S"}}, {"two", []string{"b.h"}}, {"three", nil}}
	tests := []struct {
		c    Cause
		want string
	}{
		{Cause{File: "a.c"}, "one touches a.c"},
		{Cause{File: "x/vmlinux.lds"}, "one touches x/vmlinux.lds.S"},
		{Cause{File: "c.h", Chain: []string{"b.h", "a.c"}}, "one touches a.c,two touches b.h"},
		{Cause{Object: "a.o"}, "one touches a.c"},
		{Cause{File: "c.c", Object: "c.o"}, "no patch of the series touches c.c"},
		{Cause{Object: "vmlinux"}, ""},
		{Cause{}, ""},
	}
	for _, tt := range tests {
		if got := strings.Join(tt.c.Blame(touches), ","); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.c, got, tt.want)
		}
	}
}

// When the machine fails no patch is blamed, and the hint says what mends it.
func TestExplainAMachineThatFails(t *testing.T) {
	p := Params{Log: filepath.Join(t.TempDir(), "log"), Touched: []Touch{{"a patch", []string{"fs/a.c"}}}}
	log := "gcc: fatal error: Killed signal terminated program cc1\nmake[2]: *** [/s/scripts/Makefile.build:266: fs/a.o] Error 1\n"
	if err := os.WriteFile(p.Log, []byte(log), 0o644); err != nil {
		t.Fatal(err)
	}
	err := p.Explain(fault.New(fault.Build, "see the log", "x: %w", &run.ExitError{Argv: []string{"make"}, Code: 2}))
	if fault.KindOf(err) != fault.Machine || strings.Contains(err.Error(), "a patch") || !strings.Contains(err.Error(), "\nthis machine failed, not the kernel\nmake: exit code 2") {
		t.Errorf("got %v", err)
	}
	if hint := fault.HintOf(err); !strings.HasPrefix(hint, mendMemory+" (it has ") || !strings.HasSuffix(hint, "see the log") {
		t.Errorf("the hint is %q", hint)
	}
	// A log that tells only consequences does not change whose fault it is.
	if err := os.WriteFile(p.Log, []byte("make: *** [Makefile:1: x] Error 2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err = p.Explain(fault.New(fault.Config, "", "x: %w", &run.ExitError{Argv: []string{"make"}, Code: 2}))
	if fault.KindOf(err) != fault.Config || !strings.Contains(err.Error(), "> make: *** [Makefile:1: x]") {
		t.Errorf("got %v", err)
	}
	// What is no failure of a make stays what it is.
	other := fault.New(fault.Config, "", "lost")
	if got := p.Explain(other); got != other {
		t.Errorf("got %v", got)
	}
}

// A log may hold anything: it is read in bounded time and memory.
func TestAHostileLog(t *testing.T) {
	line := append(bytes.Repeat([]byte("a.c:1: error: "), 1<<18), '\n')
	log := bytes.Join([][]byte{line, bytes.Repeat([]byte{0}, 1<<18), bytes.Repeat([]byte("In file included from a.h:1:\n                 from b.h:2:\n"), 1<<12), line}, []byte("\n"))
	start := time.Now()
	c, found := ReadLog(bytes.NewReader(log), "", "")
	if !found || len(c.Text) > maxShown+10 || len(c.Chain) > maxChain {
		t.Errorf("%d bytes, %d files", len(c.Text), len(c.Chain))
	}
	t.Logf("%d MB in %v", len(log)>>20, time.Since(start))
}

func FuzzReadLog(f *testing.F) {
	files, err := filepath.Glob("testdata/logs/*.log")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		c, found := ReadLog(bytes.NewReader(log), "/build/linux-6.1", "/build/obj")
		if !found {
			return
		}
		if c.Text == "" || c.At >= len(c.Around) || c.Around[c.At] != c.Text || len(c.Around) > 2*around+1 || len(c.Chain) > maxChain {
			t.Fatalf("%+v", c)
		}
		if c.Kind != fault.Build && c.Kind != fault.Machine || (c.Kind == fault.Machine) != (c.Mend != "") {
			t.Fatalf("%v's fault, to mend it: %q", c.Kind, c.Mend)
		}
		for _, line := range append(c.Around, c.Blame(series)...) {
			if len(line) > maxShown+100 || strings.ContainsAny(line, "\x00\x1b\n") {
				t.Fatalf("%q", line)
			}
		}
	})
}
