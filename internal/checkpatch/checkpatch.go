// Package checkpatch has the kernel tree's own scripts/checkpatch.pl look at
// the patches of a series.
//
// In go a patched tree and the folder of the series. Out come the findings,
// also as LogDir/checkpatch.json, and what each process printed, as
// LogDir/checkpatch-<patch>.log. Any finding is an error.
//
// checkpatch.pl fails open in several ways: it exits 0 without a word on an
// empty file, misses whole classes of findings when its data files are not
// there, and has one exit code for findings and for some of its own failures.
// So a patch counts as clean only if the script exited with 0 and printed
// nothing at all, and as looked at only if every line it printed was understood.
package checkpatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
	"bzmage/internal/run"
	"bzmage/internal/unpack"
)

// Params is what [Run] needs.
type Params struct {
	Tree   unpack.Tree // with the series applied
	Series string      // the folder with the file `series` and the patches
	Jobs   int         // how many patches are looked at at once; 0 is 1
	LogDir string      // created as needed
	Log    *logrus.Logger
}

// Finding is one thing checkpatch said.
type Finding struct {
	Patch   string `json:"patch"` // as the series names it
	Line    int    `json:"line"`  // in the patch
	Level   string `json:"level"` // ERROR, WARNING or CHECK
	Type    string `json:"type"`  // such as TRAILING_WHITESPACE
	Message string `json:"message"`
}

// String returns the finding as a line of a table.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s:%s: %s", f.Patch, f.Line, f.Level, f.Type, f.Message)
}

// Limits of one process: silence is what a clean patch is, so the limit only
// ends a script that hangs; the output is a line for each finding.
const (
	maxSilence = 15 * time.Minute
	maxOutput  = 16 << 20
)

// Run has checkpatch look at each patch of the series and returns what it
// found, in the order of the series. With findings the error is of kind
// [fault.Checkpatch] and lists all; the findings are returned beside it. When
// the script could not do its work, that is an error too, and LogDir holds no
// checkpatch.json.
func Run(ctx context.Context, p Params) ([]Finding, error) {
	report := filepath.Join(p.LogDir, "checkpatch.json")
	if err := prepare(p.LogDir, report); err != nil {
		return nil, err
	}
	names, err := patch.Names(p.Series)
	if err != nil {
		return nil, err
	}
	if err := checkScript(p.Tree); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "bzmage-checkpatch-")
	if err != nil {
		return nil, fault.New(fault.Machine, "see that the disk has room", "make a scratch folder: %w", err)
	}
	defer os.RemoveAll(scratch)
	findings, err := runAll(ctx, p, names, scratch)
	if err != nil {
		return nil, err
	}
	if err := write(report, findings); err != nil {
		return nil, err
	}
	return findings, verdict(findings)
}

func prepare(dir, report string) error {
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		// An older report must not be taken for the one of this run.
		err = os.Remove(report)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Machine, "see that the build folder is yours", "prepare the folder of the log: %w", err)
	}
	return nil
}

func write(report string, findings []Finding) error {
	text, err := json.MarshalIndent(findings, "", "  ")
	if err == nil {
		err = renameio.WriteFile(report, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fault.New(fault.Machine, "see that the disk has room", "write the findings: %w", err)
	}
	return nil
}

// verdict is the gate: any finding is an error.
func verdict(findings []Finding) error {
	if len(findings) == 0 {
		return nil
	}
	var table strings.Builder
	for _, f := range findings {
		table.WriteString("\n" + f.String())
	}
	things := "things"
	if len(findings) == 1 {
		things = "thing"
	}
	return fault.New(fault.Checkpatch, "correct the patches, git format-patch makes them anew",
		"checkpatch objects to %d %s:%s", len(findings), things, table.String())
}

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

// runAll looks at the patches, some at once. All failures are returned.
func runAll(ctx context.Context, p Params, names []string, scratch string) ([]Finding, error) {
	found := make([][]Finding, len(names))
	errs := make([]error, len(names))
	var wg errgroup.Group
	wg.SetLimit(max(p.Jobs, 1))
	for i, name := range names {
		wg.Go(func() error {
			found[i], errs[i] = runOne(ctx, p, name, scratch)
			return nil
		})
	}
	_ = wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("run checkpatch: %w", context.Cause(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return append([]Finding{}, slices.Concat(found...)...), nil
}

// argv returns the command that looks at one patch file. One process looks at
// one file, as only then an exit code speaks of it.
func argv(t unpack.Tree, file string) []string {
	return []string{"perl", script(t), "--root=" + t.Src(), "--terse", "--show-types", "--strict",
		"--color=never", "--no-summary", "--", file}
}

// runOne looks at one patch.
func runOne(ctx context.Context, p Params, name, scratch string) ([]Finding, error) {
	file, err := filepath.Abs(filepath.Join(p.Series, filepath.FromSlash(name)))
	if err != nil {
		return nil, broken(name, "", err)
	}
	if fi, err := os.Stat(file); err != nil || fi.Size() == 0 {
		if err == nil {
			err = errors.New("the file is empty")
		}
		return nil, fault.New(fault.Checkpatch, "fill the file, or take its line out of the series", "patch %s: %w", name, err)
	}
	tree := p.Tree
	if tree.Root, err = filepath.Abs(tree.Root); err != nil {
		return nil, broken(name, "", err)
	}
	log := filepath.Join(p.LogDir, "checkpatch-"+url.PathEscape(name)+".log")
	out, stderr := &limited{}, &limited{}
	err = run.Run(ctx, run.Cmd{
		Argv: argv(tree, file), Dir: scratch, Log: log, Silence: maxSilence,
		// .checkpatch.conf is read in the working folder and at home.
		Env:    run.Env("HOME=" + scratch),
		Stdout: out, Stderr: stderr,
	})
	if p.Log != nil {
		p.Log.WithFields(logrus.Fields{"patch": name, "log": log}).Debug("checkpatch has ended")
	}
	findings, err := judge(name, file, out, stderr, err)
	if err != nil {
		return nil, broken(name, log, err)
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
func judge(name, file string, out, stderr *limited, err error) ([]Finding, error) {
	var exit *run.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.Code != 1) {
		return nil, err
	}
	if out.over || stderr.over {
		return nil, fmt.Errorf("it printed more than %d MiB", maxOutput>>20)
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n"); line != "" {
		return nil, fmt.Errorf("it complained: %s", clean(line))
	}
	findings, perr := parse(name, file, out.String())
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
