package farm

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// second is the address of the second machine: icecream tells its machines
// apart by their addresses.
const second = "10.77.0.2"

const inside = "BZMAGE_TEST_INSIDE"

// reRoot matches the mount of the root folder (proc_pid_mountinfo(5)).
var reRoot = regexp.MustCompile(`(?m)^\d+ \d+ \S+ \S+ / `)

// inNamespace runs the test again in a network of its own, which has nothing
// but loopback, and returns true there: an iceccd calls out for a scheduler by
// broadcast. Its /run is empty, so that the iceccd of this machine, if any, is
// left alone, and what was started ends with it. Without the right to set that
// up the test is skipped, in CI too.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		setUpNamespace(t)
		return true
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if !reRoot.Match(mounts) {
		t.Skip("the root folder is no mount, as in a chroot, and what is mounted below it would be seen outside")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, os.ErrPermission) {
		t.Skipf("no namespaces here, and an iceccd takes jobs of others only as root: %v", err)
	}
	t.Logf("in a network of its own:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return false
}

func setUpNamespace(t *testing.T) {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	if err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		address("lo", "127.0.0.1"), address("lo:2", second),
		idle(t),
	); err != nil {
		t.Fatal(err)
	}
}

// idle stops the clocks of /proc/stat: an iceccd that sees its machine busy, be
// it with other tests, is given no jobs.
func idle(t *testing.T) error {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return err
	}
	still := filepath.Join(t.TempDir(), "stat")
	return errors.Join(os.WriteFile(still, text, 0o644), unix.Mount(still, "/proc/stat", "", unix.MS_BIND, ""))
}

// address gives a name of loopback an address (netdevice(7)).
func address(name, addr string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := req.SetInet4Addr(net.ParseIP(addr).To4()); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, req); err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_LOOPBACK | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}
