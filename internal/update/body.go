package update

import (
	"fmt"
	"slices"
	"strings"

	"bzmage/internal/boot"
	"bzmage/internal/config"
	"bzmage/internal/patch"
	"bzmage/internal/plain"
	"bzmage/internal/series"
)

// bodyMax is how many bytes a body may have: GitHub takes 65,536 characters,
// and the host adds a marker.
const bodyMax = 60_000

// partMax bounds one part of a body, so that a long one leaves room for others.
const partMax = 12_000

// Proposal is what is said of a release that is proposed.
type Proposal struct {
	Line, From, To string
	Address        string   // where kernel.org has it; may be empty
	SHA256         string   // of its archive
	Proofs         []string // that were made of it
	SignedBy       string
	Rebased        series.Rebased
	Configs        map[string]config.Difference // by arch
	ConfigsErr     error                        // the old ones could not be made
	Warnings       []string                     // of the new release's build, and not of the old one's
	WarningsErr    error                        // it cannot be known which are new
	Verdicts       []boot.Verdict
	Err            error // of the build or of the checks; nil: all is well
}

// Branch is the branch of a line's proposal.
func Branch(line string) string { return "bzmage/update-" + line }

// Marker is that of an issue about a line: why is conflict, eol or withdrawn.
func Marker(why, line string) string { return "bzmage-update-" + why + "-" + line }

// Title says what a proposal does.
func (p Proposal) Title() string { return fmt.Sprintf("linux %s → %s", p.From, p.To) }

// Message is the message of the commit.
func (p Proposal) Message() string {
	var b strings.Builder
	fmt.Fprintf(&b, "linux %s -> %s\n\nsha256 %s (%s).\nThe series of line %s: %s.\n", p.From, p.To, p.SHA256, strings.Join(p.Proofs, ", "),
		p.Line, series.Count(p.Rebased.Report.Patches))
	for _, s := range p.Rebased.Dropped {
		fmt.Fprintf(&b, "Dropped, as it is upstream: %s\n", plain.Line(s.Name, 200))
	}
	return b.String() + "\n" + Trailer + p.Line + " " + p.To + "\n"
}

// Trailer begins the last line of a commit that update:pr made. A branch whose
// newest commit has no such line was changed by a person.
const Trailer = "Bzmage-Update: "

// Body is the text of the request.
func (p Proposal) Body() string {
	parts := []string{p.source(), p.verdicts(), p.patches(), p.configs(), p.warnings()}
	if p.Err != nil {
		parts = slices.Insert(parts, 0, "**Not to be merged as it is:**\n\n"+fence(p.Err.Error()))
	}
	var b strings.Builder
	for _, part := range parts {
		if b.Len()+len(part) > bodyMax {
			b.WriteString("\nThe rest is left out: it is too long.\n")
			break
		}
		b.WriteString(part + "\n")
	}
	return b.String()
}

// Conflict is the text of the issue about a series that does not fit.
func (p Proposal) Conflict() string {
	return fmt.Sprintf("The series of line %s does not fit Linux %s, so there is nothing to merge. Both sides of each place:\n\n%s\n"+
		"Mend it: `go tool mage kernels:pin %s`, then `KERNEL=%s go tool mage series:rebase %s`. This issue is closed by the run after it fits.\n",
		p.Line, p.To, fenceOf(p.Rebased.Conflicts(), bodyMax-2000), p.To, p.Line, p.To)
}

func (p Proposal) source() string {
	text := fmt.Sprintf("Line %s moves from Linux %s to %s.\n\n| source | |\n|---|---|\n| sha256 | `%s` |\n| proofs | %s |\n", p.Line, p.From, p.To, p.SHA256, cell(strings.Join(p.Proofs, ", ")))
	if p.SignedBy != "" {
		text += fmt.Sprintf("| signed by | `%s` |\n", cell(p.SignedBy))
	}
	if p.Address != "" {
		text += "| from | " + cell(p.Address) + " |\n"
	}
	return text
}

func (p Proposal) verdicts() string {
	if len(p.Verdicts) == 0 {
		return "## Verdicts\n\nNo kernel was booted.\n"
	}
	var b strings.Builder
	b.WriteString("## Verdicts\n\n| target | release | verdict | checks | why |\n|---|---|---|---|---|\n")
	for _, v := range p.Verdicts {
		pass, fail, skip := v.Counts()
		fmt.Fprintf(&b, "| %s | %s | %s | %d passed, %d failed, %d skipped | %s |\n", cell(v.Target()), cell(v.Release), cell(v.Verdict), pass, fail, skip, cell(v.Reason))
	}
	return b.String()
}

func (p Proposal) patches() string {
	var b strings.Builder
	b.WriteString("## Series\n\n| patch | state | |\n|---|---|---|\n")
	for _, s := range p.Rebased.Report.Patches {
		what := cell(s.Why)
		if len(s.Moved) > 0 {
			what = fmt.Sprintf("%d hunks moved, by up to %d lines", len(s.Moved), s.Offset)
		}
		if slices.ContainsFunc(p.Rebased.Dropped, func(d patch.Status) bool { return d.Name == s.Name }) {
			what = "dropped: " + what
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(s.Name), s.State, what)
		for _, m := range s.Moved {
			fmt.Fprintf(&b, "| | | %s: hunk %d: line %d, now %d |\n", cell(m.File), m.Hunk, m.Line, m.At)
		}
		if b.Len() > partMax {
			b.WriteString("| … | | the rest is in series.json |\n")
			break
		}
	}
	return b.String()
}

func (p Proposal) configs() string {
	if p.ConfigsErr != nil {
		return "## Config\n\nThe configs of the old release could not be made:\n\n" + fence(p.ConfigsErr.Error())
	}
	var b strings.Builder
	b.WriteString("## Config\n\n")
	var archs []string
	for name := range p.Configs {
		archs = append(archs, name)
	}
	slices.Sort(archs)
	for _, name := range archs {
		d := p.Configs[name]
		fmt.Fprintf(&b, "%s: %s\n\n", cell(name), d.Count())
		if !d.Empty() {
			var table strings.Builder
			_ = d.Table(&table) // into memory
			b.WriteString(fence(table.String()))
		}
	}
	return b.String()
}

func (p Proposal) warnings() string {
	switch {
	case p.WarningsErr != nil:
		return "## New warnings\n\nNot known: the old release could not be built here:\n\n" + fence(p.WarningsErr.Error())
	case len(p.Warnings) == 0:
		return "## New warnings\n\nNone.\n"
	}
	return "## New warnings\n\n" + fence(strings.Join(p.Warnings, "\n"))
}

// cell makes a text from outside one cell of a table: nothing in it is read as
// Markdown or HTML, and it names nobody who would be told.
func cell(s string) string {
	var b strings.Builder
	for _, r := range plain.Line(s, 300) {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '@', r == '#', r == '!':
			b.WriteString(string(r) + "\u200b") // neither a mention nor a reference
		case strings.ContainsRune("\\`*_{}[]()|~$", r):
			b.WriteString("\\" + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func fence(s string) string { return fenceOf(s, partMax) }

// fenceOf shows a text as it is, between fences longer than any in it, and cut
// to about limit bytes.
func fenceOf(s string, limit int) string {
	s = plain.Text(s)
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "\n[cut]"
	}
	mark := "```"
	for strings.Contains(s, mark) && len(mark) < 100 {
		mark += "`"
	}
	s = strings.ReplaceAll(s, mark, "'") // only what has a hundred of them
	return mark + "text\n" + strings.TrimRight(s, "\n") + "\n" + mark + "\n"
}
