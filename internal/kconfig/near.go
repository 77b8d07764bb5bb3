package kconfig

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// unknown is about a name the tree does not have.
func (c *Case) unknown(name string) Reason {
	r := Reason{Kind: NoSymbol, Why: []string{fmt.Sprintf("this tree has no symbol %s for %s", name, c.Tree.arch)}}
	if s := c.Tree.Symbols[name]; s != nil {
		r.Why[0] += ", although its Kconfig files speak of it"
	}
	if at := c.elsewhere(name); len(at) > 0 {
		r.Why = append(r.Why, "it is defined for other arches only: "+strings.Join(at, ", "))
		return r
	}
	if near := c.Tree.nearest(name); len(near) > 0 {
		r.Why = append(r.Why, "the nearest names: "+strings.Join(near, ", "))
	}
	return r
}

// nearest returns the defined symbols whose names are most like name.
func (t *Tree) nearest(name string) []string {
	const most = 3
	type hit struct {
		name string
		far  int
	}
	var hits []hit
	limit := max(2, len(name)/4)
	for n, s := range t.Symbols {
		if !s.Defined() {
			continue
		}
		far := limit + 1
		if d := len(n) - len(name); d <= limit && -d <= limit {
			far = levenshtein.ComputeDistance(name, n)
		}
		if strings.Contains(n, name) || len(n) > 4 && strings.Contains(name, n) {
			far = min(far, limit) // a word more or less
		}
		if far <= limit {
			hits = append(hits, hit{n, far})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		if a.far != b.far {
			return a.far - b.far
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, h := range hits[:min(most, len(hits))] {
		names = append(names, h.name)
	}
	return names
}

// elsewhere returns where other arches define name. Their Kconfig files are
// read for the first such question.
func (c *Case) elsewhere(name string) []string {
	if c.others == nil {
		c.others = map[string][]string{}
		c.readOthers()
	}
	const most = 3
	at := c.others[name]
	return at[:min(most, len(at))]
}

// only says which arches define what this one does not.
func (c *Case) only(name string) string {
	if at := c.elsewhere(name); len(at) > 0 {
		return ", only for others: " + strings.Join(at, ", ")
	}
	return ""
}

func (c *Case) readOthers() {
	if c.Source == nil {
		return
	}
	read := 0
	// What cannot be read is not there: this is only for a hint.
	_ = fs.WalkDir(c.Source, "arch", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasPrefix(path.Base(file), "Kconfig") {
			return nil
		}
		text, err := readFile(c.Source, file)
		if read += len(text); err != nil || read > maxBytes {
			return nil
		}
		line := 0
		for l := range strings.Lines(text) {
			line++
			if f := strings.Fields(l); len(f) == 2 && (f[0] == "config" || f[0] == "menuconfig") {
				c.others[f[1]] = append(c.others[f[1]], Pos{file, line}.String())
			}
		}
		return nil
	})
}
