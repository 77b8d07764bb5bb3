package guest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// at returns the checks that may have run at a time, the likeliest first. The
// time of a process has a hundredth of a second, and an event comes some time
// after what it tells of.
func (t *timeline) at(when time.Duration) []string {
	const late, tick = time.Second, 10 * time.Millisecond
	t.mu.Lock()
	defer t.mu.Unlock()
	var near []span
	for _, c := range t.checks {
		if c.begin-late <= when+tick && (c.end == 0 || c.end+tick >= when) {
			near = append(near, c)
		}
	}
	slices.SortStableFunc(near, func(a, b span) int { return cmp.Compare((a.begin - when).Abs(), (b.begin - when).Abs()) })
	var names []string
	for _, c := range near[:min(len(near), mostNamed)] {
		names = append(names, c.name)
	}
	return names
}

// mostNamed is how many processes are named, and checks that may be theirs.
const mostNamed = 3

// leftBehind is the error of a check that left processes behind which hold the
// output open. Its text is to be asked for when all events are noted.
type leftBehind struct {
	processes []leftover
	times     *timeline
}

type leftover struct {
	pid, name string
	began     time.Duration // since the kernel began
}

func (e *leftBehind) Error() string {
	var found []string
	for _, p := range e.processes {
		text := fmt.Sprintf("process %s (%s)", p.pid, p.name)
		if checks := e.times.at(p.began); len(checks) > 0 {
			text += ", which began in " + strings.Join(checks, " or ")
		}
		found = append(found, text)
	}
	return strings.TrimSuffix("a check left a process behind that holds its output open: "+strings.Join(found, "; "), ": ")
}

// holders returns processes that hold a pipe open, but for this one.
func holders(pipe *os.File) []leftover {
	var st unix.Stat_t
	if err := unix.Fstat(int(pipe.Fd()), &st); err != nil {
		return nil
	}
	want := fmt.Sprintf("pipe:[%d]", st.Ino)
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return nil
	}
	var found []leftover
	seen := map[string]bool{fmt.Sprint(os.Getpid()): true}
	for _, fd := range fds {
		pid := strings.Split(fd, "/")[2]
		if to, err := os.Readlink(fd); err != nil || to != want || seen[pid] || len(found) == mostNamed {
			continue
		}
		seen[pid] = true
		if name, began, ok := processOf(pid); ok {
			found = append(found, leftover{pid, name, began})
		}
	}
	return found
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
