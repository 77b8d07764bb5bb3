package verify

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// message is one of the kernel's log.
type message struct {
	level int // 4 is a warning, less is worse
	text  string
}

// kernelLog returns what the kernel has said since it began, by /dev/kmsg: a
// read gives a record, "level,sequence,time,flags;text" and maybe more lines
// (Documentation/ABI/testing/dev-kmsg). What others wrote into it is left out.
func kernelLog(t *testing.T) []message {
	t.Helper()
	needRoot(t)
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal("/dev/kmsg: ", err)
	}
	defer unix.Close(fd)
	var all []message
	for buf := make([]byte, 8192); ; {
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return all
		case errors.Is(err, unix.EPIPE) && inGuest():
			t.Fatal("the kernel's log was overwritten while it was read")
		case errors.Is(err, unix.EPIPE):
			continue
		case err != nil:
			t.Fatal("/dev/kmsg: ", err)
		}
		head, text, ok := strings.Cut(string(buf[:n]), ";")
		prefix := strings.Split(head, ",")
		priority, err := strconv.Atoi(prefix[0])
		if !ok || err != nil || len(prefix) < 3 {
			t.Fatalf("/dev/kmsg: %q is not a record", buf[:n])
		}
		if len(all) == 0 && prefix[1] != "0" && inGuest() {
			t.Fatalf("the kernel's log begins with record %s; its buffer is too small", prefix[1])
		}
		text, _, _ = strings.Cut(text, "\n")
		if priority>>3 == 0 { // facility: kernel
			all = append(all, message{priority & 7, text})
		}
	}
}
