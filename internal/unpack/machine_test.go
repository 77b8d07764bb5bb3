package unpack

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/jobserver"
	"bzmage/internal/run"
	"bzmage/internal/testkernel"
)

func TestNoRoom(t *testing.T) {
	y := newYard(t, makeTar(t, kernel()))
	y.u.lim.reserve = 1 << 60
	if _, err := y.unpack(t); fault.KindOf(err) != fault.Machine || !strings.Contains(fault.HintOf(err), "df -h") {
		t.Errorf("got %v", err)
	}
	y, _ = newFolder(t)
	y.u.lim.reserve = 1 << 60
	if _, err := y.unpack(t); fault.KindOf(err) != fault.Machine {
		t.Errorf("got %v", err)
	}
}

// A disk that fills up in the middle: bytes, and inodes.
func TestDiskFillsUp(t *testing.T) {
	for name, options := range map[string]string{"bytes": "size=1m", "inodes": "size=64m,nr_inodes=20"} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, makeTar(t, kernel(plain("linux-5.4.302/big", strings.Repeat("x", 2<<20)), plain("linux-5.4.302/a/b/c/d/e/f", ""))))
			mount := filepath.Join(y.top, "small")
			if err := os.Mkdir(mount, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, options); err != nil {
				t.Skip("only root can mount a small disk")
			}
			t.Cleanup(func() { _ = syscall.Unmount(mount, syscall.MNT_DETACH) })
			y.u.Dir = filepath.Join(mount, "tree")
			y.u.lim.reserve = -64 << 20 // the check at the start lets it pass
			_, err := y.unpack(t)
			if fault.KindOf(err) != fault.Machine || !strings.Contains(err.Error(), "no room left") || fault.HintOf(err) == "" {
				t.Errorf("got %v: %v", fault.KindOf(err), err)
			}
			if left, _ := filepath.Glob(y.u.Dir + "/.partial-*"); len(left) != 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestXZMissing(t *testing.T) {
	if fault.KindOf(xzError(&run.StartError{Argv: []string{"xz"}, Err: exec.ErrNotFound})) != fault.Machine {
		t.Error("a missing xz is not the machine's fault")
	}
}

func TestXZArgv(t *testing.T) {
	jobs, err := jobserver.New(3)
	if err != nil {
		t.Fatal(err)
	}
	signed := fetch.Archive{Proofs: []string{fetch.TarSigned}}
	for _, tt := range []struct {
		u    unpacker
		want string
	}{
		{unpacker{Params: Params{Archive: signed, Jobs: jobs}}, "--threads=3"},
		{unpacker{Params: Params{Archive: signed}}, "--threads=1"},
		{unpacker{Params: Params{Jobs: jobs}}, "--threads=1"}, // nobody vouches for it
	} {
		want := "xz --decompress --stdout " + tt.want + " --memlimit-decompress=1GiB"
		if got := strings.Join(xzArgv(tt.u.threads()), " "); got != want {
			t.Errorf("%+v: %s, want %s", tt.u.Params, got, want)
		}
	}
}

// childDir tells the test binary that it is the child of TestKilled.
const childDir = "BZMAGE_TEST_UNPACK_INTO"

// A process that is killed in the middle leaves something, and the next one
// a whole tree.
func TestKilled(t *testing.T) {
	var more []item
	for i := range 200 {
		more = append(more, plain("linux-5.4.302/big/"+strings.Repeat("x", i+1), strings.Repeat("y", 100_000)))
	}
	body := makeTar(t, kernel(more...))
	if into := os.Getenv(childDir); into != "" {
		y := newYard(t, body)
		y.u.Dir = into
		y.u.Progress = func(done, _ int64) {
			if done > int64(len(body)/2) {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		}
		_, err := y.unpack(t)
		t.Fatalf("not killed: %v", err)
	}
	y := newYard(t, body)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := run.Output(ctx, run.Cmd{Argv: []string{os.Args[0], "-test.run=^TestKilled$"}, Env: run.Env(childDir+"="+y.u.Dir, "TMPDIR="+t.TempDir())})
	if err == nil {
		t.Fatal("the child was not killed")
	}
	if left, _ := filepath.Glob(y.u.Dir + "/.partial-*"); len(left) != 1 {
		t.Fatalf("the child left %q: %v", left, err)
	}
	tree, err := y.unpack(t)
	if err != nil {
		t.Fatal(err)
	}
	checkTree(t, tree)
	if left, _ := filepath.Glob(y.u.Dir + "/.partial-*"); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestRealArchive(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks 1.3 GB")
	}
	need(t, "xz")
	line, _ := testkernel.Line(t)
	p := Params{Archive: testkernel.Archive(t), Line: line, Dir: t.TempDir()}
	start := time.Now()
	tree, err := Unpack(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the first call took %v", time.Since(start))
	start = time.Now()
	if _, err := Unpack(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Logf("the second call took %v", time.Since(start))
	entries := checkTree(t, tree)
	if len(entries) < 70_000 || !strings.HasPrefix(tree.Release, "6.1.") {
		t.Errorf("%d entries, release %s", len(entries), tree.Release)
	}
	// The tree as a folder of KERNEL_SOURCE has the same files.
	p.Archive = fetch.Archive{Path: tree.Src(), Folder: true, Source: fetch.OverrideName, Proofs: []string{}}
	start = time.Now()
	copied, err := Unpack(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the copy took %v", time.Since(start))
	start = time.Now()
	if _, err := Unpack(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Logf("the second copy took %v", time.Since(start))
	again, err := ReadManifest(copied.Manifest())
	if err != nil || digest(again) != digest(entries) {
		t.Errorf("the copy differs: %v", err)
	}
}
