package reproduce

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Report is reproduce.json: whether a second build gave the same bytes.
type Report struct {
	Line    string       `json:"line"`
	Release string       `json:"release"`
	Time    string       `json:"time"` // what both builds were dated, RFC 3339
	Same    bool         `json:"same"`
	Seconds float64      `json:"seconds"` // that the second build took
	Changes []Change     `json:"environment"`
	Files   []string     `json:"files"` // that were compared, below the checkout
	Differ  []Difference `json:"differ"`
	Kept    string       `json:"kept,omitempty"` // where the second build lies, if it is not the same
}

// JSON returns the report for programs.
func (r Report) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	return append(text, '\n'), err
}

// Table writes the report for people: what was changed, then the files.
func (r Report) Table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ENVIRONMENT\tFIRST BUILD\tSECOND BUILD")
	for _, c := range r.Changes {
		second := c.Second
		if c.Why != "" {
			second = "the same: " + c.Why
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", c.What, c.First, second)
	}
	fmt.Fprintln(tw, "\t\t")
	fmt.Fprintln(tw, "FILE\t\tBYTES")
	for _, name := range r.Files {
		i := slices.IndexFunc(r.Differ, func(d Difference) bool { return d.File == name })
		if i < 0 {
			fmt.Fprintf(tw, "%s\t\tsame\n", name)
			continue
		}
		fmt.Fprintf(tw, "%s\t\tDIFFER\n", name)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, d := range r.Differ {
		fmt.Fprintf(w, "\n%s:\n", d.File)
		for _, where := range d.Where {
			fmt.Fprintf(w, "  %s\n", where)
		}
	}
	return nil
}
