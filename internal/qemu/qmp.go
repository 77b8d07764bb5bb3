package qemu

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Monitor asks a running QEMU by its machine protocol (QEMU's
// docs/interop/qmp-spec.txt): a line of JSON each way. The libraries for it
// bring libvirt's protocol along, for three commands.
type Monitor struct {
	conn net.Conn
	in   *bufio.Scanner
}

const (
	longestAnswer = 1 << 20 // of one answer; the registers of a CPU are 4 KB
	mostMessages  = 1000    // events and answers that are passed over
)

// NewMonitor greets the QEMU at the other end of conn. Whatever it is asked,
// the answers have all come by the deadline or are errors.
func NewMonitor(conn net.Conn, deadline time.Time) (*Monitor, error) {
	m := &Monitor{conn: conn, in: bufio.NewScanner(conn)}
	m.in.Buffer(nil, longestAnswer)
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, fmt.Errorf("ask qemu: %w", err)
	}
	_, err := m.execute("qmp_capabilities", nil)
	return m, err
}

func (m *Monitor) execute(command string, args any) (json.RawMessage, error) {
	text, err := json.Marshal(map[string]any{"execute": command, "arguments": args})
	if args == nil {
		text, err = json.Marshal(map[string]any{"execute": command})
	}
	if err != nil {
		return nil, err
	}
	if _, err := m.conn.Write(append(text, '\n')); err != nil {
		return nil, fmt.Errorf("ask qemu: %s: %w", command, err)
	}
	for range mostMessages {
		if !m.in.Scan() {
			return nil, fmt.Errorf("ask qemu: %s: %w", command, errors.Join(m.in.Err(), errors.New("no answer")))
		}
		var answer struct {
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Desc string `json:"desc"`
			} `json:"error"`
		}
		if err := json.Unmarshal(m.in.Bytes(), &answer); err != nil {
			return nil, fmt.Errorf("ask qemu: %s: %w", command, err)
		}
		if answer.Error != nil {
			return nil, fmt.Errorf("ask qemu: %s: %.200q", command, answer.Error.Desc)
		}
		if answer.Return != nil { // else it is the greeting or an event
			return answer.Return, nil
		}
	}
	return nil, fmt.Errorf("ask qemu: %s: nothing but events", command)
}

// Stop stops all CPUs, so that what is read of them holds together.
func (m *Monitor) Stop() error {
	_, err := m.execute("stop", nil)
	return err
}

// Continue lets the CPUs run on.
func (m *Monitor) Continue() error {
	_, err := m.execute("cont", nil)
	return err
}

// human runs a command of the monitor for people, on a CPU.
func (m *Monitor) human(command string, cpu int) (string, error) {
	answer, err := m.execute("human-monitor-command", map[string]any{"command-line": command, "cpu-index": cpu})
	if err != nil {
		return "", err
	}
	var text string
	if err := json.Unmarshal(answer, &text); err != nil {
		return "", fmt.Errorf("ask qemu: %s: %w", command, err)
	}
	return text, nil
}

// CPU is where a CPU is: x86_64's RIP and RSP; arm64's PC, SP, x29 and x30.
type CPU struct {
	Index          int
	PC, SP, FP, LR uint64
	User           bool // it runs a program
	Masked         bool // arm64: it takes no interrupts, as when one has just come
}

var (
	reRegister = regexp.MustCompile(`\b([RE]IP|[RE]SP|PC|SP|X29|X30) ?= ?([0-9a-f]{8}|[0-9a-f]{16})\b`)
	reUser     = regexp.MustCompile(`\bCPL=3\b|\bEL0t\b`)
	rePSTATE   = regexp.MustCompile(`\bPSTATE=([0-9a-f]{8})\b`)
	reWord     = regexp.MustCompile(`0x([0-9a-f]{16})\b`)
)

// Registers returns where a CPU is.
func (m *Monitor) Registers(cpu int) (CPU, error) {
	text, err := m.human("info registers", cpu)
	if err != nil {
		return CPU{}, err
	}
	c := CPU{Index: cpu, User: reUser.MatchString(text)}
	if p := rePSTATE.FindStringSubmatch(text); p != nil {
		pstate, _ := strconv.ParseUint(p[1], 16, 32)
		c.Masked = pstate&(1<<7) != 0 // the bit I: Arm Architecture Reference Manual, SPSR_EL1
	}
	found := false
	for _, r := range reRegister.FindAllStringSubmatch(text, -1) {
		value, _ := strconv.ParseUint(r[2], 16, 64)
		switch r[1] {
		case "RIP", "EIP", "PC":
			c.PC, found = value, true
		case "RSP", "ESP", "SP":
			c.SP = value
		case "X29":
			c.FP = value
		case "X30":
			c.LR = value
		}
	}
	if !found {
		return CPU{}, fmt.Errorf("ask qemu: the registers of CPU %d are not what was expected: %.80q", cpu, text)
	}
	return c, nil
}

// Words reads words of 64 bits of a CPU's virtual memory. There are fewer
// where the memory ends.
func (m *Monitor) Words(cpu int, addr uint64, count int) ([]uint64, error) {
	text, err := m.human(fmt.Sprintf("x/%dgx %#x", count, addr), cpu)
	if err != nil {
		return nil, err
	}
	var words []uint64
	for line := range strings.Lines(text) {
		_, values, _ := strings.Cut(line, ":")
		for _, w := range reWord.FindAllStringSubmatch(values, -1) {
			value, _ := strconv.ParseUint(w[1], 16, 64)
			words = append(words, value)
		}
	}
	return words[:min(len(words), count)], nil
}
