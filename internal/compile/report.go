package compile

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
)

// Report is what came of compiling a series patch by patch.
type Report struct {
	Line    string  `json:"line"`
	Release string  `json:"release"`
	Sparse  string  `json:"sparse,omitempty"` // the version of sparse, where it looked too
	Patches []Patch `json:"patches"`
}

// Patch is what one patch brought.
type Patch struct {
	Name  string            `json:"name"`
	Kept  bool              `json:"-"` // known from an earlier run
	Archs map[string]Result `json:"archs"`
	Said  []Said            `json:"said,omitempty"` // new warnings, and errors
}

// Said is a finding with the archs it was made on and its place in the patch.
type Said struct {
	Finding
	Archs   []string `json:"archs"`
	Objects int      `json:"objects"`             // how many of them said it
	At      int      `json:"patchLine,omitempty"` // 0: not on a line the patch adds
}

// Add takes over the result of an arch. added are the lines of the patch.
func (p *Patch) Add(arch string, r Result, added []patch.AddedLine) {
	if p.Archs == nil {
		p.Archs = map[string]Result{}
	}
	p.Archs[arch] = r
	for _, f := range slices.Concat(r.Errors, r.New) {
		i := slices.IndexFunc(p.Said, func(s Said) bool { return s.Line == f.Line && s.key() == f.key() })
		if i < 0 {
			p.Said = append(p.Said, Said{Finding: f, At: place(f, added)})
			i = len(p.Said) - 1
		}
		s := &p.Said[i]
		s.Objects++
		if !slices.Contains(s.Archs, arch) {
			s.Archs = append(s.Archs, arch)
		}
	}
}

// place returns the line of the patch that a finding is about: an added line
// with the same code, the nearest one, as hunks may have been moved.
func place(f Finding, added []patch.AddedLine) int {
	code := ""
	if len(f.Source) > 0 && reGutter.MatchString(f.Source[0]) {
		code = reGutter.ReplaceAllString(f.Source[0], "")
	}
	best, away := 0, 0
	for _, l := range added {
		if l.File != f.File || code != "" && strings.TrimSpace(code) != strings.TrimSpace(l.Text) || code == "" && l.Line != f.Line {
			continue
		}
		if d := max(l.Line-f.Line, f.Line-l.Line); best == 0 || d < away {
			best, away = l.At, d
		}
	}
	return best
}

func (f Finding) String() string {
	if f.File == "" {
		return f.Text
	}
	return fmt.Sprintf("%s:%d: %s: %s", f.File, f.Line, f.Level, f.Text)
}

func (s Said) String() string {
	text := s.Finding.String() + " (" + strings.Join(s.Archs, ", ")
	if s.Objects > len(s.Archs) {
		text += fmt.Sprintf(", in %d objects", s.Objects)
	}
	return text + ")"
}

// Summary says in a few words what the patch brought.
func (p Patch) Summary() string {
	var words []string
	for _, arch := range p.archs() {
		r := p.Archs[arch]
		text := fmt.Sprintf("%s %d objects", arch, r.Objects)
		if len(r.Errors) > 0 {
			text = arch + " does not compile"
		} else if len(r.New) > 0 {
			text += fmt.Sprintf(", %d new warnings", len(r.New))
		}
		words = append(words, text)
	}
	if p.Kept {
		words = append(words, "known from an earlier run")
	}
	return strings.Join(words, "; ")
}

func (p Patch) archs() []string {
	var names []string
	for name := range p.Archs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Err returns nil when every patch compiles without a new warning.
func (r Report) Err() error {
	var lines []string
	bad := 0
	for _, p := range r.Patches {
		if len(p.Said) > 0 {
			bad++
		}
		for _, s := range p.Said {
			at := p.Name
			if s.At > 0 {
				at = fmt.Sprintf("%s:%d", p.Name, s.At)
			}
			lines = append(lines, at+": "+s.String())
			lines = append(lines, s.Source...)
		}
	}
	if bad == 0 {
		return nil
	}
	return fault.New(fault.Build, "mend the patch; the tree before and after each is compiled anew only where it changed",
		"%d of %d patches do not compile alone without a new warning:\n  %s", bad, len(r.Patches), strings.Join(lines, "\n  "))
}

// Table writes a line a patch and arch.
func Table(w io.Writer, r Report) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "PATCH\tARCH\tOBJECTS\tNEW WARNINGS\tERRORS\tNOT COMPILED")
	for _, p := range r.Patches {
		for _, arch := range p.archs() {
			a := p.Archs[arch]
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\n", p.Name, arch, a.Objects, len(a.New), len(a.Errors), orDash(a.Unreached))
		}
	}
	return t.Flush()
}

func orDash(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, " ")
}
