package verify

// Checks run in the order of their files' names, and within a file from the
// top down, so those in this file come after all others. They look at what the
// others have left behind. (None of them may call t.Parallel: such a check
// would run after these.)

import (
	"os/exec"
	"strings"
	"testing"
)

// harmless are warnings that say nothing about the patches, by how they begin,
// and why they come.
func harmless() map[string]string {
	const busy = "an emulated timer is late when the host is busy"
	const cpu = "what this CPU, or its model in QEMU, is vulnerable to, and what the config does not mitigate"
	const qemu = "QEMU's device tree says no more"
	return map[string]string{
		"tsc: ": busy,
		"APIC calibration not consistent with PM-Timer": busy,
		"calibrate_delay_direct() ":                     busy,
		"hrtimer: interrupt took ":                      busy,
		"clocksource: ":                                 busy,
		"perf: interrupt took too long":                 busy,
		"INFO: NMI handler ":                            busy,
		"spectrev2 mitigation disabled":                 cpu,
		"/cpus/cpu-map: empty cluster":                  qemu,
		"cacheinfo: Unable to detect cache hierarchy":   qemu,
		"pci-host-generic ":                             "QEMU's window is larger than a 32-bit address",
		"Spectre V":                                     cpu,
		"Meltdown":                                      cpu,
		"L1TF":                                          cpu,
		"MDS":                                           cpu,
		"TAA":                                           cpu,
		"MMIO Stale Data":                               cpu,
		"SRBDS":                                         cpu,
		"GDS":                                           cpu,
		"RETBleed":                                      cpu,
		"process 'proc-pid-vm' launched '/dev/fd/": "a selftest does what the kernel warns of",
		"ACPI: Failed to create genetlink family":  "the config has no network, by which events of ACPI would be told",
	}
}

// The checks have not made the kernel complain: its log has no warning and
// nothing worse, and it does not call itself tainted, which any WARN makes it.
func TestZKernelLog(t *testing.T) {
	if !inGuest() {
		t.Skip("a host's log has warnings about the host")
	}
	last := ""
	out, err := exec.Command("/proc/self/exe", "-test.list=^Test").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(string(out)) {
		last = strings.TrimSpace(name)
	}
	if last != t.Name() {
		t.Errorf("%s comes after this check, and nobody looks at what it leaves in the log", last)
	}
	for _, m := range kernelLog(t) {
		if m.level <= 4 && !isHarmless(m.text) {
			t.Errorf("level %d: %s", m.level, m.text)
		}
	}
	if tainted := line(t, "/proc/sys/kernel/tainted"); tainted != "0" {
		t.Errorf("/proc/sys/kernel/tainted is %s (Documentation/admin-guide/tainted-kernels.rst says what the bits are)", tainted)
	}
}

func isHarmless(text string) bool {
	for begin := range harmless() {
		if strings.HasPrefix(text, begin) {
			return true
		}
	}
	return false
}
