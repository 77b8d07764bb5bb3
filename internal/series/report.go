package series

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/google/renameio/v2"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
	"bzmage/internal/plain"
)

// Report is what came of trying a series on one release. It is a JSON file
// that [Load] reads back.
type Report struct {
	Line    string       `json:"line"`    // whose series it is
	Release string       `json:"release"` // of the source
	Folder  string       `json:"folder"`  // of the series
	Edits   []patch.Edit `json:"edits"`   // what a person changed in the tree, which is in no patch
	patch.Report
}

// Save writes the report, whole or not at all.
func (r Report) Save(path string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = renameio.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fault.New(fault.Machine, "make "+filepath.Dir(path)+" writable", "write the report: %w", err)
	}
	return nil
}

// Load reads a report.
func Load(path string) (Report, error) {
	var r Report
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}

// Table writes a row for each patch and, below it, one for each hunk that
// moved or does not fit.
func (r Report) Table(w io.Writer) error {
	if len(r.Patches) == 0 {
		_, err := fmt.Fprintf(w, "the series %s has no patches\n", r.Folder)
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "PATCH\tSTATE\tWHERE")
	for _, s := range r.Patches {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", plain.Text(s.Name), s.State, plain.Text(where(s)))
		for _, m := range s.Moved {
			fmt.Fprintf(tw, "\t\t%s: hunk %d: line %d, now %d (%+d)\n", plain.Text(m.File), m.Hunk, m.Line, m.At, m.Offset)
		}
		for _, f := range s.Failures {
			fmt.Fprintf(tw, "\t\t%s\n", plain.Text(place(f)))
		}
		for _, note := range s.Notes {
			fmt.Fprintf(tw, "\t\t%s\n", plain.Text(note))
		}
	}
	return tw.Flush()
}

// where says in some words what is worth knowing of a state.
func where(s patch.Status) string {
	switch s.State {
	case patch.Clean:
		return ""
	case patch.Offset:
		return fmt.Sprintf("hunks that moved: %d, by up to %d lines", len(s.Moved), s.Offset)
	case patch.Conflict:
		return fmt.Sprintf("places that do not fit: %d", len(s.Failures))
	}
	return s.Why
}

// place says where a hunk should go, and what is most like it.
func place(f patch.Failure) string {
	text := f.File + ": "
	if f.Hunk > 0 {
		text += fmt.Sprintf("hunk %d of %d: ", f.Hunk, f.Hunks)
	}
	text += f.Why
	like := slices.ContainsFunc(f.Found, func(r patch.Row) bool { return !r.Differs })
	switch {
	case like:
		text += fmt.Sprintf("; the nearest is at line %d", f.Found[0].Line)
	case len(f.Expected) > 0:
		text += "; nothing in the file is like it"
	}
	return text
}

// Count returns how many patches are in each state, in words.
func Count(list []patch.Status) string {
	counts := map[patch.State]int{}
	for _, s := range list {
		counts[s.State]++
	}
	var words []string
	for _, s := range []patch.State{patch.Clean, patch.Offset, patch.Conflict, patch.Empty, patch.Upstream, patch.Blocked, patch.Refused} {
		if n := counts[s]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, s))
		}
	}
	if len(words) == 0 {
		return "no patches"
	}
	return strings.Join(words, ", ")
}
