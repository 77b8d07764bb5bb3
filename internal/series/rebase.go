package series

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bzmage/internal/patch"
	"bzmage/internal/unpack"
)

// Rebased is a series made to fit another release, in memory.
type Rebased struct {
	Report  Report
	Dropped []patch.Status    // what the release has already
	Changed []string          // patches that were written anew and differ
	Files   map[string][]byte // the folder of the new series, by name: `series` and the patches
}

// Rebase tries the series in folder on tree and makes it anew for it: patches
// that apply get the diff they have there, those that the release has already
// are dropped. Nothing is written. What does not apply stays as it is and is
// in the report; the series is not good then.
func Rebase(ctx context.Context, tree unpack.Tree, folder string) (Rebased, error) {
	texts, list, err := patch.Mails(folder)
	if err != nil {
		return Rebased{}, err
	}
	r := Rebased{Files: map[string][]byte{}}
	for name, m := range texts {
		r.Files[name] = []byte(m.Text)
	}
	kept := map[string]string{}
	report, err := patch.Try(ctx, patch.Params{Tree: tree, Series: folder,
		Visit: func(s patch.Status, before, after map[string]patch.File) error {
			mail := Mail{Text: []byte(texts[s.Name].Text), Strip: texts[s.Name].Strip}
			d, err := Render(ctx, before, after, mail)
			if err != nil {
				return err
			}
			text, err := mail.Replace(d)
			if err != nil {
				kept[s.Name] = "kept as it is: " + err.Error()
				return nil
			}
			r.Files[s.Name] = text
			if string(text) != texts[s.Name].Text {
				r.Changed = append(r.Changed, s.Name)
			}
			return nil
		}})
	if err != nil {
		return Rebased{}, err
	}
	r.Report = Report{Folder: folder, Release: tree.Release, Edits: []patch.Edit{}, Report: report}
	for i, s := range report.Patches {
		if why := kept[s.Name]; why != "" {
			report.Patches[i].Notes = append(s.Notes, why)
		}
		if s.State == patch.Upstream {
			r.Dropped = append(r.Dropped, s)
			delete(r.Files, s.Name)
		}
	}
	keep := func(name string) bool { return r.Files[name] != nil }
	r.Files["series"] = []byte(patch.Keep(list, keep))
	return r, nil
}

// Err returns nil when all patches were refreshed or dropped, else what is left
// to a person.
func (r Rebased) Err() error {
	left := r.Report.Report
	left.Patches = slices.DeleteFunc(slices.Clone(left.Patches), func(s patch.Status) bool { return s.State == patch.Upstream })
	return left.Err()
}

// Conflicts returns a report for a person on each patch that does not apply:
// both sides of each place, the hunk of the patch and what the tree has.
func (r Rebased) Conflicts() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on Linux %s: %s\n", r.Report.Folder, r.Report.Release, Count(r.Report.Patches))
	for _, s := range r.Report.Patches {
		if s.Applies() {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s: %s\n", s.Name, s.State, s.Why)
		if s.Subject != "" {
			fmt.Fprintf(&b, "  %s\n", s.Subject)
		}
		for _, f := range s.Failures {
			sides(&b, f)
		}
	}
	return b.String()
}

// sides writes a place that does not fit.
func sides(b *strings.Builder, f patch.Failure) {
	fmt.Fprintf(b, "\n  %s\n", place(f))
	if len(f.Diff) > 0 {
		fmt.Fprintf(b, "  <<<<<<< the patch, line %d\n  %s\n", f.Line, f.Header)
		for _, l := range f.Diff {
			fmt.Fprintf(b, "  %s\n", l)
		}
	}
	if len(f.Expected) > 0 {
		fmt.Fprintf(b, "  ======= the tree, where it is most like it (> marks what differs)\n")
		for _, row := range f.Found {
			mark := " "
			if row.Differs {
				mark = ">"
			}
			fmt.Fprintf(b, "  %s %5d %s\n", mark, row.Line, row.Text)
		}
		if len(f.Found) < len(f.Expected) {
			fmt.Fprintf(b, "    (the file ends at line %d)\n", f.Lines)
		}
		b.WriteString("  >>>>>>>\n")
	}
}
