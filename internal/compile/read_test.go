package compile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const said = `make[1]: Entering directory '/build/obj'
  CC      init/main.o
  CHECK   /build/src/fs/proc/base.c
/build/src/fs/proc/base.c:12:5: warning: symbol 'x' was not declared. Should it be static?
  CC      fs/proc/base.o
In file included from /build/src/include/linux/a.h:3,
                 from /build/src/fs/proc/base.c:1:
/build/src/include/linux/a.h:7:2: warning: unused variable 'y' [-Wunused-variable]
    7 |  int y;
      |      ^
/build/src/fs/proc/base.c: In function 'f':
/build/src/fs/proc/base.c:30:9: error: 'z' undeclared (first use in this function)
   30 |  return z;
      |         ^
/build/src/fs/proc/base.c:30:9: note: each undeclared identifier is reported only once
make[4]: *** [/build/src/scripts/Makefile.build:250: fs/proc/base.o] Error 1
  AS      arch/x86/entry/entry_64.o
/build/src/arch/x86/entry/entry_64.S:1756: Warning: no instruction mnemonic suffix given
  CC [M]  drivers/x.o
drivers/x.o: warning: objtool: probe()+0x1f: unreachable instruction
  LD      vmlinux
ld: fs/proc/base.o: in function ` + "`f'" + `:
/build/src/fs/proc/base.c:31: undefined reference to ` + "`gone'" + `
`

func TestRead(t *testing.T) {
	got, err := Read(strings.NewReader(said), "/build/src")
	if err != nil {
		t.Fatal(err)
	}
	want := []Step{
		{Name: "CC init/main.o"},
		{Name: "CHECK fs/proc/base.c", Findings: []Finding{
			{Level: Warning, File: "fs/proc/base.c", Line: 12, Text: "symbol 'x' was not declared. Should it be static?"}}},
		{Name: "CC fs/proc/base.o", Failed: true, Findings: []Finding{
			{Level: Warning, File: "include/linux/a.h", Line: 7, Text: "unused variable 'y' [-Wunused-variable]", Source: []string{"    7 |  int y;", "      |      ^"}},
			{Level: Error, File: "fs/proc/base.c", Line: 30, Text: "'z' undeclared (first use in this function)", Source: []string{"   30 |  return z;", "      |         ^"}}}},
		{Name: "AS arch/x86/entry/entry_64.o", Findings: []Finding{
			{Level: Warning, File: "arch/x86/entry/entry_64.S", Line: 1756, Text: "no instruction mnemonic suffix given"}}},
		{Name: "CC drivers/x.o", Findings: []Finding{
			{Level: Warning, Text: "drivers/x.o: warning: objtool: probe()+0x1f: unreachable instruction"}}},
		{Name: "LD vmlinux", Failed: true, Findings: []Finding{
			{Level: Error, Text: "fs/proc/base.c:31: undefined reference to `gone'"}}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestReadIsBounded(t *testing.T) {
	long := "  CC      a.o\n" + strings.Repeat("x", 1<<20) + ": warning: far\n"
	steps, err := Read(strings.NewReader(long+strings.Repeat("a.c:1:1: warning: again\n", 3*maxFindings)), "/s")
	if err != nil || len(steps) != 1 || len(steps[0].Findings) != maxFindings {
		t.Errorf("%d steps, %v", len(steps), err)
	}
}

func TestDiff(t *testing.T) {
	w := func(line int, text, code string) Finding {
		return Finding{Level: Warning, File: "a.c", Line: line, Text: text, Source: []string{code}}
	}
	before := []Finding{w(3, "unused 'x'", "    3 | int x;"), w(9, "unused 'y'", "    9 | int y;"), w(12, "old", "   12 | old();")}
	after := []Finding{w(5, "unused 'x'", "    5 | int x;"), w(11, "unused 'y'", "   11 | int y;"), w(20, "unused 'y'", "   20 | int y;"), w(30, "new", "   30 | new();")}
	fresh, gone := diff(before, after)
	if d := cmp.Diff([]Finding{after[2], after[3]}, fresh); d != "" || gone != 1 {
		t.Errorf("gone %d, -want +got:\n%s", gone, d)
	}
	if fresh, gone := diff(after, after); len(fresh)+gone > 0 {
		t.Errorf("the same twice: %v, %d", fresh, gone)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(said)
	f.Add("  CC a.o\n \x00\n: 1: error: \n:1:2: warning: \xff\n")
	f.Fuzz(func(t *testing.T, s string) {
		steps, err := Read(strings.NewReader(s), "/build/src")
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range steps {
			if fresh, gone := diff(st.Findings, st.Findings); len(fresh)+gone > 0 {
				t.Errorf("%q differs from itself", st.Name)
			}
			for _, f := range st.Findings {
				if f.Text == "" && f.File == "" || strings.ContainsAny(f.Text, "\x00\x1b\n") {
					t.Errorf("finding %+v", f)
				}
			}
		}
	})
}
