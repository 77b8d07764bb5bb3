package verify

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"bzmage/internal/guest"
)

// helperEnv names the helper that a check started as a process of its own.
const helperEnv = "BZMAGE_HELPER"

func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" { // first: in a pid namespace it is process 1
		os.Exit(runHelper(name))
	}
	if os.Getpid() == 1 {
		guest.Main() // never returns
	}
	flag.Parse()
	if !inGuest() && flag.Lookup("test.list").Value.String() == "" {
		if _, err := os.Stat("/proc/self/rand"); err != nil {
			fmt.Println("these checks are for a kernel with the rand patches, which this host does not run: type mage verify")
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// inGuest says whether process 1 of the guest started the checks.
func inGuest() bool { return os.Getenv(guest.Env) != "" }

// needRoot skips a check on a host where it is not root. In the guest it
// always is.
func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Getuid() == 0:
	case inGuest():
		t.Fatal("the checks do not run as root")
	default:
		t.Skip("needs root")
	}
}

// helpers are what a check may need another process for. They return an exit
// code; what they print is for the check to read.
var helpers = map[string]func() int{
	"wait":   helperWait,
	"nobody": helperNobody,
	"exec":   helperExec,
	"exit":   func() int { return 0 },
	"hidden": helperHidden,
	"leader": helperLeader,
	"read":   helperRead,
	"pidns":  helperPIDNamespace,
	"walk":   helperWalk,
}

func runHelper(name string) int {
	h, ok := helpers[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "there is no helper %q\n", name)
		return 2
	}
	return h()
}

// helper returns the command that runs the helper of that name: this test
// binary once more. With a uid other than this process's it runs as that user.
func helper(t *testing.T, name string, uid int) *exec.Cmd {
	t.Helper()
	cmd, err := helperCommand(name, uid)
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}

// helperCommand is helper for helpers.
func helperCommand(name string, uid int) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = []string{helperEnv + "=" + name}
	cmd.Dir = "/"
	if uid != os.Getuid() {
		id := uint32(uid)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	}
	return cmd, nil
}

func init() {
	if os.Getenv(helperEnv) != "" {
		// Helpers begin in the first thread, and what they start with `go`
		// never runs in it.
		runtime.LockOSThread()
	}
}
