package checkpatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/BurntSushi/toml"
	"github.com/google/renameio/v2"
	"github.com/jstemmer/go-junit-report/v2/junit"

	"bzmage/internal/fault"
)

// acceptName is the file with what to paste into checkpatch.toml.
const acceptName = "checkpatch.accept.toml"

// format is a report: a file, and what it is to hold.
type format struct {
	name string
	text func(Result) ([]byte, error)
}

func formats() []format {
	return []format{
		{"checkpatch.json", func(r Result) ([]byte, error) { return indented(r) }},
		{"checkpatch-junit.xml", junitXML},
		{"gl-code-quality-report.json", codeQuality},
		{"checkpatch.sarif", sarif},
		{acceptName, acceptTOML},
	}
}

// Forget takes the reports in a folder away, whichever are there: none must be
// taken for one of a run that then fails before checkpatch.
func Forget(reports string) error {
	var err error
	for _, f := range formats() {
		if rm := os.Remove(filepath.Join(reports, f.name)); !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, rm)
		}
	}
	return folder(err)
}

// prepare makes the folders and takes older reports away.
func prepare(p Params) error {
	err := os.MkdirAll(p.LogDir, 0o755)
	if p.Reports != "" {
		err = errors.Join(err, os.MkdirAll(p.Reports, 0o755), Forget(p.Reports))
	}
	return folder(err)
}

func folder(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Machine, "see that the build folder is yours", "prepare the folders of checkpatch: %w", err)
}

// write writes the reports. The same result gives the same bytes.
func (p Params) write(r Result) error {
	if p.Reports == "" {
		return nil
	}
	for _, f := range formats() {
		text, err := f.text(r)
		if err == nil && len(text) > 0 {
			err = renameio.WriteFile(filepath.Join(p.Reports, f.name), text, 0o644)
		}
		if err != nil {
			return fault.New(fault.Machine, "see that the disk has room", "write %s: %w", f.name, err)
		}
	}
	return nil
}

func indented(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}

// Table writes the findings for people: a block a patch, and a last line that
// counts. Without findings it writes nothing.
func Table(w io.Writer, r Result) error {
	if len(r.Findings) == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	last := ""
	for _, f := range r.Findings {
		if f.Patch != last {
			last = f.Patch
			fmt.Fprintf(tw, "%s\n", path.Join(r.Folder, f.Patch))
		}
		note := ""
		if f.Accepted != "" {
			note = " (accepted: " + f.Accepted + ")"
		}
		fmt.Fprintf(tw, "  line %d\t%s\t%s\t%s\t%s%s\n", f.Line, f.place(), f.Level, f.Type, f.Message, note)
	}
	found, fresh := len(r.Findings), len(r.New())
	fmt.Fprintf(tw, "findings in %d patches: %d new, %d accepted\n", len(r.Patches), fresh, found-fresh)
	return tw.Flush()
}

// place returns where in the tree the finding is.
func (f Finding) place() string {
	switch {
	case f.File == "":
		return "the mail"
	case f.FileLine == 0:
		return f.File
	}
	return fmt.Sprintf("%s:%d", f.File, f.FileLine)
}

// junitXML writes a case a patch: failed with new findings, skipped with
// accepted ones alone. Neither name changes when lines move.
func junitXML(r Result) ([]byte, error) {
	suite := junit.Testsuite{Name: "checkpatch " + r.Folder}
	for _, name := range r.Patches {
		c := junit.Testcase{Name: name, Classname: "checkpatch " + r.Folder}
		var fresh, accepted []string
		for _, f := range r.Findings {
			text := fmt.Sprintf("%s (%s)", f, f.place())
			switch {
			case f.Patch != name:
			case f.Accepted != "":
				accepted = append(accepted, text+", accepted: "+f.Accepted)
			default:
				fresh = append(fresh, text)
			}
		}
		all := strings.Join(append(fresh, accepted...), "\n")
		switch {
		case len(fresh) > 0:
			c.Failure = &junit.Result{Message: fmt.Sprintf("findings: %d new, %d accepted", len(fresh), len(accepted)), Data: all}
		case len(accepted) > 0:
			c.Skipped = &junit.Result{Message: fmt.Sprintf("findings: %d accepted", len(accepted)), Data: all}
		}
		suite.AddTestcase(c)
	}
	suites := junit.Testsuites{Name: "checkpatch"}
	suites.AddSuite(suite)
	var b bytes.Buffer
	err := suites.WriteXML(&b)
	return b.Bytes(), err
}

// codeQuality writes what GitLab shows in a merge request
// (docs.gitlab.com/ci/testing/code_quality, "Code Quality report format").
// The place is the line of the patch: the repository holds no kernel.
func codeQuality(r Result) ([]byte, error) {
	type lines struct {
		Begin int `json:"begin"`
	}
	type location struct {
		Path  string `json:"path"`
		Lines lines  `json:"lines"`
	}
	type issue struct {
		Description string   `json:"description"`
		CheckName   string   `json:"check_name"`
		Fingerprint string   `json:"fingerprint"`
		Severity    string   `json:"severity"`
		Location    location `json:"location"`
	}
	severities := map[string]string{Error: "major", Warning: "minor", Check: "info"}
	issues := []issue{}
	for _, f := range r.Findings {
		is := issue{fmt.Sprintf("%s: %s (%s)", f.Type, f.Message, f.place()), f.Type, f.Fingerprint, severities[f.Level],
			location{path.Join(r.Folder, f.Patch), lines{f.Line}}}
		if f.Accepted != "" {
			is.Severity = "info"
			is.Description += ", accepted: " + f.Accepted
		}
		issues = append(issues, is)
	}
	return indented(issues)
}

// acceptTOML writes an entry of checkpatch.toml for each new finding; its
// reason is left to a person.
func acceptTOML(r Result) ([]byte, error) {
	var b bytes.Buffer
	for _, f := range r.New() {
		fmt.Fprintf(&b, "# line %d, %s: %s\n", f.Line, f.Level, f.Message)
		enc := toml.NewEncoder(&b)
		enc.Indent = ""
		entry := map[string][]Accept{"accept": {{Patch: f.Patch, Type: f.Type, Text: f.Text}}}
		if err := enc.Encode(entry); err != nil {
			return nil, err
		}
		b.WriteString("\n")
	}
	return b.Bytes(), nil
}
