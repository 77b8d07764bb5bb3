package guest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/event"
)

// kmemleakFile takes the commands and gives the report. See the kernel's
// Documentation/dev-tools/kmemleak.rst.
const kmemleakFile = debugDir + "/kmemleak"

// kmemleakAge is how old an object is before kmemleak speaks of it: 5 s
// (mm/kmemleak.c, MSECS_MIN_AGE), and the tick that its clock goes by.
const kmemleakAge = 5100 * time.Millisecond

// longestLeaks is how much of a report is sent: one leak in what the checks
// read 200,000 times fills any room.
const longestLeaks = 64 << 10

// kmemleak asks the kernel's leak detector what the start-up and the checks
// have left behind, and sends the answer as one more check, [event.Kmemleak].
// It returns the check's exit code. A kernel without the detector has no such
// check, and the host does not expect one of it.
func (g *guest) kmemleak(out *output) (int, error) {
	if _, err := os.Stat(g.root + debugDir); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err := g.mountAll([]mount{debugfs()}); err != nil {
		return 0, err
	}
	if _, err := os.Stat(g.root + kmemleakFile); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	g.say("looking for memory leaks")
	start := time.Now()
	if err := sendTest(out, event.TestEvent{Action: "run"}); err != nil {
		return 0, err
	}
	action, exit := event.Pass, 0
	leaks, err := g.findLeaks()
	if err != nil {
		leaks = err.Error() + "\n"
	}
	if leaks != "" {
		action, exit = event.Fail, 1
	}
	elapsed := time.Since(start).Seconds()
	if leaks != "" {
		err = sendTest(out, event.TestEvent{Action: "output", Output: leaks})
	}
	return exit, errors.Join(err, sendTest(out, event.TestEvent{Action: action, Elapsed: &elapsed}))
}

func sendTest(out *output, e event.TestEvent) error {
	e.Package, e.Test = event.Package, event.Kmemleak
	rec, err := event.NewTest(e)
	if err != nil {
		return err
	}
	return out.send(rec)
}

// findLeaks scans and returns the report, empty if there are no leaks.
//
// kmemleak speaks of no object that is younger than 5 s, or whose content
// differs from what it was at the scan before. So the first scan is for the
// content, the second, once all that the checks could leave is old enough,
// finds, and a third one has to confirm: a pointer that was only in a CPU's
// register during the second one is in memory then.
func (g *guest) findLeaks() (string, error) {
	defer g.hushed()()
	old := time.Now().Add(g.leakAge)
	if err := g.kernel.ScanLeaks(g.root + kmemleakFile); err != nil {
		return "", err
	}
	time.Sleep(time.Until(old))
	for range 2 {
		if err := g.kernel.ScanLeaks(g.root + kmemleakFile); err != nil {
			return "", err
		}
		if leaks, err := g.readLeaks(); err != nil || leaks == "" {
			return "", err
		}
	}
	leaks, err := g.readLeaks()
	return summarize(leaks), err
}

func (g *guest) readLeaks() (string, error) {
	f, err := os.Open(g.root + kmemleakFile)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longestLeaks))
	return string(text), err
}

// hushed keeps what a scan prints ("kmemleak: 1 new suspected memory leaks")
// from the console until the function it returns is called: there it would be
// a crash of the kernel, with less to say than the report. Errors and warnings
// are not held back.
func (g *guest) hushed() (end func()) {
	path := g.root + "/proc/sys/kernel/printk"
	before, err := os.ReadFile(path)
	if err != nil {
		return func() {}
	}
	// The first number is the console's level; 6 leaves out KERN_INFO.
	set := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			g.say("%v", err)
		}
	}
	set("6\n")
	return func() { set(string(before)) }
}

// ScanLeaks has kmemleak scan, which takes until it is done.
func (linux) ScanLeaks(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("scan\n")
	if errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("%w: kmemleak has switched itself off; the console says why", err)
	}
	return errors.Join(err, f.Close())
}
