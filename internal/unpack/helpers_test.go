package unpack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/sirupsen/logrus"

	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
	"bzmage/internal/run"
)

func hexOf(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// stamp is the time of the files in test archives: whole seconds, as git
// archive has it.
var stamp = time.Date(2025, 12, 3, 11, 0, 0, 0, time.UTC)

// item is one entry of a test archive.
type item struct {
	tar.Header
	body string
}

func plain(name, body string) item { return item{tar.Header{Name: name, Mode: 0o664}, body} }

func program(name, body string) item { return item{tar.Header{Name: name, Mode: 0o775}, body} }

func dir(name string) item {
	return item{Header: tar.Header{Name: name + "/", Mode: 0o775, Typeflag: tar.TypeDir}}
}

func symlink(name, target string) item {
	return item{Header: tar.Header{Name: name, Linkname: target, Mode: 0o777, Typeflag: tar.TypeSymlink}}
}

func hard(name, target string) item {
	return item{Header: tar.Header{Name: name, Linkname: target, Mode: 0o644, Typeflag: tar.TypeLink}}
}

const makefile = "# SPDX\nVERSION = 5\nPATCHLEVEL = 4\nSUBLEVEL = 302\nEXTRAVERSION =\nNAME = x\n"

// kernel returns the entries of a small kernel, followed by more.
func kernel(more ...item) []item {
	return append([]item{
		{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": strings.Repeat("a", 40)}}},
		dir("linux-5.4.302"),
		plain("linux-5.4.302/Makefile", makefile),
		dir("linux-5.4.302/arch"),
		plain("linux-5.4.302/arch/arm64/Makefile", "arm64\n"),
		plain("linux-5.4.302/arch/x86/Makefile", "x86\n"),
		program("linux-5.4.302/scripts/checkpatch.pl", "#!/usr/bin/perl\n"),
		plain("linux-5.4.302/empty", ""),
		plain("linux-5.4.302/with space", strings.Repeat("large ", 100_000)),
		symlink("linux-5.4.302/scripts/dts", "../arch/arm64/Makefile"),
	}, more...)
}

// makeTar packs items.
func makeTar(t testing.TB, items []item) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		h := i.Header
		if h.ModTime.IsZero() && h.Typeflag != tar.TypeXGlobalHeader {
			h.ModTime = stamp
		}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Size == 0 {
			h.Size = int64(len(i.body))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(i.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// need ends the test when a tool is missing: a skip on a laptop, a failure
// in the pipeline.
func need(t testing.TB, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", tool)
	}
	t.Skipf("%s is missing", tool)
}

// pack compresses b.
func pack(t testing.TB, f fetch.Format, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var err error
	switch f {
	case fetch.Tar:
		return b
	case fetch.Gzip:
		w := gzip.NewWriter(&out)
		_, err = w.Write(b)
		err = errors.Join(err, w.Close())
	case fetch.Zstd:
		w, e := zstd.NewWriter(&out)
		if e != nil {
			t.Fatal(e)
		}
		_, err = w.Write(b)
		err = errors.Join(err, w.Close())
	default:
		tool := string(f)
		need(t, tool)
		err = run.Run(t.Context(), run.Cmd{Argv: []string{tool, "-c"}, Env: run.Env(), Stdin: bytes.NewReader(b), Stdout: &out})
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// logBook collects log lines; it is safe for the goroutines of a test.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var testLine = kernels.Line{Name: "5.4", Release: "5.4.302", Package: "linux-source-5.4"}

// yard is a folder with nothing in it but an archive and the place where
// trees go, so that whatever is written elsewhere shows.
type yard struct {
	top string
	u   *unpacker
	log *logBook
}

func newYard(t testing.TB, archive []byte) *yard {
	t.Helper()
	y := &yard{top: t.TempDir(), log: &logBook{}}
	log := logrus.New()
	log.SetOutput(y.log)
	path := filepath.Join(y.top, "archive")
	if err := os.WriteFile(path, archive, 0o644); err != nil {
		t.Fatal(err)
	}
	y.u = newUnpacker(Params{
		Archive: fetch.Archive{
			Path: path, Release: "5.4.302", SHA256: hexOf(archive), Source: "kernel.org", Origin: "https://k/x",
			Proofs: []string{fetch.Pinned},
		},
		Line: testLine, Dir: filepath.Join(y.top, "build", "tree", "5.4"), Log: log,
	})
	y.u.lim.reserve = 1 << 20
	return y
}

// unpack is Unpack with the yard's limits.
func (y *yard) unpack(t testing.TB) (Tree, error) {
	t.Helper()
	tree, err := y.u.unpack(t.Context())
	if err != nil {
		err = y.u.blame(err)
	}
	return tree, err
}

// list returns every path below the top, with "@target" after links.
func list(t testing.TB, top string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(top, path)
		if d.Type()&fs.ModeSymlink != 0 {
			target, _ := os.Readlink(path)
			name += "@" + target
		}
		if name != "." {
			all = append(all, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// checkTree compares a tree with its manifest: every file, nothing else.
func checkTree(t testing.TB, tree Tree) []Entry {
	t.Helper()
	entries, err := ReadManifest(tree.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		seen[e.Path] = true
		full := filepath.Join(tree.Src(), e.Path)
		info, err := os.Lstat(full)
		if err != nil {
			t.Fatal(err)
		}
		var content []byte
		mode := info.Mode()
		if mode&fs.ModeSymlink != 0 {
			target, _ := os.Readlink(full)
			content, mode = []byte(target), fs.ModeSymlink
		} else if content, err = os.ReadFile(full); err != nil {
			t.Fatal(err)
		}
		got := Entry{Path: e.Path, Mode: mode, Size: info.Size(), MTime: info.ModTime().UnixNano(), SHA256: hexOf(content)}
		if got != e {
			t.Errorf("the tree has   %+v\nthe manifest has %+v", got, e)
		}
	}
	err = filepath.WalkDir(tree.Src(), func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(tree.Src(), path)
		if err == nil && !d.IsDir() && !seen[name] {
			t.Errorf("the manifest lacks %s", name)
		}
		if info, e := d.Info(); e == nil && d.IsDir() && info.Mode().Perm() != 0o755 {
			t.Errorf("folder %s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
