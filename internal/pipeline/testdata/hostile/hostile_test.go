// Package hostile is a guest that plays tricks on the host. Which one stands
// on the kernel's command line: hostile=NAME.
package hostile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// evil is text that drives terminals, turns what follows, and is no UTF-8.
const evil = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202eevil\u2066\u009b\xff\r\b"

// tricks get the boot's id and what a good guest says at first.
var tricks = map[string]func(port *os.File, id, hello string){
	"gigabyte": func(port *os.File, _, hello string) {
		fmt.Fprint(port, hello)
		line := append(bytes.Repeat([]byte("x"), 1<<20), '\n')
		for range 1024 {
			if _, err := port.Write(line); err != nil {
				return
			}
		}
	},
	"terminal": func(port *os.File, id, hello string) {
		for range 10 {
			fmt.Print(evil, strings.Repeat(evil, 1000), "\n")
		}
		fmt.Fprint(port, hello, evil, "\n")
		fmt.Fprintf(port, `{"type":"done","id":%q,"done":{"exit":0,"error":%q,"uptime":1}}`+"\n", id, "\u202e\n../../x")
	},
	"another image": func(port *os.File, id, hello string) {
		hello = regexp.MustCompile(`"build_id":"[^"]*"`).ReplaceAllString(hello, `"build_id":"00112233"`)
		fmt.Fprint(port, hello, pass("TestHonest"), done(id))
	},
	"liar": func(port *os.File, id, hello string) {
		fmt.Fprint(port, hello, hello, pass("TestHonest"), pass("TestNobodyKnows"), pass("../../../etc/passwd"), done(id), pass("TestHonest"), done(id))
	},
}

func pass(name string) string {
	s := ""
	for _, action := range []string{"run", "pass"} {
		s += fmt.Sprintf(`{"type":"test","test":{"Action":%q,"Package":"bzmage/verify","Test":%q}}`+"\n", action, name)
	}
	return s
}

func done(id string) string {
	return fmt.Sprintf(`{"type":"done","id":%q,"done":{"exit":0,"uptime":1}}`+"\n", id)
}

func TestHonest(*testing.T) {}

func TestMain(m *testing.M) {
	if os.Getpid() != 1 {
		os.Exit(m.Run())
	}
	if err := play(); err != nil {
		fmt.Println(err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

func play() error {
	for dir, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs"} {
		if err := unix.Mount(kind, dir, kind, 0, ""); err != nil && err != unix.EBUSY {
			return err
		}
	}
	text, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	trick := ""
	values := map[string]string{}
	for _, word := range strings.Fields(string(text)) {
		name, value, _ := strings.Cut(word, "=")
		values[name] = value
	}
	trick = strings.ReplaceAll(values["hostile"], "_", " ")
	var ports []string
	for len(ports) == 0 { // the driver makes it some time after init has begun
		if ports, err = filepath.Glob("/dev/vport*"); err != nil {
			return err
		}
	}
	fd, err := unix.Open(ports[0], unix.O_WRONLY, 0) // blocking: see package guest
	if err != nil {
		return err
	}
	port := os.NewFile(uintptr(fd), ports[0])
	defer port.Close()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	hello := fmt.Sprintf(`{"type":"hello","id":%q,"hello":{"proto":1,"release":%q,"version":"#1","machine":"m","cpus":1,"build_id":"%s","cmdline":""}}`+"\n",
		values["bzmage.id"], unix.ByteSliceToString(u.Release[:]), values["hostile.build"])
	tricks[trick](port, values["bzmage.id"], hello)
	return nil
}
