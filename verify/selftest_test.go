package verify

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"bzmage/internal/event"
	"bzmage/internal/selftest"
)

// The kernel's own tests of /proc say what they always said. They were built
// from the tree of the kernel that runs.
func TestSelftest(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("selftest", selftest.Manifest))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the kernel's selftests are not here: mage verify builds them")
	}
	if err != nil {
		t.Fatal(err)
	}
	var built selftest.Result
	if err := json.Unmarshal(text, &built); err != nil {
		t.Fatal(err)
	}
	for _, l := range built.LeftOut {
		t.Logf("%s does not build: %s", l.Name, l.Why)
	}
	if built.None != "" {
		t.Skip(built.None)
	}
	var file struct {
		Excuses []selftest.Excuse `toml:"excuse"`
	}
	if _, err := toml.DecodeFile("testdata/selftest.toml", &file); err != nil {
		t.Fatal(err)
	}
	for _, p := range built.Programs {
		t.Run(p.Name, func(t *testing.T) { runSelftest(t, p.Name, excused(t, file.Excuses, p.Name)) })
	}
}

// excused returns the excuse that program has here, or an empty one.
func excused(t *testing.T, all []selftest.Excuse, name string) selftest.Excuse {
	t.Helper()
	words := strings.SplitN(release(t), ".", 3)
	line := words[0] + "." + words[1]
	for _, e := range all {
		if e.Here(name, line, runtime.GOARCH, func(option string) bool { return hasOption(t, option) }) {
			return e
		}
	}
	return selftest.Excuse{}
}

func runSelftest(t *testing.T, name string, e selftest.Excuse) {
	switch outcome, why := e.Judge(func() (string, error) { return execSelftest(t, name) }); outcome {
	case event.Pass:
		t.Log(why)
	case event.Skip:
		t.Skip(why)
	default:
		t.Error(why)
	}
}

// execSelftest runs a selftest and returns what it says and how it ends.
func execSelftest(t *testing.T, name string) (string, error) {
	path, err := filepath.Abs(filepath.Join("selftest", name))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(slowness(t))*30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=/bin", "TMPDIR=/tmp"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if ctx.Err() != nil {
		t.Fatalf("did not end: %v\n%s", ctx.Err(), text)
	}
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return text, err
}
