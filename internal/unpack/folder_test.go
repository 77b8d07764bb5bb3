package unpack

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
)

// write makes a file and the folders above it.
func write(t testing.TB, path, content string, mode fs.FileMode) {
	t.Helper()
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), mode), os.Chmod(path, mode))
	if err != nil {
		t.Fatal(err)
	}
}

// newFolder returns a yard whose archive is a folder, and that folder.
func newFolder(t *testing.T) (*yard, string) {
	t.Helper()
	y := newYard(t, nil)
	src := filepath.Join(y.top, "linux")
	write(t, src+"/Makefile", makefile, 0o640)
	write(t, src+"/arch/arm64/Makefile", "arm64\n", 0o444)
	write(t, src+"/arch/x86/Makefile", "x86\n", 0o644)
	write(t, src+"/scripts/checkpatch.pl", "#!/usr/bin/perl\n", 0o750)
	write(t, src+"/empty", "", 0o644)
	write(t, src+"/large", strings.Repeat("large ", 100_000), 0o644)
	if err := os.Symlink("../Makefile", src+"/scripts/up"); err != nil {
		t.Fatal(err)
	}
	y.u.Archive = fetch.Archive{Path: src, Folder: true, Source: fetch.OverrideName, Origin: src, Proofs: []string{}}
	settle(t, src)
	return y, src
}

// settle waits until no file of a folder is so new that it could change
// again within one step of the clock.
func settle(t testing.TB, src string) {
	t.Helper()
	u := newUnpacker(Params{Archive: fetch.Archive{Path: src, Folder: true}, Dir: t.TempDir()})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(tick / 5) {
		seen, err := u.scan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if seen.settled {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the folder never settles")
		}
	}
}

func TestFolder(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	y, src := newFolder(t)
	write(t, src+"/.git/config", "git", 0o644)
	write(t, src+"/Documentation/.git", "gitdir: elsewhere", 0o644)
	settle(t, src)
	before := list(t, src)
	tree, err := y.unpack(t)
	if err != nil {
		t.Fatal(err)
	}
	entries := checkTree(t, tree)
	var got []string
	for _, e := range entries {
		got = append(got, e.modeWord()+" "+e.Path)
		if info, err := os.Lstat(filepath.Join(src, e.Path)); err != nil || info.ModTime().UnixNano() != e.MTime {
			t.Errorf("%s has not its time: %v", e.Path, err)
		}
	}
	want := []string{
		"0644 Makefile", "0644 arch/arm64/Makefile", "0644 arch/x86/Makefile", "0644 empty", "0644 large",
		"0755 scripts/checkpatch.pl", "link scripts/up",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if tree.Release != "5.4.302" || tree.ID != digest(entries)[:16] || tree.Root != filepath.Join(y.u.Dir, tree.ID) || tree.Archive.Verified() {
		t.Errorf("got %+v", tree)
	}
	if d := cmp.Diff(before, list(t, src)); d != "" {
		t.Errorf("the folder was written to: %s", d)
	}
}

// copies returns how often the log says that the folder was read.
func (y *yard) copies() int { return strings.Count(y.log.String(), "copying ") }

func TestFolderAgain(t *testing.T) {
	y, src := newFolder(t)
	first, err := y.unpack(t)
	if err != nil {
		t.Fatal(err)
	}
	again := func(what string, copies int) Tree {
		t.Helper()
		tree, err := y.unpack(t)
		if err != nil {
			t.Fatal(err)
		}
		if n := y.copies(); n != copies {
			t.Errorf("%s: read %d times, want %d", what, n, copies)
		}
		checkTree(t, tree)
		return tree
	}
	if tree := again("unchanged", 1); tree.ID != first.ID {
		t.Error("another tree")
	}
	if err := os.Chtimes(src+"/empty", stamp, stamp); err != nil {
		t.Fatal(err)
	}
	settle(t, src)
	if tree := again("only a time changed", 2); tree.ID != first.ID {
		t.Error("another tree, though the content is the same")
	}
	again("and again", 2)
	// The same size and the same time: what else has changed shows.
	write(t, src+"/arch/x86/Makefile", "X86\n", 0o644)
	if err := os.Chtimes(src+"/arch/x86/Makefile", stamp, stamp); err != nil {
		t.Fatal(err)
	}
	settle(t, src)
	second := again("content", 3)
	if second.ID == first.ID {
		t.Error("the same tree")
	}
	if err := os.Chmod(src+"/empty", 0o755); err != nil {
		t.Fatal(err)
	}
	settle(t, src)
	if tree := again("mode", 4); tree.ID == second.ID {
		t.Error("the same tree")
	}
	memo := y.u.memoryOf(src)
	if err := os.WriteFile(memo, []byte(`{"id":"../../..`), 0o644); err != nil {
		t.Fatal(err)
	}
	again("memory damaged", 5)
	again("memory mended", 5)
}

// A file changed this very moment may change again unseen, so what was read
// is not remembered.
func TestFolderNotSettled(t *testing.T) {
	y, src := newFolder(t)
	seen, err := y.u.scan(t.Context())
	if err != nil || !seen.settled {
		t.Fatal(seen.settled, err)
	}
	seen.settled = false
	if err := y.u.remember(seen, "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(y.u.memoryOf(src)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is remembered: %v", err)
	}
}

// The build folder may lie in the kernel's folder.
func TestFolderAroundTheBuild(t *testing.T) {
	for _, sub := range []string{"build/tree/5.4", "tools/bzmage/build/tree/5.4", "out/5.4"} {
		t.Run(sub, func(t *testing.T) {
			y, src := newFolder(t)
			y.u.Dir = filepath.Join(src, sub)
			first, err := y.unpack(t)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range checkTree(t, first) {
				if strings.Contains(e.Path, ".lock") {
					t.Errorf("the tree holds %s", e.Path)
				}
			}
			if second, err := y.unpack(t); err != nil || second.ID != first.ID {
				t.Errorf("the tree changes with itself: %+v, %v", second, err)
			}
		})
	}
}

func TestFolderRefused(t *testing.T) {
	for _, tt := range []struct {
		name       string
		spoil      func(src string) error
		want, hint string
	}{
		{".config", func(src string) error { return os.WriteFile(src+"/.config", nil, 0o644) }, "it has .config", "mrproper"},
		{"include/config", func(src string) error { return os.MkdirAll(src+"/include/config", 0o755) }, "include/config", "mrproper"},
		{"include/generated", func(src string) error { return os.MkdirAll(src+"/include/generated", 0o755) }, "include/generated", "mrproper"},
		{"arch generated", func(src string) error { return os.MkdirAll(src+"/arch/x86/include/generated", 0o755) }, "arch/x86/include/generated", "mrproper"},
		{"fifo", func(src string) error { return unix.Mkfifo(src+"/fifo", 0o644) }, `"fifo" is neither`, "clean folder"},
		{"link out", func(src string) error { return os.Symlink("../../x", src+"/l") }, "leaves the tree", "clean folder"},
		{"absolute link", func(src string) error { return os.Symlink(src, src+"/l") }, "leaves the tree", "clean folder"},
		{"through a link", func(src string) error {
			return errors.Join(os.Symlink("arch/x86", src+"/l"), os.Symlink("l/../x", src+"/m"))
		}, "goes through the link", "clean folder"},
		{"newline", func(src string) error { return os.WriteFile(src+"/a\nb", nil, 0o644) }, "do not belong in a name", "clean folder"},
		{"no Makefile", func(src string) error { return os.Remove(src + "/Makefile") }, "it has no Makefile", "clean folder"},
		{"other line", func(src string) error {
			return os.WriteFile(src+"/Makefile", []byte(strings.Replace(makefile, "5", "6", 1)), 0o644)
		}, "6.4.302 is not a release of line 5.4", "clean folder"},
		{"gone", os.RemoveAll, "no such file", "clean folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y, src := newFolder(t)
			if err := tt.spoil(src); err != nil {
				t.Fatal(err)
			}
			_, err := y.unpack(t)
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), tt.want) || !strings.Contains(fault.HintOf(err), tt.hint) {
				t.Errorf("got %v: %v\nhint %s", fault.KindOf(err), err, fault.HintOf(err))
			}
			if left, _ := os.ReadDir(y.u.Dir); len(left) > 1 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestFolderLimits(t *testing.T) {
	for want, set := range map[string]func(*limits){
		`"large" has`:       func(l *limits) { l.file = 1000 },
		"it has more than":  func(l *limits) { l.total = 1000 },
		"more than 3 files": func(l *limits) { l.entries = 3 },
	} {
		y, _ := newFolder(t)
		set(&y.u.lim)
		if _, err := y.unpack(t); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestFolderChangesMeanwhile(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"grown":       func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("larger ", 100_000)), 0o644) },
		"shrunk":      func(path string) error { return os.Truncate(path, 10) },
		"touched":     func(path string) error { return os.Chtimes(path, stamp, stamp) },
		"now a link":  func(path string) error { return errors.Join(os.Remove(path), os.Symlink("Makefile", path)) },
		"now a fifo":  func(path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o644)) },
		"not a file":  func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) },
		"disappeared": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			y, src := newFolder(t)
			seen, err := y.u.scan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := change(src + "/large"); err != nil {
				t.Fatal(err)
			}
			s, err := newSink(filepath.Join(t.TempDir(), "src"), y.u.lim)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			if err := y.u.copyFolder(t.Context(), seen, s); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

func TestFolderCancelled(t *testing.T) {
	y, _ := newFolder(t)
	ctx, cancel := context.WithCancel(t.Context())
	y.u.Progress = cancelAt(1, cancel)
	if _, err := y.u.unpack(ctx); !errors.Is(err, context.Canceled) {
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
}
