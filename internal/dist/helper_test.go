package dist

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/build"
	"bzmage/internal/patch"
	"bzmage/internal/release"
	"bzmage/internal/run"
	"bzmage/internal/series"
)

const uname = "6.1.9-Test_1"

// need skips the test on a laptop without the programs, and fails it in CI.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lacks(t, err.Error())
		}
	}
}

func lacks(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func output(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := run.Output(t.Context(), run.Cmd{Argv: argv, Env: run.Env("PATH=" + os.Getenv("PATH") + ":/sbin:/usr/sbin")})
	if err != nil {
		t.Fatalf("%s: %v", argv, err)
	}
	return out
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// kernel returns a target that looks like a kernel's, with the given build ID.
func kernel(t *testing.T, name, id string) Target {
	t.Helper()
	need(t, "gcc")
	a, _ := arch.Find(name)
	dir, root := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "v.c"), "int _start(void) { return 0; }\n")
	output(t, "gcc", "-nostdlib", "-static", "-Wl,--build-id=0x"+id, "-o", filepath.Join(dir, "vmlinux"), filepath.Join(dir, "v.c"))
	image := a.BootImage().Name
	write(t, filepath.Join(dir, image), strings.Repeat("image of "+name+"\n", 20001))
	write(t, filepath.Join(dir, "System.map"), "ffff T start\n")
	write(t, filepath.Join(dir, "config"), "CONFIG_MODULES=y\n")
	write(t, filepath.Join(root, "lib/modules", uname, "kernel/lib/crc7.ko"), strings.Repeat("a module ", 30000))
	write(t, filepath.Join(root, "lib/modules", uname, "modules.order"), "kernel/lib/crc7.ko\n")
	write(t, filepath.Join(root, "usr/lib/linux-image-"+uname, "arm", "a-long-name-"+strings.Repeat("x", 100)+".dtb"), "dtb\n")
	write(t, filepath.Join(root, "usr/lib/debug/lib/modules", uname, "kernel/lib/crc7.ko"), "with debug info")
	write(t, filepath.Join(root, "etc/passwd"), "not of a kernel")
	b := build.Result{Arch: name, Release: uname, Image: image, Dist: dir}
	for _, f := range []string{image, "vmlinux", "System.map", "config"} {
		sum := sha256.Sum256([]byte(read(t, filepath.Join(dir, f))))
		b.Files = append(b.Files, build.File{Name: f, SHA256: hex.EncodeToString(sum[:])})
	}
	return Target{Arch: a, Build: b, Root: root, BuildID: id}
}

const id = "aabbccddeeff00112233445566778899aabbccdd"

// params returns a release of two kernels.
func params(t *testing.T) Params {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "series")
	write(t, filepath.Join(folder, "series"), "one.patch\nsub/two.patch\n")
	for _, name := range []string{"one.patch", "sub/two.patch"} {
		write(t, filepath.Join(folder, name), "Subject: "+name+"\n\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n")
	}
	write(t, filepath.Join(folder, "coverage.toml"), "# no part of the series\n")
	digest, err := patch.Digest(folder)
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "v")
	write(t, report, "{}\n")
	return Params{
		Dir: filepath.Join(t.TempDir(), "release"), Base: "6.1.9", Time: time.Date(2026, 11, 22, 12, 2, 0, 0, time.UTC),
		Targets:      []Target{kernel(t, "x86_64", id), kernel(t, "arm64", id)},
		SeriesFolder: folder, Source: release.Source{Release: "6.1.9", SHA256: "00", From: "test"},
		Status: series.Report{Line: "6.1", Folder: folder, Report: patch.Report{
			Digest: digest, Patches: []patch.Status{{Name: "one.patch", State: patch.Clean}},
		}},
		Reports:    map[string]string{"verdict.json": report},
		Maintainer: "A Maintainer <a@example.org>", URL: "https://example.org/", Description: "a kernel of the tests",
	}
}

// made returns a release and the names of its files by kind and arch.
func made(t *testing.T) (Params, []release.File) {
	t.Helper()
	p := params(t)
	files, err := Make(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return p, files
}

// find returns the path of the file whose name matches.
func find(t *testing.T, p Params, pattern string) string {
	t.Helper()
	all, err := os.ReadDir(p.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if regexp.MustCompile(pattern).MatchString(f.Name()) {
			return filepath.Join(p.Dir, f.Name())
		}
	}
	t.Fatalf("no %s among %v", pattern, all)
	return ""
}

// installed checks that what lies below root is byte for byte what was given.
func installed(t *testing.T, k Target, root string) {
	t.Helper()
	for to, from := range map[string]string{
		"boot/vmlinuz-" + uname:                        k.Build.Path(k.Build.Image),
		"boot/System.map-" + uname:                     k.Build.Path("System.map"),
		"boot/config-" + uname:                         k.Build.Path("config"),
		"lib/modules/" + uname + "/kernel/lib/crc7.ko": filepath.Join(k.Root, "lib/modules", uname, "kernel/lib/crc7.ko"),
		"usr/lib/linux-image-" + uname + "/arm/a-long-name-" + strings.Repeat("x", 100) + ".dtb": filepath.Join(k.Root, "usr/lib/linux-image-"+uname, "arm", "a-long-name-"+strings.Repeat("x", 100)+".dtb"),
	} {
		if read(t, filepath.Join(root, to)) != read(t, from) {
			t.Errorf("%s is not %s", to, from)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "etc/passwd")); err == nil {
		t.Error("a file that is no kernel's was packed")
	}
}
