package proof

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"bzmage/internal/plain"
)

// Write writes the table for people.
func (t Table) Write(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "WHAT\tSTATE\tWHY")
	for _, r := range t.Rows {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", r.What, r.State, plain.Line(r.Text, 200))
	}
	return tw.Flush()
}

// JSON writes the table for programs.
func (t Table) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(t)
}
