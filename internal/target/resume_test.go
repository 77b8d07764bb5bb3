package target_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/pipeline"
)

// twoObjects is what the tiny kernel is compiled of here: each object notes
// that it is made, and the second waits for ever unless there is a file `go`.
const twoObjects = `common: $(O)/one.o $(O)/two.o old-common
$(O)/one.o: hello.c
	@echo '  CC      one.o' && echo one >> DIR/made && cp $< $@
$(O)/two.o: hello.c $(O)/one.o
	@echo '  CC      two.o' && echo two >> DIR/made
	@test -e DIR/go || { echo $$PPID > DIR/ready; sleep 1000; }
	@cp $< $@

old-common:`

// A make that was killed in the middle goes on where it was, and what comes
// out is what an undisturbed one makes.
func TestInterruptedMakeGoesOn(t *testing.T) {
	checkouts := []*checkout{newCheckout(t), newCheckout(t)}
	for _, c := range checkouts {
		c.env = append(c.env, "ARCH=x86_64")
		c.edit("tiny/Makefile", "common:", strings.ReplaceAll(twoObjects, "DIR", c.dir))
	}
	killed, whole := checkouts[0], checkouts[1]
	whole.write("go", "")
	whole.bzmage("build")

	kill(t, killed)
	for _, s := range killed.plan().Steps {
		want := pipeline.Keep
		if s.Stage == "build" {
			want = pipeline.Run
		}
		if s.Do != want && s.Stage != "checkpatch" && s.Stage != "selftest" && s.Stage != "initramfs" && s.Stage != "boot" {
			t.Errorf("after the kill plan says %+v, want %s", s, want)
		}
	}
	killed.write("go", "")
	killed.bzmage("build")
	made := func(c *checkout) string {
		text, err := os.ReadFile(filepath.Join(c.dir, "made"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(text)), " ")
	}
	if got := made(killed); got != "one two two" {
		t.Errorf("made: %s; the first object was made again", got)
	}
	if got := made(whole); got != "one two" {
		t.Errorf("undisturbed, made: %s", got)
	}
	var images [2]string
	for i, c := range checkouts {
		text, err := os.ReadFile(filepath.Join(c.dir, "build/dist/6.1/x86_64-release/bzImage"))
		if err != nil {
			t.Fatal(err)
		}
		images[i] = string(text)
	}
	if d := cmp.Diff(images[1], images[0]); d != "" {
		t.Errorf("undisturbed (-) and killed (+): %s", d)
	}
}

// kill starts a build and kills all of it when its make waits.
func kill(t *testing.T, c *checkout) {
	t.Helper()
	fifo := filepath.Join(c.dir, "ready")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(compile(t), "bzmage"), "build")
	cmd.Dir, cmd.Env = c.dir, c.env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(fifo) // waits for make
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	if _, err := fmt.Sscan(line, &pid); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as we know
	// What make left is in the group that it led; it may be gone by now.
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	waitGone(t, pid)
}
