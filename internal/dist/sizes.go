package dist

import (
	"fmt"
	"io"
	"path"
	"text/tabwriter"

	"bzmage/internal/release"
)

// Size is how big a file is, beside what it was in the release before.
type Size struct {
	Name        string
	Now, Before int64 // bytes; Before is 0 where there was none
}

// Sizes compares the files of a release with those of the one before, which may
// be nil. Names hold releases, so a file is known by what it is: its kind, its
// arch and, of packages, its suffix.
func Sizes(files []release.File, before *release.Release) []Size {
	var rows []Size
	for _, f := range files {
		if f.Kind == release.Report {
			continue
		}
		s := Size{Name: f.Name, Now: f.Size}
		if before != nil {
			for _, old := range before.Files {
				if old.Kind == f.Kind && old.Arch == f.Arch && (f.Kind != release.PackageFile || path.Ext(old.Name) == path.Ext(f.Name)) {
					s.Before = old.Size
				}
			}
		}
		rows = append(rows, s)
	}
	return rows
}

// Table writes the sizes for people.
func Table(w io.Writer, rows []Size) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "FILE\tSIZE\tSINCE THE LAST RELEASE")
	for _, r := range rows {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", r.Name, Bytes(r.Now), r.Change())
	}
	return tw.Flush()
}

// Change says how a size differs from the one before.
func (s Size) Change() string {
	switch {
	case s.Before == 0:
		return "new"
	case s.Before == s.Now:
		return "same"
	}
	return fmt.Sprintf("%+d bytes, %+.1f %%", s.Now-s.Before, 100*float64(s.Now-s.Before)/float64(s.Before))
}

// Bytes writes a size as people read it.
func Bytes(n int64) string {
	if n < 100_000 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
