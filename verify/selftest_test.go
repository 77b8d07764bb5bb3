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
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"bzmage/internal/selftest"
)

// excuse is a selftest that is known to fail, and why that is not the patches'
// fault (testdata/selftest.toml).
type excuse struct {
	Program string   `toml:"program"`
	Lines   []string `toml:"lines"`   // none: all
	Archs   []string `toml:"archs"`   // as Go names them; none: all
	Without []string `toml:"without"` // only if its config lacks one of these lines; none: in any case
	Reason  string   `toml:"reason"`
}

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
		Excuses []excuse `toml:"excuse"`
	}
	if _, err := toml.DecodeFile("testdata/selftest.toml", &file); err != nil {
		t.Fatal(err)
	}
	for _, p := range built.Programs {
		t.Run(p.Name, func(t *testing.T) { runSelftest(t, p.Name, excused(t, file.Excuses, p.Name)) })
	}
}

// excused returns why that program may fail here, or nothing.
func excused(t *testing.T, all []excuse, name string) string {
	t.Helper()
	words := strings.SplitN(release(t), ".", 3)
	for _, e := range all {
		here := e.Program == name &&
			(len(e.Lines) == 0 || slices.Contains(e.Lines, words[0]+"."+words[1])) &&
			(len(e.Archs) == 0 || slices.Contains(e.Archs, runtime.GOARCH)) &&
			(len(e.Without) == 0 || slices.ContainsFunc(e.Without, func(option string) bool { return !hasOption(t, option) }))
		if here {
			return e.Reason
		}
	}
	return ""
}

// skipped is the exit code of a selftest that does not apply (KSFT_SKIP in
// tools/testing/selftests/kselftest.h).
const skipped = 4

func runSelftest(t *testing.T, name, reason string) {
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
	switch {
	case ctx.Err() != nil:
		t.Fatalf("did not end: %v\n%s", ctx.Err(), text)
	case cmd.ProcessState == nil:
		t.Fatal(err)
	case err == nil && reason != "":
		t.Errorf("passes; take its excuse out of verify/testdata/selftest.toml: %s", reason)
	case err == nil:
	case reason != "":
		t.Skipf("%v, as is known: %s\n%s", err, reason, text)
	case cmd.ProcessState.ExitCode() == skipped:
		t.Skipf("does not apply here, and says: %q", text)
	default:
		t.Errorf("%v\n%s", err, text)
	}
}
