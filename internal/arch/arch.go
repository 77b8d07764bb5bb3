// Package arch is the one table of what differs between the architectures:
// how make is called, which images it leaves, and how QEMU starts them.
package arch

import (
	"fmt"
	"runtime"

	"github.com/hashicorp/go-version"
)

// Arch is one row of the table.
type Arch struct {
	Name     string   // bzmage's name, "x86_64"
	Make     string   // make's ARCH
	GOARCH   string   // Go's name, for the programs inside the guest
	Cross    string   // prefix of the cross tools on a host of another arch
	GCC      Packages // of the cross compiler
	Binutils Packages // of the cross linker
	LibC     Packages // of the cross compiler's C library
	Targets  []string // make targets that give the images
	Images   []Image  // what they leave
	QEMU     string   // the emulator
	Emulator Packages // of the emulator
	Machine  string   // QEMU's -machine
	CPUs     []CPU    // the CPU model by release, the first that matches
	Console  string   // the kernel's console on the first serial port
	Earlycon string   // the same port before the console's driver is up
	Firmware Firmware // a guest of a few bytes, to probe an accelerator with
}

// Packages names a package by package manager.
type Packages map[string]string

// Image is a file that make leaves under arch/<make>/boot.
type Image struct {
	Name string
	Path string // relative to make's output folder
	Boot bool   // QEMU is given this one
}

// CPU is the model for the releases of a constraint.
type CPU struct {
	Releases string // a constraint of hashicorp/go-version; empty: all
	TCG, KVM string // models for emulation and for hardware
}

// Firmware is a guest that says one letter and stops: real code, run from the
// reset vector, so that an accelerator is judged by what it does.
type Firmware struct {
	Size   int            // of the firmware image, filled with zeros
	Code   map[int][]byte // offset: machine code
	Serial string         // what it prints on the first serial port
}

// All returns the table.
func All() []Arch {
	return []Arch{
		{
			Name: "x86_64", Make: "x86_64", GOARCH: "amd64",
			Cross:    "x86_64-linux-gnu-",
			GCC:      Packages{"apt-get": "gcc-x86-64-linux-gnu", "dnf": "gcc-x86_64-linux-gnu", "pacman": "x86_64-linux-gnu-gcc", "zypper": "cross-x86_64-gcc13"},
			Binutils: Packages{"apt-get": "binutils-x86-64-linux-gnu", "dnf": "binutils-x86_64-linux-gnu", "pacman": "x86_64-linux-gnu-binutils", "zypper": "cross-x86_64-binutils"},
			LibC:     Packages{"apt-get": "libc6-dev-amd64-cross", "dnf": "sysroot-x86_64-fc42-glibc", "pacman": "x86_64-linux-gnu-glibc", "zypper": "cross-x86_64-glibc-devel"},
			Targets:  []string{"bzImage"},
			Images:   []Image{{Name: "bzImage", Path: "arch/x86/boot/bzImage", Boot: true}},
			QEMU:     "qemu-system-x86_64",
			Emulator: Packages{"apt-get": "qemu-system-x86", "dnf": "qemu-system-x86-core", "pacman": "qemu-system-x86", "zypper": "qemu-x86"},
			Machine:  "q35",
			CPUs:     []CPU{{TCG: "max", KVM: "host"}},
			Console:  "ttyS0", Earlycon: "uart8250,io,0x3f8,115200",
			Firmware: Firmware{
				Size: 64 << 10,
				Code: map[int][]byte{
					// f000:fff0, the reset vector: jmp short to fff80.
					0xfff0: {0xeb, 0x8e},
					// mov dx,0x3f8; mov al,'K'; out dx,al; then the keyboard
					// controller's reset line: mov al,0xfe; out 0x64,al; hlt; jmp $-1
					0xff80: {0xba, 0xf8, 0x03, 0xb0, 'K', 0xee, 0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd},
				},
				Serial: "K",
			},
		},
		{
			Name: "arm64", Make: "arm64", GOARCH: "arm64",
			Cross:    "aarch64-linux-gnu-",
			GCC:      Packages{"apt-get": "gcc-aarch64-linux-gnu", "dnf": "gcc-aarch64-linux-gnu", "pacman": "aarch64-linux-gnu-gcc", "zypper": "cross-aarch64-gcc13"},
			Binutils: Packages{"apt-get": "binutils-aarch64-linux-gnu", "dnf": "binutils-aarch64-linux-gnu", "pacman": "aarch64-linux-gnu-binutils", "zypper": "cross-aarch64-binutils"},
			LibC:     Packages{"apt-get": "libc6-dev-arm64-cross", "dnf": "sysroot-aarch64-fc42-glibc", "pacman": "aarch64-linux-gnu-glibc", "zypper": "cross-aarch64-glibc-devel"},
			Targets:  []string{"Image", "Image.gz"},
			Images: []Image{
				{Name: "Image", Path: "arch/arm64/boot/Image", Boot: true},
				{Name: "Image.gz", Path: "arch/arm64/boot/Image.gz"},
			},
			QEMU:     "qemu-system-aarch64",
			Emulator: Packages{"apt-get": "qemu-system-arm", "dnf": "qemu-system-aarch64-core", "pacman": "qemu-system-aarch64", "zypper": "qemu-arm"},
			Machine:  "virt",
			CPUs: []CPU{
				// head.S before 5.12 parks a CPU that has FEAT_LPA2, which
				// "max" has since QEMU 7.0 (QEMU commit 69b2265d5fe8).
				{Releases: "< 5.12", TCG: "cortex-a57", KVM: "host"},
				// pauth-impdef: the architected algorithm is slow to emulate.
				{TCG: "max,pauth-impdef=on", KVM: "host"},
			},
			Console: "ttyAMA0", Earlycon: "pl011,0x9000000",
			Firmware: Firmware{
				Size: 64 << 10,
				Code: map[int][]byte{0: {
					0x01, 0x20, 0xa1, 0xd2, // movz x1, #0x0900, lsl #16: the PL011
					0x62, 0x09, 0x80, 0x52, // movz w2, #'K'
					0x22, 0x00, 0x00, 0x39, // strb w2, [x1]
					0x00, 0x01, 0x80, 0x52, // movz w0, #0x0008: PSCI SYSTEM_OFF
					0x00, 0x80, 0xb0, 0x72, // movk w0, #0x8400, lsl #16
					0x02, 0x00, 0x00, 0xd4, // hvc #0
					0x00, 0x00, 0x00, 0x14, // b .
				}},
				Serial: "K",
			},
		},
	}
}

// Names returns the names of all rows.
func Names() []string {
	var names []string
	for _, a := range All() {
		names = append(names, a.Name)
	}
	return names
}

// Find returns the row of that name.
func Find(name string) (Arch, bool) {
	for _, a := range All() {
		if a.Name == name {
			return a, true
		}
	}
	return Arch{}, false
}

// Native says whether a is the arch of the machine bzmage runs on.
func (a Arch) Native() bool { return runtime.GOARCH == a.GOARCH }

// CrossCompile returns make's CROSS_COMPILE: empty on a machine of this arch.
func (a Arch) CrossCompile() string {
	if a.Native() {
		return ""
	}
	return a.Cross
}

// Tool returns the name of a tool of the arch's toolchain, such as gcc.
func (a Arch) Tool(name string) string { return a.CrossCompile() + name }

// BootImage returns the image QEMU is given.
func (a Arch) BootImage() Image {
	for _, i := range a.Images {
		if i.Boot {
			return i
		}
	}
	return a.Images[0]
}

// CPU returns the row of CPU models for a kernel release, such as 5.4.302.
func (a Arch) CPU(release string) (CPU, error) {
	v, err := version.NewVersion(release)
	if err != nil {
		return CPU{}, fmt.Errorf("release %q: %w", release, err)
	}
	for _, c := range a.CPUs {
		if c.Releases == "" {
			return c, nil
		}
		want, err := version.NewConstraint(c.Releases)
		if err != nil {
			return CPU{}, err
		}
		if want.Check(v.Core()) {
			return c, nil
		}
	}
	return CPU{}, fmt.Errorf("no CPU model for release %s on %s", release, a.Name)
}
