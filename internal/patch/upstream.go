package patch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// upstream says why the tree has the change of a patch already, or "". It has
// when the patch can be taken back to the last hunk, nearer to where it says
// than it applies; or when it is an earlier patch of the series once more.
func (r *replayer) upstream(ctx context.Context, l *layer) (string, error) {
	if l.blocked != "" {
		return "", nil
	}
	same := ""
	if name := r.ids[l.p.id()]; name != "" {
		same = "the same change as " + name
	}
	if back := l.p.reversed(); back != nil {
		taken, err := r.try(ctx, back, true)
		if err != nil {
			return "", err
		}
		fits := len(taken.fails) == 0 && taken.blocked == ""
		if fits && (len(l.fails) > 0 || l.idle() || taken.offset < l.offset) {
			return cmp.Or(same, "the tree has the whole change already"), nil
		}
	}
	if len(l.fails) > 0 {
		return same, nil
	}
	return "", nil
}

// idle says whether the patch fits and changes nothing: a mode that the file
// has already.
func (l *layer) idle() bool {
	if len(l.fails) > 0 || len(l.gone) > 0 {
		return false
	}
	for n, f := range l.made {
		had := l.d.now[n]
		if had == nil {
			had = l.d.read[n]
		}
		if had == nil || had.mode != f.mode || !slices.Equal(had.lines, f.lines) {
			return false
		}
	}
	return len(l.made) > 0
}

// reversed returns the patch that takes p back, or nil if there is none: a copy
// leaves nothing that could be looked for, and a hunk without a word in it is
// found everywhere.
func (p *parsed) reversed() *parsed {
	back := &parsed{patchFile: p.patchFile, crlf: p.crlf}
	for _, c := range slices.Backward(p.changes) {
		if c.copied {
			return nil
		}
		r := &change{from: c.to, to: c.from, plain: c.plain, oldMode: c.oldMode, line: c.line}
		if c.newMode != 0 {
			r.oldMode, r.newMode = c.newMode, c.oldMode
		}
		for _, h := range c.hunks {
			if !c.removes() && !slices.ContainsFunc(h.new, hasWord) {
				return nil
			}
			r.hunks = append(r.hunks, &hunk{number: h.number, line: h.line, header: h.header, oldPos: h.newPos, newPos: h.oldPos,
				old: h.new, new: h.old, head: h.head, tail: h.tail})
		}
		back.changes = append(back.changes, r)
	}
	return back
}

func hasWord(line string) bool {
	return strings.ContainsFunc(line, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

// id returns a name of what the patch changes, whatever its place in the file,
// its white space and the order of its files: it is the same for two patches
// when those of git patch-id --stable are.
func (p *parsed) id() string {
	var parts []string
	for _, c := range p.changes {
		h := sha256.New()
		fmt.Fprintf(h, "%q %q %v\n", squeeze(c.from), squeeze(c.to), c.copied)
		if c.newMode != 0 {
			fmt.Fprintf(h, "%v %v\n", c.oldMode, c.newMode)
		}
		for _, k := range c.hunks {
			for _, l := range k.body {
				h.Write([]byte(squeeze(l)))
			}
		}
		parts = append(parts, hex.EncodeToString(h.Sum(nil)))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// squeeze takes all white space out of a line, as git patch-id does.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}
