package config

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// Change is an option that differs between two .configs.
type Change struct {
	Name     string // with CONFIG_
	From, To string // values; empty: it is not there, or not set
}

// Difference is what differs between two .configs. An option that is "not set"
// in one and absent from the other is no difference: the same is compiled.
type Difference struct {
	Added, Removed, Changed []Change
	Toolchain               []Change // what conf found the compiler and its like to be
}

// Empty says that the same was configured.
func (d Difference) Empty() bool {
	return len(d.Added)+len(d.Removed)+len(d.Changed) == 0
}

// reToolchain matches symbols that nobody can set: conf asks the compiler, the
// assembler, the linker or pahole for them. It was held against all symbols of
// 5.4 and 6.1 whose defaults hold a macro: it matches these, and no others
// that have a prompt.
var reToolchain = regexp.MustCompile(`^CONFIG_(AS_\w+|((CC|LD|PAHOLE|RUSTC|TOOLCHAIN)_(VERSION(_TEXT)?|IS_\w+|HAS_\w+|HAVE_\w+|CAN_\w+|SUPPORTS_\w+|NO_\w+))` +
	`|(GCC|CLANG|LLD|BINDGEN)_VERSION(_TEXT)?|GCC\w*_NO_\w+|GCC_ASM_GOTO_\w+|(GCC|CLANG)_(SUPPORTS|HAS)_\w+|\w+_(AS|LD)_HAS_\w+|BROKEN_GAS_INST|CC_IMPLICIT_FALLTHROUGH` +
	`|HAVE_K[CM]SAN_(COMPILER|PARAM_RETVAL)|TOOLS_SUPPORT_RELR|RUST_IS_AVAILABLE|PLUGIN_HOSTCC)$`)

// Diff compares two .configs.
func Diff(from, to []byte) Difference {
	a, b := ReadConfig(from), ReadConfig(to)
	names := maps.Clone(a)
	maps.Copy(names, b)
	var d Difference
	for _, n := range slices.Sorted(maps.Keys(names)) {
		c := Change{n, a[n], b[n]}
		switch {
		case c.From == c.To:
		case reToolchain.MatchString(n):
			d.Toolchain = append(d.Toolchain, c)
		case c.From == "":
			d.Added = append(d.Added, c)
		case c.To == "":
			d.Removed = append(d.Removed, c)
		default:
			d.Changed = append(d.Changed, c)
		}
	}
	return d
}

// Count returns the difference in a few words.
func (d Difference) Count() string {
	if d.Empty() {
		return "no difference"
	}
	return fmt.Sprintf("%d added, %d removed, %d changed", len(d.Added), len(d.Removed), len(d.Changed))
}

// Table writes the difference, a group after the other.
func (d Difference) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	groups := []struct {
		name    string
		changes []Change
	}{{"added", d.Added}, {"removed", d.Removed}, {"changed", d.Changed}, {"of the toolchain", d.Toolchain}}
	for _, g := range groups {
		if len(g.changes) > 0 {
			fmt.Fprintf(t, "%s (%d)\n", g.name, len(g.changes))
		}
		for _, c := range g.changes {
			value := cmp.Or(c.From, "n") + " -> " + cmp.Or(c.To, "n")
			if g.name == "added" || g.name == "removed" {
				value = c.From + c.To
			}
			fmt.Fprintf(t, "  %s\t%s\n", strings.TrimPrefix(c.Name, "CONFIG_"), value)
		}
	}
	return t.Flush()
}

// Snapshot returns a .config as it is committed: the options that are set,
// sorted, without what is of the toolchain, below a comment.
func Snapshot(comment string, text []byte) []byte {
	values := ReadConfig(text)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", comment)
	for _, n := range slices.Sorted(maps.Keys(values)) {
		if !reToolchain.MatchString(n) {
			fmt.Fprintf(&b, "%s=%s\n", n, values[n])
		}
	}
	return []byte(b.String())
}
