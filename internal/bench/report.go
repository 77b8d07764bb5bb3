package bench

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"bzmage/internal/fault"
)

// The files of a report, all in one folder.
const (
	FileName   = "bench.json"
	SchemaName = "bench.schema.json"
	TableName  = "bench.md"
)

// Version is the version of bench.json. It goes up when a field is taken away
// or means something else; a new one does not change it.
const Version = 1

// Schema describes bench.json (JSON Schema, 2020-12).
//
//go:embed bench.schema.json
var Schema []byte

// Report is bench.json. The subject and the machine are those of the last
// run; rows of earlier runs stay, with their own date, as long as both are
// the same.
type Report struct {
	Schema  string    `json:"$schema"` // set by Save
	Version int       `json:"version"` // set by Save
	Date    time.Time `json:"date"`
	Commit  string    `json:"commit"` // of bzmage; "-dirty" behind it when files were changed
	Subject Subject   `json:"subject"`
	Machine Machine   `json:"machine"`
	Rows    []Row     `json:"rows"`
}

// Subject is what was built.
type Subject struct {
	Line      string   `json:"line"`
	Release   string   `json:"release"`
	Source    string   `json:"source"`
	Archs     []string `json:"archs"`
	Flavour   string   `json:"flavour"`
	Toolchain string   `json:"toolchain"`
	Jobs      int      `json:"jobs"`
}

// Row is one thing that was measured in two ways.
type Row struct {
	Name    string    `json:"name"`
	Title   string    `json:"title"`
	Date    time.Time `json:"date"`
	Commit  string    `json:"commit"`
	Load    float64   `json:"load"` // of the machine when its run began
	Ours    Side      `json:"bzmage"`
	Other   Side      `json:"other"`
	Ratios  []float64 `json:"ratios,omitempty"` // bzmage's seconds by the other's, pair by pair
	Ratio   Summary   `json:"ratio"`
	Goal    Goal      `json:"goal"`
	Skipped string    `json:"skipped,omitempty"` // why it was not measured
	Failed  string    `json:"failed,omitempty"`  // what went wrong
}

// Side is one of the two ways.
type Side struct {
	What    string    `json:"what"`
	Seconds []float64 `json:"seconds,omitempty"` // wall clock, a repetition each
	Summary Summary   `json:"summary"`
	CPU     []float64 `json:"cpu,omitempty"` // seconds of all processes, user and system; not of rows that count part of the time
}

// busy is how much of the machine's CPUs the work kept busy, from 0 to 1: the
// median of the repetitions.
func (s Side) busy(cpus int) float64 {
	var all []float64
	for i := range s.CPU {
		all = append(all, s.CPU[i]/s.Seconds[i]/float64(cpus))
	}
	return Summarize(all).Median
}

// Goal is what a row is to reach: at most so many times the other's seconds,
// or at most so many seconds. Without either there is none.
type Goal struct {
	Ratio   float64 `json:"ratio,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
}

// Measured says whether the row has figures.
func (r Row) Measured() bool { return len(r.Ours.Seconds) > 0 && r.Failed == "" }

// Met says whether a measured row reaches its goal.
func (r Row) Met() bool {
	if r.Goal.Seconds > 0 {
		return r.Ours.Summary.Median <= r.Goal.Seconds
	}
	return r.Goal.Ratio == 0 || r.Ratio.Median <= r.Goal.Ratio
}

// conclude fills in what follows from the seconds.
func (r *Row) conclude() {
	r.Ours.Summary, r.Other.Summary = Summarize(r.Ours.Seconds), Summarize(r.Other.Seconds)
	r.Ratios = ratios(r.Ours.Seconds, r.Other.Seconds)
	r.Ratio = Summarize(r.Ratios)
}

// put adds a row, in the place of an older one of the name; the rows are in
// the order of names.
func (r *Report) put(row Row, names []string) {
	r.Rows = slices.DeleteFunc(r.Rows, func(old Row) bool { return old.Name == row.Name })
	r.Rows = append(r.Rows, row)
	slices.SortStableFunc(r.Rows, func(a, b Row) int {
		return slices.Index(names, a.Name) - slices.Index(names, b.Name)
	})
}

// inherit takes the rows of an older report that were measured of the same
// things on the same machine and are still rows; it says what it left out.
func (r *Report) inherit(old Report, names []string) (left string) {
	if old.Subject.String() != r.Subject.String() {
		return "they are of " + old.Subject.String()
	}
	if old.Machine.name() != r.Machine.name() {
		return "they are of another machine: " + old.Machine.name()
	}
	for _, row := range old.Rows {
		if slices.Contains(names, row.Name) && row.Failed == "" {
			r.put(row, names)
		}
	}
	return ""
}

// String is the subject in a line.
func (s Subject) String() string {
	return fmt.Sprintf("Linux %s (line %s, %s) for %s, %s, %d jobs", s.Release, s.Line, s.Flavour, strings.Join(s.Archs, " and "), s.Toolchain, s.Jobs)
}

// Load reads the bench.json of a folder; one of another version is an error.
func Load(dir string) (Report, error) {
	path := filepath.Join(dir, FileName)
	text, err := os.ReadFile(path)
	if err != nil {
		return Report{}, fmt.Errorf("read measurements: %w", err)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return Report{}, fmt.Errorf("read %s: %w", path, err)
	}
	if r.Version != Version {
		return Report{}, fmt.Errorf("read %s: it is of version %d, not %d", path, r.Version, Version)
	}
	return r, nil
}

// Save writes bench.json, its schema and bench.md into a folder.
func (r Report) Save(dir string) error {
	r.Schema, r.Version = SchemaName, Version
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	err = os.MkdirAll(dir, 0o755)
	if err == nil {
		err = errors.Join(
			renameio.WriteFile(filepath.Join(dir, SchemaName), Schema, 0o644),
			renameio.WriteFile(filepath.Join(dir, TableName), []byte(r.Markdown()), 0o644),
			renameio.WriteFile(filepath.Join(dir, FileName), append(text, '\n'), 0o644))
	}
	if err != nil {
		return fault.New(fault.Machine, "free some disk space", "write the measurements: %w", err)
	}
	return nil
}
