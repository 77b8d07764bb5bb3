// Package report writes down what a run proved: verdict.json for programs,
// junit.xml for GitLab, and a table for people. In go verdicts; out come files
// in a folder, each written in one step.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

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
	Line     string         `json:"line"`
	Release  string         `json:"release"`
	Choice   string         `json:"choice"`          // why this line was built
	Source   any            `json:"source"`          // where it came from and what was proved of it
	Verified bool           `json:"source_verified"` // and nothing in the tree was edited
	Edits    []patch.Edit   `json:"edits,omitempty"` // what is in the tree and in no patch
	Verdicts []boot.Verdict `json:"verdicts"`
}

// Write writes verdict.json and junit.xml into the folder dir.
func Write(dir string, r Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return disk(err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	var xml bytes.Buffer
	if err := JUnit(&xml, r.Verdicts); err != nil {
		return err
	}
	return disk(errors.Join(
		renameio.WriteFile(filepath.Join(dir, "verdict.json"), append(text, '\n'), 0o644),
		renameio.WriteFile(filepath.Join(dir, "junit.xml"), xml.Bytes(), 0o644)))
}

// Remove takes the files of an earlier run away.
func Remove(dir string) error {
	var errs []error
	for _, name := range []string{"verdict.json", "junit.xml"} {
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
// text of more than 10 MB, and shows little of a long one.
const junitOutput = 16 << 10

// JUnit writes the verdicts as JUnit XML: one suite a target, one case a
// check, and a case named "boot" for the verdict itself, so that a kernel that
// never came up is a failure too.
func JUnit(w io.Writer, verdicts []boot.Verdict) error {
	suites := junit.Testsuites{Name: "bzmage"}
	for _, v := range verdicts {
		suite := junit.Testsuite{Name: v.Target(), Time: seconds(v.TotalSeconds)}
		suite.AddProperty("release", v.Release)
		suite.AddProperty("verdict", v.Verdict)
		suite.AddProperty("image", v.SHA256["image"])
		suite.AddTestcase(bootCase(v))
		for _, c := range v.Checks {
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

func bootCase(v boot.Verdict) junit.Testcase {
	if v.Verdict == boot.Pass || v.Verdict == boot.CheckFailed {
		return junit.Testcase{Name: "boot", Classname: v.Target(), Time: seconds(v.BootSeconds)}
	}
	return failed(v, "boot", v.BootSeconds, v.Verdict+": "+v.Reason, consoleText(v))
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
		return junit.Testcase{Name: c.Name, Classname: v.Target(), Time: seconds(c.Elapsed)}
	case event.Skip:
		return junit.Testcase{Name: c.Name, Classname: v.Target(), Time: seconds(c.Elapsed),
			Skipped: &junit.Result{Message: plain.Text(reason(c))}}
	}
	return failed(v, c.Name, c.Elapsed, reason(c), c.Output)
}

func failed(v boot.Verdict, name string, took float64, msg, output string) junit.Testcase {
	if len(output) > junitOutput {
		output = output[:junitOutput] + "\n... (more in verdict.json)"
	}
	return junit.Testcase{Name: name, Classname: v.Target(), Time: seconds(took),
		Failure: &junit.Result{Message: plain.Text(msg), Data: plain.Text(output)}}
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

// Table writes the last thing a run prints: a row a target.
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
		if v.Kept {
			verdict += " (kept: same image, same checks)"
		}
		if v.SHA256["edits"] != "" {
			verdict += " (of an edited tree)"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.Target(), v.Release,
			v.Build["image"], v.Build["time"], bootTime(v), checks, verdict)
	}
	return tw.Flush()
}

func bootTime(v boot.Verdict) string {
	if v.BootSeconds == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f s of %.1f s", v.BootSeconds, v.TotalSeconds)
}
