package initramfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"bzmage/internal/fault"
)

// module is the root of this module.
const module = "../.."

// otherArch is the arch that is not this machine's.
func otherArch() string {
	if runtime.GOARCH == "arm64" {
		return "amd64"
	}
	return "arm64"
}

// list returns the entries of an archive, checking what all have in common.
func list(t *testing.T, path string) map[string]*cpio.Header {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries := map[string]*cpio.Header{}
	inodes := map[int64]bool{}
	for r := cpio.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Guid != 0 || h.ModTime.Unix() != 0 || inodes[h.Inode] || strings.HasPrefix(h.Name, "/") {
			t.Errorf("%s: owner %d:%d, time %v, inode %d", h.Name, h.Uid, h.Guid, h.ModTime, h.Inode)
		}
		if parent := filepath.Dir(h.Name); parent != "." && entries[parent] == nil {
			t.Errorf("%s comes before its folder", h.Name)
		}
		inodes[h.Inode] = true
		entries[h.Name] = h
	}
}

func TestBuild(t *testing.T) {
	for _, arch := range []string{runtime.GOARCH, otherArch()} {
		t.Run(arch, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new", "folder")
			res, err := Build(t.Context(), Params{Arch: arch, Dir: dir, Module: module})
			if err != nil {
				t.Fatal(err)
			}
			entries := list(t, res.Path)
			for name, mode := range map[string]cpio.FileMode{
				"init": 0o100755, "bin/procrand": 0o100755, "bin/test2json": 0o100755,
				"bin": 0o40755, "dev": 0o40755, "etc": 0o40755, "proc": 0o40755, "sys": 0o40755, "tmp": 0o40755, "verify": 0o40755,
			} {
				if h := entries[name]; h == nil || h.Mode != mode {
					t.Errorf("%s: %+v, want mode %o", name, h, mode)
				}
			}
			info, err := os.Stat(res.Path)
			if err != nil || info.Size() != res.Size || info.Mode() != 0o644 {
				t.Errorf("%v, %v; result says %d bytes", info, err, res.Size)
			}
			if !slices.Contains(res.Checks, "TestRandSelf") || !slices.Contains(res.Checks, "TestRelease") || !slices.IsSorted(res.Checks) {
				t.Errorf("checks %q", res.Checks)
			}
			// Behind it comes the testdata of the checks.
			if len(res.Files) < 3 || res.Files[2].Name != "init" || res.Files[2].SHA256 != res.Verifier || res.Verifier == "" {
				t.Errorf("files %+v, verifier %s", res.Files, res.Verifier)
			}
			back, err := Load(res.Path)
			if d := cmp.Diff(res, back); d != "" || err != nil {
				t.Errorf("load: %v %s", err, d)
			}
			names, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || len(names) != 3 { // the archive, its description, the lock
				t.Errorf("left behind: %q, %v", names, err)
			}
			t.Logf("%s: %d bytes, %d checks, %+v", arch, res.Size, len(res.Checks), res.Files)
		})
	}
}

// The archive is one that other programs read, too.
func TestCpioReadsIt(t *testing.T) {
	tool, err := exec.LookPath("cpio")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	res, err := Build(t.Context(), Params{Arch: runtime.GOARCH, Dir: t.TempDir(), Module: smallModule(t, map[string]string{"verify/testdata/a/b": "b"})})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(res.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.CommandContext(t.Context(), tool, "-it", "--quiet")
	cmd.Stdin = f
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "bin bin/procrand bin/test2json dev etc init proc sys tmp verify verify/testdata verify/testdata/a verify/testdata/a/b"
	if got := strings.Join(strings.Fields(string(out)), " "); got != want {
		t.Errorf("cpio lists %s", got)
	}
}

// Two checkouts at different places, times and umasks give the same bytes.
func TestSameInputsSameBytes(t *testing.T) {
	var results [2]Result
	for i := range results {
		mod := filepath.Join(t.TempDir(), strings.Repeat("deep/", 3*i), "checkout")
		old := unix.Umask(0o022 + i*0o055)
		copyModule(t, mod, time.Unix(int64(1e9*(i+1)), 0))
		var err error
		results[i], err = Build(t.Context(), Params{Arch: runtime.GOARCH, Dir: filepath.Join(mod, "build"), Module: mod})
		unix.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(results[i].Path); err != nil || info.Mode() != 0o644 {
			t.Errorf("%v, %v", info, err)
		}
	}
	if results[0].Path == results[1].Path {
		t.Fatal("the same checkout twice")
	}
	results[0].Path, results[1].Path = "", ""
	if d := cmp.Diff(results[0], results[1]); d != "" {
		t.Error(d)
	}
}

// copyModule copies what of this module goes into an initramfs.
func copyModule(t *testing.T, to string, at time.Time) {
	t.Helper()
	for _, name := range []string{"go.mod", "go.sum", "verify", "cmd/procrand", "internal"} {
		err := filepath.WalkDir(filepath.Join(module, name), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(module, p)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			dst := filepath.Join(to, rel)
			return errors.Join(os.MkdirAll(filepath.Dir(dst), 0o777), os.WriteFile(dst, text, 0o666), os.Chtimes(dst, at, at))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// smallModule makes a module with one check, and then files, by path.
func smallModule(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		"go.mod":                "module bzmage\n\ngo 1.26\n",
		"cmd/procrand/main.go":  "package main\n\nfunc main() {}\n",
		"verify/verify_test.go": "package verify\n\nimport \"testing\"\n\nfunc TestA(*testing.T) {}\n\nfunc BenchmarkA(*testing.B) {}\n",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestErrorsSayWhatToDo(t *testing.T) {
	broken := "package verify\n\nimport \"testing\"\n\nfunc TestB(t *testing.T) {\n\tone()\n\ttwo()\n\tthree()\n\tfour()\n}\n"
	tests := []struct {
		name  string
		files map[string]string
		arch  string
		kind  fault.Kind
		want  []string
		log   bool // the hint names a log that is there
	}{
		{name: "check does not compile", files: map[string]string{"verify/b_test.go": broken}, kind: fault.Guest, log: true,
			want: []string{"build init from ./verify: verify/b_test.go:6:2: undefined: one; verify/b_test.go:7:2: undefined: two;", "and 1 more lines", "initramfs-init-"}},
		{name: "procrand does not compile", files: map[string]string{"cmd/procrand/main.go": "package main\n\nfunc main() { nothing() }\n"},
			kind: fault.Guest, log: true, want: []string{"build bin/procrand from ./cmd/procrand: cmd/procrand/main.go:3:15: undefined: nothing"}},
		{name: "syntax", files: map[string]string{"verify/b_test.go": "package verify\n\nfunc TestB("}, kind: fault.Guest, log: true,
			want: []string{"verify/b_test.go:3:12: "}},
		{name: "no checks", files: map[string]string{"verify/verify_test.go": "package verify\n"}, kind: fault.Guest,
			want: []string{"there are no checks in ./verify"}},
		{name: "no test files", files: map[string]string{"verify/verify_test.go": "// +build ignore\n\npackage verify\n", "verify/doc.go": "package verify\n"},
			kind: fault.Guest, want: []string{"there are no checks in ./verify"}},
		{name: "for one arch only", arch: otherArch(), kind: fault.Guest, want: []string{"the checks of ./verify differ by arch", "b_arm64_test.go"},
			files: map[string]string{"verify/b_arm64_test.go": "package verify\n\nimport \"testing\"\n\nfunc TestB(*testing.T) {}\n"}},
		{name: "unknown arch", arch: "mips", kind: fault.Internal, want: []string{`there is no arch "mips"`}},
		{name: "module not to be had", files: map[string]string{"verify/b_test.go": "package verify\n\nimport _ \"example.org/nowhere\"\n"},
			kind: fault.Guest, log: true, want: []string{"verify/b_test.go:3:8: no required module provides package example.org/nowhere"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Params{Arch: runtime.GOARCH, Dir: t.TempDir(), Module: smallModule(t, tt.files)}
			if tt.arch != "" {
				p.Arch = tt.arch
			}
			res, err := Build(t.Context(), p)
			if err == nil {
				t.Fatalf("no error, but %+v", res)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want %q in it", err, want)
				}
			}
			if k := fault.KindOf(err); k != tt.kind {
				t.Errorf("kind %v, want %v", k, tt.kind)
			}
			hint := fault.HintOf(err)
			if log, ok := strings.CutPrefix(hint, "see "); tt.log {
				if _, err := os.Stat(log); !ok || err != nil {
					t.Errorf("hint %q: %v", hint, err)
				}
			} else if hint == "" && tt.kind != fault.Internal {
				t.Error("no hint")
			}
			if left, _ := filepath.Glob(filepath.Join(p.Dir, "*.cpio")); left != nil {
				t.Errorf("there is an archive: %q", left)
			}
			if left, _ := filepath.Glob(filepath.Join(p.Dir, ".initramfs-"+p.Arch)); left != nil {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// Runs at the same time wait for each other, and what a killed one left is in
// nobody's way.
func TestRunsAtTheSameTime(t *testing.T) {
	p := Params{Arch: runtime.GOARCH, Dir: t.TempDir(), Module: smallModule(t, nil)}
	left := filepath.Join(p.Dir, ".initramfs-"+p.Arch, "init-"+p.Arch)
	if err := errors.Join(os.Mkdir(filepath.Dir(left), 0o755), os.WriteFile(left, []byte("half a file"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var results [3]Result
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			var err error
			if results[i], err = Build(t.Context(), p); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	kept := 0
	for _, r := range results {
		if r.Kept {
			kept++
		}
		r.Kept = results[0].Kept
		if d := cmp.Diff(results[0], r); d != "" || r.SHA256 == "" {
			t.Error(d)
		}
	}
	if kept != 2 {
		t.Errorf("%d of three runs kept what was there", kept)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Build(ctx, Params{Arch: runtime.GOARCH, Dir: t.TempDir(), Module: smallModule(t, nil)})
	if k := fault.KindOf(err); k != fault.Interrupted {
		t.Errorf("%v: %v", k, err)
	}
}

func TestFailureKeepsTheOldArchive(t *testing.T) {
	mod := smallModule(t, nil)
	p := Params{Arch: runtime.GOARCH, Dir: t.TempDir(), Module: mod}
	res, err := Build(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"BenchmarkA", "TestA"}, res.Checks); d != "" {
		t.Error(d)
	}
	if err := os.WriteFile(filepath.Join(mod, "verify/b_test.go"), []byte("package wrong\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), p); err == nil {
		t.Fatal("no error")
	}
	back, err := Load(res.Path)
	if d := cmp.Diff(res, back); d != "" || err != nil {
		t.Errorf("load: %v %s", err, d)
	}
}
