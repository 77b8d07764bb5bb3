// Package report writes down what a run proved: verdict.json for programs, with
// the schema of it, junit.xml for GitLab, verdict.ktap for the kernel's own
// readers, and a table for people. In go verdicts; out come files
// in a folder, each written in one step.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/renameio/v2"
	"github.com/jstemmer/go-junit-report/v2/junit"

	"bzmage/internal/boot"
	"bzmage/internal/event"
	"bzmage/internal/fault"
	"bzmage/internal/patch"
	"bzmage/internal/plain"
)

// Report is verdict.json.
type Report struct {
	Schema   string       `json:"$schema"` // set by Write
	Version  int          `json:"version"` // set by Write
	Line     string       `json:"line"`
	Release  string       `json:"release"`
	Choice   string       `json:"choice"`          // why this line was built
	Source   any          `json:"source"`          // where it came from and what was proved of it
	Verified bool         `json:"source_verified"` // and nothing in the tree was edited
	Edits    []patch.Edit `json:"edits,omitempty"` // what is in the tree and in no patch
	Skipped  []Skip       `json:"skipped,omitempty"`

	NowhereRun []string       `json:"nowhere_run,omitempty"` // checks that were skipped in every target, which is an error
	Verdicts   []boot.Verdict `json:"verdicts"`
}

// Write writes verdict.json and its schema, junit.xml and verdict.ktap into
// the folder dir.
func Write(dir string, r Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return disk(err)
	}
	r.Schema, r.Version = SchemaName, Version
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	var xml, tap bytes.Buffer
	if err := errors.Join(JUnit(&xml, r), KTAP(&tap, r.Verdicts)); err != nil {
		return err
	}
	return disk(errors.Join(
		renameio.WriteFile(filepath.Join(dir, SchemaName), Schema, 0o644),
		renameio.WriteFile(filepath.Join(dir, "verdict.ktap"), tap.Bytes(), 0o644),
		renameio.WriteFile(filepath.Join(dir, "verdict.json"), append(text, '\n'), 0o644),
		renameio.WriteFile(filepath.Join(dir, "junit.xml"), xml.Bytes(), 0o644)))
}

// Remove takes the files of an earlier run away.
func Remove(dir string) error {
	var errs []error
	for _, name := range []string{"verdict.json", "junit.xml", "verdict.ktap"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return disk(errors.Join(errs...))
}

func disk(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Machine, "free some disk space", "write the report: %w", err)
}

// junitOutput bounds one text of the report: GitLab refuses a file with a
// text of more than 10 MB, and shows little of a long one. maxMessage bounds
// what stands in one line.
const (
	junitOutput = 16 << 10
	maxMessage  = 500
)

// JUnit writes the verdicts as JUnit XML: one suite a target, one case a
// check, and a case named "boot" for the verdict itself, so that a kernel that
// never came up is a failure too.
//
// A check that was skipped everywhere is a failure.
func JUnit(w io.Writer, r Report) error {
	suites := junit.Testsuites{Name: "bzmage"}
	for _, v := range r.Verdicts {
		suite := junit.Testsuite{Name: v.Target(), Time: seconds(v.TotalSeconds)}
		properties(&suite, v)
		suite.AddTestcase(bootCase(v))
		for _, c := range v.Checks {
			if c.Status == event.Skip && slices.Contains(r.NowhereRun, c.Name) {
				suite.AddTestcase(failed(v, c.Name, c.Elapsed, "skipped in every target: "+reason(c), ""))
				continue
			}
			suite.AddTestcase(checkCase(v, c))
		}
		for _, name := range v.Missing {
			if slices.ContainsFunc(v.Checks, func(c event.Check) bool { return c.Name == name }) {
				continue // it began, and stands there as not ended
			}
			suite.AddTestcase(failed(v, name, 0, "the check did not run to its end", ""))
		}
		suites.AddSuite(suite)
	}
	if err := suites.WriteXML(w); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	return nil
}

// properties are what a person asks about a boot first.
func properties(suite *junit.Testsuite, v boot.Verdict) {
	suite.AddProperty("release", v.Release)
	suite.AddProperty("verdict", v.Verdict)
	if v.Reason != "" {
		suite.AddProperty("reason", plain.Line(v.Reason, maxMessage))
	}
	if v.Run != "" {
		suite.AddProperty("selection", v.Run)
	}
	if v.Count > 1 {
		suite.AddProperty("count", strconv.Itoa(v.Count))
	}
	if !v.Started.IsZero() {
		suite.Timestamp = v.Started.Format(time.RFC3339)
	}
	for _, name := range slices.Sorted(maps.Keys(v.SHA256)) {
		suite.AddProperty("sha256."+name, v.SHA256[name])
	}
	for _, name := range slices.Sorted(maps.Keys(v.Machine)) {
		suite.AddProperty("machine."+name, plain.Line(v.Machine[name], maxMessage))
	}
	for _, p := range v.Times.Points() {
		suite.AddProperty("timeline."+p.Name, seconds(p.Seconds))
	}
	if text := strings.Join(v.Tail, "\n"); text != "" {
		suite.SystemOut = &junit.Output{Data: plain.Text(cut(text, junitOutput))}
	}
}

func bootCase(v boot.Verdict) junit.Testcase {
	if v.Verdict == boot.Pass || v.Verdict == boot.CheckFailed {
		return junit.Testcase{Name: "boot", Classname: v.Target(), Time: seconds(v.BootSeconds)}
	}
	return failed(v, "boot", v.BootSeconds, v.Verdict+": "+v.Reason, strings.TrimLeft(v.Where()+"\n\n"+consoleText(v), "\n"))
}

// consoleText returns what the crashes say, then the console's last lines.
func consoleText(v boot.Verdict) string {
	var b strings.Builder
	for _, c := range v.Crashes {
		b.WriteString(c.Text() + "\n\n")
	}
	return b.String() + strings.Join(v.Tail, "\n")
}

func checkCase(v boot.Verdict, c event.Check) junit.Testcase {
	switch c.Status {
	case event.Pass:
		return junit.Testcase{Name: c.Name, Classname: v.Target(), Time: seconds(c.Elapsed), SystemOut: metrics(c)}
	case event.Skip:
		return junit.Testcase{Name: c.Name, Classname: v.Target(), Time: seconds(c.Elapsed),
			Skipped: &junit.Result{Message: plain.Line(reason(c), maxMessage)}}
	}
	return failed(v, c.Name, c.Elapsed, reason(c), c.Output)
}

// metrics are the values of a benchmark, a line a unit.
func metrics(c event.Check) *junit.Output {
	if len(c.Metrics) == 0 {
		return nil
	}
	var b strings.Builder
	for _, unit := range slices.Sorted(maps.Keys(c.Metrics)) {
		fmt.Fprintf(&b, "%g %s\n", c.Metrics[unit], plain.Text(unit))
	}
	return &junit.Output{Data: b.String()}
}

func failed(v boot.Verdict, name string, took float64, msg, output string) junit.Testcase {
	return junit.Testcase{Name: name, Classname: v.Target(), Time: seconds(took),
		Failure: &junit.Result{Message: plain.Line(msg, maxMessage), Data: plain.Text(cut(output, junitOutput))}}
}

// cut returns the beginning of a text, and says so.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "\n... (more in verdict.json)"
}

// reason returns the line of a check's output that says the most: the first
// one the check itself wrote.
func reason(c event.Check) string {
	for line := range strings.Lines(c.Output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			return line
		}
	}
	if c.Status == "" {
		return "the check did not end"
	}
	return c.Status
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

// Table writes the last thing a run prints: a row a target, and behind them
// what was skipped.
func Table(w io.Writer, verdicts []boot.Verdict) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TARGET\tRELEASE\tIMAGE\tBUILD\tBOOT\tCHECKS\tVERDICT")
	for _, v := range verdicts {
		pass, fail, skip := v.Counts()
		checks := fmt.Sprintf("%d passed", pass)
		if fail > 0 {
			checks += fmt.Sprintf(", %d failed", fail)
		}
		if skip > 0 {
			checks += fmt.Sprintf(", %d skipped", skip)
		}
		if n := len(v.Missing); n > 0 {
			checks += fmt.Sprintf(", %d missing", n)
		}
		verdict := v.Verdict
		if v.Run != "" {
			verdict += " (of a selection: " + plain.Text(v.Run) + ")"
		}
		if v.Count > 1 {
			verdict += fmt.Sprintf(" (each check %d times)", v.Count)
		}
		if v.Kept {
			verdict += " (kept: same image, same checks)"
		}
		if v.SHA256["edits"] != "" {
			verdict += " (of an edited tree)"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Target(), v.Release,
			v.Build["image"], v.Build["time"], bootTime(v), checks, verdict)
	}
	for _, s := range Skips(verdicts) {
		fmt.Fprintf(tw, "skipped: %s: %s (%s)\n", s.Check, s.Reason, strings.Join(s.Targets, ", "))
	}
	return tw.Flush()
}

func bootTime(v boot.Verdict) string {
	if v.BootSeconds == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f s of %.1f s", v.BootSeconds, v.TotalSeconds)
}
