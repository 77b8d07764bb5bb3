package initramfs

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bzmage/internal/key"
)

// Nothing is built twice; what changed is named, and built.
func TestKept(t *testing.T) {
	extra := filepath.Join(t.TempDir(), "extra")
	mod := smallModule(t, map[string]string{"verify/testdata/a": "a", "internal/x/x.go": "package x\n"})
	p := Params{Arch: runtime.GOARCH, Dir: t.TempDir(), Module: mod, Extra: []Extra{{Name: "verify/files/x", Path: extra}}}
	write := func(path, text string) func() {
		return func() {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(extra, "one")()
	file := func(name string) string { return filepath.Join(mod, name) }
	archive := filepath.Join(p.Dir, "initramfs-"+p.Arch+".cpio")
	for _, tt := range []struct {
		name   string
		change func()
		why    string // what is named; empty: all is kept
	}{
		{"the first time", func() {}, "no result yet"},
		{"nothing", func() {}, ""},
		{"a check", write(file("verify/verify_test.go"), "package verify\n\nimport \"testing\"\n\nfunc TestB(*testing.T) {}\n"), "verify: "},
		{"a file of the checks", write(file("verify/testdata/a"), "b"), "verify: "},
		{"a package", write(file("internal/x/x.go"), "package x // else\n"), "internal: "},
		{"procrand", write(file("cmd/procrand/main.go"), "package main\n\nfunc main() { println() }\n"), "cmd: "},
		{"go.mod", write(file("go.mod"), "module bzmage\n\ngo 1.26.0\n"), "go.mod: "},
		{"a file beside it", write(extra, "two"), "verify/files/x: "},
		{"its mode", func() {
			if err := os.Chmod(extra, 0o755); err != nil {
				t.Fatal(err)
			}
		}, "verify/files/x: "},
		{"a shell", func() { p.Shell = true; write(file("internal/y.go"), "package internal\n")() }, "shell: false -> true"},
		{"no shell", func() { p.Shell = false }, "shell: true -> false"},
		{"go's flags", func() { t.Setenv("GOFLAGS", "-tags=x") }, "-tags=x"},
		{"another network", func() { t.Setenv("GOPROXY", "off"); t.Setenv("NO_PROXY", "x") }, ""},
		{"a flipped byte", func() { flip(t, archive) }, "initramfs-"},
		{"no archive", func() { os.Remove(archive) }, "initramfs-"},
		{"no description", func() { os.Remove(jsonPath(archive)) }, "no result yet"},
		{"a comment", write(file("README"), "x"), ""},
	} {
		tt.change()
		if p.Shell {
			os.MkdirAll(file("cmd/guestsh"), 0o755)
			write(file("cmd/guestsh/main.go"), "package main\n\nfunc main() {}\n")()
		}
		_, why, err := Look(p)
		if err != nil {
			t.Fatal(err)
		}
		if says := words(why); (says == "") != (tt.why == "") || !strings.Contains(says, tt.why) {
			t.Errorf("%s: %q, want %q", tt.name, says, tt.why)
		}
		res, err := Build(t.Context(), p)
		if err != nil || res.Kept != (tt.why == "") {
			t.Errorf("%s: kept %v, %v", tt.name, res.Kept, err)
		}
	}
	// Code of which the key knows nothing: nothing is kept.
	t.Setenv("GOFLAGS", "-overlay="+file("overlay.json"))
	write(file("overlay.json"), "{}")()
	for range 2 {
		if res, err := Build(t.Context(), p); err != nil || res.Kept {
			t.Errorf("with an overlay: kept %v, %v", res.Kept, err)
		}
	}
}

func words(changes []key.Change) string {
	var all []string
	for _, c := range changes {
		all = append(all, c.String())
	}
	return strings.Join(all, "; ")
}

func flip(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, text, 0o644)); err != nil {
		t.Fatal(err)
	}
}
