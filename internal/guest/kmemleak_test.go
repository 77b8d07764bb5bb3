package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bzmage/internal/event"
)

// leak is an object of a report.
func leak(address, size, by string) string {
	return "unreferenced object 0x" + address + " (size " + size + "):\n" +
		"  comm \"verify.test\", pid 87, jiffies 4294941337 (age 7.4s)\n" +
		"  hex dump (first 32 bytes):\n" +
		"    6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b  kkkkkkkkkkkkkkkk\n" +
		"  backtrace:\n" +
		"    [<00000000" + address[:8] + ">] kmalloc_trace+0x2a/0xd0\n" +
		"    [<000000001a2b3c4d>] " + by + "+0x3a/0xa0\n" +
		"    [<00000000deadbeef>] seq_read_iter+0x2e3/0x870\n"
}

func TestKmemleak(t *testing.T) {
	one := leak("ffff888007a41c00", "64", "rand_show")
	three := one + leak("ffff888007a41d00", "64", "rand_show") + leak("ffff888007a41e00", "8", "rand_open")
	tests := []struct {
		name    string
		reports []string // after each scan
		err     error    // of a scan
		status  string
		output  string
	}{
		{"none", nil, nil, event.Pass, ""},
		{"young or changing at the first scan", []string{one}, nil, event.Pass, ""},
		{"in a register at the second", []string{"", one}, nil, event.Pass, ""},
		{"one", []string{"", one, one}, nil, event.Fail, "leaked: 1 of 64 bytes by rand_show+0x3a/0xa0\n\n" + one},
		{"two ways", []string{"", three, three}, nil, event.Fail,
			"leaked: 2 of 64 bytes by rand_show+0x3a/0xa0\nleaked: 1 of 8 bytes by rand_open+0x3a/0xa0\n\n" + one + "\n" + leak("ffff888007a41e00", "8", "rand_open")},
		{"not as we know it", []string{"", "x\n", "x\n"}, nil, event.Fail, "x\n"},
		{"switched off", nil, fmt.Errorf("write: %w", unix.EPERM), event.Fail, "write: operation not permitted\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "bzmage.run=^TestPass$")
			w.write(t, "sys/kernel/debug/kmemleak", "")
			w.write(t, "proc/sys/kernel/printk", "7\t4\t1\t7\n")
			w.kernel.leaks, w.kernel.scanErr = tt.reports, tt.err
			res := w.run(t, "TestPass", event.Kmemleak)
			if len(res.Checks) != 2 || res.Checks[1].Name != event.Kmemleak || res.Violations != nil || res.Missing != nil {
				t.Fatalf("%+v", res)
			}
			if c := res.Checks[1]; c.Status != tt.status || c.Output != tt.output {
				t.Errorf("%s with output\n%s\nwant %s\n%s", c.Status, c.Output, tt.status, tt.output)
			}
			if (res.Done.Exit == 0) != (tt.status == event.Pass) || res.Done.Error != "" {
				t.Errorf("done %+v", res.Done)
			}
			if text, err := os.ReadFile(filepath.Join(w.root, "proc/sys/kernel/printk")); err != nil || string(text) != "7\t4\t1\t7\n" {
				t.Errorf("the console's level is left at %q, %v", text, err)
			}
		})
	}
}

// A kernel without kmemleak has no such check, with debugfs or without; a
// debugfs that cannot be mounted is an error.
func TestNoKmemleak(t *testing.T) {
	for name, file := range map[string]string{"no debugfs": "sys/kernel/x", "no kmemleak": "sys/kernel/debug/x"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "bzmage.run=^TestPass$")
			w.write(t, file, "")
			if p := w.run(t, "TestPass").Problems(); p != nil {
				t.Errorf("problems %q", p)
			}
		})
	}
	w := newWorld(t, "bzmage.run=^TestPass$")
	w.write(t, "sys/kernel/debug/kmemleak", "")
	w.kernel.mountErr = map[string]error{"/sys/kernel/debug": unix.EPERM}
	if res := w.run(t, "TestPass", event.Kmemleak); res.Done == nil || !strings.Contains(res.Done.Error, "mount debugfs") || len(res.Missing) != 1 {
		t.Errorf("%+v", res.Done)
	}
}

// A report is bounded, and says so.
func TestManyLeaks(t *testing.T) {
	w := newWorld(t, "bzmage.run=^TestPass$")
	w.write(t, "sys/kernel/debug/kmemleak", "")
	many := strings.Repeat(leak("ffff888007a41c00", "64", "rand_show"), 10_000)
	w.kernel.leaks = []string{many, many, many}
	res := w.run(t, "TestPass", event.Kmemleak)
	if out := res.Checks[1].Output; !strings.HasPrefix(out, "leaked: ") || !strings.Contains(out, " or more of 64 bytes by rand_show") || len(out) > longestLeaks+1000 {
		t.Errorf("%d bytes: %.300s", len(out), out)
	}
}

// Checks that are repeated are followed by one scan.
func TestKmemleakOnce(t *testing.T) {
	w := newWorld(t, "bzmage.run=^TestPass$ bzmage.count=2")
	w.write(t, "sys/kernel/debug/kmemleak", "")
	w.live()
	s := event.NewState("1d", []string{"TestPass", event.Kmemleak})
	s.Repeat(2)
	f, err := os.Open(filepath.Join(w.root, "dev/vport0p2"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := s.Fold(f); err != nil {
		t.Fatal(err)
	}
	if p := s.Result().Problems(); p != nil {
		t.Errorf("problems %q", p)
	}
}

func FuzzSummarize(f *testing.F) {
	f.Add(leak("ffff888007a41c00", "64", "rand_show"))
	f.Add("unreferenced object \nunreferenced object ")
	f.Fuzz(func(t *testing.T, report string) {
		if out := summarize(report); (out == "") != (report == "") || len(out) > 8*len(report)+200 {
			t.Errorf("%d bytes of %d: %q", len(out), len(report), out)
		}
	})
}
