package kbuild

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/arch"
)

func TestArgv(t *testing.T) {
	for _, a := range arch.All() {
		t.Run(a.Name, func(t *testing.T) {
			m := Make{Src: "/s", Obj: "/o", Arch: a, LocalVersion: "-x",
				Time: time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600))}
			want := []string{"make", "-C", "/s", "O=/o", "ARCH=" + a.Make, "CROSS_COMPILE=" + a.CrossCompile(), "LOCALVERSION=-x",
				"KBUILD_BUILD_TIMESTAMP=2026-02-03 03:05:06 UTC", "KBUILD_BUILD_USER=bzmage", "KBUILD_BUILD_HOST=bzmage", "KBUILD_BUILD_VERSION=1",
				"KCFLAGS=-ffile-prefix-map=/s/= -ffile-prefix-map=../s/=" + debugMap, "KAFLAGS=-ffile-prefix-map=/s/= -ffile-prefix-map=../s/=" + debugMap, "one", "two"}
			if d := cmp.Diff(want, m.Argv("one", "two")); d != "" {
				t.Error(d)
			}
		})
	}
}

// An empty local version must be on the command line too, or the kernel adds
// a "+" of its own in a git checkout.
func TestArgvWithoutLocalVersion(t *testing.T) {
	if argv := (Make{}).Argv(); !slices.Contains(argv, "LOCALVERSION=") {
		t.Errorf("%q", argv)
	}
}

func TestSteps(t *testing.T) {
	var seen []string
	s := &Steps{Each: func(_ int, file string) { seen = append(seen, file) }}
	text := "make: Entering directory '/s'\n  CC      init/main.o\n  HOSTCC  scripts/x\nfoo.c:3: warning: CC\n" +
		"  CC [M]  fs/a.o\n  LD      vmlinux\nCC no\n  cc  small\n  GEN     ./Makefile\n   CC three\n"
	for _, b := range []byte(text) { // byte by byte: lines come in pieces
		if _, err := s.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"init/main.o", "scripts/x", "fs/a.o", "vmlinux", "./Makefile"}
	if d := cmp.Diff(want, seen); d != "" || s.Done() != len(want) {
		t.Errorf("%d steps: %s", s.Done(), d)
	}
}

func TestCheckPath(t *testing.T) {
	for dir, ok := range map[string]bool{"/a/b-c_1.2": true, "/a b": false, "/a:b": false, "/straße": true} {
		if err := CheckPath(dir); (err == nil) != ok {
			t.Errorf("%q: %v", dir, err)
		}
	}
}

// Repeat is a line for people: a shell that gets it must run the same command.
func TestRepeatRunsInAShell(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	src := t.TempDir()
	mk := "show:\n\t@printf '%s|' '$(KBUILD_BUILD_TIMESTAMP)' '$(KCFLAGS)' '$(LOCALVERSION)' > '$(O)/out'\n"
	if err := os.WriteFile(filepath.Join(src, "Makefile"), []byte(mk), 0o644); err != nil {
		t.Fatal(err)
	}
	a, _ := arch.Find("arm64")
	m := Make{Src: src, Obj: t.TempDir(), Arch: a, Time: time.Unix(0, 0)}
	if out, err := exec.Command("/bin/sh", "-c", m.Repeat("show")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(m.Obj, "out"))
	if err != nil || !strings.HasPrefix(string(got), "1970-01-01 00:00:00 UTC|-ffile-prefix-map=") {
		t.Errorf("got %q, %v", got, err)
	}
	byUs := filepath.Join(m.Obj, "log")
	if err := m.Run(t.Context(), byUs, nil, "show"); err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(m.Obj, "out"))
	if err != nil || string(again) != string(got) {
		t.Errorf("by us %q, %v; by the shell %q", again, err, got)
	}
}
