package kernels

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withGuest returns the good file with guest tables for its line and flavour.
func withGuest(t *testing.T, line, flavour string) string {
	t.Helper()
	text := strings.Replace(good, "[flavour.release]", "[flavour.release]\n"+flavour, 1)
	return strings.Replace(text, "base = ", line+"\nbase = ", 1)
}

func TestGuest(t *testing.T) {
	for _, tt := range []struct {
		name, line, flavour string
		want                Guest
	}{
		{"nothing said", "", "", Guest{Memory: 256, CPUs: 2, Slow: 1}},
		{"of the line", `guest = {memory = 512, cpus = 3, append = "a b=1"}`, "", Guest{Memory: 512, CPUs: 3, Append: "a b=1", Slow: 1}},
		{"of the flavour", "", "guest = {slow = 2.5}", Guest{Memory: 256, CPUs: 2, Slow: 2.5}},
		{"of both", `guest = {memory = 512, cpus = 3, append = " a ", files = ["x", "y"], modules = ["lib/b.ko"], slow = 3}`,
			"[flavour.release.guest]\nmemory = 1024\nappend = \"b=\\\"c d\\\"\"\nfiles = [\"y\", \"z-{arch}/*.ko\"]\nmodules = [\"lib/a-b.ko\", \"lib/b.ko\"]",
			Guest{Memory: 1024, CPUs: 3, Append: `a b="c d"`, Slow: 3, Files: []string{"x", "y", "z-{arch}/*.ko"}, Modules: []string{"lib/b.ko", "lib/a-b.ko"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Parse(withGuest(t, tt.line, tt.flavour))
			if err != nil {
				t.Fatal(err)
			}
			l, _ := f.Line("5.4")
			if d := cmp.Diff(tt.want, f.Guest(l, "release")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestGuestRefuses(t *testing.T) {
	for _, tt := range []struct{ table, want string }{
		{`colour = "red"`, "unknown key flavour.release.guest.colour"},
		{`memory = 63`, "memory is 64 to 65536 MiB, not 63"},
		{`memory = -1`, "memory is"},
		{`memory = 65537`, "memory is"},
		{`memory = "1G"`, "line "},
		{`cpus = -1`, "cpus is 1 to 64"},
		{`cpus = 65`, "cpus is 1 to 64"},
		{`slow = 0.5`, "slow is a factor"},
		{`slow = 101.0`, "slow is a factor"},
		{`slow = nan`, "slow is a factor"},
		{`append = "a bzmage.id=1"`, "must not hold bzmage.id=1"},
		{`append = "\"bzmage.id=1 x\""`, "must not hold"},
		{`append = "init=/bin/sh"`, "must not hold init="},
		{`append = "a rdinit=/x"`, "must not hold rdinit="},
		{`append = "a -- b"`, "must not hold --"},
		{`append = "a=\"b"`, "not closed"},
		{`append = "a\nb"`, "printable"},
		{`append = "` + strings.Repeat("x", 1025) + `"`, "1024 is the most"},
		{`files = ["/etc/passwd"]`, "within the checkout"},
		{`files = ["../x"]`, "within the checkout"},
		{`files = ["a/../b"]`, "within the checkout"},
		{`files = ["a["]`, "within the checkout"},
		{`files = [""]`, "within the checkout"},
		{`files = ["a", "a"]`, "twice"},
		{`modules = ["lib/crc7"]`, "not the path of a .ko"},
		{`modules = ["../crc7.ko"]`, "not the path of a .ko"},
		{`modules = ["/lib/crc7.ko"]`, "not the path of a .ko"},
		{`modules = ["lib/*.ko"]`, "not the path of a .ko"},
		{`modules = ["a.ko", "a.ko"]`, "twice"},
	} {
		t.Run(tt.table[:min(20, len(tt.table))], func(t *testing.T) {
			for where, text := range map[string]string{
				"flavour.release": withGuest(t, "", "guest = {"+tt.table+"}"),
				"line":            withGuest(t, "guest = {"+tt.table+"}", ""),
			} {
				want := strings.Replace(tt.want, "flavour.release", where, 1)
				if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: got %v, want %q", where, err, want)
				}
			}
		})
	}
}
