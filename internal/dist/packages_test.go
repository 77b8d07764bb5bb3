package dist

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// scratch returns a root with a shell, hooks that write down how they were
// called, and a depmod that does so too.
func scratch(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		lacks(t, "only root can install into a root of its own")
	}
	root := t.TempDir()
	for _, program := range []string{"sh", "run-parts", "rm", "rmdir"} {
		need(t, program)
		path, _ := exec.LookPath(program)
		for _, f := range append(regexp.MustCompile(`/\S+`).FindAllString(output(t, "ldd", path), -1), path) {
			f = strings.TrimSuffix(f, ":")
			write(t, filepath.Join(root, f), read(t, f))
			if err := os.Chmod(filepath.Join(root, f), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		write(t, filepath.Join(root, "bin", program), read(t, path))
		if err := os.Chmod(filepath.Join(root, "bin", program), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{
		"etc/kernel/postinst.d/one": "#!/bin/sh\necho postinst \"$@\" $INITRD >> /called\n",
		"etc/kernel/postrm.d/one":   "#!/bin/sh\necho postrm \"$@\" >> /called\n",
		"sbin/depmod":               "#!/bin/sh\necho depmod \"$@\" >> /called\necho > /lib/modules/" + uname + "/modules.dep\n",
	} {
		write(t, filepath.Join(root, path), text)
		if err := os.Chmod(filepath.Join(root, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	calledIn  = "depmod -F /boot/System.map-" + uname + " " + uname + "\npostinst " + uname + " /boot/vmlinuz-" + uname + " Yes\n"
	calledOut = "postrm " + uname + " /boot/vmlinuz-" + uname + "\n"
)

// gone checks that nothing of the kernel is left.
func gone(t *testing.T, root string) {
	t.Helper()
	for _, path := range []string{"boot/vmlinuz-" + uname, "lib/modules/" + uname, "usr/lib/linux-image-" + uname} {
		if _, err := os.Lstat(filepath.Join(root, path)); err == nil {
			t.Errorf("%s is left after the package was removed", path)
		}
	}
}

func TestDebInstalls(t *testing.T) {
	need(t, "dpkg", "ldd")
	p, _ := made(t)
	root := scratch(t)
	for _, f := range []string{"var/lib/dpkg/status", "var/lib/dpkg/available", "var/lib/dpkg/info/none", "var/lib/dpkg/updates/none", "var/lib/dpkg/triggers/none"} {
		write(t, filepath.Join(root, f), "")
		if strings.HasSuffix(f, "none") {
			if err := os.Remove(filepath.Join(root, f)); err != nil {
				t.Fatal(err)
			}
		}
	}
	dpkg := func(args ...string) {
		output(t, append([]string{"dpkg", "--root=" + root, "--force-architecture", "--log=" + filepath.Join(root, "log")}, args...)...)
	}
	dpkg("-i", find(t, p, `amd64\.deb$`))
	installed(t, p.Targets[0], root)
	if got := read(t, filepath.Join(root, "called")); got != calledIn {
		t.Errorf("the scripts called %q, not %q", got, calledIn)
	}
	if out := output(t, "dpkg", "--root="+root, "--verify", "linux-image-6.1.9-test-1"); out != "" {
		t.Errorf("dpkg --verify: %s", out)
	}
	dpkg("-r", "linux-image-6.1.9-test-1")
	if got := read(t, filepath.Join(root, "called")); got != calledIn+calledOut {
		t.Errorf("the scripts called %q", got)
	}
	gone(t, root)
}

func TestDebSays(t *testing.T) {
	need(t, "dpkg", "dpkg-deb")
	p, _ := made(t)
	for _, a := range []string{"amd64", "arm64"} {
		info := output(t, "dpkg-deb", "-I", find(t, p, a+`\.deb$`))
		for _, want := range []string{"Package: linux-image-6.1.9-test-1\n", "Version: 6.1.9-202611221202\n", "Architecture: " + a + "\n",
			"Maintainer: A Maintainer <a@example.org>\n", "Homepage: https://example.org/\n", "Description: Linux kernel 6.1.9-Test_1\n", "postinst", "md5sums"} {
			if !strings.Contains(info, want) {
				t.Errorf("%s: no %q in\n%s", a, want, info)
			}
		}
		for line := range strings.SplitSeq(output(t, "dpkg-deb", "-c", find(t, p, a+`\.deb$`)), "\n") {
			if !regexp.MustCompile(`^(drwxr-xr-x|-rw-r--r--) root/root +\d+ 2026-11-22 12:02 \./(boot|lib|usr)/`).MatchString(line) {
				t.Error(line)
			}
		}
	}
	for _, pair := range [][2]string{{"6.2~rc1-202611221202", "6.2-202611221202"}, {"6.1.9-202611221202", "6.1.9-202611221203"}, {"6.1.9-202611221202", "6.1.10-202501010000"}} {
		output(t, "dpkg", "--compare-versions", pair[0], "lt", pair[1])
	}
}

func TestRPMSays(t *testing.T) {
	need(t, "rpm")
	p, _ := made(t)
	db := t.TempDir()
	for _, a := range []string{"x86_64", "aarch64"} {
		path := find(t, p, a+`\.rpm$`)
		info := output(t, "rpm", "--dbpath", db, "-qp", "--qf", "%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{BUILDHOST} %{BUILDTIME} %{PACKAGER} %{LICENSE}\n", path)
		if want := "linux-image-6.1.9-test-1 6.1.9 202611221202 " + a + " bzmage 1795348920 A Maintainer <a@example.org> GPL-2.0-only"; info != want {
			t.Errorf("%q, not %q", info, want)
		}
		output(t, "rpm", "--dbpath", db, "-qpi", path)
		list := output(t, "rpm", "--dbpath", db, "-qpl", path) + "\n"
		for _, want := range []string{"/boot/vmlinuz-", "/boot/config-", "/boot/System.map-", "/lib/modules/"} {
			if !strings.Contains(list, want+uname+"\n") {
				t.Errorf("no %s in\n%s", want, list)
			}
		}
		if strings.Contains(list, "/lib/modules\n") || strings.Contains(list, "/boot\n") {
			t.Errorf("the package owns folders of others:\n%s", list)
		}
		if out := output(t, "rpm", "--dbpath", db, "-K", "--nosignature", path); !strings.HasSuffix(out, "digests OK") {
			t.Errorf("rpm -K: %s", out)
		}
	}
}

// One byte of a package that is another is found.
func TestRPMDamaged(t *testing.T) {
	need(t, "rpm")
	p, _ := made(t)
	path := find(t, p, `x86_64\.rpm$`)
	text := []byte(read(t, path))
	text[len(text)-10] ^= 1
	write(t, path, string(text))
	if out, err := exec.CommandContext(t.Context(), "rpm", "--dbpath", t.TempDir(), "-K", "--nosignature", path).CombinedOutput(); err == nil {
		t.Errorf("a damaged package passes: %s", out)
	}
}

func TestRPMInstalls(t *testing.T) {
	need(t, "rpm", "ldd")
	p, _ := made(t)
	root := scratch(t)
	// No sandbox and no dependencies: the root has no rpm of its own.
	rpm := func(args ...string) {
		output(t, append([]string{"rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--nodeps"}, args...)...)
	}
	rpm("-i", "--nosignature", "--ignorearch", find(t, p, `x86_64\.rpm$`))
	installed(t, p.Targets[0], root)
	if got := read(t, filepath.Join(root, "called")); got != calledIn {
		t.Errorf("the scripts called %q, not %q", got, calledIn)
	}
	rpm("-V", "linux-image-6.1.9-test-1")
	rpm("-e", "linux-image-6.1.9-test-1")
	if got := read(t, filepath.Join(root, "called")); got != calledIn+calledOut {
		t.Errorf("the scripts called %q", got)
	}
	gone(t, root)
}
