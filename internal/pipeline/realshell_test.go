package pipeline

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"

	"bzmage/internal/arch"
	"bzmage/internal/boot"
	"bzmage/internal/build"
	"bzmage/internal/event"
	"bzmage/internal/initramfs"
	"bzmage/internal/qemu"
)

// screen is what a person sees; waiting for a text has no limit but the boot's.
type screen struct {
	mu   sync.Mutex
	more *sync.Cond
	text string
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text += string(b)
	s.more.Broadcast()
	return len(b), nil
}

func (s *screen) wait(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !strings.Contains(s.text, text) && s.text != "\x00" {
		s.more.Wait()
	}
	_, s.text, _ = strings.Cut(s.text, text)
}

// realShell types in the shell of a real guest, as a person at a terminal.
func realShell(t *testing.T, p Project, line string) {
	for _, a := range arch.All() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			dist, err := build.Load(p.build("dist", line, a.Name+"-release"))
			if err != nil {
				t.Fatal(err)
			}
			rd, err := initramfs.Build(t.Context(), initramfs.Params{Arch: a.GOARCH, Dir: t.TempDir(), Module: p.Module, Shell: true})
			if err != nil {
				t.Fatal(err)
			}
			person, terminal, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer person.Close()
			defer terminal.Close()
			shown, judged := &screen{}, boot.Verdict{Release: dist.Release, Run: "TestRelease"}
			shown.more = sync.NewCond(&shown.mu)
			limits := boot.DefaultLimits(qemu.TCG)
			limits.Silence *= 4
			go func() {
				for _, say := range [][2]string{
					{" # ", "cd /proc/1; x=$(cat comm); echo the=$x | cat; echo a\x7fb=$PWD\r"}, {"the=init\r\nb=/proc/1", ""},
					{" # ", "/init -test.run=TestRelease -test.v\r"},
					{"--- PASS: TestRelease", ""}, {" # ", "exit\r"},
				} {
					shown.wait(say[0])
					fmt.Fprint(person, say[1])
				}
			}()
			o, err := boot.Run(t.Context(), boot.Params{
				Machine: qemu.Machine{Arch: a, Release: dist.Release, Accel: qemu.TCG, Kernel: dist.Path(dist.Image), Initrd: rd.Path, Memory: 256, CPUs: 2},
				Release: dist.Release, Expected: []string{"TestRelease"}, Run: "^TestRelease$", Limits: limits, Console: filepath.Join(t.TempDir(), "console.log"),
				Shell: &boot.Shell{Terminal: terminal, Out: shown, Judge: func(o boot.Outcome) error {
					judged.Judge(o)
					return nil
				}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if judged.Verdict != boot.Pass || o.Events.Checks[0].Status != event.Pass {
				t.Errorf("%s: %s", judged.Verdict, judged.Reason)
			}
			if !strings.Contains(shown.text, "exit") {
				t.Errorf("the screen ends in %q", shown.text)
			}
		})
	}
}
