package patch

import (
	"context"
	"errors"
	"io/fs"
	"strings"
)

// dosLines returns a change of a patch whose lines all ended as on Windows, as
// the file wants it: with such ends if the file has them, without if it has
// not. A new file follows the other files of the patch.
func (l *layer) dosLines(ctx context.Context, c *change, old *file) (*change, error) {
	if c.newMode&fs.ModeSymlink != 0 {
		return c, nil
	}
	unix, dos := old.lineEnds()
	if old == nil {
		for _, o := range l.p.changes {
			if o.creates() {
				continue
			}
			f, err := l.d.get(ctx, o.from)
			if err != nil {
				return c, err
			}
			u, d := f.lineEnds()
			unix, dos = unix || u, dos || d
		}
	}
	switch {
	case unix && dos:
		return c, errors.New("the patch has Windows line ends, and the tree's files have both kinds; make the patch anew with git format-patch")
	case old == nil && !unix && !dos:
		return c, errors.New("the patch has Windows line ends, and nothing tells whether the new file should; take them off with: sed -i 's/\\r$//'")
	case !dos:
		return c, nil
	}
	with := *c
	with.hunks = nil
	for _, h := range c.hunks {
		k := *h
		k.old, k.new = dosEnds(h.old), dosEnds(h.new)
		with.hunks = append(with.hunks, &k)
	}
	return &with, nil
}

// lineEnds says whether the file has lines that end as on Unix and on Windows.
// A link and no file at all have neither.
func (f *file) lineEnds() (unix, dos bool) {
	if f == nil || f.link() {
		return false, false
	}
	for _, l := range f.lines {
		switch {
		case strings.HasSuffix(l, "\r\n"):
			dos = true
		case strings.HasSuffix(l, "\n"):
			unix = true
		}
	}
	return unix, dos
}

func dosEnds(lines []string) []string {
	var with []string
	for _, l := range lines {
		if text, ok := strings.CutSuffix(l, "\n"); ok {
			l = text + "\r\n"
		}
		with = append(with, l)
	}
	return with
}
