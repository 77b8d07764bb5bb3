package verify

import (
	"bufio"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestExampleCPUInfo is the check that README.md explains: /proc/cpuinfo has
// the fields that a list in testdata asks for.
func TestExampleCPUInfo(t *testing.T) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	fields, err := os.Open("testdata/cpuinfo-fields")
	if err != nil {
		t.Fatal(err)
	}
	defer fields.Close()
	for sc := bufio.NewScanner(fields); sc.Scan(); {
		name, arch, _ := strings.Cut(sc.Text(), " ")
		t.Run(name, func(t *testing.T) {
			if arch != "" && arch != runtime.GOARCH {
				t.Skip("a field of " + arch)
			}
			if !regexp.MustCompile(`(?m)^` + name + `\s*:`).Match(text) {
				t.Errorf("/proc/cpuinfo has no %s", name)
			}
		})
	}
}

// BenchmarkExampleCPUInfo: its ns/op and bytes/read stand in verdict.json.
func BenchmarkExampleCPUInfo(b *testing.B) {
	size := 0
	for b.Loop() {
		text, err := os.ReadFile("/proc/cpuinfo")
		if err != nil {
			b.Fatal(err)
		}
		size = len(text)
	}
	b.ReportMetric(float64(size), "bytes/read")
}
