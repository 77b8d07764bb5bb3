// Package update says what is new upstream of the pinned lines, and words what
// is proposed to people about it. In go facts that others have asked for; out
// come a table, JSON and Markdown. It asks nobody and writes nothing.
package update

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/hashicorp/go-version"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
	"bzmage/internal/plain"
)

// Facts are what servers and files say about a line. A fact that could not be
// had has its error.
type Facts struct {
	Line      kernels.Line
	Known     []fetch.Known     // of releases.json
	KnownErr  error             // it could not be had
	Listed    map[string]string // release: sha256, of kernel.org's signed list
	ListedErr error             // it could not be had, or no key of ours signs it
	Package   string            // release of the distribution's package; empty: none
}

// News is what is new of a line.
type News struct {
	Line      string `json:"line"`
	Pinned    string `json:"pinned"`
	Newest    string `json:"newest,omitempty"`    // that kernel.org has; empty: not known
	Newer     bool   `json:"newer"`               // the newest is newer than the pinned one
	EOL       string `json:"eol,omitempty"`       // the day in kernels.toml, or "yes" where only releases.json says so
	Ended     bool   `json:"ended"`               // the line is at its end of life, and kernels.toml does not say so yet
	Withdrawn string `json:"withdrawn,omitempty"` // why the pinned release is taken to be withdrawn
	Package   string `json:"package,omitempty"`   // the distribution's release, where the line takes it
	Unknown   string `json:"unknown,omitempty"`   // why nothing can be said of it: it is not up to date then
}

// Find judges the facts about a line.
func Find(f Facts) News {
	n := News{Line: f.Line.Name, Pinned: f.Line.Release, EOL: f.Line.EOL, Package: f.Package}
	any := func(string) bool { return true }
	ours, err := version.NewConstraint("~> " + f.Line.Name + ".0")
	if err != nil {
		n.Unknown = err.Error()
		return n
	}
	var names []string
	alive, ended := false, false
	for _, k := range f.Known {
		if f.Line.Check(k.Version) == nil {
			names, alive, ended = append(names, k.Version), true, k.EOL
		}
	}
	for name := range f.Listed {
		names = append(names, name)
	}
	n.Newest = fetch.NewestOf(names, ours, any)
	n.Newer = n.Newest != "" && newer(n.Newest, n.Pinned)
	// What kernels.toml says itself, somebody has read.
	if f.KnownErr == nil && (ended || !alive) && n.EOL == "" {
		n.EOL, n.Ended = "yes", true
	}
	if f.ListedErr == nil {
		n.Withdrawn = withdrawn(f)
	}
	// A line that releases.json does not list is known by the signed list only.
	switch {
	case f.KnownErr != nil && f.ListedErr != nil:
		n.Unknown = fmt.Sprintf("releases.json: %v; the signed list: %v", f.KnownErr, f.ListedErr)
	case !alive && f.ListedErr != nil:
		n.Unknown = fmt.Sprintf("releases.json does not list the line, and the signed list cannot be had: %v", f.ListedErr)
	case n.Newest == "":
		n.Unknown = "neither releases.json nor the signed list has a release of the line"
	}
	n.Unknown = plain.Line(n.Unknown, 600)
	return n
}

func newer(a, b string) bool {
	x, err := version.NewVersion(a)
	y, err2 := version.NewVersion(b)
	return err == nil && err2 == nil && x.GreaterThan(y)
}

// withdrawn says why the pinned release seems to be withdrawn: the signed list
// has another file under its name, or only later ones.
func withdrawn(f Facts) string {
	sum, ok := f.Listed[kernels.AtKernelOrg(f.Line.Release)]
	if ok && sum != f.Line.SHA256 {
		return fmt.Sprintf("the signed list says its sha256 is %s, and kernels.toml pins %s", sum, f.Line.SHA256)
	}
	for name := range f.Listed {
		if !ok && newer(name, f.Line.Release) {
			return "the signed list has later releases and not this one"
		}
	}
	return ""
}

// Todo says whether a person or update:pr has something to do.
func (n News) Todo() bool { return n.Newer || n.Ended || n.Withdrawn != "" }

// What says what is new, in a few words.
func (n News) What() string {
	var words []string
	if n.Newer {
		words = append(words, "newer release")
	}
	if n.Withdrawn != "" {
		words = append(words, "withdrawn: "+n.Withdrawn)
	}
	if n.Ended {
		words = append(words, "end of life")
	}
	switch {
	case n.Unknown != "":
		words = append(words, "not known: "+n.Unknown)
	case len(words) == 0 && n.EOL != "":
		words = append(words, "the last release")
	case len(words) == 0:
		words = append(words, "up to date")
	}
	return strings.Join(words, "; ")
}

// Table writes a row for each line.
func Table(w io.Writer, all []News) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "LINE\tPINNED\tNEWEST\tEND OF LIFE\tPACKAGE\tSTATE")
	for _, n := range all {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", n.Line, n.Pinned, or(n.Newest, "?"), or(n.EOL, "no"), or(n.Package, "-"), plain.Line(n.What(), 700))
	}
	return tw.Flush()
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// JSON writes all as a list.
func JSON(w io.Writer, all []News) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(slices.Concat([]News{}, all))
}

// Err returns nil when all lines are known and nothing is to be done. What is
// not known goes first: a pipeline must not take it for the answer no.
func Err(all []News) error {
	var unknown, todo []string
	for _, n := range all {
		if n.Unknown != "" {
			unknown = append(unknown, n.Line+": "+n.Unknown)
		} else if n.Todo() {
			todo = append(todo, n.Line+": "+n.What())
		}
	}
	if len(unknown) > 0 {
		return fault.New(fault.Source, "see that kernel.org or a mirror of kernels.toml is reached, without OFFLINE, and that configs/keys has the key of its lists",
			"what is new upstream cannot be known: %s", strings.Join(unknown, "\n"))
	}
	if len(todo) > 0 {
		return fault.New(fault.Outdated, "go tool mage update:pr, or go tool mage kernels:pin RELEASE", "%s", strings.Join(todo, "\n"))
	}
	return nil
}

// Body is the text of an issue about a line that no newer release mends.
func (n News) Body() string {
	return fmt.Sprintf("Line %s is pinned to Linux %s: %s.\n\n"+
		"If the line is kept all the same, write the day into its `eol` in configs/kernels.toml; else move its series to a line that is alive: "+
		"`KERNEL=%s go tool mage series:rebase LINE`.\n", n.Line, n.Pinned, cell(n.What()), n.Line)
}
