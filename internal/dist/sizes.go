package dist

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"bzmage/internal/release"
)

// None is the size of a file that is not there.
const None = -1

// Row compares one file of two releases; sizes are in bytes, or None.
type Row struct {
	What   string // kind and ending: "package .deb"
	Arch   string // empty: of the release
	Now    int64
	Before int64
}

// Compare holds the files of a release against those of the one before. Names
// have versions in them, so files are the same when kind, arch and ending are.
// Reports are left out: they are about a run.
func Compare(now, before []release.File) []Row {
	var rows []Row
	at := map[string]int{}
	add := func(f release.File, set func(*Row)) {
		if f.Kind == release.Report {
			return
		}
		what := strings.TrimSpace(f.Kind + " " + ending(f.Name))
		key := what + "\x00" + f.Arch
		i, ok := at[key]
		if !ok {
			i = len(rows)
			at[key] = i
			rows = append(rows, Row{What: what, Arch: f.Arch, Now: None, Before: None})
		}
		set(&rows[i])
	}
	for _, f := range now {
		add(f, func(r *Row) { r.Now = max(r.Now, 0) + f.Size })
	}
	for _, f := range before {
		add(f, func(r *Row) { r.Before = max(r.Before, 0) + f.Size })
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		if c := strings.Compare(a.Arch, b.Arch); c != 0 {
			return c
		}
		return strings.Compare(a.What, b.What)
	})
	return rows
}

// ending returns what a file name ends in where that says what it is; that of
// an image is the tail of its release.
func ending(name string) string {
	if e := filepath.Ext(name); slices.Contains([]string{".deb", ".rpm", ".zst", ".json"}, e) {
		return e
	}
	return ""
}

// Table writes the rows for people.
func Table(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ARCH\tFILE\tNOW\tBEFORE\tDIFFERENCE")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", orDash(r.Arch), r.What, bytesOf(r.Now), bytesOf(r.Before), r.difference())
	}
	return t.Flush()
}

func (r Row) difference() string {
	switch {
	case r.Before == None:
		return "new"
	case r.Now == None:
		return "gone"
	case r.Before == 0:
		return fmt.Sprintf("%+d", r.Now)
	}
	return fmt.Sprintf("%+d (%+.1f%%)", r.Now-r.Before, 100*float64(r.Now-r.Before)/float64(r.Before))
}

func bytesOf(n int64) string {
	if n == None {
		return "-"
	}
	return fmt.Sprint(n)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
