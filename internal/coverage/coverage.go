// Package coverage tells which lines of a series of patches a guest ran.
//
// In go what each patch makes of the tree ([series.Change]), the notes that
// gcc left beside the objects it compiled with counters (.gcno), and the
// counters that the guest sent for each check ([event.Coverage]). gcov of the
// same compiler brings notes and counters together. Out comes a [Report]: for
// each patch its lines that code was made of, how often each was run, and by
// which checks; the files it is written to are in report.go and cobertura.go.
package coverage

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/event"
	"bzmage/internal/fault"
	"bzmage/internal/series"
)

// Params is what a [Report] is made of.
type Params struct {
	Changes []series.Change
	Folder  string   // of the series, in the checkout: patches/6.1
	Objects []Object // that were compiled with counters
	Notes   string   // the folder their notes lie in, by the object's path
	Built   string   // the folder the objects were compiled in, which the guest's names begin with
	Src     string   // the kernel's tree
	Edited  []string // files of the tree that are not what the series makes of them
	Gcov    string   // the program
	Scratch string   // a folder that may be used, and is emptied
	Guest   []event.Coverage
}

// Report says which lines of the series the guest ran.
type Report struct {
	Patches []Patch  `json:"patches"`              // in the order of the series
	Unknown []string `json:"unmeasured,omitempty"` // files with added lines of which nothing is known, and why
}

// Patch is what is known of one patch.
type Patch struct {
	Name   string   `json:"name"`
	Path   string   `json:"path"`             // in the checkout
	Added  int      `json:"added"`            // lines in .c and .h files that are there after the whole series
	Lines  []Line   `json:"lines,omitempty"`  // those that code was made of, by file and number
	Checks []string `json:"checks,omitempty"` // that run one of them, sorted
}

// Line is an added line that code was made of.
type Line struct {
	File   string   `json:"file"`
	Line   int      `json:"line"` // in the tree with the whole series
	At     int      `json:"at"`   // in the patch
	Text   string   `json:"text"`
	Runs   uint64   `json:"runs"`             // how often checks ran it
	Boot   uint64   `json:"boot"`             // how often it was run before the first check
	By     []string `json:"by,omitempty"`     // the checks that run it, sorted
	Excuse string   `json:"excuse,omitempty"` // why nobody has to run it
}

// Covered says whether the guest ran the line.
func (l Line) Covered() bool { return l.Runs > 0 || l.Boot > 0 }

// Measure brings together what the guest counted and what the series added.
func Measure(ctx context.Context, p Params) (Report, error) {
	added, err := Lines(p.Changes)
	if err != nil {
		return Report{}, fault.New(fault.Internal, "", "coverage: %w", err)
	}
	g, err := p.gather()
	if err != nil {
		return Report{}, fault.New(fault.NoVerdict, "", "coverage: %w", err)
	}
	counts, err := g.all(ctx)
	if err != nil {
		return Report{}, fault.New(fault.Machine, "run the same again; else rm -r "+p.Built+" and build again", "coverage: %w", err)
	}
	r := Report{Unknown: p.unknown(added)}
	for i, c := range p.Changes {
		patch := Patch{Name: c.Name, Path: filepath.ToSlash(filepath.Join(p.Folder, c.Name))}
		for _, a := range added {
			if a.Patch != i {
				continue
			}
			patch.Added++
			if l, ok := counts.line(a); ok && !slices.Contains(p.Edited, a.File) {
				patch.add(l)
			}
		}
		slices.Sort(patch.Checks)
		r.Patches = append(r.Patches, patch)
	}
	return r, nil
}

func (p *Patch) add(l Line) {
	p.Lines = append(p.Lines, l)
	for _, c := range l.By {
		if !slices.Contains(p.Checks, c) {
			p.Checks = append(p.Checks, c)
		}
	}
}

// unknown names the files with added lines that no object with counters is
// made of.
func (p Params) unknown(added []AddedLine) []string {
	var why []string
	seen := map[string]bool{}
	for _, a := range added {
		if seen[a.File] {
			continue
		}
		seen[a.File] = true
		in := func(o Object) bool { return slices.Contains(o.Files, a.File) }
		i := slices.IndexFunc(p.Objects, in)
		switch {
		case slices.Contains(p.Edited, a.File):
			why = append(why, a.File+": it was edited in the tree; go tool mage series:refresh folds that into the series")
		case i < 0 && strings.HasSuffix(a.File, ".c"):
			why = append(why, a.File+": no object is made of it with this config")
		case i >= 0 && !slices.ContainsFunc(p.Objects, func(o Object) bool { return in(o) && o.Notes }):
			why = append(why, fmt.Sprintf("%s: the kernel compiles %s without counters", a.File, p.Objects[i].Name))
		}
	}
	return why
}
