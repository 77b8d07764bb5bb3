package coverage

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/patch"
	"bzmage/internal/series"
)

// AddedLine is a line of C that is there after the whole series, and the patch
// that added it in its last form.
type AddedLine struct {
	Patch int    // from 0, in the order of the series
	File  string // in the tree
	Line  int    // in that file, with the whole series applied
	At    int    // in the patch
	Text  string
}

// owner says where a line comes from; the zero value is the pristine tree.
type owner struct {
	patch int // from 1
	at    int
}

// Lines returns the lines that a series adds to .c and .h files, by file and
// number. A line that a later patch changes is that patch's, and one that a
// later patch removes is nobody's.
func Lines(changes []series.Change) ([]AddedLine, error) {
	owners := map[string][]owner{} // by file, for each line
	final := map[string]patch.File{}
	for i, c := range changes {
		files, err := patch.Lines(patch.Text{Text: string(c.Mail.Text), Strip: c.Mail.Strip}, c.Moved)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		made := map[string][]owner{}
		for _, f := range files {
			old, known := owners[f.From]
			if before := text(c.Before[f.From]); !known {
				old = make([]owner, len(before))
			}
			if f.To != "" {
				after := text(c.After[f.To])
				if made[f.To], err = follow(old, f, i+1, after); err != nil {
					return nil, fmt.Errorf("%s: %s: %w", c.Name, f.To, err)
				}
			}
		}
		for name := range c.Before {
			delete(owners, name)
			delete(final, name)
		}
		for name, file := range c.After {
			final[name] = file
			if owners[name] = made[name]; made[name] == nil {
				owners[name] = make([]owner, len(text(file)))
			}
		}
	}
	return added(owners, final), nil
}

// follow returns who the lines of a file belong to after a patch.
func follow(old []owner, f patch.FileLines, number int, after []string) ([]owner, error) {
	kept := make([]owner, 0, len(old))
	for i, o := range old {
		if _, removed := slices.BinarySearch(f.Removed, i+1); !removed {
			kept = append(kept, o)
		}
	}
	if len(kept)+len(f.Added) != len(after) {
		return nil, fmt.Errorf("%d lines and %d added ones do not make %d", len(kept), len(f.Added), len(after))
	}
	all := make([]owner, len(after))
	for _, a := range f.Added {
		if a.Line < 1 || a.Line > len(after) || strings.TrimSuffix(after[a.Line-1], "\r") != a.Text {
			return nil, fmt.Errorf("line %d of the patch is not line %d of the file", a.At, a.Line)
		}
		all[a.Line-1] = owner{number, a.At}
	}
	for i := range all {
		if all[i].patch != number {
			all[i], kept = kept[0], kept[1:]
		}
	}
	return all, nil
}

func added(owners map[string][]owner, final map[string]patch.File) []AddedLine {
	var all []AddedLine
	for name, list := range owners {
		if ext := filepath.Ext(name); ext != ".c" && ext != ".h" {
			continue
		}
		lines := text(final[name])
		for i, o := range list {
			if o.patch > 0 {
				all = append(all, AddedLine{Patch: o.patch - 1, File: name, Line: i + 1, At: o.at, Text: strings.TrimSuffix(lines[i], "\r")})
			}
		}
	}
	slices.SortFunc(all, func(a, b AddedLine) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return all
}

// text returns the lines of a file, without their newlines.
func text(f patch.File) []string {
	if len(f.Data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n")
}
