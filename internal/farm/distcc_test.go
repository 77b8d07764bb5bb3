package farm

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bzmage/internal/run"
)

// program returns a program of this machine; where it is missing the test is
// skipped, or fails if CI=true.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return path
}

func output(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := run.Output(t.Context(), run.Cmd{Argv: argv, Env: run.Env()})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// node is a distccd of the test's own, on loopback.
type node struct{ addr, log string }

// startNode starts one without any rights, and ends it with the test.
func startNode(t *testing.T) node {
	t.Helper()
	path := program(t, "distccd")
	const nobody = 65534
	dir, err := os.MkdirTemp("", "distccd-") // t.TempDir is not for nobody to enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 { // another program may take the port between the two
		port := freePort(t)
		n := node{"127.0.0.1:" + port, filepath.Join(dir, port+".log")}
		cmd := exec.Command(path, "--no-detach", "--daemon", "--listen", "127.0.0.1", "--port", port, "--allow", "127.0.0.1", "--jobs", "2",
			"--log-file", n.log, "--log-level", "info", "--pid-file", filepath.Join(dir, port+".pid"))
		cmd.Env, cmd.Dir, cmd.SysProcAttr = []string{"PATH=/usr/bin:/bin", "TMPDIR=" + dir}, dir, attr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); <-ended })
		if listens(ended, n.addr) {
			return n
		}
	}
	t.Fatal("distccd does not start")
	return node{}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// listens waits until a program that was started listens, or has ended.
func listens(ended <-chan struct{}, addr string) bool {
	deadline := time.After(20 * time.Second)
	for {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			select {
			case <-ended:
				return false
			default:
				return true
			}
		}
		select {
		case <-ended:
			return false
		case <-deadline:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// compiled returns how many jobs a node did well, by its own log.
func (n node) compiled(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(n.log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "COMPILE_OK")
}

func compilers(t *testing.T) []Compiler {
	var list []Compiler
	for _, name := range []string{"gcc", "aarch64-linux-gnu-gcc"} {
		list = append(list, Compiler{Name: name, Path: program(t, name)})
	}
	return list
}

// Two nodes compile, by their own logs, and the objects are those of a local
// compiler; what is not for them is compiled here.
func TestDistcc(t *testing.T) {
	client := program(t, "distcc")
	nodes := []node{startNode(t), startNode(t)}
	f, err := Parse(Distcc + ":" + nodes[0].addr + "," + nodes[1].addr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	send, log := filepath.Join(dir, "send"), filepath.Join(dir, "log")
	cc := compilers(t)
	if err := Write(send, client, cc); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range 8 {
		name := "f" + strconv.Itoa(i) + ".c"
		names = append(names, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(probe), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := run.Env(append(f.Env(dir, log), "CCACHE_DISABLE=1")...)
	for _, c := range cc {
		done := make(chan error)
		for _, name := range names { // all at once, so that one node is not enough
			go func() {
				done <- run.Run(t.Context(), run.Cmd{Argv: []string{send, c.Path, "-O2", "-D__KERNEL__", "-c", "-o", name + ".far", name}, Dir: dir, Env: env})
			}()
		}
		for range names {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range names {
			output(t, "env", "-C", dir, c.Path, "-O2", "-D__KERNEL__", "-c", "-o", name+".near", name)
			far, err := os.ReadFile(filepath.Join(dir, name+".far"))
			near, err2 := os.ReadFile(filepath.Join(dir, name+".near"))
			if err != nil || err2 != nil || !bytes.Equal(near, far) {
				t.Errorf("%s by %s: other bytes than those made here (%v, %v)", name, c.Name, err, err2)
			}
		}
	}
	stats, err := f.ReadLog(log)
	if err != nil || stats.Remote != 16 || stats.Local != 0 || len(stats.Nodes) != 2 {
		t.Errorf("%+v, %v", stats, err)
	}
	for _, n := range nodes {
		if n.compiled(t) == 0 || n.compiled(t) != stats.Nodes[n.addr] {
			t.Errorf("%s compiled %d by its own log, %d by ours", n.addr, n.compiled(t), stats.Nodes[n.addr])
		}
	}
}

func TestCheck(t *testing.T) {
	program(t, "distcc")
	good := startNode(t)
	cc := compilers(t)
	if err := Check(t.Context(), good.addr, cc, t.TempDir()); err != nil {
		t.Error(err)
	}
	if got := good.compiled(t); got != len(cc) {
		t.Errorf("the node compiled %d probes", got)
	}
	// A compiler that is another one there: this machine's puts a note into
	// what it compiles.
	dir := t.TempDir()
	other := filepath.Join(dir, cc[0].Far())
	if err := write(other, "#!/bin/sh\nexec "+cc[0].Path+" -DOTHER -frecord-gcc-switches \"$@\"\n"); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "gcc-nowhere")
	if err := os.Symlink(cc[0].Path, none); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		addr string
		cc   Compiler
		want string
	}{
		"nobody there": {"127.0.0.1:" + freePort(t), cc[0], "refused"},
		"another one":  {good.addr, Compiler{Name: "gcc", Path: other}, "other bytes there"},
		"no compiler":  {good.addr, Compiler{Name: "gcc", Path: none}, "does not compile with gcc-nowhere"},
	} {
		if err := Check(t.Context(), tt.addr, []Compiler{tt.cc}, dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
