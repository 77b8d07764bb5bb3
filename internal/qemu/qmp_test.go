package qemu

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/run"
)

// A real QEMU that loops in a few bytes of firmware says where it is.
func TestMonitor(t *testing.T) {
	a := find(t, "x86_64")
	needTool(t, a.QEMU)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	argv, err := Machine{Arch: a, Release: "5.4.1", Accel: TCG, Memory: 64, CPUs: 2, Monitor: true}.Argv()
	if err != nil {
		t.Fatal(err)
	}
	argv = append(argv[:slices.Index(argv, "-kernel")], "-S") // stopped at the reset vector
	done := make(chan error, 1)
	go func() {
		done <- run.Run(t.Context(), run.Cmd{Argv: argv, Env: run.Env(), ExtraFiles: []*os.File{theirs}, Grace: time.Second})
	}()
	m, err := NewMonitor(conn, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if c, err := m.Registers(i); err != nil || c.PC != 0xfff0 || c.Index != i {
			t.Errorf("got %+v, %v; x86 starts at f000:fff0", c, err)
		}
	}
	if words, err := m.Words(0, 0xfffffff0, 2); err != nil || len(words) != 2 || words[0] == 0 {
		t.Errorf("the reset vector holds %#x, %v", words, err)
	}
	if _, err := m.execute("quit", nil); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A QEMU that does not answer, or talks nonsense, is an error by the deadline.
func TestMonitorIsBounded(t *testing.T) {
	for name, answer := range map[string]string{
		"mute": "", "nonsense": "hello\n", "no end": strings.Repeat("x", 2<<20),
		"events": strings.Repeat("{\"event\":\"STOP\"}\n", 2*mostMessages), "an error": "{\"error\":{\"desc\":\"no\"}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			us, them := net.Pipe()
			defer us.Close()
			defer them.Close()
			go func() {
				bufio.NewReader(them).ReadString('\n')
				them.Write([]byte(answer))
			}()
			if _, err := NewMonitor(us, time.Now().Add(200*time.Millisecond)); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestRegistersOfArm64(t *testing.T) {
	const text = " PC=ffff800008010000 X00=0000000000000000 X01=0000000000000001\r\nX29=ffff80000a3bbe10 X30=ffff800008015abc  SP=ffff80000a3bbe00\r\nPSTATE=600000c5 -ZC- EL1h\r\n"
	us, them := net.Pipe()
	defer us.Close()
	go func() {
		in := bufio.NewReader(them)
		for _, answer := range []any{map[string]any{}, text, strings.Replace(text, "600000c5", "60000005", 1)} {
			in.ReadString('\n')
			b, _ := json.Marshal(map[string]any{"return": answer})
			them.Write(append(b, '\n'))
		}
	}()
	m, err := NewMonitor(us, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	want := CPU{Index: 1, PC: 0xffff800008010000, SP: 0xffff80000a3bbe00, FP: 0xffff80000a3bbe10, LR: 0xffff800008015abc, Masked: true}
	if got, err := m.Registers(1); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := m.Registers(1); err != nil || got.Masked || got.PC != want.PC {
		t.Errorf("with interrupts: %+v, %v", got, err)
	}
}
