// Package qemu says how a guest is started: the command line of QEMU as a
// pure function, and which accelerator really works on this machine.
package qemu

import (
	"fmt"
	"strings"

	"bzmage/internal/arch"
)

// The accelerators.
const (
	KVM = "kvm" // the host's own CPU
	TCG = "tcg" // emulation
)

// Machine is a guest: direct kernel boot, a console, named virtio-serial
// ports, a source of randomness, and nothing else.
type Machine struct {
	Arch    arch.Arch
	Release string // of the kernel: some CPU models stop old kernels
	Accel   string // KVM or TCG
	Kernel  string // the image
	Initrd  string // the initramfs
	Memory  int    // MiB
	CPUs    int
	Ports   []string // names of ports; port i is a socket, descriptor 3+i
	Append  []string // more of the kernel's command line
	Monitor bool     // QEMU can be asked, see [Monitor], at the descriptor behind those of the ports
}

// Argv returns QEMU's command line.
//
// The console is standard output. A panic ends QEMU (panic=-1 asks for a
// restart at once, -no-reboot turns that into an exit), and QEMU's exit code
// says nothing: it is 0 then too.
func (m Machine) Argv() ([]string, error) {
	cpu, err := m.CPU()
	if err != nil {
		return nil, err
	}
	argv := []string{
		m.Arch.QEMU,
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", m.Arch.Machine,
		"-accel", m.accel(),
		"-cpu", cpu,
		"-smp", fmt.Sprint(m.CPUs),
		"-m", fmt.Sprint(m.Memory),
		"-serial", "stdio",
		"-device", "virtio-rng-pci",
		"-device", "virtio-serial-pci",
	}
	for i, name := range m.Ports {
		id := fmt.Sprintf("port%d", i)
		argv = append(argv,
			"-chardev", fmt.Sprintf("socket,id=%s,fd=%d", id, 3+i),
			"-device", fmt.Sprintf("virtserialport,chardev=%s,name=%s", id, name))
	}
	if m.Monitor {
		argv = append(argv, "-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", 3+len(m.Ports)), "-mon", "chardev=monitor,mode=control")
	}
	return append(argv, "-kernel", m.Kernel, "-initrd", m.Initrd, "-append", m.Cmdline()), nil
}

// CPU returns the CPU model for the release and the accelerator.
func (m Machine) CPU() (string, error) {
	row, err := m.Arch.CPU(m.Release)
	if err != nil {
		return "", err
	}
	if m.Accel == KVM {
		return row.KVM, nil
	}
	return row.TCG, nil
}

func (m Machine) accel() string {
	if m.Accel == TCG {
		return "tcg,thread=multi"
	}
	return m.Accel
}

// emulated returns what only a guest that is emulated is told.
//
// An x86 kernel expects four ticks of its timer within so many cycles of the
// CPU, and else panics: "IO-APIC + timer doesn't work!" (timer_irq_works() in
// arch/x86/kernel/apic/io_apic.c). Under TCG the cycles are the host's, which
// go on while a busy host gives QEMU no CPU to tick with. As a guest of KVM the
// kernel sets no_timer_check by itself (arch/x86/kernel/kvm.c). What the kernel
// does not look at then, the check TestTimers does.
func (m Machine) emulated() []string {
	if m.Accel == TCG && m.Arch.Name == "x86_64" {
		return []string{"no_timer_check"}
	}
	return nil
}

// Cmdline returns the kernel's command line. See
// Documentation/admin-guide/kernel-parameters.txt.
func (m Machine) Cmdline() string {
	words := append([]string{
		"console=" + m.Arch.Console,
		"earlycon=" + m.Arch.Earlycon,
		"panic=-1", "oops=panic", "softlockup_panic=1", "hung_task_panic=1",
	}, m.emulated()...)
	words = append(words, m.Append...)
	return strings.Join(words, " ")
}
