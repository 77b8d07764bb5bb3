package series

import (
	"bytes"
	"errors"
	"regexp"

	"bzmage/internal/patch"
)

// reStat is a diffstat with git's summary below it, as it stands in a mail.
var reStat = regexp.MustCompile(`(?m)(?:^ \S.* \| +(?:\d+(?: [+-]+)?|Bin .*)\n)+` +
	`^ \d+ files? changed.*\n` +
	`(?:^ (?:create mode|delete mode|rename|copy|mode change|rewrite) .*\n)*`)

// Replace returns the patch with another diff. The diffstat follows, where the
// patch has one; all else stays as it is to the byte: a mail's header, its
// message, notes below it, its signature.
func (m Mail) Replace(d Diff) ([]byte, error) {
	if len(d.Text) == 0 {
		return nil, errors.New("the new diff is empty")
	}
	text := patch.UnixLines(string(m.Text))
	from, to, err := patch.Extent(text, m.Strip)
	if err != nil {
		return nil, err
	}
	head := []byte(text[:from])
	// The last one: a message may tell of another.
	if all := reStat.FindAllIndex(head, -1); all != nil && len(d.Stat) > 0 {
		at := all[len(all)-1]
		head = bytes.Join([][]byte{head[:at[0]], d.Stat, head[at[1]:]}, nil)
	}
	return bytes.Join([][]byte{head, d.Text, []byte(text[to:])}, nil), nil
}
