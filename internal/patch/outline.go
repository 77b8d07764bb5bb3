package patch

import (
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// Outline is what a patch says and does, apart from how it is written.
type Outline struct {
	Subject string // without what stands in brackets; "": it has none
	Author  string // name and address; "": it has none
	Message string // below the subject, without the diffstat
	Files   []FileOutline
}

// FileOutline is what a patch does to one file.
type FileOutline struct {
	From, To string // names in the tree; empty: the file is created, or removed
	Copied   bool   // From stays
	Mode     string // old and new mode where it says one
	Hunks    []HunkOutline
}

// HunkOutline is one place of a file.
type HunkOutline struct {
	Header string   // its line numbers, and what diff puts behind them
	Lines  []string // with their first column, and no newline
}

// Describe reads a patch as [Apply] does, and refuses what that refuses. What
// of a patch cannot be read is an error; its message is returned all the same.
func Describe(t Text) (Outline, error) {
	p, err := parsePatch(patchFile{entry: entry{strip: t.Strip}, text: t.Text})
	if err != nil {
		return describeMail(t.Text), err
	}
	above := strings.SplitAfter(UnixLines(t.Text), "\n")[:p.changes[0].line-1]
	o := describeMail(strings.Join(above, ""))
	for _, c := range p.changes {
		f := FileOutline{From: c.from, To: c.to, Copied: c.copied}
		if c.oldMode != 0 || c.newMode != 0 {
			f.Mode = c.oldMode.String() + " " + c.newMode.String()
		}
		for _, h := range c.hunks {
			k := HunkOutline{Header: h.header}
			for _, l := range h.body {
				k.Lines = append(k.Lines, strings.TrimRight(l, "\r\n"))
			}
			f.Hunks = append(f.Hunks, k)
		}
		o.Files = append(o.Files, f)
	}
	return o, nil
}

// describeMail reads what stands above the first diff.
func describeMail(text string) Outline {
	head := UnixLines(text)
	for _, begin := range []string{"\ndiff --git ", "\n--- a/", "\n--- /dev/null"} {
		if i := strings.Index(head, begin); i >= 0 {
			head = head[:i+1]
		}
	}
	o := Outline{Subject: subject(head)}
	if h, err := gitdiff.ParsePatchHeader(head); err == nil {
		o.Message = strings.TrimSpace(h.Body)
		if h.Author != nil {
			o.Author = h.Author.String()
		}
	}
	return o
}
