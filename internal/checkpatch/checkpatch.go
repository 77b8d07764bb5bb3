// Package checkpatch has the kernel tree's own scripts/checkpatch.pl look at
// the patches of a series, adds checks of its own ([Rules]), and gives what
// they found as data.
//
// In go a patched tree and the folder of the series, with the findings that
// people accepted in its file checkpatch.toml ([Accept]). Out come the findings,
// accepted or new, and in Params.Reports, each file written in one step:
//
//	checkpatch.json              all of it ([Result])
//	checkpatch-junit.xml         a case a patch, for GitLab's test report
//	gl-code-quality-report.json  for GitLab's merge requests
//	checkpatch.sarif             SARIF 2.1.0, for everybody else
//	checkpatch.accept.toml       blocks to paste into checkpatch.toml; without new findings it is not there
//
// What each process printed is kept as LogDir/checkpatch-<patch>.log. A new
// finding is an error.
package checkpatch

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
	"bzmage/internal/jobserver"
	"bzmage/internal/key"
	"bzmage/internal/patch"
	"bzmage/internal/unpack"
)

// Params is what [Run] needs.
type Params struct {
	Tree    unpack.Tree       // with the series applied
	Series  string            // the folder with the file `series` and the patches
	Patches []string          // which patches of the series to look at, in any order; nil: all
	Folder  string            // the folder of the series as reports name it, relative to the checkout: patches/5.4
	Jobs    *jobserver.Server // each process takes a slot; nil: one after the other
	LogDir  string            // created as needed
	Reports string            // the folder of the reports, created as needed; empty: none are written
	Log     *logrus.Logger

	Kept   string      // where a look that found nothing new is kept; empty: nowhere
	Inputs key.Inputs  // identity of the tree and the series, and of what looks at them
	Hashes *key.Hashes // of files read before; nil: none
}

// The levels of findings, as checkpatch names them. Every one is an error.
const (
	Error   = "ERROR"
	Warning = "WARNING"
	Check   = "CHECK"
)

// Finding is one thing that checkpatch or a rule said about one place.
type Finding struct {
	Patch string `json:"patch"` // as the series names it
	Line  int    `json:"line"`  // in the patch, from 1
	// File is the file of the tree that the line is about; empty for what is
	// said about the mail.
	File string `json:"file,omitempty"`
	// FileLine is the line of File once this patch is applied, as its hunks
	// count. Later patches of the series may move it; and where a hunk applies
	// with an offset, it is off by that offset, which the patch stage reports.
	// For a removed line it is the line that took its place, for a whole file 0.
	FileLine    int    `json:"file_line,omitempty"`
	Level       string `json:"level"` // ERROR, WARNING or CHECK
	Type        string `json:"type"`  // such as TRAILING_WHITESPACE
	Message     string `json:"message"`
	Text        string `json:"text"`               // the line of the patch; empty for what is said about the whole
	Fingerprint string `json:"fingerprint"`        // the same as long as it is the same finding, wherever its line moves to
	Accepted    string `json:"accepted,omitempty"` // the reason in checkpatch.toml; empty: it is new
}

// String returns the finding as a line.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s:%s: %s", f.Patch, f.Line, f.Level, f.Type, f.Message)
}

// Result is what [Run] found.
type Result struct {
	Folder   string    `json:"folder"`
	Patches  []string  `json:"patches"`  // that were looked at, in the order of the series
	Findings []Finding `json:"findings"` // in the order of the series and of the lines
	Stale    []Accept  `json:"stale"`    // accepted, and not found any more
	Kept     bool      `json:"-"`        // nothing had to be looked at
}

// New returns the findings nobody accepted.
func (r Result) New() []Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.Accepted != "" })
}

// Run has checkpatch and the rules look at the patches and returns what they
// found. With new findings the error is of kind [fault.Checkpatch], and the
// result is returned beside it. When the script could not do its work, or
// checkpatch.toml cannot be read, that is an error too, and there are no
// reports.
func Run(ctx context.Context, p Params) (Result, error) {
	if p.Log == nil {
		p.Log = logrus.New()
		p.Log.SetOutput(io.Discard)
	}
	if err := prepare(p); err != nil {
		return Result{}, err
	}
	in, err := p.inputs()
	if err != nil {
		return Result{}, err
	}
	if old, why := p.look(in); len(why) == 0 && p.Kept != "" && p.Patches == nil {
		old.Result.Kept = true
		return old.Result, p.finish(old.Result)
	}
	docs, err := load(p.Series)
	if err != nil {
		return Result{}, err
	}
	accepts, err := loadBaseline(p.Series)
	if err != nil {
		return Result{}, err
	}
	chosen, err := choose(docs, p.Patches)
	if err != nil {
		return Result{}, err
	}
	var said map[int][]Finding
	err = p.Jobs.With(ctx, func(ctx context.Context) (err error) {
		said, err = runScript(ctx, p, docs, chosen)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	res := Result{Folder: p.Folder, Patches: []string{}, Findings: []Finding{}, Stale: []Accept{}}
	for _, i := range chosen {
		res.Patches = append(res.Patches, docs[i].name)
		found := append(said[i], obey(docs, i)...)
		slices.SortStableFunc(found, func(a, b Finding) int { return a.Line - b.Line })
		res.Findings = append(res.Findings, locate(docs[i], found)...)
	}
	res.Stale = append(res.Stale, settle(res.Findings, accepts, docs, res.Patches)...)
	if err := p.finish(res); err != nil {
		return Result{}, err
	}
	if err := verdict(p, res); err != nil {
		return res, err
	}
	return res, p.keep(in, res)
}

// finish says what is stale, and writes the reports.
func (p Params) finish(res Result) error {
	for _, a := range res.Stale {
		p.Log.Warnf("%s accepts %s in %s, which is not found there any more: delete its [[accept]]",
			filepath.Join(p.Folder, baselineName), a.Type, a.Patch)
	}
	return p.write(res)
}

// load reads the patches of a series.
func load(series string) ([]document, error) {
	names, err := patch.Names(series)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(series)
	if err != nil {
		return nil, fault.New(fault.Machine, "", "open the series: %w", err)
	}
	defer root.Close()
	var docs []document
	for _, name := range names {
		text, err := root.ReadFile(filepath.FromSlash(name)) // a file within bounds, as Names has seen
		if err != nil {
			return nil, fault.New(fault.Machine, "", "read patch %s: %w", name, err)
		}
		docs = append(docs, read(name, string(text)))
	}
	return docs, nil
}

// choose returns the indexes of the named patches, in order; of all for nil.
func choose(docs []document, names []string) ([]int, error) {
	var chosen []int
	for i, d := range docs {
		if names == nil || slices.Contains(names, d.name) {
			chosen = append(chosen, i)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(docs, func(d document) bool { return d.name == name }) {
			return nil, fault.New(fault.Usage, "add it to the series", "checkpatch: the series names no patch %s", clean(name))
		}
	}
	return chosen, nil
}

// verdict is the gate: a new finding is an error.
func verdict(p Params, res Result) error {
	found := res.New()
	if len(found) == 0 {
		return nil
	}
	more := ""
	if n := len(found) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	hint := "go tool mage checkpatch shows all; correct the patch, git format-patch makes it anew"
	if p.Reports != "" {
		hint += fmt.Sprintf("; or paste blocks of %s into %s, with a reason each",
			filepath.Join(p.Reports, acceptName), filepath.Join(p.Series, baselineName))
	}
	return fault.New(fault.Checkpatch, hint, "checkpatch objects: %s%s", found[0], more)
}
