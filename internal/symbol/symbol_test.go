package symbol

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const program = `
extern volatile int sink;
volatile int sink;
static inline __attribute__((always_inline)) int deep(int a)
{
	sink = a;
	return a * 3 + sink;
}

static inline __attribute__((always_inline)) int middle(int a)
{
	int i, n = 0;

	for (i = 0; i < a; i++)
		n += deep(i) ^ sink;
	return n;
}

static __attribute__((noinline)) int twin(int a)
{
	sink += a;
	return middle(a);
}

int outer(int a, int b)
{
	if (a > b) {
		int c = deep(b);

		sink = c;
		return twin(c) + deep(c);
	}
	return middle(a) + twin(b);
}
`

const other = `
extern volatile int sink;
int outer(int a, int b);
static __attribute__((noinline, section(".init.text"))) int twin(int a)
{
	sink -= a;
	sink *= a;
	return outer(a, sink);
}

int _start(void)
{
	return twin(sink) + outer(1, 2);
}
`

// compile makes an ELF file of the two sources in a folder of its own.
func compile(t *testing.T, compiler string, flags ...string) (elf, tree string) {
	t.Helper()
	if _, err := exec.LookPath(compiler); err != nil {
		if os.Getenv("CI") == "true" && compiler != "clang" { // which setup installs for TOOLCHAIN=llvm only
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"one.c": program, "sub/two.c": other} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "vmlinux")
	args := append([]string{"-O2", "-static", "-nostdlib", "-ffreestanding", "-ffunction-sections",
		"-ffile-prefix-map=" + dir + "/=", "-fdebug-prefix-map=" + dir + "=.", "-o", out}, flags...)
	cmd := exec.Command(compiler, append(args, filepath.Join(dir, "one.c"), filepath.Join(dir, "sub/two.c"))...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out, dir
}

func open(t *testing.T, file, tree string) *Table {
	t.Helper()
	table, err := Open(file, tree)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	return table
}

// Every address of the code is told as binutils or LLVM tell it.
func TestAgainstAddr2line(t *testing.T) {
	for _, compiler := range [][]string{
		{"gcc", "-gdwarf-4"}, {"gcc", "-gdwarf-5"}, {"gcc", "-gdwarf-5", "-O1"}, {"gcc", "-gdwarf-5", "-gz"},
		{"aarch64-linux-gnu-gcc", "-gdwarf-4"}, {"aarch64-linux-gnu-gcc", "-gdwarf-5"},
		{"clang", "-gdwarf-4"}, {"clang", "-gdwarf-5"},
	} {
		t.Run(strings.Join(compiler, " "), func(t *testing.T) {
			file, tree := compile(t, compiler[0], compiler[1:]...)
			// binutils before 2.41 leave out clang's DW_FORM_rnglistx.
			oracle := "addr2line"
			if compiler[0] == "clang" {
				oracle = "llvm-addr2line"
			}
			if _, err := exec.LookPath(oracle); err != nil {
				t.Skip(err)
			}
			table := open(t, file, tree)
			var addrs []uint64
			for _, s := range table.file.Sections {
				for a := s.Addr; s.Flags&elf.SHF_EXECINSTR != 0 && a < s.Addr+s.Size; a++ {
					if len(table.inlines(a)) > 0 {
						addrs = append(addrs, a)
					}
				}
			}
			if len(addrs) < 100 {
				t.Fatalf("only %d addresses have a line", len(addrs))
			}
			deepest := 0
			want := addr2line(t, oracle, file, addrs)
			for i, a := range addrs {
				frames := table.At(a)
				deepest = max(deepest, len(frames))
				if got := text(frames); got != want[i] {
					t.Errorf("%#x: got %s, addr2line says %s", a, got, want[i])
				}
				if frames[0].Source == "" && frames[0].Line > 0 {
					t.Errorf("%#x: no source", a)
				}
			}
			if deepest < 3 {
				t.Errorf("at most %d calls at one place: nothing was inlined twice", deepest)
			}
		})
	}
}

func text(frames []Frame) string {
	var texts []string
	for _, f := range frames {
		texts = append(texts, fmt.Sprintf("%s %s:%d", f.Function, f.File, f.Line))
	}
	return strings.Join(texts, ", ")
}

// addr2line asks the oracle for the frames of addresses.
func addr2line(t *testing.T, oracle, file string, addrs []uint64) []string {
	t.Helper()
	cmd := exec.Command(oracle, "-a", "-f", "-i", "-e", file)
	var in strings.Builder
	for _, a := range addrs {
		fmt.Fprintf(&in, "%#x\n", a)
	}
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	var lines []string
	end := func() {
		var texts []string
		for i := 0; i+1 < len(lines); i += 2 {
			place, _, _ := strings.Cut(lines[i+1], " (disc")
			if file, ok := strings.CutSuffix(place, ":?"); ok {
				place = file + ":0" // code of no line
			}
			texts = append(texts, lines[i]+" "+filepath.Clean(place))
		}
		all, lines = append(all, strings.Join(texts, ", ")), nil
	}
	for i, l := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if strings.HasPrefix(l, "0x") {
			if i > 0 {
				end()
			}
			continue
		}
		lines = append(lines, l)
	}
	end()
	if len(all) != len(addrs) {
		t.Fatalf("%d answers to %d addresses", len(all), len(addrs))
	}
	return all
}

// A return address is told as the call before it, a program counter as it is.
func TestFrames(t *testing.T) {
	file, tree := compile(t, "gcc", "-gdwarf-5")
	table := open(t, file, tree)
	var outer entry
	var twins []entry
	for _, e := range table.entries {
		switch e.name {
		case "outer":
			outer = e
		case "twin":
			twins = append(twins, e)
		}
	}
	if len(twins) != 2 || twins[0].room == twins[1].room {
		t.Fatalf("two functions of one name and two sizes, not %+v", twins)
	}
	place := func(e entry, offset uint64) string { return fmt.Sprintf("%s+%#x/%#x", e.name, offset, e.room) }
	tests := []struct {
		name, line string
		want       string // of the outermost frame; empty: no frame
		unreliable bool
	}{
		{"a trace", "[    1.000000]  " + place(outer, 1), "outer one.c:", false},
		{"with a caller", "[    1.000000][    T1]  " + place(outer, 1), "outer one.c:", false},
		{"unreliable", "[    1.000000]  ? " + place(outer, 4), "outer one.c:", true},
		{"where x86 is", "RIP: 0010:" + place(outer, 0), "outer one.c:26", false},
		{"where arm64 is", "pc : " + place(outer, 0), "outer one.c:26", false},
		{"the first twin", " " + place(twins[0], 1), "twin ", false},
		{"the second twin", " " + place(twins[1], 1), "twin ", false},
		{"an old x86", fmt.Sprintf("RIP: 0010:[<%016x>] ", outer.addr), "outer one.c:26", false},
		{"an address", fmt.Sprintf(" [<%016x>] ? %s", outer.addr, place(outer, 1)), "outer one.c:", true},
		{"a warning", "WARNING: CPU: 0 PID: 1 at one.c:3 " + place(outer, 0), "outer one.c:26", false},
		{"a program", "RIP: 0033:0x00000000004011c0", "", false},
		{"another vmlinux", " outer+0x1/0xfff0", "outer :0", false},
		{"unknown", " nothing+0x1/0x10", "nothing :0", false},
		{"a module", " outer+0x1/0x10 [bad]", "outer :0", false},
		{"words", "it was outer and out", "", false},
		{"far away", " [<ffffffffffffffff>]", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := table.Frames([]string{tt.line})
			if len(got) == 0 || tt.want == "" {
				if len(got) > 0 || tt.want != "" {
					t.Fatalf("got %v, want %q", got, tt.want)
				}
				return
			}
			if last := got[len(got)-1]; !strings.HasPrefix(text([]Frame{last}), tt.want) || last.Unreliable != tt.unreliable {
				t.Errorf("got %v, want %q", got, tt.want)
			}
			if (strings.Contains(text(got), ":0")) != (got[0].Note != "") {
				t.Errorf("%v: without a line it says why", got)
			}
		})
	}
}

// The first place of a trace may be a function's first instruction; behind a
// call that never returns lies the next function.
func TestHeadOfATrace(t *testing.T) {
	file, tree := compile(t, "gcc", "-gdwarf-5")
	table := open(t, file, tree)
	line := fmt.Sprintf(" outer+0x0/%#x", table.entries[table.names["outer"][0]].room)
	got := table.Frames([]string{"Call trace:", line})
	if text(got) != "outer one.c:26" {
		t.Errorf("at the head: %v", got)
	}
	if got := table.Frames([]string{line}); len(got) > 0 && got[len(got)-1].Function == "outer" {
		t.Errorf("behind a call: %v", got)
	}
}

// KASLR moves addresses, and the log says by how much.
func TestKernelOffset(t *testing.T) {
	file, tree := compile(t, "gcc", "-gdwarf-5")
	table := open(t, file, tree)
	e := table.entries[table.names["outer"][0]]
	lines := []string{fmt.Sprintf("RIP: 0010:[<%016x>]", e.addr+0x1c00000), "Kernel Offset: 0x1c00000 from 0xffffffff81000000"}
	if got := text(table.Frames(lines)); got != "outer one.c:26" {
		t.Errorf("got %q", got)
	}
	if got := table.Frames(lines[:1]); len(got) != 0 {
		t.Errorf("without the offset: %v", got)
	}
}

// A path that leads to the tree from elsewhere is told as one in it.
func TestPathsIntoTheTree(t *testing.T) {
	_, tree := compile(t, "gcc", "-g")
	table := &Table{tree: tree, paths: map[string]string{}}
	for file, want := range map[string]string{
		"sub/two.c": "sub/two.c", "../../tree/x/src/sub/two.c": "sub/two.c", "/build/src/one.c": "one.c",
		"../gone.c": "../gone.c", "": "",
	} {
		if got := table.relative(file); got != want {
			t.Errorf("%q: got %q, want %q", file, got, want)
		}
	}
}

// Without debug info a frame is its function.
func TestWithoutDebugInfo(t *testing.T) {
	file, tree := compile(t, "gcc", "-g0")
	table := open(t, file, tree)
	e := table.entries[table.names["outer"][0]]
	got := table.Frames([]string{fmt.Sprintf(" outer+0x1/%#x", e.room)})
	if len(got) != 1 || got[0] != (Frame{Function: "outer"}) {
		t.Errorf("got %+v", got)
	}
}

func TestNoVmlinux(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vmlinux")
	for _, text := range []string{"", "\x7fELF"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, ""); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestHostileLinesAreBounded(t *testing.T) {
	file, tree := compile(t, "gcc", "-gdwarf-5")
	table := open(t, file, tree)
	lines := strings.Split(strings.Repeat(" "+strings.Repeat("x", 1<<16)+"+0x1/0x2\n outer+0x1/0x2\n", 1000), "\n")
	if got := table.Frames(lines); len(got) > maxFrames {
		t.Errorf("%d frames", len(got))
	}
}

func FuzzParse(f *testing.F) {
	f.Add("[    1.0]  ? outer+0x12/0x34 [mod]")
	f.Add("RIP: 0010:[<ffffffff81000000>] outer+0x1/0x2")
	f.Add("pc : a+0xffffffffffffffff/0xffffffffffffffff")
	table := &Table{names: map[string][]int{}}
	f.Fuzz(func(t *testing.T, line string) {
		for _, frame := range table.Frames([]string{line, line}) {
			if len(frame.Function) > maxWidth || strings.ContainsAny(frame.Function, "/\x1b\n") {
				t.Errorf("%q", frame.Function)
			}
		}
	})
}
