package run

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// reap waits until nobody runs in the process group of pid, for limit at most,
// helping with SIGKILL: a grandchild may have outlived the command.
func reap(pid int, limit time.Duration) {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if unix.Kill(-pid, unix.SIGKILL) == unix.ESRCH || !running(pid) {
			return
		}
	}
}

// running says whether the group has a member that is not a zombie: those
// wait only for process 1, which in a container may take its time.
func running(group int) bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return true
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has just ended
		}
		// proc(5): pid (comm) state ppid pgrp ...; comm may hold anything.
		i := strings.LastIndexByte(string(text), ')')
		fields := strings.Fields(string(text[i+1:]))
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && fields[0] != "Z" && fields[0] != "X" {
			return true
		}
	}
	return false
}
