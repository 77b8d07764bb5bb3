package boot

import (
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/fault"
	"bzmage/internal/qemu"
)

// CPU is where a CPU of a hung guest was, as QEMU says.
type CPU struct {
	qemu.CPU
	Calls []uint64 // return addresses by arm64's frame pointers, the innermost first
	Stack []uint64 // the words of the stack, where there are no frame pointers
}

const (
	askLimit   = 3 * time.Second // for all that QEMU is asked
	stackWords = 256
	mostCalls  = 16
)

// monitor is a socket to QEMU's monitor.
type monitor struct {
	ours   net.Conn
	theirs *os.File
}

func newMonitor() (*monitor, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fault.New(fault.Machine, "", "make a socket for QEMU: %w", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "monitor")
	defer ours.Close() // FileConn has its own copy
	theirs := os.NewFile(uintptr(fds[1]), "monitor")
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, fault.New(fault.Machine, "", "make a socket for QEMU: %w", err)
	}
	return &monitor{conn, theirs}, nil
}

func (m *monitor) close() {
	m.ours.Close()
	m.theirs.Close()
}

// askCPUs asks QEMU where the CPUs of a guest that hangs are. What cannot be
// had is left out: the verdict stands without it.
func (g *guest) askCPUs() {
	if g.monitor == nil || g.cpus != nil {
		return
	}
	m, err := qemu.NewMonitor(g.monitor.ours, time.Now().Add(askLimit))
	if err != nil {
		return
	}
	cpus := whereabouts(m, g.p.Machine.CPUs)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cpus = cpus
}

// whereabouts stops the CPUs and returns where they are. One that is emulated
// may stop at the first instruction of an interrupt, which does not say where it
// came from. So they are let go for a moment and asked again, and the answer
// counts in which most CPUs take interrupts; one that is idle, or hangs with
// interrupts off, never does.
func whereabouts(m *qemu.Monitor, count int) []CPU {
	const looks, between = 5, 20 * time.Millisecond
	var best []CPU
	for look := range looks {
		if look > 0 {
			if m.Continue() != nil {
				break
			}
			time.Sleep(between)
		}
		if m.Stop() != nil {
			break
		}
		cpus := ask(m, count)
		if look == 0 || masked(cpus) < masked(best) && len(cpus) == len(best) {
			best = cpus
		}
		if masked(best) == 0 {
			break
		}
	}
	return best
}

func masked(cpus []CPU) int {
	n := 0
	for _, c := range cpus {
		if c.Masked && !c.User {
			n++
		}
	}
	return n
}

// ask reads the registers and stacks of stopped CPUs.
func ask(m *qemu.Monitor, count int) []CPU {
	var cpus []CPU
	for i := range count {
		at, err := m.Registers(i)
		if err != nil {
			break
		}
		c := CPU{CPU: at}
		switch {
		case c.User:
		case c.FP != 0:
			c.Calls = calls(m, at)
		default:
			c.Stack, _ = m.Words(i, c.SP, stackWords)
		}
		cpus = append(cpus, c)
	}
	return cpus
}

// calls follows the frame records: where the caller's is, and the return
// address (Procedure Call Standard for the Arm 64-bit Architecture, 6.4.6). The
// stack grows downwards, so each lies above the one before.
func calls(m *qemu.Monitor, c qemu.CPU) []uint64 {
	var found []uint64
	for fp := c.FP; len(found) < mostCalls; {
		record, err := m.Words(c.Index, fp, 2)
		if err != nil || len(record) < 2 || record[1] == 0 {
			break
		}
		found = append(found, record[1])
		if record[0] <= fp {
			break
		}
		fp = record[0]
	}
	return found
}
