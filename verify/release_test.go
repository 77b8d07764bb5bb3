package verify

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"bzmage/internal/event"
)

// The kernel that runs is the one that was built: the host says which that is
// on the kernel's command line.
func TestRelease(t *testing.T) {
	text, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	params, err := event.ParseCmdline(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if params.Release == "" {
		if inGuest() {
			t.Fatal("the kernel's command line has no bzmage.release")
		}
		t.Skip("the kernel's command line has no bzmage.release")
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	if got := unix.ByteSliceToString(u.Release[:]); got != params.Release {
		t.Errorf("this is kernel %s, want %s", got, params.Release)
	}
}
