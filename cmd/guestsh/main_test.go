package main

import (
	"bytes"
	"strings"
	"testing"
)

// A slip of the hand ends nothing, and what was set before it stays.
func TestShell(t *testing.T) {
	var out bytes.Buffer
	in := "cd /proc/self; x=1; nowhere\nif true; then\necho multi$x\nfi\nls /nowhere; echo status=$?\necho a | cat; cat /proc/self/comm\nps | cat >/dev/null && echo listed\necho end; exit 3\necho not reached\n"
	if err := shell(t.Context(), strings.NewReader(in), &out, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/proc/self # ", `"nowhere": executable file not found`, "# multi1\n", "ls: lstat /nowhere: no such file", "status=1\n", "a\nguestsh.test\n", "listed\n", "end\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "reached") {
		t.Error("exit did not end it")
	}
	if err := shell(t.Context(), strings.NewReader(")\n"), &out, nil); err != nil || !strings.Contains(out.String(), "can only be used to close a subshell") {
		t.Errorf("%v: %s", err, out.String())
	}
}
