package notes

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"bzmage/internal/patch"
	"bzmage/internal/plain"
)

// Patch is a patch of a series, in its order.
type Patch struct {
	Name  string
	Text  []byte
	Strip int // the N of -pN; most are 1
}

// Kind is what became of a patch.
type Kind string

// The kinds, from what matters most to what matters least. A patch that is as
// it was is no change.
const (
	Added     Kind = "added"
	Dropped   Kind = "dropped"
	Rewritten Kind = "rewritten" // it adds or removes other lines
	Rebased   Kind = "rebased"   // the same lines, elsewhere or in another context
	Reworded  Kind = "reworded"  // the same diff, with another message
	Renamed   Kind = "renamed"   // only its file has another name
	Moved     Kind = "moved"     // only its place in the series is another
)

// Kinds are all of them, in that order.
func Kinds() []Kind { return []Kind{Added, Dropped, Rewritten, Rebased, Reworded, Renamed, Moved} }

// Change is what became of one patch. Its texts come from patches.
type Change struct {
	Kind     Kind   `json:"kind"`
	Name     string `json:"name"`              // in the series now; of a dropped one: before
	Was      string `json:"was,omitempty"`     // its name before, if that was another
	Subject  string `json:"subject,omitempty"` // in one line
	Reworded bool   `json:"reworded,omitempty"`
	Moved    bool   `json:"moved,omitempty"`    // its place among the others is another
	From     int    `json:"from,omitempty"`     // its place before, from 1; 0: it was not there
	To       int    `json:"to,omitempty"`       // its place now, from 1; 0: it is not there
	Why      string `json:"why,omitempty"`      // why it was dropped, where that is known
	Upstream string `json:"upstream,omitempty"` // commit of Linux that a dropped one's message names
}

// Changes returns how the series before became the one now: by kind, then
// in the order of the series.
//
// Which patch is which is told by, in this order: the same bytes; the same
// added and removed lines; the same name; the same name but for the number
// before it; the same subject; at least half of the lines in common. The first
// two are the idea of git-patch-id(1), that a patch is known by its diff without
// line numbers and white space; here context is left out too, and white
// space counts, since a release must tell of it.
//
// Patches are hostile: one that cannot be read is compared as plain text.
func Changes(before, now []Patch) []Change {
	m := newMatch(readAll(before), readAll(now))
	m.all()
	moved := m.moved()
	var list []Change
	for i, is := range m.now {
		j := m.old[i]
		if j < 0 {
			list = append(list, Change{Kind: Added, Name: is.Name, Subject: is.subject, To: i + 1})
			continue
		}
		was := m.before[j]
		c := Change{Name: is.Name, Subject: is.subject, From: j + 1, To: i + 1, Moved: moved[i], Reworded: is.message != was.message}
		if was.Name != is.Name {
			c.Was = was.Name
		}
		if c.Kind = kindOf(was, is, c); c.Kind != "" {
			list = append(list, c)
		}
	}
	for j, was := range m.before {
		if !m.taken[j] {
			list = append(list, Change{Kind: Dropped, Name: was.Name, Subject: was.subject, From: j + 1, Upstream: was.upstream})
		}
	}
	rank := Kinds()
	slices.SortStableFunc(list, func(a, b Change) int {
		return cmp.Or(cmp.Compare(slices.Index(rank, a.Kind), slices.Index(rank, b.Kind)), cmp.Compare(a.To, b.To), cmp.Compare(a.From, b.From))
	})
	return list
}

// kindOf says what became of a patch; "" is nothing.
func kindOf(was, is *read, c Change) Kind {
	switch {
	case was.edits != is.edits:
		return Rewritten
	case was.diff != is.diff, was.sum != is.sum && !c.Reworded: // or git wrote something else around it
		return Rebased
	case c.Reworded:
		return Reworded
	case c.Was != "":
		return Renamed
	case c.Moved:
		return Moved
	}
	return ""
}

// read is a patch with what it is known by.
type read struct {
	Patch
	sum      string // of its bytes
	edits    string // of the lines it adds and removes
	diff     string // of its hunks, with their context and line numbers
	message  string
	subject  string
	upstream string
	lines    []uint64 // of the edits that say something, sorted
}

func readAll(list []Patch) []*read {
	var all []*read
	for _, p := range list {
		all = append(all, readPatch(p))
	}
	return all
}

func readPatch(p Patch) *read {
	r := &read{Patch: p, sum: digest(string(p.Text))}
	o, err := patch.Describe(patch.Text{Text: string(p.Text), Strip: p.Strip})
	r.subject, r.upstream = plain.Line(o.Subject, maxSubject), upstream(o.Message)
	r.message = strings.Join([]string{o.Author, o.Subject, o.Message}, "\x00")
	if err != nil {
		r.edits, r.diff, r.message = r.sum, r.sum, ""
		for l := range strings.Lines(string(p.Text)) {
			r.count("", l)
		}
		slices.Sort(r.lines)
		return r
	}
	var edits, diff []string
	for _, f := range o.Files {
		e, d := r.file(f)
		edits, diff = append(edits, digest(e)), append(diff, digest(d))
	}
	// As patch-id --stable has it, the order of the files says nothing.
	slices.Sort(edits)
	slices.Sort(diff)
	slices.Sort(r.lines)
	r.edits, r.diff = digest(strings.Join(edits, " ")), digest(strings.Join(diff, " "))
	return r
}

// file returns what is done to a file, without and with context and place.
func (r *read) file(f patch.FileOutline) (edits, diff string) {
	var e, d strings.Builder
	head := strings.Join([]string{f.From, f.To, f.Mode}, "\x00")
	if f.Copied {
		head += "\x00copied"
	}
	e.WriteString(head + "\n")
	d.WriteString(head + "\n")
	for _, h := range f.Hunks {
		d.WriteString(h.Header + "\n")
		for _, l := range h.Lines {
			d.WriteString(l + "\n")
			if strings.HasPrefix(l, "+") || strings.HasPrefix(l, "-") {
				e.WriteString(l + "\n")
				r.count(cmp.Or(f.To, f.From), l)
			}
		}
	}
	return e.String(), d.String()
}

func digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}
