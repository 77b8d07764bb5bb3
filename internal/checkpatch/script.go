package checkpatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
	"bzmage/internal/run"
	"bzmage/internal/unpack"
)

// checkpatch.pl fails open in several ways:
//
//   - it exits with 0 and without a word on an empty file, and on a text
//     without a diff whose name ends in cover-letter.patch;
//   - it misses whole classes of findings when its data files are not there,
//     and says so on standard error only;
//   - it has one exit code for findings and for some of its own failures;
//   - of several files it may report on one alone (--mailback), and with
//     --showfile it names places that are not there;
//   - it reads options from .checkpatch.conf in the working folder and at home;
//   - it asks get_maintainer.pl which files are obsolete, which answers only
//     where the working folder is a kernel tree;
//   - it hands that script the names of files, and the tree's, through a
//     shell, unquoted;
//   - and it keeps the names it found in include/ in the working folder, where
//     another process reads them half written, and then objects to CAMELCASE.
//
// So one process looks at one file, from a folder of its own that is the tree
// without its dot files; a patch counts as clean only if the script exited with
// 0 and printed nothing at all, and as looked at only if every line it printed
// was understood; and names that a shell would read otherwise are refused.

// Limits of one process: silence is what a clean patch is, so the limit only
// ends a script that hangs; the output is a line for each finding.
const (
	maxSilence = 15 * time.Minute
	maxOutput  = 16 << 20
)

// script returns the path of checkpatch.pl in a tree.
func script(t unpack.Tree) string { return filepath.Join(t.Src(), "scripts", "checkpatch.pl") }

// checkScript says whether the tree has the script and its data. Without them
// it would only warn and find less, and 5.4's would find what is not there.
func checkScript(t unpack.Tree) error {
	for _, name := range []string{"checkpatch.pl", "spelling.txt", "const_structs.checkpatch"} {
		path := filepath.Join(filepath.Dir(script(t)), name)
		fi, err := os.Stat(path)
		if err == nil && (!fi.Mode().IsRegular() || fi.Size() == 0) {
			err = fmt.Errorf("%s is not a file with content", path)
		}
		if err != nil {
			return fault.New(fault.Machine, "remove "+t.Root+"; it is unpacked anew", "look for checkpatch: %w", err)
		}
	}
	return nil
}

// treeLink is the tree's name in the folder where the script runs. It stands in
// messages, which must not differ from machine to machine.
const treeLink = "linux"

// makePlace makes the folder dir for a process to run in: with links to all
// that is in the tree but its dot files, and one to the tree itself. (It takes
// both: get_maintainer.pl looks for a tree around it, and find(1) does not
// follow a link to include.)
func makePlace(dir string, t unpack.Tree) error {
	src, err := filepath.Abs(t.Src())
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(src)
	if err = errors.Join(err, os.MkdirAll(dir, 0o755), os.Symlink(src, filepath.Join(dir, treeLink))); err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || e.Name() == treeLink {
			continue // .checkpatch.conf, .scripts, .git
		}
		if err := os.Symlink(filepath.Join(src, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// argv returns the command that looks at one patch file. One process looks at
// one file, as only then an exit code speaks of it.
func argv(file string) []string {
	return []string{"perl", treeLink + "/scripts/checkpatch.pl", "--root=" + treeLink, "--terse", "--show-types", "--strict",
		"--color=never", "--no-summary", "--", file}
}

// runScript looks at the chosen patches, in the caller's job slot and in those
// that are free, and returns what the script said of each. All failures are
// returned.
func runScript(ctx context.Context, p Params, docs []document, chosen []int) (map[int][]Finding, error) {
	if err := checkScript(p.Tree); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "bzmage-checkpatch-")
	if err != nil {
		return nil, fault.New(fault.Machine, "see that the disk has room", "make a scratch folder: %w", err)
	}
	defer os.RemoveAll(scratch)
	found := make([][]Finding, len(chosen))
	errs := make([]error, len(chosen))
	var looks []func() error
	for n, i := range chosen {
		look := func(ctx context.Context) (err error) {
			found[n], err = runOne(ctx, p, filepath.Join(scratch, strconv.Itoa(n)), docs[i])
			return err
		}
		if p.Jobs == nil {
			errs[n] = look(ctx)
			continue
		}
		looks = append(looks, p.Jobs.Beside(ctx, look))
	}
	for n, ended := range looks {
		errs[n] = ended()
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("run checkpatch: %w", context.Cause(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	said := map[int][]Finding{}
	for n, i := range chosen {
		said[i] = found[n]
	}
	return said, nil
}

// runOne looks at one patch, from a folder it makes.
func runOne(ctx context.Context, p Params, scratch string, d document) ([]Finding, error) {
	if len(d.lines) == 0 {
		return nil, fault.New(fault.Checkpatch, "fill the file, or take its line out of the series", "patch %s: the file is empty", d.name)
	}
	if line, name := d.shellName(); line > 0 {
		return nil, fault.New(fault.Checkpatch, "rename the file: letters, digits and ._-+,@=:%~ will do",
			"patch %s, line %d: checkpatch would hand the name %q to a shell", d.name, line, clean(name))
	}
	file, err := filepath.Abs(filepath.Join(p.Series, filepath.FromSlash(d.name)))
	if err != nil {
		return nil, broken(d.name, "", err)
	}
	dir, home := filepath.Join(scratch, "tree"), filepath.Join(scratch, "home")
	if err := errors.Join(makePlace(dir, p.Tree), os.Mkdir(home, 0o755)); err != nil {
		return nil, fault.New(fault.Machine, "see that the disk has room", "make a clean folder for checkpatch: %w", err)
	}
	log := filepath.Join(p.LogDir, "checkpatch-"+url.PathEscape(d.name)+".log")
	out, stderr := &limited{}, &limited{}
	err = run.Run(ctx, run.Cmd{
		Argv: argv(file), Dir: dir, Log: log, Silence: maxSilence,
		Env:    run.Env("HOME=" + home),
		Stdout: out, Stderr: stderr,
	})
	p.Log.WithFields(logrus.Fields{"patch": d.name, "log": log}).Debug("checkpatch has ended")
	findings, err := judge(d, file, out, stderr, err)
	if err != nil {
		return nil, broken(d.name, log, err)
	}
	return findings, nil
}

// broken says that checkpatch did not do its work on a patch.
func broken(name, log string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	hint := ""
	switch {
	case errors.Is(err, exec.ErrNotFound):
		hint = "sudo apt-get install perl"
	case log != "":
		hint = "read " + log
	}
	return fault.New(fault.Machine, hint, "run checkpatch on patch %s: %w", name, err)
}

// judge decides what a process said. It returns no findings only for one that
// exited with 0 and printed nothing.
func judge(d document, file string, out, stderr *limited, err error) ([]Finding, error) {
	complaint := complaints(stderr.String())
	var exit *run.ExitError
	switch {
	case err != nil && (!errors.As(err, &exit) || exit.Code != 1):
		return nil, err // which holds the last lines it printed
	case out.over || stderr.over:
		return nil, fmt.Errorf("it printed more than %d MiB", maxOutput>>20)
	case complaint != "":
		return nil, fmt.Errorf("it complained: %s", complaint)
	}
	findings, perr := parse(d.name, file, len(d.lines), out.String())
	switch {
	case perr != nil:
		return nil, perr
	case err != nil && len(findings) == 0:
		return nil, errors.New("it exited with 1, but named no finding")
	case err == nil && len(findings) > 0:
		return nil, fmt.Errorf("it exited with 0, but named %d findings", len(findings))
	}
	return findings, nil
}

// complaints returns what stands on standard error, as one line of at most ten.
func complaints(text string) string {
	const most = 10
	lines := strings.Split(strings.TrimSpace(text), "\n")
	more := ""
	if len(lines) > most {
		more = fmt.Sprintf("; and %d more lines", len(lines)-most)
		lines = lines[:most]
	}
	for i, l := range lines {
		lines[i] = clean(strings.TrimSpace(l))
	}
	return strings.Join(lines, "; ") + more
}

// limited keeps what a process prints, up to maxOutput.
type limited struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	over bool
}

var _ io.Writer = (*limited)(nil)

// Write keeps what there is room for and never fails.
func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	keep := p[:min(len(p), maxOutput-l.buf.Len())]
	l.over = l.over || len(keep) < len(p)
	l.buf.Write(keep)
	return len(p), nil
}

// String returns what was kept.
func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
