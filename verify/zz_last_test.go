package verify

// Checks run in the order of their files' names, and within a file from the
// top down, so those in this file come after all others. They look at what the
// others have left behind. (None of them may call t.Parallel: such a check
// would run after these.)

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// harmless are warnings that say nothing about the patches: patterns of them,
// and why they come.
type harmless struct {
	booting bool // it counts only before /init runs
	pattern string
	why     string
}

func harmlessOnes() []harmless {
	return []harmless{
		{true, `(?i)\b(tsc|apic|timer|pit|hpet|clocksource|calibrat\w*)\b|^calibrate_`, "an emulated timer is late when the host is busy"},
		{false, `^hrtimer: interrupt took |^clocksource: |^perf: interrupt took too long|^INFO: NMI handler `, "an emulated CPU is stopped when the host is busy"},
		{true, `^(Spectre|spectre|Meltdown|L1TF|MDS|TAA|MMIO Stale Data|SRBDS|GDS|RETBleed)`,
			"what this CPU, or its model in QEMU, is vulnerable to, and what the config does not mitigate"},
		{true, `^ACPI: Failed to create genetlink family`, "the config has no network, by which events of ACPI would be told"},
		{true, `^/cpus/cpu-map: empty cluster|^cacheinfo: Unable to detect cache hierarchy|^pci-host-generic .*: Memory resource size exceeds max for 32 bits`,
			"what QEMU says of its arm64 machine, and what it does not"},
		{true, `^Lock dependency validator: |^\.\.\. (MAX_LOCK|CLASSHASH_|CHAINHASH_)| memory used (by lock dependency info|for stack traces): |^ *per task-struct memory footprint: `,
			"lockdep says how big its tables are"},
		// Word by word, as trace_printk() in a patch makes a frame of its own.
		{true, `^\*+$|^\*\* *((NOTICE ?)+|This system shows unhashed kernel memory addresses|via the console, logs, and other interfaces\. This|` +
			`might reduce the security of your system\.|If you see this message and you are not debugging|the kernel, report this immediately to your system|administrator!)? *\*\*$`,
			"the debug flavour shows addresses, and the kernel frames what it thinks of that"},
		{true, `^Unstable clock detected, switching default tracing clock`, "the clock of an emulated CPU is none to trace by"},
		{false, `^process 'proc-pid-vm' launched '/dev/fd/`, "a selftest does what the kernel warns of"},
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
	booting := true
	for _, m := range kernelLog(t) {
		booting = booting && !strings.HasPrefix(m.text, "Run /init as init process")
		if m.level <= 4 && !isHarmless(t, m.text, booting) {
			t.Errorf("level %d: %s", m.level, m.text)
		}
	}
	if tainted := line(t, "/proc/sys/kernel/tainted"); tainted != "0" {
		t.Errorf("/proc/sys/kernel/tainted is %s (Documentation/admin-guide/tainted-kernels.rst says what the bits are)", tainted)
	}
}

func isHarmless(t *testing.T, text string, booting bool) bool {
	for _, h := range harmlessOnes() {
		if (booting || !h.booting) && regexp.MustCompile(h.pattern).MatchString(text) {
			t.Logf("%s: %s", text, h.why)
			return true
		}
	}
	return false
}
