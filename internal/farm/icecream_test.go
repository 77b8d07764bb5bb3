package farm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/run"
)

// ices is one of icecream's programs, started by the test.
type ices struct {
	cmd *exec.Cmd
	log string
}

// startIce starts a program of icecream, and ends it with the test.
func startIce(t *testing.T, dir, name string, env []string, argv ...string) ices {
	t.Helper()
	s := ices{log: filepath.Join(dir, name+".log")}
	s.cmd = exec.Command(program(t, argv[0]), append(argv[1:], "-n", "bzmage-test", "-l", s.log, "-vvv")...)
	s.cmd.Env, s.cmd.Dir = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, env...), dir
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	return s
}

func (s ices) end() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	_ = s.cmd.Wait()
}

// says waits until the log has said something n times.
func (s ices) says(t *testing.T, what string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	for {
		text, err := os.ReadFile(s.log)
		if err == nil && strings.Count(string(text), what) >= n {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not %d times %q:\n%s", filepath.Base(s.log), n, what, text)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s ices) count(t *testing.T, what string) int {
	t.Helper()
	text, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), what)
}

// iceFolder is one that icecream's own user can work in.
func iceFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ice-") // t.TempDir is not for others to enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	icecc, err := user.Lookup("icecc")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(icecc.Uid)
	gid, _ := strconv.Atoi(icecc.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return dir
}

// iceFarm is a scheduler, the daemon of the machine that compiles a kernel and
// takes no jobs, and another.
type iceFarm struct {
	Farm
	dir                  string
	cc                   []Compiler
	sched, local, remote ices
}

func (f *iceFarm) startScheduler(t *testing.T) {
	f.sched = startIce(t, f.dir, "scheduler", nil, "icecc-scheduler", "-p", "8765")
	f.sched.says(t, "scheduler ready", 1)
}

func (f *iceFarm) startLocal(t *testing.T) {
	f.local = startIce(t, f.dir, "local", nil, "iceccd", "-s", "127.0.0.1:8765", "-N", "here", "-p", "10245", "-b", filepath.Join(f.dir, "local"), "-m", "0")
	f.local.says(t, "Connected to scheduler (I am known as 127.0.0.1)", 1)
}

func (f *iceFarm) startRemote(t *testing.T) {
	socket := "ICECC_TEST_SOCKET=" + filepath.Join(f.dir, "remote.socket") // the other one has icecc's own
	f.remote = startIce(t, f.dir, "remote", []string{socket}, "iceccd", "-s", second+":8765", "-N", "there", "-p", "10246", "-b", filepath.Join(f.dir, "remote"), "-m", "2")
	f.remote.says(t, "Connected to scheduler (I am known as "+second+")", 1)
}

// compile has files compiled by what stands before a compiler, all at once, and
// by the compiler alone, compares them, and returns what the log says. While
// they are compiled, during is called.
func (f *iceFarm) compile(t *testing.T, c Compiler, text string, files int, during func()) Stats {
	t.Helper()
	dir := t.TempDir()
	send, log := filepath.Join(dir, "send"), filepath.Join(dir, "log")
	if err := Write(send, program(t, f.Client()), f.cc); err != nil {
		t.Fatal(err)
	}
	env := run.Env(append(f.Env(dir, log), "CCACHE_DISABLE=1")...)
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	options := []string{c.Path, "-O2", "-D__KERNEL__", "-I.", "-Wp,-MMD,dep", "-c"}
	done := make(chan error)
	for i := range files {
		name := "f" + strconv.Itoa(i) + ".c"
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#define CALLS "+strconv.Itoa(i)+"\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
		go func() {
			done <- run.Run(ctx, run.Cmd{Argv: append(append([]string{send}, options...), "-o", name+".far", name), Dir: dir, Env: env})
		}()
	}
	during()
	for range files {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	for i := range files {
		name := "f" + strconv.Itoa(i) + ".c"
		output(t, append([]string{"env", "-C", dir}, append(options, "-o", name+".near", name)...)...)
		far, err := os.ReadFile(filepath.Join(dir, name+".far"))
		near, err2 := os.ReadFile(filepath.Join(dir, name+".near"))
		if err != nil || err2 != nil || !bytes.Equal(near, far) {
			t.Errorf("%s by %s: other bytes than those made here (%v, %v)", name, c.Name, err, err2)
		}
	}
	stats, err := f.ReadLog(log)
	if err != nil {
		t.Error(err)
	}
	return stats
}

func nothing() {}

// Another machine's daemon compiles, by its own log, what this machine's
// daemon gets from us, to the bytes of a local compiler; and where one of the
// three programs is gone it is compiled here, and that is told.
func TestIcecream(t *testing.T) {
	program(t, "icecc") // whose package has the daemons, which only root has in PATH
	if !inNamespace(t) {
		return
	}
	f := iceFarm{Farm: Farm{Kind: Icecream, Nodes: []string{"127.0.0.1"}}, dir: iceFolder(t)}
	var err error
	if f.cc, err = Pack(t.Context(), compilers(t), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	wantErr := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	wantErr(f.Reach(t.Context()), "the scheduler does not answer")
	_, err = Daemon(t.Context())
	wantErr(err, "no iceccd runs on this machine")
	// One after the other: who comes to a scheduler within a second after
	// another may wait for half a minute.
	f.startScheduler(t)
	f.startLocal(t)
	f.startRemote(t)
	if err := f.Reach(t.Context()); err != nil {
		t.Error(err)
	}
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"members", f.testMembers}, {"remote", f.testRemote}, {"warning", f.testWarning},
		{"node dies", f.testNodeDies}, {"no scheduler", f.testNoScheduler}, {"no daemon", f.testNoDaemon},
	} {
		if !t.Run(step.name, step.run) {
			return // each begins where the one before ended
		}
	}
}

func (f *iceFarm) testMembers(t *testing.T) {
	got, err := f.Members(t.Context())
	machine := output(t, "uname", "-m")
	want := []Node{{Name: "here", Addr: "127.0.0.1", Platform: machine, Own: true}, {Name: "there", Addr: second, Platform: machine, Jobs: 2}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Fatalf("%s%v", d, err)
	}
	if err := f.CheckMember(t.Context(), second, f.cc, t.TempDir()); err != nil {
		t.Error(err)
	}
	if err := f.CheckMember(t.Context(), "10.77.0.3", f.cc, t.TempDir()); err == nil || !strings.Contains(err.Error(), "did not come there") {
		t.Errorf("a machine the scheduler does not know: %v", err)
	}
	// A compiler that is another one there: this machine's puts a note into
	// what it compiles.
	dir := t.TempDir()
	other := Compiler{Name: "gcc", Path: filepath.Join(dir, f.cc[0].Far()), Sent: f.cc[0].Sent}
	if err := write(other.Path, "#!/bin/sh\ncase $* in *-E*) ;; *) set -- \"$@\" -frecord-gcc-switches ;; esac\nexec "+f.cc[0].Path+" \"$@\"\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.CheckMember(t.Context(), "", []Compiler{other}, dir); err == nil || !strings.Contains(err.Error(), "other bytes there") {
		t.Errorf("another compiler: %v", err)
	}
}

const compiledThere = "Remote compilation completed with exit code 0"

func (f *iceFarm) testRemote(t *testing.T) {
	for _, c := range f.cc {
		before := f.remote.count(t, compiledThere)
		got := f.compile(t, c, probe, 8, nothing)
		if d := cmp.Diff(Stats{Remote: 8, Nodes: map[string]int{second: 8}}, got); d != "" {
			t.Errorf("%s: %s", c.Name, d)
		}
		f.remote.says(t, compiledThere, before+8)
		if n := f.remote.count(t, compiledThere); n != before+8 {
			t.Errorf("%s: the other machine compiled %d by its own log", c.Name, n-before)
		}
	}
	if n := f.remote.count(t, "-fdirectives-only"); n > 0 {
		t.Errorf("%d files came there half preprocessed", n)
	}
}

// What a compiler warns of is compiled again here: there it cannot show the line.
func (f *iceFarm) testWarning(t *testing.T) {
	got := f.compile(t, f.cc[0], "int f(void) { return \"a\"; }\n", 1, nothing)
	if d := cmp.Diff(Stats{Local: 1, Nodes: map[string]int{}}, got); d != "" {
		t.Error(d)
	}
}

// The node hangs, is given a job, and dies.
func (f *iceFarm) testNodeDies(t *testing.T) {
	given := f.sched.count(t, "in joblist of there")
	if err := syscall.Kill(-f.remote.cmd.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	got := f.compile(t, f.cc[0], probe, 1, func() {
		f.sched.says(t, "in joblist of there", given+1)
		f.remote.end()
	})
	if d := cmp.Diff(Stats{Local: 1, Nodes: map[string]int{}}, got); d != "" {
		t.Error(d)
	}
}

func (f *iceFarm) testNoScheduler(t *testing.T) {
	f.sched.end()
	f.local.says(t, "scheduler closed connection", 1)
	if got := f.compile(t, f.cc[0], probe, 2, nothing); got.Own != 2 || got.Remote+got.Local != 0 {
		t.Errorf("%+v", got)
	}
}

func (f *iceFarm) testNoDaemon(t *testing.T) {
	f.local.end()
	if got := f.compile(t, f.cc[0], probe, 2, nothing); got.Local != 2 || got.Remote+got.Own != 0 {
		t.Errorf("%+v", got)
	}
	if err := f.CheckMember(t.Context(), "", f.cc, t.TempDir()); err == nil || !strings.Contains(err.Error(), "no local daemon found") {
		t.Error(err)
	}
}
