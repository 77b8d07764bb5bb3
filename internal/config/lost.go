package config

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"bzmage/internal/kconfig"
)

// Allowance is a comment in a fragment that excuses the loss of an option:
//
//	# bzmage: may-drop CONFIG_NAME: reason
//	# bzmage: may-drop CONFIG_NAME on arm64 5.4: reason
//
// Behind "on" stand lines, arches and flavours; all must be the target's.
type Allowance struct {
	Name   string   `json:"option"`
	On     []string `json:"on,omitempty"`
	Reason string   `json:"reason"`
	File   string   `json:"file"`
	Line   int      `json:"line"`
}

// String returns the allowance without its place.
func (a Allowance) String() string {
	on := ""
	if len(a.On) > 0 {
		on = " on " + strings.Join(a.On, " ")
	}
	return fmt.Sprintf("may-drop %s%s: %s", a.Name, on, a.Reason)
}

// Allowed is a line that was lost, and may be.
type Allowed struct {
	Asked string    `json:"asked"` // the line
	File  string    `json:"file"`
	Line  int       `json:"line"`
	Got   string    `json:"got"` // what stands in the .config instead
	By    Allowance `json:"by"`
}

var reAllow = regexp.MustCompile(`^# bzmage: may-drop (CONFIG_[A-Za-z0-9_]+)(?: on ([A-Za-z0-9_. -]+))?: *(.*)$`)

// parseAllowance reads a line that begins with "# bzmage:"; ok is false for
// all others.
func parseAllowance(line string) (a Allowance, ok bool, err error) {
	if !strings.HasPrefix(line, "# bzmage:") {
		return a, false, nil
	}
	m := reAllow.FindStringSubmatch(line)
	if m == nil {
		return a, false, fmt.Errorf("not an allowance: %q; it is: # bzmage: may-drop CONFIG_NAME: reason", line)
	}
	if m[3] == "" {
		return a, false, fmt.Errorf("an allowance without a reason: %q", line)
	}
	a = Allowance{Name: m[1], Reason: m[3]}
	if m[2] != "" {
		a.On = strings.Fields(m[2])
	}
	return a, true, nil
}

// applies says whether a is meant for a target.
func (a Allowance) applies(target []string) bool {
	for _, word := range a.On {
		if !slices.Contains(target, word) {
			return false
		}
	}
	return true
}

// excuse parts losses into those that are allowed and the others.
func (f Fragment) excuse(target []string, losses []Loss) (allowed []Allowed, rest []Loss) {
	for _, l := range losses {
		i := slices.IndexFunc(f.Allows, func(a Allowance) bool { return a.Name == l.Name && a.applies(target) })
		if i < 0 {
			rest = append(rest, l)
			continue
		}
		allowed = append(allowed, Allowed{Asked: l.Option.String(), File: l.File, Line: l.Line,
			Got: Option{Name: l.Name, Value: l.Got}.String(), By: f.Allows[i]})
	}
	return allowed, rest
}

// stale returns the allowances for a target that excuse nothing.
func (f Fragment) stale(target []string, allowed []Allowed) []Allowance {
	var stale []Allowance
	for _, a := range f.Allows {
		used := slices.ContainsFunc(allowed, func(d Allowed) bool { return d.By.File == a.File && d.By.Line == a.Line })
		if !used && a.applies(target) {
			stale = append(stale, a)
		}
	}
	return stale
}

// Loss is a line that is not in the final .config.
type Loss struct {
	Option
	Got    string // its value there
	Reason kconfig.Reason
}

// lost returns the lines that did not survive, also those that a later line
// took the place of.
func lost(f Fragment, final map[string]string) []Loss {
	last := map[string]Option{}
	for _, o := range f.Lines {
		last[o.Name] = o
	}
	var losses []Loss
	for _, o := range f.Lines {
		got, ok := final[o.Name]
		if !ok {
			got = "n"
		}
		counts := last[o.Name]
		if counts.Value != o.Value || got != o.Value && counts == o {
			losses = append(losses, Loss{Option: o, Got: got})
		}
	}
	return losses
}

const lostHint = "add the lines that are said above to a fragment, correct or take out the line, or say why it may be lost in a line of its own: " +
	"# bzmage: may-drop CONFIG_NAME: reason"

// LostError names what was lost and why.
type LostError struct {
	Arch   string
	Asked  int
	Losses []Loss
}

// Error returns a line for each loss, with the reason below it.
func (e *LostError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d options did not survive on %s:", len(e.Losses), e.Asked, e.Arch)
	for _, l := range e.Losses {
		fmt.Fprintf(&b, "\n  %s:%d: asked for %s, got %s", l.File, l.Line, l.Option, Option{Name: l.Name, Value: l.Got})
		for i, why := range l.Reason.Why {
			if i == 0 {
				why = string(l.Reason.Kind) + ": " + why
			}
			b.WriteString("\n      " + why)
		}
		if len(l.Reason.Add) > 0 {
			b.WriteString("\n      add: " + strings.Join(l.Reason.Add, ", "))
		} else if slices.Contains([]kconfig.Kind{kconfig.Unmet, kconfig.Hidden, kconfig.NoPrompt}, l.Reason.Kind) {
			b.WriteString("\n      no lines were found that would bring it about on " + e.Arch)
		}
	}
	return b.String()
}

// explain gives each loss its reason. The tree's Kconfig files are read only
// now that something was lost; if they cannot be, that is the reason given.
func (p Params) explain(losses []Loss, frag Fragment, base, final []byte) {
	c := kconfig.Case{Final: bare(ReadConfig(final)), Base: bare(ReadConfig(base)), BaseName: "make " + p.Base}
	for _, o := range frag.Lines {
		c.Asked = append(c.Asked, o.ask())
	}
	root, err := os.OpenRoot(p.Make.Src)
	if err == nil {
		defer root.Close()
		c.Source = root.FS()
		c.Tree, err = kconfig.Read(c.Source, kconfig.Env(p.Make.Arch.Make))
	}
	for i, l := range losses {
		r := c.Explain(l.ask())
		if c.Tree == nil && r.Kind == kconfig.Unexplained {
			r.Why = []string{fmt.Sprintf("the tree's Kconfig files cannot be read: %v", err)}
		}
		losses[i].Reason = r
	}
}

func (o Option) ask() kconfig.Ask {
	return kconfig.Ask{Name: strings.TrimPrefix(o.Name, "CONFIG_"), Value: o.Value, Pos: kconfig.Pos{File: o.File, Line: o.Line}}
}

// bare returns values by name without CONFIG_.
func bare(values map[string]string) map[string]string {
	out := make(map[string]string, len(values))
	for n, v := range values {
		out[strings.TrimPrefix(n, "CONFIG_")] = v
	}
	return out
}
