package series

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"bzmage/internal/patch"
)

// Change is what one patch of a series makes of the files it touches.
type Change struct {
	Name          string
	Mail          Mail
	Offset        int                   // how far its hunks had to be moved
	Moved         []patch.Move          // the hunks that were
	Before, After map[string]patch.File // by path; a file that is not there is not in it
}

// Added returns the lines the patch adds.
func (c Change) Added() []patch.AddedLine {
	return patch.AddedLines(patch.Text{Text: string(c.Mail.Text), Strip: c.Mail.Strip})
}

// Fingerprint names what the changes make of the pristine tree: the files, not
// the mails that carry them.
func Fingerprint(changes []Change) string {
	files := outcome(changes)
	for _, c := range changes {
		for name := range c.Before {
			if _, ok := files[name]; !ok {
				files[name] = patch.File{} // it is taken away
			}
		}
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		fmt.Fprintf(h, "%q %o %x\n", name, f.Mode, sha256.Sum256(f.Data))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// History returns what each patch of the series makes of the pristine tree, in
// order. The tree is not touched. A series that does not apply is an error.
func History(ctx context.Context, p Params) ([]Change, error) {
	texts, _, err := patch.Mails(p.Folder)
	if err != nil {
		return nil, err
	}
	var all []Change
	report, err := patch.Try(ctx, patch.Params{Tree: p.Tree, Series: p.Folder,
		Visit: func(s patch.Status, before, after map[string]patch.File) error {
			t := texts[s.Name]
			all = append(all, Change{Name: s.Name, Mail: Mail{Text: []byte(t.Text), Strip: t.Strip}, Offset: s.Offset, Moved: s.Moved, Before: before, After: after})
			return nil
		}})
	if err != nil {
		return nil, err
	}
	return all, report.Err()
}
