package guest

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func (c *children) counted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.orphans
}

// Every program started gets its own status, even if many end at once while
// orphans come in.
func TestStatusesAreNotMixedUp(t *testing.T) {
	c := newChildren()
	defer c.close()
	type started struct {
		exit   int
		status <-chan syscall.WaitStatus
	}
	var all []started
	for i := range 40 {
		// The inner shell leaves a process to this one and ends at once.
		script := "sh -c 'sleep 0.0" + strconv.Itoa(i%10) + " &'; exit " + strconv.Itoa(i)
		_, status, err := c.start([]string{"/bin/sh", "-c", script}, process{stdout: os.Stdout, stderr: os.Stderr})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, started{i, status})
	}
	for _, s := range all {
		select {
		case ws := <-s.status:
			if got, err := outcome("sh", ws); got != s.exit || err != nil {
				t.Errorf("exit code %d, %v, want %d", got, err, s.exit)
			}
		case <-time.After(time.Minute):
			t.Fatal("no status")
		}
	}
	for end := time.Now().Add(time.Minute); c.counted() < 40; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d orphans were waited for, want 40", c.counted())
		}
	}
	if len(c.own) != 0 {
		t.Errorf("%d programs are still on the list", len(c.own))
	}
}

// Processes that checks leave behind do not stay as zombies.
func TestOrphansAreReaped(t *testing.T) {
	w := newWorld(t, "bzmage.run=^TestOrphans$")
	if p := w.run(t, "TestOrphans").Problems(); p != nil {
		t.Fatalf("problems %q", p)
	}
	for end := time.Now().Add(time.Minute); w.children.counted() < 20; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d orphans were waited for, want 20", w.children.counted())
		}
	}
}

func TestKillLeavesOthersAlone(t *testing.T) {
	c := newChildren()
	defer c.close()
	pid, status, err := c.start([]string{"/bin/sh", "-c", "sleep 60 & sleep 60"}, process{stdout: os.Stdout, stderr: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	c.signal(os.Getpid(), unix.SIGKILL) // not started here: nothing may happen
	c.signal(pid, unix.SIGKILL)
	if exit, err := outcome("/bin/sh", <-status); exit != 137 || err == nil || !strings.Contains(err.Error(), "sh was killed by signal 9") {
		t.Errorf("exit code %d, %v", exit, err)
	}
	for end := time.Now().Add(time.Minute); !errors.Is(unix.Kill(-pid, 0), unix.ESRCH); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the group is still there")
		}
	}
	c.signal(pid, unix.SIGKILL) // a number that may be another's by now
}
