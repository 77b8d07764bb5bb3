// Command record boots a kernel that bzcrash.patch was applied to, once for
// each kind of crash, and keeps what its console says: see README.md. As
// process 1 of the guest the same program makes the crash.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cavaliergopher/cpio"

	"bzmage/internal/arch"
	"bzmage/internal/qemu"
)

func main() {
	if os.Getpid() == 1 {
		guest()
	}
	dist := flag.String("dist", "", "folder with the image")
	name := flag.String("arch", "x86_64", "arch of the image")
	release := flag.String("release", "6.1", "release of the kernel")
	out := flag.String("out", "", "where the logs go: <out>-<kind>.log")
	limit := flag.Duration("limit", 90*time.Second, "for one boot")
	extra := flag.String("append", "", "more of the kernel's command line")
	flag.Parse()
	for _, kind := range flag.Args() {
		if err := record(*dist, *name, *release, *out, kind, *extra, *limit); err != nil {
			fmt.Fprintln(os.Stderr, "record:", kind, err)
			os.Exit(1)
		}
	}
}

// record boots once.
func record(dist, name, release, out, kind, extra string, limit time.Duration) error {
	a := arch.All()[slices.IndexFunc(arch.All(), func(a arch.Arch) bool { return a.Name == name })]
	dir, err := os.MkdirTemp("", "bzcrash")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	initrd := filepath.Join(dir, "initrd")
	if err := pack(dir, initrd, a.GOARCH, kind); err != nil {
		return err
	}
	image := a.Images[slices.IndexFunc(a.Images, func(i arch.Image) bool { return i.Boot })].Name
	m := qemu.Machine{Arch: a, Release: release, Accel: qemu.TCG, Kernel: filepath.Join(dist, image), Initrd: initrd,
		Memory: 512, CPUs: 2, Append: append(strings.Fields(extra), "page_poison=1", "bzcrash="+kind)}
	argv, err := m.Argv()
	if err != nil {
		return err
	}
	if kind == "reboot" {
		argv = slices.DeleteFunc(argv, func(s string) bool { return s == "-no-reboot" })
		limit = 25 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	x86 := a.GOARCH == "amd64"
	if text, ok := injections(x86, release)[kind]; ok {
		socket := filepath.Join(dir, "gdb")
		argv = append(argv, "-S", "-gdb", "unix:"+socket+",server=on,wait=off")
		go func() {
			for range 100 {
				if _, err := os.Stat(socket); err == nil {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			if err := inject(ctx, x86, dist, socket, text); err != nil {
				fmt.Fprintln(os.Stderr, "gdb:", err)
			}
		}()
	}
	text, _ := exec.CommandContext(ctx, argv[0], argv[1:]...).Output() // what it said counts, not how it ended
	return os.WriteFile(out+"-"+kind+".log", text, 0o644)
}

// pack makes an initramfs with this program as /init.
func pack(dir, path, goarch, kind string) error {
	prog := filepath.Join(dir, "init")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", prog, "./internal/console/testdata/record")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+goarch)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	text, err := os.ReadFile(prog)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := cpio.NewWriter(&b)
	for _, d := range []string{"proc", "sys", "tmp"} {
		if err := w.WriteHeader(&cpio.Header{Name: d, Mode: cpio.TypeDir | 0o755, Links: 2}); err != nil {
			return err
		}
	}
	file := "init"
	if kind == "no_init" {
		file = "other"
	}
	if err := w.WriteHeader(&cpio.Header{Name: file, Mode: cpio.TypeReg | 0o755, Links: 1, Size: int64(len(text))}); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	all := b.Bytes()
	if kind == "bad_initramfs" {
		all = append([]byte("garbage!"), all...)
	}
	return os.WriteFile(path, all, 0o644)
}

// guest is process 1: it makes the crash that the command line names.
func guest() {
	for _, fs := range []string{"proc", "sys"} {
		must(syscall.Mount(fs, "/"+fs, map[string]string{"proc": "proc", "sys": "sysfs"}[fs], 0, ""))
	}
	text, err := os.ReadFile("/proc/cmdline")
	must(err)
	_, kind, _ := strings.Cut(strings.TrimSpace(string(text)), "bzcrash=")
	set := func(path, value string) { _ = os.WriteFile(path, []byte(value), 0) } // not every kernel has it
	set("/proc/sys/kernel/printk", "8")
	wait := time.Second
	if strings.HasPrefix(kind, "at_") {
		_, kind, _ = strings.Cut(kind, "at_")
	}
	switch kind {
	case "clean":
	case "reboot":
		must(syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART))
	case "exit":
		os.Exit(3)
	case "oom":
		var all [][]byte
		for {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
		}
	case "softlockup":
		set("/proc/sys/kernel/watchdog_thresh", "2")
	case "hung", "hung_task":
		set("/proc/sys/kernel/hung_task_timeout_secs", "2")
		wait = 8 * time.Second
	case "rcu_stall":
		set("/proc/sys/kernel/soft_watchdog", "0")
		set("/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout", "4")
	case "wq_lockup":
		set("/proc/sys/kernel/soft_watchdog", "0")
		set("/sys/module/workqueue/parameters/watchdog_thresh", "3")
		wait = 12 * time.Second
	case "busy_inode":
		must(syscall.Mount("tmpfs", "/tmp", "tmpfs", 0, ""))
		must(os.Chdir("/tmp"))
	}
	_, _ = os.ReadFile("/proc/self/rand") // where gdb waits
	set("/sys/module/bzcrash/parameters/run", kind)
	if kind == "busy_inode" {
		must(os.Chdir("/"))
		must(syscall.Unmount("/tmp", 0))
	}
	if kind == "leak" {
		must(syscall.Mount("debug", "/sys/kernel/debug", "debugfs", 0, ""))
		for range 3 {
			set("/sys/kernel/debug/kmemleak", "scan")
			time.Sleep(6 * time.Second)
		}
	}
	time.Sleep(wait)
	must(syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART))
}

func must(err error) {
	if err != nil {
		fmt.Println("init:", err)
		time.Sleep(time.Second)
		os.Exit(1)
	}
}
