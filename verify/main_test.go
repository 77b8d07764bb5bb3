package verify

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"bzmage/internal/guest"
)

// helperEnv names the helper that a check started as a process of its own.
const helperEnv = "BZMAGE_HELPER"

func TestMain(m *testing.M) {
	if os.Getpid() == 1 {
		guest.Main() // never returns
	}
	if name := os.Getenv(helperEnv); name != "" {
		os.Exit(runHelper(name))
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
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = []string{helperEnv + "=" + name}
	cmd.Dir = "/"
	if uid != os.Getuid() {
		id := uint32(uid)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	}
	return cmd
}
