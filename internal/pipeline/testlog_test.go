package pipeline

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/tools"
)

// What failed is said again, and nothing else is: by the real go test.
func TestFailuresAreSaidAgain(t *testing.T) {
	g, err := tools.Go()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module x\ngo 1.26.0\n", "x_test.go": `package x

import ("fmt"; "os"; "testing")

func TestGood(t *testing.T) { t.Log("good words"); fmt.Println("good print") }

func TestOuter(t *testing.T) {
	t.Run("bad", func(t *testing.T) { t.Log("first\nsecond"); fmt.Println("a print"); t.Error("the reason") })
	t.Run("fine", func(t *testing.T) { t.Log("fine words") })
	t.Run("skipped", func(t *testing.T) { t.Skip("skip words") })
}

func TestPanic(t *testing.T) {
	if os.Getenv("PANIC") != "" {
		panic("the panic's reason")
	}
}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, argv := range [][]string{{"test"}, {"test", "-v"}, {"test", "PANIC"}, {"test", "-v", "PANIC"}} {
		t.Run(strings.Join(argv, " "), func(t *testing.T) {
			var all strings.Builder
			log := newTestLog(&all)
			dies := argv[len(argv)-1] == "PANIC"
			cmd := exec.CommandContext(t.Context(), g, argv...)
			cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
			if dies {
				cmd.Args, cmd.Env = cmd.Args[:len(cmd.Args)-1], append(cmd.Environ(), "PANIC=1")
			}
			if cmd.Run() == nil {
				t.Fatal("go test passed")
			}
			got := log.Failures()
			want := []string{"TestOuter/bad:\n", "first\n", "second\n", "the reason\n"}
			if dies {
				want = append(want, "TestPanic:\n", "panic: the panic's reason", "goroutine ")
			}
			for _, w := range want {
				if strings.Count(got, w) != 1 && w != "goroutine " || !strings.Contains(got, w) || !strings.Contains(all.String(), strings.TrimSuffix(w, ":\n")) {
					t.Errorf("%q is not said once in\n%s\nof\n%s", w, got, &all)
				}
			}
			for _, w := range []string{"good", "fine", "skip", "print", "ok "} {
				if strings.Contains(got, w) {
					t.Errorf("%q is said again:\n%s", w, got)
				}
			}
		})
	}
}
