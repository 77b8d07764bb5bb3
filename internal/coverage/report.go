package coverage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/google/renameio/v2"

	"bzmage/internal/fault"
	"bzmage/internal/plain"
)

// Target is the coverage of one target.
type Target struct {
	Name   string `json:"target"` // 6.1 x86_64 coverage
	Report Report `json:"coverage"`
}

// document is coverage.json.
type document struct {
	Line    string   `json:"line"`
	Min     float64  `json:"min"` // percent asked for
	Targets []Target `json:"targets"`
}

// Sum is what the lines of a patch or a series add up to.
type Sum struct {
	Added      int // lines in .c and .h files
	Executable int // of these: code was made of them, and nobody excused them
	Covered    int // of these: the guest ran them
	Boot       int // of these: before the first check only
}

// Percent returns how many of the executable lines are covered, rounded down
// to a tenth: 100 means all. Of no lines it is all of them.
func (s Sum) Percent() float64 {
	if s.Executable == 0 {
		return 100
	}
	return math.Floor(1000*float64(s.Covered)/float64(s.Executable)) / 10
}

// Sum adds up the patch's lines.
func (p Patch) Sum() Sum {
	s := Sum{Added: p.Added}
	for _, l := range p.Lines {
		switch {
		case l.Excuse != "":
			continue
		case l.Runs > 0:
			s.Covered++
		case l.Boot > 0:
			s.Covered++
			s.Boot++
		}
		s.Executable++
	}
	return s
}

// Sum adds up the series.
func (r Report) Sum() Sum {
	var all Sum
	for _, p := range r.Patches {
		s := p.Sum()
		all.Added += s.Added
		all.Executable += s.Executable
		all.Covered += s.Covered
		all.Boot += s.Boot
	}
	return all
}

// Missed returns the lines that the guest did not run and nobody excused, each
// with its place in the patch and in the tree.
func (r Report) Missed() []string {
	var all []string
	for _, p := range r.Patches {
		for _, l := range p.Lines {
			if !l.Covered() && l.Excuse == "" {
				all = append(all, fmt.Sprintf("%s:%d: %s:%d: %s", p.Path, l.At, l.File, l.Line, plain.Text(strings.TrimSpace(l.Text))))
			}
		}
	}
	return all
}

// maxMissed is how many lines an error shows; coverage.json has them all.
const maxMissed = 20

// Gate returns nil if the guest ran that many percent of the executable
// lines, else an error that names those it did not run.
func (t Target) Gate(least float64, excuses string) error {
	s := t.Report.Sum()
	if s.Percent() >= least {
		return nil
	}
	missed := t.Report.Missed()
	text := fmt.Sprintf("patch coverage of %s: the guest ran %d of %d executable lines, %.1f %%, and %g %% are asked for; not run:",
		t.Name, s.Covered, s.Executable, s.Percent(), least)
	for _, m := range missed[:min(len(missed), maxMissed)] {
		text += "\n  " + m
	}
	if more := len(missed) - maxMissed; more > 0 {
		text += fmt.Sprintf("\n  and %d more", more)
	}
	return fault.New(fault.Uncovered, "write a check in verify/ that runs them, or excuse them with a reason in "+excuses, "%s", text)
}

// Table writes a row a patch and target, and one for each whole series.
func Table(w io.Writer, targets []Target) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "COVERAGE OF\tPATCH\tADDED\tEXECUTABLE\tCOVERED\t\tRUN BY")
	for _, t := range targets {
		for _, p := range t.Report.Patches {
			row(tw, t.Name, plain.Text(p.Name), p.Sum(), by(p))
		}
		row(tw, t.Name, "all", t.Report.Sum(), "")
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, t := range targets {
		for _, m := range t.Report.Missed() {
			if _, err := fmt.Fprintf(w, "not run on %s: %s\n", t.Name, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func row(w io.Writer, target, patch string, s Sum, by string) {
	percent := "-"
	if s.Executable > 0 {
		percent = fmt.Sprintf("%.1f %%", s.Percent())
	}
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", target, patch, s.Added, s.Executable, s.Covered, percent, by)
}

// by says which checks run the patch; coverage.json names all.
func by(p Patch) string {
	const shown = 3
	text := strings.Join(p.Checks[:min(len(p.Checks), shown)], ", ")
	if more := len(p.Checks) - shown; more > 0 {
		text += fmt.Sprintf(", %d more", more)
	}
	if n := p.Sum().Boot; n > 0 {
		text = strings.TrimPrefix(fmt.Sprintf("%s, only at boot: %d", text, n), ", ")
	}
	return text
}

// files are what [Write] writes, and [Remove] removes.
func files() []string { return []string{"coverage.json", "cobertura.xml", "cobertura-tree.xml"} }

// Write writes coverage.json and two Cobertura files into the folder dir: one
// about the lines of the patches, for a repository that holds patches, and one
// about those of the kernel's tree. Without targets it writes none.
func Write(dir, line string, min float64, targets []Target) error {
	if len(targets) == 0 {
		return nil
	}
	text, err := json.MarshalIndent(document{line, min, targets}, "", "  ")
	if err != nil {
		return err
	}
	patches, err := Cobertura(targets, true)
	if err != nil {
		return err
	}
	tree, err := Cobertura(targets, false)
	if err != nil {
		return err
	}
	for i, content := range [][]byte{append(text, '\n'), patches, tree} {
		if err := renameio.WriteFile(filepath.Join(dir, files()[i]), content, 0o644); err != nil {
			return fault.New(fault.Machine, "free some disk space", "write the coverage: %w", err)
		}
	}
	return nil
}

// Remove takes the files of an earlier run away.
func Remove(dir string) error {
	var errs []error
	for _, name := range files() {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return fault.New(fault.Machine, "make "+dir+" writable", "remove the coverage of an earlier run: %w", errors.Join(errs...))
	}
	return nil
}
