package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"bzmage/internal/event"
)

// Where the kernel's gcov keeps its files: the counters of each object, and
// one that sets all of them to zero (Documentation/dev-tools/gcov.rst).
const (
	gcovDir   = debugDir + "/gcov"
	gcovReset = gcovDir + "/reset"
)

// runMeasured runs each check by itself, and sends after it what it ran of the
// objects that are compiled with counters; before the first one, what ran
// since the kernel began. The checks end as they do without counters, but for
// one that takes its process down: it does not take the others with it.
func (g *guest) runMeasured(p event.Params, out *output) (exit int, err error) {
	if err := g.mountAll([]mount{debugfs()}); err != nil {
		return 0, err
	}
	names, err := g.listChecks(p)
	if err != nil {
		return 0, err
	}
	if err := g.sendCounters("", out); err != nil {
		return 0, err
	}
	end := time.Now().Add(p.Timeout)
	var errs []error
	for _, name := range names {
		left := time.Until(end)
		if left <= 0 {
			errs = append(errs, fmt.Errorf("no time is left for check %s and those behind it", name))
			break
		}
		if err := os.WriteFile(g.root+gcovReset, []byte("1\n"), 0); err != nil {
			return exit, errors.Join(append(errs, fmt.Errorf("set the counters to zero: %w", err))...)
		}
		code, err := g.runChecks(alone(name), left, out)
		exit = max(exit, code)
		errs = append(errs, err, g.sendCounters(name, out))
	}
	return exit, errors.Join(errs...)
}

// alone returns the arguments of a process that runs one check.
func alone(name string) []string {
	one := event.Params{Run: "^" + name + "$"}
	if !strings.HasPrefix(name, event.Benchmark) {
		return processes(one)[0]
	}
	one.Bench = one.Run
	return processes(one)[1]
}

// listChecks returns the names of the checks, as they are declared.
func (g *guest) listChecks(p event.Params) ([]string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	pattern := p.Run
	if pattern == "" {
		pattern = "." // an empty one would run them
	}
	pid, ended, err := g.children.start(append(g.checks[:len(g.checks):len(g.checks)], "-test.list="+pattern),
		process{dir: g.workDir, env: []string{"PATH=/bin", "TMPDIR=/tmp", Env + "=1"}, stdout: w, stderr: os.Stderr})
	w.Close()
	if err != nil {
		return nil, err
	}
	if err := r.SetReadDeadline(time.Now().Add(p.Timeout)); err != nil {
		return nil, err
	}
	text, readErr := io.ReadAll(io.LimitReader(r, 1<<20))
	ws := g.within(ended)
	if ws == nil {
		g.children.signal(pid, unix.SIGKILL)
		return nil, errors.Join(errors.New("the list of checks did not end"), readErr)
	}
	if code, err := outcome("the list of checks", *ws); code != 0 || err != nil || readErr != nil {
		return nil, errors.Join(fmt.Errorf("the list of checks ended with exit code %d", code), err, readErr)
	}
	var names []string
	for line := range bytes.Lines(text) {
		// Examples and fuzz targets are listed, too.
		if name := strings.TrimSpace(string(line)); strings.HasPrefix(name, "Test") || p.Bench != "" && strings.HasPrefix(name, event.Benchmark) {
			names = append(names, name)
		}
	}
	return names, nil
}

// sendCounters sends the counters of all objects. Beside each lies a link to
// where it was built, which is not followed.
func (g *guest) sendCounters(check string, out *output) error {
	top := g.root + gcovDir
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != ".gcda" {
			return err
		}
		text, err := readCounters(path)
		if err != nil {
			return err
		}
		rec, err := event.NewCoverage(check, strings.TrimPrefix(path, top), text)
		if err != nil {
			return err
		}
		return out.send(rec)
	})
	if err != nil {
		return fmt.Errorf("send the counters of the kernel: %w", err)
	}
	return nil
}

func readCounters(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, event.MaxCounters+1))
}
