package dist

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bzmage/internal/arch"
	"bzmage/internal/build"
	"bzmage/internal/fault"
	"bzmage/internal/release"
)

const name = "6.1.192-BZmage"

// params describes two small targets in a folder of their own.
func params(t *testing.T) Params {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "series", "series"), "0001-a.patch\n")
	put(t, filepath.Join(dir, "series", "0001-a.patch"), "diff\n")
	put(t, filepath.Join(dir, "verdict.json"), "{}\n")
	p := Params{
		Dir: filepath.Join(dir, "out"), Name: name, Base: "6.1.192", Revision: "20261122120000", Time: time.Unix(1700000000, 0),
		Series: filepath.Join(dir, "series"), Status: []release.Patch{{Name: "0001-a.patch", State: "clean", Subject: "a"}},
		Reports: map[string]string{"verdict.json": filepath.Join(dir, "verdict.json")}, Source: release.Source{Release: "6.1.192"},
	}
	for _, a := range arch.All() {
		built := build.Result{Arch: a.Name, Release: name, Image: a.BootImage().Name, Dist: filepath.Join(dir, a.Name)}
		for _, f := range []string{built.Image, "vmlinux", "System.map", "config"} {
			put(t, built.Path(f), strings.Repeat(f+" of "+a.Name+"\n", 1001))
		}
		root := filepath.Join(dir, a.Name+".root")
		put(t, filepath.Join(root, "lib", "modules", name, "kernel", "dummy.ko"), "a module of odd length")
		if err := os.Symlink("kernel/dummy.ko", filepath.Join(root, "lib", "modules", name, "link")); err != nil {
			t.Fatal(err)
		}
		p.Targets = append(p.Targets, Target{Arch: a, Built: built, BuildID: "abcdef0123456789", Root: root})
	}
	return p
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// program runs a program, which has to be there in CI.
func program(t *testing.T, argv ...string) string {
	t.Helper()
	if _, err := exec.LookPath(argv[0]); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// TestSameBytes packs twice: later, elsewhere, with another umask, from files
// of other dates.
func TestSameBytes(t *testing.T) {
	first := params(t)
	a, err := Make(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	second := params(t)
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	for _, p := range second.Targets {
		if err := os.Chtimes(p.Built.Path("vmlinux"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	slices.Reverse(second.Targets)
	b, err := Make(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a, b) {
		t.Errorf("not the same files:\n%v\n%v", a, b)
	}
	if len(a) != 2*6+3 {
		t.Errorf("%d files: %v", len(a), a)
	}
	// A change of the content or the date must show, or the above proves nothing.
	put(t, second.Targets[0].Built.Path("vmlinux"), "another")
	c, err := Make(t.Context(), second)
	if err != nil || slices.Equal(b, c) {
		t.Errorf("another vmlinux, the same files: %v", err)
	}
	second.Time = second.Time.Add(time.Second)
	if d, err := Make(t.Context(), second); err != nil || slices.Equal(c, d) {
		t.Errorf("another date, the same files: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(second.Dir))
	if err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return strings.HasSuffix(e.Name(), ".new") }) {
		t.Errorf("something is left beside the folder: %v, %v", left, err)
	}
}

// TestOneFails sees the folder of before kept when something is missing.
func TestOneFails(t *testing.T) {
	p := params(t)
	if _, err := Make(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(p.Targets[1].Built.Path("System.map")); err != nil {
		t.Fatal(err)
	}
	if _, err := Make(t.Context(), p); fault.KindOf(err) != fault.Machine || !strings.Contains(err.Error(), "System.map") {
		t.Errorf("%v", err)
	}
	if list, err := os.ReadDir(p.Dir); err != nil || len(list) != 15 {
		t.Errorf("the files of before: %v, %v", list, err)
	}
}

func TestArchive(t *testing.T) {
	p := params(t)
	if _, err := Make(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	program(t, "tar", "--zstd", "-xpf", filepath.Join(p.Dir, "linux-"+name+"-arm64.tar.zst"), "-C", root)
	wantInstalled(t, p.Targets[1], root)
	program(t, "tar", "--zstd", "-xpf", filepath.Join(p.Dir, "linux-"+name+"-arm64-debug.tar.zst"), "-C", root)
	same(t, p.Targets[1].Built.Path("vmlinux"), filepath.Join(root, "usr/lib/debug/.build-id/ab/cdef0123456789.debug"))
	program(t, "tar", "--zstd", "-xpf", filepath.Join(p.Dir, "patches-"+name+".tar.zst"), "-C", root)
	same(t, filepath.Join(p.Series, "0001-a.patch"), filepath.Join(root, "patches-"+name, "0001-a.patch"))
	if text, err := os.ReadFile(filepath.Join(root, "patches-"+name, "status.txt")); err != nil || !strings.Contains(string(text), "0001-a.patch  clean") {
		t.Errorf("%v\n%s", err, text)
	}
}

// wantInstalled sees that what lies in root is what was given.
func wantInstalled(t *testing.T, target Target, root string) {
	t.Helper()
	same(t, target.Built.Path(target.Built.Image), filepath.Join(root, "boot", "vmlinuz-"+name))
	same(t, target.Built.Path("System.map"), filepath.Join(root, "boot", "System.map-"+name))
	same(t, target.Built.Path("config"), filepath.Join(root, "boot", "config-"+name))
	same(t, filepath.Join(target.Root, "lib", "modules", name, "kernel", "dummy.ko"), filepath.Join(root, "lib", "modules", name, "link"))
}

func same(t *testing.T, want, got string) {
	t.Helper()
	a, errA := os.ReadFile(want)
	b, errB := os.ReadFile(got)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("%s is not %s: %v %v", got, want, errA, errB)
	}
}

// TestDeb installs the package with dpkg below a folder that knows no other,
// and takes it away again. The hooks of the machine are called there.
func TestDeb(t *testing.T) {
	p := params(t)
	if _, err := Make(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	deb := filepath.Join(p.Dir, "linux-image-6.1.192-bzmage_6.1.192-20261122120000_amd64.deb")
	info := program(t, "dpkg-deb", "-I", deb)
	for _, want := range []string{"Package: linux-image-6.1.192-bzmage\n", "Version: 6.1.192-20261122120000\n", "Architecture: amd64\n", "Installed-Size: "} {
		if !strings.Contains(info, want) {
			t.Errorf("dpkg-deb -I has no %q:\n%s", want, info)
		}
	}
	root := t.TempDir()
	for _, dir := range []string{"updates", "info", "triggers"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(root, "var/lib/dpkg/status"), "")
	// No chroot: there is no shell below it. The scripts find nothing of theirs
	// on this machine but /etc/kernel, which a container has not.
	dpkg := []string{"dpkg", "--root=" + root, "--force-script-chrootless", "--force-not-root", "--force-architecture", "--log=/dev/null"}
	program(t, append(dpkg, "-i", deb)...)
	wantInstalled(t, p.Targets[0], root)
	if out := program(t, "dpkg", "--root="+root, "--verify"); out != "" {
		t.Errorf("dpkg --verify: %s", out)
	}
	program(t, append(dpkg, "--purge", "linux-image-6.1.192-bzmage")...)
	if left, _ := filepath.Glob(filepath.Join(root, "boot", "*")); len(left) > 0 {
		t.Errorf("left after a purge: %v", left)
	}
}

// TestHooks runs the scripts beside hooks of their own.
func TestHooks(t *testing.T) {
	for _, stage := range []string{"preinst", "postinst", "prerm", "postrm"} {
		text := hooks(stage, name)
		dir := t.TempDir()
		put(t, filepath.Join(dir, stage+".d", "hook"), "#!/bin/sh\necho \"$1 $2 ($DEB_MAINT_PARAMS)\" >"+dir+"/said\n")
		if err := os.Chmod(filepath.Join(dir, stage+".d", "hook"), 0o755); err != nil {
			t.Fatal(err)
		}
		script := filepath.Join(dir, "script")
		put(t, script, strings.ReplaceAll(text, "/etc/kernel /usr/share/kernel", dir))
		program(t, "sh", script, "configure", "1.0")
		said, err := os.ReadFile(filepath.Join(dir, "said"))
		if want := name + " /boot/vmlinuz-" + name + " (configure 1.0)\n"; err != nil || string(said) != want {
			t.Errorf("%s: the hook was told %q, not %q: %v", stage, said, want, err)
		}
		program(t, "sh", "-n", script)
		put(t, filepath.Join(dir, stage+".d", "hook"), "#!/bin/sh\nexit 3\n")
		if exec.Command("sh", script).Run() == nil {
			t.Errorf("%s: a hook that fails is not noticed", stage)
		}
	}
}

func TestRPM(t *testing.T) {
	p := params(t)
	if _, err := Make(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(p.Dir, "kernel-6.1.192-bzmage-6.1.192-20261122120000.aarch64.rpm")
	program(t, "rpm", "-K", "--nosignature", file)
	list := program(t, "rpm", "-qpl", file)
	for _, want := range []string{"/boot/vmlinuz-" + name, "/boot/config-" + name, "/lib/modules/" + name + "/kernel/dummy.ko"} {
		if !strings.Contains(list, want+"\n") {
			t.Errorf("rpm -qpl has no %s:\n%s", want, list)
		}
	}
	has := program(t, "rpm", "-qp", "--provides", file)
	if !strings.Contains(has, "installonlypkg(kernel)\n") || !strings.Contains(has, "kernel-uname-r = "+name+"\n") {
		t.Errorf("provides:\n%s", has)
	}
	root := t.TempDir()
	program(t, "rpm", "--root", root, "--dbpath", filepath.Join(root, "db"), "-i", "--nodeps", "--noscripts", "--ignorearch", file)
	wantInstalled(t, p.Targets[1], root)
}

func TestSizes(t *testing.T) {
	before := &release.Release{Files: []release.File{
		{Name: "bzImage-1-x86_64", Kind: release.Image, Arch: "x86_64", Size: 100},
		{Name: "a.deb", Kind: release.PackageFile, Arch: "x86_64", Size: 50},
		{Name: "a.rpm", Kind: release.PackageFile, Arch: "x86_64", Size: 60},
	}}
	now := []release.File{
		{Name: "bzImage-2-x86_64", Kind: release.Image, Arch: "x86_64", Size: 110},
		{Name: "b.rpm", Kind: release.PackageFile, Arch: "x86_64", Size: 60},
		{Name: "Image-2-arm64", Kind: release.Image, Arch: "arm64", Size: 1},
		{Name: "verdict.json", Kind: release.Report, Size: 1},
	}
	var got []string
	for _, s := range Sizes(now, before) {
		got = append(got, s.Name+": "+s.Change())
	}
	want := []string{"bzImage-2-x86_64: +10 bytes, +10.0 %", "b.rpm: same", "Image-2-arm64: new"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
