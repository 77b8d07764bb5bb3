package guest

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// children starts processes and waits for all there are.
//
// Process 1 inherits every process whose parent has ended, and has to wait for
// those as well or they stay as zombies. Two waiters would take each other's
// statuses, so there is one: it takes whatever wait4(-1) gives and hands the
// statuses of the processes that were started here to who waits for them.
type children struct {
	signals chan os.Signal
	mu      sync.Mutex // start holds it, so that a status cannot come before its pid is known
	own     map[int]chan syscall.WaitStatus
	orphans int // processes of others that were waited for
}

func newChildren() *children {
	c := &children{signals: make(chan os.Signal, 1), own: map[int]chan syscall.WaitStatus{}}
	signal.Notify(c.signals, unix.SIGCHLD)
	go func() {
		for range c.signals {
			c.reap()
		}
	}()
	return c
}

// close ends the waiting, for tests.
func (c *children) close() {
	signal.Stop(c.signals)
	close(c.signals)
}

// process is how a program is started.
type process struct {
	dir            string
	env            []string
	stdin          *os.File // nil: /dev/null
	stdout, stderr *os.File
	tty            bool // stdin becomes its controlling terminal
}

// start starts a program as the leader of a session of its own. Its status
// comes on the channel once it has ended.
func (c *children) start(argv []string, p process) (pid int, ended <-chan syscall.WaitStatus, err error) {
	if p.stdin == nil {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return 0, nil, err
		}
		defer null.Close()
		p.stdin = null
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	pid, err = syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Dir:   p.dir,
		Env:   p.env,
		Files: []uintptr{p.stdin.Fd(), p.stdout.Fd(), p.stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: p.tty},
	})
	if err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	status := make(chan syscall.WaitStatus, 1)
	c.own[pid] = status
	return pid, status, nil
}

// signal sends a process that was started here a signal, which a process group
// gets as a whole if it is to be killed. One that has been waited for is left
// alone: its number may be another's by now.
func (c *children) signal(pid int, sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.own[pid]; ok {
		if sig == unix.SIGKILL {
			pid = -pid // it leads a session, so it has a group
		}
		_ = unix.Kill(pid, sig)
	}
}

// reap takes the statuses of all processes that have ended.
func (c *children) reap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 { // no children, or none that has ended
			return
		}
		if status, ok := c.own[pid]; ok {
			delete(c.own, pid)
			status <- ws
		} else {
			c.orphans++
		}
	}
}
