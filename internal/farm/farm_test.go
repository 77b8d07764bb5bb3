package farm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for value, want := range map[string]Farm{
		"":                         {},
		"distcc:a":                 {Distcc, []string{"a:3632"}},
		"distcc:a.example:1,b,1.2": {Distcc, []string{"a.example:1", "b:3632", "1.2:3632"}},
		"distcc:localhost:4000":    {Distcc, []string{"127.0.0.1:4000"}},
		"icecream:s.example":       {Icecream, []string{"s.example"}},
		"icecream:s:8765":          {Icecream, []string{"s:8765"}},
	} {
		got, err := Parse(value)
		if err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%s: %+v, %v", value, got, err)
		}
		if again, err := Parse(got.String()); err != nil || cmp.Diff(got, again) != "" {
			t.Errorf("%s comes back as %+v, %v", got, again, err)
		}
	}
	for _, bad := range []string{
		"distcc", "distcc:", "distcc:a,,b", "distcc:a,a:3632", "distcc:@a", "distcc:a/4", "distcc:a,lzo", "distcc:--randomize", "distcc:a b",
		"distcc:a:0", "distcc:a:65536", "distcc:a:+1", "distcc:a:1:2", "distcc:[::1]", "distcc:a\n", "distcc:" + strings.Repeat("a", 300),
		"icecream:", "icecream:a,b", "icecream:-a", "icecream:a:x", "sccache:a", "a",
	} {
		if bad == "distcc:a,lzo" {
			continue // a host may be named so
		}
		if got, err := Parse(bad); err == nil {
			t.Errorf("%q was taken for %+v", bad, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("distcc:a:1,b")
	f.Add("icecream:s")
	f.Fuzz(func(t *testing.T, value string) {
		got, err := Parse(value)
		if err != nil {
			return
		}
		for _, node := range got.Nodes {
			if strings.ContainsAny(node, " \t\n@/,=|'\"\\$`") || strings.HasPrefix(node, "-") {
				t.Errorf("%q: node %q is more than a host and a port", value, node)
			}
		}
	})
}

func TestJobs(t *testing.T) {
	for value, want := range map[string]int{"": 2, "distcc:a": 6, "distcc:a,b,c,d": 16, "icecream:s": 8} {
		f, err := Parse(value)
		if got := f.Jobs(2); err != nil || got != want {
			t.Errorf("%s: %d jobs on 2 CPUs, want %d (%v)", value, got, want, err)
		}
	}
}

// The wrapper sends away what is the same elsewhere, by the name others have
// for the compiler, and nothing else.
func TestWrapper(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"bin/real-gcc-12": "echo here $*", "client": "echo away $*"} {
		if err := write(filepath.Join(dir, name), "#!/bin/sh\n"+text+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"gcc", "g++"} {
		if err := os.Symlink("real-gcc-12", filepath.Join(dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	cc := filepath.Join(dir, "bin", "gcc")
	const far = "real-gcc-12"
	if got := (Compiler{Name: "gcc", Path: cc}).Far(); got != far {
		t.Errorf("elsewhere gcc is %s", got)
	}
	send := filepath.Join(dir, "send")
	if err := Write(send, filepath.Join(dir, "client"), []Compiler{{Name: "gcc", Path: cc}}); err != nil {
		t.Fatal(err)
	}
	if err := Masquerade(filepath.Join(dir, "links"), send, []Compiler{{Name: "gcc", Path: cc}}); err != nil {
		t.Fatal(err)
	}
	const kernel = "-O2 -D__KERNEL__ "
	for args, away := range map[string]bool{
		kernel + "-c -o x.o /s/init/main.c":            true,
		kernel + "-g0 -gz -c -o x.o /s/init/main.c":    true,
		kernel + "-c -o x.o -DX='a b' /s/x.c":          true,
		"-O2 -c -o x.o /s/scripts/kconfig/conf.c":      false, // a host program
		kernel + "-c -x c /dev/null -o .tmp":           false, // a probe
		kernel + "-S -o x.s /s/kernel/bounds.c":        false,
		kernel + "-E -o x.i /s/x.c":                    false,
		kernel + "-D__ASSEMBLY__ -c -o x.o /s/entry.S": false,
		kernel + "-c -o x.o /s/kernel/configs.c":       false, // .incbin
		kernel + "-g -c -o x.o /s/x.c":                 false,
		kernel + "-gdwarf-4 -c -o x.o /s/x.c":          false,
		kernel + "-fprofile-arcs -c -o x.o /s/x.c":     false,
		kernel + "-ftest-coverage -c -o x.o /s/x.c":    false,
		kernel + "-fplugin=./x.so -c -o x.o /s/x.c":    false,
		"--version": false,
		"":          false,
	} {
		for _, argv := range [][]string{{send, cc}, {filepath.Join(dir, "links", "gcc")}} {
			argv = append(argv, strings.Fields(args)...)
			t.Setenv("PATH", filepath.Join(dir, "bin")+":/usr/bin:/bin")
			want := "here " + args
			if away {
				want = "away " + far + " " + args
			}
			if got := output(t, argv...); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
				t.Errorf("%q: %q, want %q", argv, got, want)
			}
		}
	}
	if got := output(t, send, filepath.Join(dir, "bin", "g++"), "-D__KERNEL__", "-c", "x.c"); !strings.HasPrefix(got, "here") {
		t.Errorf("a compiler that is not the kernel's: %q", got)
	}
}

func TestReadLog(t *testing.T) {
	const log = `distcc[1] (main) compiler name is "distcc"
distcc[1] exec on 127.0.0.1:4801: gcc -c a.c
distcc[1] compile a.c on 127.0.0.1:4801 completed ok
distcc[2] compile ../x/b.c on node.example:3632 completed ok
distcc[3] ERROR: nonblocking connect to 127.0.0.1:4809 failed: Connection refused
distcc[3] Warning: failed to distribute c.c to 127.0.0.1:4809, running locally instead
distcc[3] compile c.c on localhost completed ok
`
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(log), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Farm{Kind: Distcc}.ReadLog(path)
	want := Stats{Remote: 2, Local: 1, Nodes: map[string]int{"127.0.0.1:4801": 1, "node.example:3632": 1}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%s%v", d, err)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add("distcc[1] compile a.c on h:1 completed ok\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{Distcc, Icecream} {
			s, _ := Farm{Kind: kind}.ReadLog(path)
			if s.Remote+s.Local+s.Own > strings.Count(text, "\n")+1+strings.Count(text, "ICECC[") {
				t.Errorf("%+v", s)
			}
		}
	})
}

// A long line and its end come in two pieces, and another process's between.
func TestReadIcecreamLog(t *testing.T) {
	const log = `ICECC[7] 2026-11-23 14:15:52: invoked as: icecc gcc-12 -c a.cICECC[8] 2026-11-23 14:15:52: invoked as: icecc gcc-12 -c b.c

ICECC[7] 2026-11-23 14:15:52: asking for host to use
ICECC[9] 2026-11-23 14:15:52: invoked as: icecc gcc-12 -c c.cICECC[7] 2026-11-23 14:15:52: Have to use host 10.0.0.2:10245 - Job ID: 1 - env: x86_64 - has env: true - match j: 0
ICECC[8] 2026-11-23 14:15:52: Have to use host 10.0.0.3:10245 - Job ID: 2 - env: x86_64 - has env: true - match j: 0

ICECC[10] 2026-11-23 14:15:52: preparing source to send: gcc-12 -E b.c
ICECC[8] 2026-11-23 14:15:53: got exception Error 14 - error reading message from remote (10.0.0.3)
ICECC[8] 2026-11-23 14:15:53: invoking: /usr/bin/gcc-12 -c b.c
ICECC[9] 2026-11-23 14:15:53: building myself, but telling localhost
ICECC[9] 2026-11-23 14:15:53: invoking: /usr/bin/gcc-12 -c c.c
ICECC[7] 2026-11-23 14:15:54: invoked as: icecc gcc-12 -c d.c
ICECC[7] 2026-11-23 14:15:54: no local daemon found
ICECC[7] 2026-11-23 14:15:54: invoking: /usr/bin/gcc-12 -c d.c
ICECC[11] 2026-11-23 14:15:54: invoked as: icecc gcc-12 -c e.c
`
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(log), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Farm{Kind: Icecream}.ReadLog(path)
	want := Stats{Remote: 1, Local: 2, Own: 1, Nodes: map[string]int{"10.0.0.2": 1}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%s%v", d, err)
	}
	if got, want := got.String(), "1 objects on 1 nodes, 1 given to this machine, 2 compiled here after all"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestReadMembers(t *testing.T) {
	const said = "200-ICECC 1.4.0: 9s uptime, 3 hosts, 0 jobs in queue (0 total).\n200 Use 'help' for help and 'quit' to quit.\n" +
		" a.example (10.0.0.2:10245) [x86_64] speed=120.30 jobs=1/4 load=50\n   1 WAITING sub:b on:a ENV:none\n" +
		" b (10.0.0.3:10246) [aarch64] speed=0.00 jobs=0/0 load=0 busy installing since 2 s\n" +
		" c\x1b[2J (10.0.0.4:1) [x86_64] speed=0.00 jobs=0/2 load=0\n"
	want := []Node{{Name: "a.example", Addr: "10.0.0.2", Platform: "x86_64", Jobs: 4}, {Name: "b", Addr: "10.0.0.3", Platform: "aarch64", Own: true}}
	got, err := readMembers(strings.NewReader(said+"200 done\n"), "10.0.0.3")
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%s%v", d, err)
	}
	if got, err := readMembers(strings.NewReader(said), ""); err == nil {
		t.Errorf("half a list is %+v", got)
	}
}

func FuzzReadMembers(f *testing.F) {
	f.Add(" a (10.0.0.2:1) [x86_64] speed=1 jobs=1/4 load=50\n200 done\n")
	f.Fuzz(func(t *testing.T, said string) {
		got, _ := readMembers(strings.NewReader(said), "")
		if len(got) > mostNodes {
			t.Errorf("%d nodes", len(got))
		}
		for _, n := range got {
			if strings.ContainsAny(n.Name+n.Addr+n.Platform, " \t\n\x1b") {
				t.Errorf("%+v", n)
			}
		}
	})
}
