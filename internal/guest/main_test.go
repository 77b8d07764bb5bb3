package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/event"
	"bzmage/internal/run"
)

// What the guests of these tests run, built once for all: Go's own converter,
// and the checks in testdata.
var test2json, checksBinary string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "guest-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	test2json, checksBinary = filepath.Join(dir, "test2json"), filepath.Join(dir, "init")
	for _, argv := range [][]string{
		{"go", "build", "-o", test2json, "cmd/test2json"},
		{"go", "test", "-c", "-o", checksBinary, "./testdata/checks"},
	} {
		env := run.Env("GOPATH", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOTOOLCHAIN", "CGO_ENABLED=0")
		if err := run.Run(context.Background(), run.Cmd{Argv: argv, Env: env, Stderr: os.Stderr}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	// Orphans are to come to this process, as they do to process 1.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// console collects what process 1 prints.
type console struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// fakeKernel is a kernel that mounts nothing and does not restart.
type fakeKernel struct {
	mounted  []string
	mountErr map[string]error
	restarts int
	leaks    []string // what kmemleak reports after each scan
	scanErr  error
	loaded   []string // names of modules
	loadErr  map[string]error
}

// ScanLeaks makes the next report; after the last one there is no more.
func (k *fakeKernel) ScanLeaks(path string) error {
	if k.scanErr != nil || len(k.leaks) == 0 {
		return errors.Join(k.scanErr, os.Truncate(path, 0))
	}
	text := k.leaks[0]
	k.leaks = k.leaks[1:]
	return os.WriteFile(path, []byte(text), 0o644)
}

func (k *fakeKernel) Mount(m mount) error {
	k.mounted = append(k.mounted, m.target)
	return k.mountErr[m.target]
}

func (k *fakeKernel) LoadModule(path string) error {
	name := filepath.Base(path)
	k.loaded = append(k.loaded, name)
	return k.loadErr[name]
}

func (k *fakeKernel) Hello() (event.Hello, error) { return linux{}.Hello() }

// OpenPort opens the file that stands for a port.
func (k *fakeKernel) OpenPort(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
}

func (k *fakeKernel) Uptime() time.Duration { return 1500 * time.Millisecond }

func (k *fakeKernel) Restart() error {
	k.restarts++
	return nil
}

// world is a guest with a fake kernel, and the folder it takes for /.
type world struct {
	*guest
	kernel  *fakeKernel
	console *console
	root    string
}

// newWorld returns a guest whose kernel command line ends in params. It has
// the port for events, vport0p2, and the checks of testdata.
func newWorld(t *testing.T, params string) *world {
	t.Helper()
	w := &world{kernel: &fakeKernel{}, console: &console{}, root: t.TempDir()}
	w.guest = newGuest(w.kernel, w.console)
	t.Cleanup(w.children.close)
	w.guest.root, w.workDir = w.root, w.root
	w.tick, w.grace, w.portWait = 5*time.Millisecond, 2*time.Second, 50*time.Millisecond
	w.leakAge = 20 * time.Millisecond
	w.checks[0], w.converter[0] = checksBinary, test2json
	w.write(t, "proc/cmdline", "console=ttyS0 bzmage.id=1d "+params+"\n")
	w.port(t, "vport0p2", event.Port)
	return w
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(w.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// port makes a virtio-serial port, with a name unless that is empty.
func (w *world) port(t *testing.T, dev, name string) {
	t.Helper()
	w.write(t, "dev/"+dev, "")
	w.write(t, "sys/bus/virtio/devices/virtio0/device", "0x0005\n") // a balloon
	w.write(t, "sys/bus/virtio/devices/virtio1/device", "0x0003\n")
	if name != "" {
		w.write(t, "sys/class/virtio-ports/"+dev+"/name", name+"\n")
	}
}

// run lets the guest live and returns what the host sees of it.
func (w *world) run(t *testing.T, expected ...string) event.Result {
	t.Helper()
	w.live()
	return w.result(t, "vport0p2", expected)
}

func (w *world) result(t *testing.T, dev string, expected []string) event.Result {
	t.Helper()
	return w.fold(t, dev, event.NewState("1d", expected))
}

// resultOf is the result where each check was to run so many times.
func (w *world) resultOf(t *testing.T, times int, expected []string) event.Result {
	t.Helper()
	s := event.NewState("1d", expected)
	s.Repeat(times)
	return w.fold(t, "vport0p2", s)
}

func (w *world) fold(t *testing.T, dev string, s *event.State) event.Result {
	t.Helper()
	f, err := os.Open(filepath.Join(w.root, "dev", dev))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := s.Fold(f); err != nil {
		t.Fatal(err)
	}
	t.Logf("console:\n%s", w.console)
	return s.Result()
}
