package verify

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every CPU gets the interrupts of its timer. On x86_64 a guest that is
// emulated is told not to look whether those of the first timer get through
// the I/O APIC (no_timer_check), so this does: without the series, too.
func TestTimers(t *testing.T) {
	if !inGuest() {
		t.Skip("a host may have timers of any kind")
	}
	text, err := os.ReadFile("/proc/interrupts")
	if err != nil {
		t.Fatal(err)
	}
	row := func(has ...string) []string {
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if !slices.ContainsFunc(has, func(word string) bool { return !slices.Contains(f, word) }) {
				return f
			}
		}
		t.Fatalf("/proc/interrupts has no row with %s:\n%s", has, text)
		return nil
	}
	count := func(field string) int {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatalf("%q is no count:\n%s", field, text)
		}
		return n
	}
	own := "arch_timer"
	if runtime.GOARCH == "amd64" {
		own = "LOC:"
	}
	each := row(own)
	for cpu := range runtime.NumCPU() {
		if count(each[1+cpu]) == 0 {
			t.Errorf("CPU %d got no interrupt of its timer:\n%s", cpu, text)
		}
	}
	if strings.Contains(line(t, "/proc/cmdline"), " no_timer_check") {
		if first := row("0:", "IO-APIC", "timer"); count(first[1]) == 0 {
			t.Errorf("the first timer's interrupts do not get through the I/O APIC:\n%s", text)
		}
	}
}
