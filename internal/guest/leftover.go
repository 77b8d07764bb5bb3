package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/event"
)

// timeline knows which check ran when.
type timeline struct {
	mu     sync.Mutex
	now    func() time.Duration // since the kernel began
	checks []span
}

type span struct {
	name       string
	begin, end time.Duration // end 0: it has not ended
}

// note takes in an event of a whole check.
func (t *timeline) note(e event.TestEvent) {
	if e.Test == "" || strings.Contains(e.Test, "/") {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e.Action {
	case event.Run:
		t.checks = append(t.checks, span{name: e.Test, begin: t.now()})
	case event.Pass, event.Fail, event.Skip:
		for i := range t.checks {
			if t.checks[i].name == e.Test && t.checks[i].end == 0 {
				t.checks[i].end = t.now()
			}
		}
	}
}

// at returns the checks that may have run at a time. The time of a process has
// a hundredth of a second, and an event comes some time after what it tells of.
func (t *timeline) at(when time.Duration) []string {
	const late, tick = 50 * time.Millisecond, 10 * time.Millisecond
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for _, c := range t.checks {
		if c.begin-late <= when+tick && (c.end == 0 || c.end >= when) {
			names = append(names, c.name)
		}
	}
	return names
}

// holders says which processes hold a pipe open, and during which checks they
// began. It returns nothing if there are none any more.
func (g *guest) holders(pipe *os.File, t *timeline) string {
	var st unix.Stat_t
	if err := unix.Fstat(int(pipe.Fd()), &st); err != nil {
		return ""
	}
	want, self := fmt.Sprintf("pipe:[%d]", st.Ino), fmt.Sprint(os.Getpid())
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	var found []string
	seen := map[string]bool{self: true}
	for _, fd := range fds {
		pid := strings.Split(fd, "/")[2]
		if to, err := os.Readlink(fd); err != nil || to != want || seen[pid] {
			continue
		}
		seen[pid] = true
		name, began, ok := processOf(pid)
		if !ok || len(found) == 3 {
			continue
		}
		text := fmt.Sprintf("process %s (%s)", pid, name)
		if checks := t.at(began); len(checks) > 0 {
			text += ", which began in " + strings.Join(checks[:min(len(checks), 3)], " or ")
		}
		found = append(found, text)
	}
	return strings.Join(found, "; ")
}

// processOf returns the name of a process and when it began. See proc(5),
// /proc/pid/stat: field 22 counts hundredths of a second on every arch.
func processOf(pid string) (name string, began time.Duration, ok bool) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return "", 0, false
	}
	_, rest, _ := strings.Cut(string(text), "(")
	i := strings.LastIndex(rest, ") ")
	if i < 0 {
		return "", 0, false
	}
	f := strings.Fields(rest[i+2:])
	if len(f) < 20 {
		return "", 0, false
	}
	ticks, err := strconv.ParseInt(f[19], 10, 64)
	return rest[:i], time.Duration(ticks) * 10 * time.Millisecond, err == nil
}
