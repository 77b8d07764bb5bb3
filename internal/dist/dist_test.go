package dist

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/buildid"
	"bzmage/internal/fault"
	"bzmage/internal/release"
)

func TestFiles(t *testing.T) {
	_, files := made(t)
	var got []string
	for _, f := range files {
		got = append(got, strings.Join(strings.Fields(f.Kind+" "+f.Arch+" "+f.Name), " "))
	}
	want := []string{
		"image arm64 Image-6.1.9-Test_1-arm64",
		"image x86_64 bzImage-6.1.9-Test_1-x86_64",
		"config arm64 config-6.1.9-Test_1-arm64",
		"config x86_64 config-6.1.9-Test_1-x86_64",
		"debug arm64 linux-6.1.9-Test_1-arm64-debug.tar.zst",
		"archive arm64 linux-6.1.9-Test_1-arm64.tar.zst",
		"debug x86_64 linux-6.1.9-Test_1-x86_64-debug.tar.zst",
		"archive x86_64 linux-6.1.9-Test_1-x86_64.tar.zst",
		"package arm64 linux-image-6.1.9-test-1-6.1.9-202611221202.aarch64.rpm",
		"package x86_64 linux-image-6.1.9-test-1-6.1.9-202611221202.x86_64.rpm",
		"package x86_64 linux-image-6.1.9-test-1_6.1.9-202611221202_amd64.deb",
		"package arm64 linux-image-6.1.9-test-1_6.1.9-202611221202_arm64.deb",
		"patches patches-6.1.9-Test_1.tar.zst",
		"source source-6.1.9-Test_1.json",
		"report verdict.json",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// The same inputs in another folder, with other dates and modes, under another
// umask, in another zone and on one CPU.
func TestSameBytes(t *testing.T) {
	p, first := made(t)
	for i, k := range p.Targets {
		for _, dir := range []*string{&p.Targets[i].Build.Dist, &p.Targets[i].Root} {
			copied := filepath.Join(t.TempDir(), "a/longer/path")
			if err := os.CopyFS(copied, os.DirFS(*dir)); err != nil {
				t.Fatal(err)
			}
			*dir = copied
		}
		path := filepath.Join(p.Targets[i].Root, "lib/modules", k.Build.Release, "modules.order")
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	series := filepath.Join(t.TempDir(), "other")
	if err := os.CopyFS(series, os.DirFS(p.SeriesFolder)); err != nil {
		t.Fatal(err)
	}
	p.SeriesFolder, p.Status.Folder = series, series
	p.Dir = filepath.Join(t.TempDir(), "elsewhere")
	p.Time = p.Time.In(time.FixedZone("there", 5*3600)).Add(time.Millisecond)
	defer syscall.Umask(syscall.Umask(0o077))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	second, err := Make(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, second); d != "" {
		t.Error(d)
	}
	for _, f := range second {
		info, err := os.Stat(filepath.Join(p.Dir, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != f.Size || info.Mode().Perm() != 0o644 {
			t.Errorf("%s has %d bytes and mode %v", f.Name, info.Size(), info.Mode())
		}
	}
}

func TestImageIsTheOneThatBooted(t *testing.T) {
	p, files := made(t)
	for _, k := range p.Targets {
		image, _ := k.Build.File(k.Build.Image)
		found := false
		for _, f := range files {
			found = found || f.Kind == release.Image && f.Arch == k.Arch.Name && f.SHA256 == image.SHA256
		}
		if !found {
			t.Errorf("no image of %s with the sha256 of the build", k.Arch.Name)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind fault.Kind
		want string
		with func(*Params)
	}{
		{"altered image", fault.Build, "is not what was built", func(p *Params) { write(t, p.Targets[0].Build.Path("bzImage"), "another") }},
		{"altered map", fault.Build, "is not what was built", func(p *Params) { write(t, p.Targets[1].Build.Path("System.map"), "another") }},
		{"other kernel booted", fault.Build, "the kernel that was booted 00", func(p *Params) { p.Targets[0].BuildID = "00" }},
		{"missing file", fault.Build, "left no System.map", func(p *Params) { p.Targets[0].Build.Files = p.Targets[0].Build.Files[:1] }},
		{"twice the same", fault.Usage, "another kernel", func(p *Params) { p.Targets[1] = p.Targets[0] }},
		{"other series", fault.Patch, "another series", func(p *Params) { write(t, filepath.Join(p.SeriesFolder, "one.patch"), "x") }},
		{"two lines", fault.Usage, "description", func(p *Params) { p.Description = "a\nDepends: evil" }},
		{"revision", fault.Usage, "revision", func(p *Params) { p.Revision = "1-2" }},
		{"release", fault.Usage, "uname", func(p *Params) { p.Targets[0].Build.Release = "6.1'; rm -r /" }},
		{"report", fault.Machine, "no such file", func(p *Params) { p.Reports["x"] = "/nowhere" }},
		{"link in the root", fault.Build, "is no file", func(p *Params) {
			if err := os.Symlink("/etc", filepath.Join(p.Targets[0].Root, "lib/modules", uname, "build")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		p := params(t)
		write(t, filepath.Join(p.Dir, "earlier"), "")
		tt.with(&p)
		_, err := Make(t.Context(), p)
		if err == nil || fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v: %v", tt.name, fault.KindOf(err), err)
		}
		if _, err := os.Stat(filepath.Join(p.Dir, "earlier")); err != nil {
			t.Errorf("%s: the earlier folder: %v", tt.name, err)
		}
		if _, err := os.Stat(p.Dir + ".new"); err == nil {
			t.Errorf("%s: left its folder", tt.name)
		}
	}
}

func TestNothingOfAnEarlierRun(t *testing.T) {
	p := params(t)
	write(t, filepath.Join(p.Dir, "earlier"), "")
	write(t, filepath.Join(p.Dir+".new", "killed"), "")
	files, err := Make(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadDir(p.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(files) {
		t.Errorf("%d files in the folder, %d in the list: %v", len(all), len(files), all)
	}
}

// A root where /lib is a link, as everywhere today, stays that way.
func TestArchive(t *testing.T) {
	need(t, "tar", "zstd")
	p, _ := made(t)
	for i, name := range []string{"x86_64", "arm64"} {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "usr/lib"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("usr/lib", filepath.Join(root, "lib")); err != nil {
			t.Fatal(err)
		}
		output(t, "tar", "--zstd", "-C", root, "-xpf", find(t, p, name+`\.tar\.zst$`))
		installed(t, p.Targets[i], root)
		if to, err := os.Readlink(filepath.Join(root, "lib")); err != nil || to != "usr/lib" {
			t.Errorf("/lib: %q, %v", to, err)
		}
		for line := range strings.SplitSeq(output(t, "tar", "--zstd", "--full-time", "-tvf", find(t, p, name+`\.tar\.zst$`)), "\n") {
			if !strings.Contains(line, " root/root ") || !strings.Contains(line, " 2026-11-22 12:02:00 ") {
				t.Error(line)
			}
		}
	}
}

func TestDebugArchive(t *testing.T) {
	need(t, "tar", "zstd")
	p, _ := made(t)
	root := t.TempDir()
	output(t, "tar", "--zstd", "-C", root, "-xf", find(t, p, `x86_64-debug\.tar\.zst$`))
	got, err := buildid.OfFile(filepath.Join(root, "usr/lib/debug/.build-id/aa/bbccddeeff00112233445566778899aabbccdd.debug"))
	if err != nil || got != id {
		t.Errorf("by its build ID: %q, %v", got, err)
	}
	if read(t, filepath.Join(root, "usr/lib/debug/boot/vmlinux-"+uname)) != read(t, p.Targets[0].Build.Path("vmlinux")) {
		t.Error("vmlinux is another")
	}
	if read(t, filepath.Join(root, "usr/lib/debug/lib/modules", uname, "kernel/lib/crc7.ko")) != "with debug info" {
		t.Error("the module is another")
	}
}

func TestSeriesArchive(t *testing.T) {
	need(t, "tar", "zstd")
	p, _ := made(t)
	root := t.TempDir()
	output(t, "tar", "--zstd", "-C", root, "-xf", find(t, p, `^patches-`))
	top := filepath.Join(root, "patches-"+uname)
	for _, f := range []string{"series", "one.patch", "sub/two.patch"} {
		if read(t, filepath.Join(top, f)) != read(t, filepath.Join(p.SeriesFolder, f)) {
			t.Errorf("%s is another", f)
		}
	}
	if !strings.Contains(read(t, filepath.Join(top, "status.txt")), "one.patch") || strings.Contains(read(t, filepath.Join(top, "status.json")), p.SeriesFolder) {
		t.Error("the status table lacks a patch, or names a folder of this machine")
	}
	if _, err := os.Stat(filepath.Join(top, "coverage.toml")); err == nil {
		t.Error("what is no part of the series was packed")
	}
}
