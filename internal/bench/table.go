package bench

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/renameio/v2"

	"bzmage/internal/fault"
	"bzmage/internal/plain"
)

// The lines of a document between which [Insert] puts the table.
const (
	Begin = "<!-- mage bench: begin -->"
	End   = "<!-- mage bench: end -->"
)

// cells returns the cells of a row of a machine with so many CPUs: its title,
// both sides, how busy they kept the CPUs, the ratio, the goal and what became
// of it.
func (r Row) cells(cpus int) []string {
	cells := []string{r.Name, r.Title, r.Ours.cell(), r.Other.cell(), r.busy(cpus), "", r.Goal.String(), ""}
	switch {
	case r.Skipped != "":
		cells[7] = "skipped: " + plain.Line(r.Skipped, 200)
	case r.Failed != "":
		cells[7] = "failed: " + plain.Line(r.Failed, 200)
	default:
		cells[5] = spread(r.Ratio, len(r.Ratios), "%.2f")
		if r.Goal != (Goal{}) {
			cells[7] = "missed"
			if r.Met() {
				cells[7] = "met"
			}
		}
	}
	return cells
}

// busy says how busy both sides kept the CPUs.
func (r Row) busy(cpus int) string {
	if len(r.Ours.CPU) == 0 || len(r.Other.CPU) == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f, %.0f %%", 100*r.Ours.busy(cpus), 100*r.Other.busy(cpus))
}

func (s Side) cell() string {
	if len(s.Seconds) == 0 {
		return ""
	}
	return spread(s.Summary, len(s.Seconds), format(s.Summary.Median)) + " s"
}

// format gives a value of seconds three digits or so.
func format(seconds float64) string {
	if seconds < 10 {
		return "%.2f"
	}
	return "%.1f"
}

// spread is a median and, of more than one value, how far they lie apart.
func spread(s Summary, n int, format string) string {
	if n == 0 {
		return ""
	}
	text := fmt.Sprintf(format, s.Median)
	if n > 1 {
		text += fmt.Sprintf(" ("+format+" to "+format+", MAD "+format+")", s.Min, s.Max, s.MAD)
	}
	return text
}

// String is the goal in words.
func (g Goal) String() string {
	switch {
	case g.Seconds > 0:
		return fmt.Sprintf("at most %g s", g.Seconds)
	case g.Ratio > 0:
		return fmt.Sprintf("at most %g", g.Ratio)
	}
	return ""
}

// Table writes the rows for a terminal.
func (r Report) Table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ROW\tBZMAGE\tOTHER\tCPUS BUSY\tRATIO\tGOAL\t")
	for _, row := range r.Rows {
		c := row.cells(r.Machine.Cores)
		fmt.Fprintln(tw, strings.Join(append(c[:1:1], c[2:]...), "\t"))
	}
	return tw.Flush()
}

// Markdown returns the report as a document shows it: what was measured where,
// the table, what both sides of each row are, and the versions.
func (r Report) Markdown() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%s.\n\n", r.Subject)
	fmt.Fprintf(&b, "- Date: %s, bzmage at %s\n", r.Date.UTC().Format(time.DateOnly), r.Commit)
	fmt.Fprintf(&b, "- Machine: %s; %d MiB free on the disk\n", m.name(), m.DiskFree>>20)
	fmt.Fprintf(&b, "- Load at the start: %.2f; a row that began on a machine with more than %.2f says so, and does not count\n", m.Load, m.quiet())
	fmt.Fprintf(&b, "- Versions: kernel %s, %s", escape(m.Kernel), escape(m.System))
	for _, name := range slices.Sorted(maps.Keys(m.Tools)) {
		fmt.Fprintf(&b, "; %s: %s", name, escape(plain.Line(m.Tools[name], 80)))
	}
	b.WriteString("\n\n| row | | bzmage | other | CPUs busy | ratio | goal | |\n|---|---|---|---|---|---|---|---|\n")
	for _, row := range r.Rows {
		c := row.cells(m.Cores)
		c[0] = "`" + c[0] + "`"
		for i := range c {
			c[i] = escape(c[i])
		}
		if day := row.Date.UTC().Format(time.DateOnly); day != r.Date.UTC().Format(time.DateOnly) {
			c[7] = strings.TrimSpace(c[7] + " (" + day + ")")
		}
		if row.Load > m.quiet() {
			c[7] = strings.TrimSpace(c[7] + fmt.Sprintf(" (load %.2f)", row.Load))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(c, " | "))
	}
	b.WriteString("\nSeconds are wall clock: the median of the repetitions, and in brackets the least, the most and the median absolute deviation.\n")
	b.WriteString("A ratio is bzmage's seconds by the other's, pair by pair; CPUs busy is how much of all CPUs' time the two sides used. What they do:\n\n")
	for _, row := range r.Rows {
		if row.Measured() {
			fmt.Fprintf(&b, "- `%s`: %s; other: %s\n", row.Name, escape(row.Ours.What), escape(row.Other.What))
		}
	}
	return b.String()
}

// escape makes a text fit for a cell of a table: it may come from a tool.
func escape(s string) string {
	return strings.ReplaceAll(plain.Line(s, 400), "|", `\|`)
}

// Insert puts the text between the two marks of a document.
func Insert(path, text string) error {
	doc, err := os.ReadFile(path)
	if err != nil {
		return fault.New(fault.Usage, "run it in the top folder of a checkout", "write the table: %w", err)
	}
	before, rest, ok := strings.Cut(string(doc), Begin+"\n")
	_, after, ok2 := strings.Cut(rest, End+"\n")
	if !ok || !ok2 {
		return fault.New(fault.Usage, "put both lines back: "+Begin+" and "+End, "write the table: %s has no place for it", path)
	}
	doc = []byte(before + Begin + "\n\n" + text + "\n" + End + "\n" + after)
	if err := renameio.WriteFile(path, doc, 0o644); err != nil {
		return fault.New(fault.Machine, "make it writable", "write the table: %w", err)
	}
	return nil
}
