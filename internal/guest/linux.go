package guest

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/event"
)

// linux is the kernel the guest runs on.
type linux struct{}

func (linux) Mount(m mount) error {
	return unix.Mount(m.source, m.target, m.fstype, m.flags, m.data)
}

func (linux) Hello() (event.Hello, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return event.Hello{}, fmt.Errorf("ask the kernel for its name: %w", err)
	}
	return event.Hello{
		Proto:   event.Proto,
		Release: unix.ByteSliceToString(u.Release[:]),
		Version: unix.ByteSliceToString(u.Version[:]),
		Machine: unix.ByteSliceToString(u.Machine[:]),
		CPUs:    runtime.NumCPU(),
	}, nil
}

// OpenPort opens a port for blocking writes. The driver then returns from a
// write when the host has taken the data; after a write that does not block,
// a restart could still lose it (drivers/char/virtio_console.c,
// __send_to_port). os.OpenFile would not do: it asks for O_NONBLOCK.
func (linux) OpenPort(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func (linux) Uptime() time.Duration { return sinceBoot() }

// sinceBoot returns how long the kernel runs.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// Restart restarts the machine, which QEMU's -no-reboot turns into its end. A
// power-off would need ACPI on x86_64.
func (linux) Restart() error {
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}
