package unpack

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
)

// The tree is the same whatever the archive's format, and the umask.
func TestUnpackFormats(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	raw := makeTar(t, kernel(hard("linux-5.4.302/arch/same", "linux-5.4.302/Makefile"), hard("linux-5.4.302/arch/same2", "linux-5.4.302/arch/same")))
	var first []Entry
	for _, format := range []fetch.Format{fetch.Tar, fetch.Gzip, fetch.Bzip2, fetch.XZ, fetch.Zstd} {
		t.Run(string(format), func(t *testing.T) {
			y := newYard(t, pack(t, format, raw))
			tree, err := y.unpack(t)
			if err != nil {
				t.Fatal(err)
			}
			want := Tree{Root: filepath.Join(y.u.Dir, y.u.Archive.SHA256[:16]), ID: y.u.Archive.SHA256[:16], Release: "5.4.302", Archive: y.u.Archive}
			if d := cmp.Diff(want, tree); d != "" {
				t.Error(d)
			}
			entries := checkTree(t, tree)
			if first == nil {
				first = entries
			}
			if d := cmp.Diff(first, entries); d != "" {
				t.Error(d)
			}
			if names, _ := os.ReadDir(y.u.Dir); len(names) != 2 {
				t.Errorf("beside the tree and the lock there is more: %v", names)
			}
		})
	}
	var paths []string
	for _, e := range first {
		paths = append(paths, e.modeWord()+" "+e.Path)
		if e.MTime != stamp.UnixNano() {
			t.Errorf("%s has the time %d", e.Path, e.MTime)
		}
	}
	want := []string{
		"0644 Makefile", "0644 arch/arm64/Makefile", "0644 arch/same", "0644 arch/same2", "0644 arch/x86/Makefile", "0644 empty",
		"0755 scripts/checkpatch.pl", "link scripts/dts", "0644 with space",
	}
	if d := cmp.Diff(want, paths); d != "" {
		t.Error(d)
	}
}

func TestTreeRoundTrip(t *testing.T) {
	y := newYard(t, makeTar(t, kernel()))
	tree, err := y.unpack(t)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(tree.Root, "tree.json"))
	if err != nil {
		t.Fatal(err)
	}
	back := Tree{Root: tree.Root}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tree, back); d != "" {
		t.Error(d)
	}
}

// The second call writes nothing, and takes the proofs of its own archive.
func TestUnpackAgain(t *testing.T) {
	y := newYard(t, makeTar(t, kernel()))
	if _, err := y.unpack(t); err != nil {
		t.Fatal(err)
	}
	before := list(t, y.top)
	y.u.Archive.Source, y.u.Archive.Proofs = fetch.OverrideName, []string{}
	if err := os.Remove(y.u.Archive.Path); err != nil { // it is not even read
		t.Fatal(err)
	}
	start := time.Now()
	tree, err := y.unpack(t)
	if err != nil || tree.Archive.Verified() {
		t.Errorf("got %+v, %v", tree, err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if d := cmp.Diff(before[1:], list(t, y.top)); d != "" {
		t.Error(d)
	}
	y.u.Archive.Proofs, y.u.Archive.Release = []string{fetch.Pinned}, "5.4.301"
	if _, err := y.unpack(t); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "fetched as 5.4.301") {
		t.Errorf("got %v", err)
	}
}

// What is not whole is unpacked again; what stood there is not lost.
func TestDamagedTree(t *testing.T) {
	for name, damage := range map[string]func(root string) error{
		"no marker":    func(root string) error { return os.Remove(root + "/tree.json") },
		"cut marker":   func(root string) error { return os.Truncate(root+"/tree.json", 20) },
		"other marker": func(root string) error { return os.WriteFile(root+"/tree.json", []byte(`{"id":"x"}`), 0o644) },
		"unknown key": func(root string) error {
			text, err := os.ReadFile(root + "/tree.json")
			text = append([]byte(`{"x":"y",`), text[1:]...)
			return errors.Join(err, os.WriteFile(root+"/tree.json", text, 0o644))
		},
		"no manifest":    func(root string) error { return os.Remove(root + "/manifest") },
		"empty manifest": func(root string) error { return os.Truncate(root+"/manifest", 0) },
		"no source":      func(root string) error { return os.Rename(root+"/src", root+"/old") },
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, makeTar(t, kernel()))
			tree, err := y.unpack(t)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(tree.Root+"/mine", []byte("my work"), 0o644); err != nil {
				t.Fatal(err)
			}
			for n, aside := range []string{".damaged-1", ".damaged-2"} {
				if err := damage(tree.Root); err != nil {
					t.Fatal(err)
				}
				if tree, err = y.unpack(t); err != nil {
					t.Fatal(err)
				}
				checkTree(t, tree)
				if _, err := os.Stat(tree.Root + aside); err != nil {
					t.Errorf("time %d: %v", n, err)
				}
			}
			if _, err := os.Stat(tree.Root + ".damaged-1/mine"); err != nil || !strings.Contains(y.log.String(), ".damaged-1") {
				t.Errorf("work is lost: %v\n%s", err, y.log)
			}
		})
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	y := newYard(t, makeTar(t, kernel()))
	old := filepath.Join(y.u.Dir, ".partial-123", "src")
	if err := os.MkdirAll(old, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := y.unpack(t); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("it is still there")
	}
}

// cancelAt cancels when so many bytes were read.
func cancelAt(n int64, cancel context.CancelFunc) func(int64, int64) {
	return func(done, _ int64) {
		if done >= n {
			cancel()
		}
	}
}

func TestCancelledThenAgain(t *testing.T) {
	var more []item
	for _, c := range "abcdefghijklmnopqrstuvwxyz" {
		more = append(more, plain("linux-5.4.302/big/"+string(c), strings.Repeat(string(c), 1<<20)))
	}
	for _, format := range []fetch.Format{fetch.Tar, fetch.XZ} {
		t.Run(string(format), func(t *testing.T) {
			body := pack(t, format, makeTar(t, kernel(more...)))
			y := newYard(t, body)
			ctx, cancel := context.WithCancel(t.Context())
			y.u.Progress = cancelAt(int64(len(body)/2), cancel)
			if _, err := y.u.unpack(ctx); fault.KindOf(err) != fault.Interrupted {
				t.Fatalf("got %v", err)
			}
			if left := list(t, y.u.Dir); !slices.Equal(left, []string{".lock"}) {
				t.Errorf("left behind: %q", left)
			}
			y.u.Progress = func(int64, int64) {}
			tree, err := y.unpack(t)
			if err != nil {
				t.Fatal(err)
			}
			checkTree(t, tree)
		})
	}
}

func TestConcurrentUnpack(t *testing.T) {
	y := newYard(t, pack(t, fetch.Gzip, makeTar(t, kernel())))
	trees := make([]Tree, 4)
	var wg sync.WaitGroup
	for i := range trees {
		wg.Go(func() {
			var err error
			if trees[i], err = y.unpack(t); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, tree := range trees {
		if d := cmp.Diff(trees[0], tree); d != "" {
			t.Error(d)
		}
	}
	checkTree(t, trees[0])
	if n := strings.Count(y.log.String(), "unpacking"); n != 1 {
		t.Errorf("unpacked %d times:\n%s", n, y.log)
	}
}

func TestWaitsForTheLock(t *testing.T) {
	y := newYard(t, makeTar(t, kernel()))
	if err := os.MkdirAll(y.u.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock := flock.New(filepath.Join(y.u.Dir, ".lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := y.u.unpack(ctx); err == nil {
		t.Error("it did not wait")
	}
	if !strings.Contains(y.log.String(), "waiting for another bzmage") {
		t.Errorf("it did not say that it waits:\n%s", y.log)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := y.unpack(t); err != nil {
		t.Error(err)
	}
}

func TestUnpackProgress(t *testing.T) {
	body := makeTar(t, kernel())
	y := newYard(t, body)
	var mu sync.Mutex
	var done []int64
	p := y.u.Params
	p.Progress = func(d, total int64) {
		mu.Lock()
		defer mu.Unlock()
		if total != int64(len(body)) {
			t.Errorf("total %d", total)
		}
		done = append(done, d)
	}
	if _, err := Unpack(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if len(done) == 0 || done[len(done)-1] != int64(len(body)) || !slices.IsSorted(done) {
		t.Errorf("progress %d", done)
	}
}

func TestUnpackCancelledBefore(t *testing.T) {
	y := newYard(t, makeTar(t, kernel()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Unpack(ctx, y.u.Params); fault.KindOf(err) != fault.Interrupted {
		t.Errorf("got %v", err)
	}
}
