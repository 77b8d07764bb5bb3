package series

import (
	"context"
	"fmt"
	"net/mail"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
)

// Draft is a patch to be made.
type Draft struct {
	Title string       // of the commit, such as "proc: add a file"
	From  mail.Address // its author
	Date  time.Time
}

// New makes a patch of all that a person changed in the tree, a mail as git
// format-patch writes it, and puts it at the end of the series. Where the
// patches of the series are numbered as 1/3, all of them count one more. It
// returns the new patch's name, and how many others have a new number. Its message is left to its author: no message
// can be made of a diff, nor may anybody sign off for another.
func New(ctx context.Context, p Params, d Draft) (name string, renumbered int, err error) {
	changes, edits, err := p.read(ctx)
	if err != nil {
		return "", 0, err
	}
	if len(edits) == 0 {
		return "", 0, fault.New(fault.Usage, "edit files below "+p.Tree.Src()+" and run it again", "there is nothing to make a patch of: the tree holds what the series makes of it")
	}
	d.Title = strings.Join(strings.Fields(d.Title), " ")
	name = d.name(changes)
	if name == "" {
		return "", 0, fault.New(fault.Usage, `go tool mage series:new "proc: say what it does"`, "%q is not a title: it has no letter in it", d.Title)
	}
	before, after := map[string]patch.File{}, map[string]patch.File{}
	for _, e := range edits {
		if e.Was != nil {
			before[e.Path] = *e.Was
		}
		if e.Now != nil {
			after[e.Path] = *e.Now
		}
	}
	diff, err := Render(ctx, before, after, Mail{})
	if err != nil {
		return "", 0, err
	}
	files := renumber(changes)
	renumbered = len(files)
	files[name] = d.mail(diff, numbered(changes))
	_, list, err := patch.Mails(p.Folder)
	if err != nil {
		return "", 0, err
	}
	if list != "" && !strings.HasSuffix(list, "\n") {
		list += "\n"
	}
	files["series"] = []byte(list + name + "\n")
	made := append(slices.Clone(changes), Change{Name: name, Before: before, After: after})
	if err := p.prove(ctx, files, made); err != nil {
		return "", 0, err
	}
	if err := Exchange(p.Folder, p.Backup, files, []string{}); err != nil {
		return "", 0, err
	}
	return name, renumbered, p.settle(ctx)
}

var (
	reNumber  = regexp.MustCompile(`^(\d+)-`)
	reNotSlug = regexp.MustCompile(`[^A-Za-z0-9._]+`)
	// reCount is the "PATCH 2/3" of a subject.
	reCount = regexp.MustCompile(`(?m)^(Subject: \[[^\]\n]*?)(\d+)/(\d+)\]`)
)

// name returns the new patch's file name, made of the title as git
// format-patch makes it, below the folder the last patch lies in.
func (d Draft) name(changes []Change) string {
	slug := strings.Trim(reNotSlug.ReplaceAllString(d.Title, "-"), "-.")
	if len(slug) > 52 { // git's own limit: 64 with number and suffix
		slug = strings.TrimRight(slug[:52], "-.")
	}
	if slug == "" {
		return ""
	}
	number, dir := 0, ""
	for _, c := range changes {
		dir = path.Dir(c.Name)
		if m := reNumber.FindStringSubmatch(path.Base(c.Name)); m != nil {
			n, _ := strconv.Atoi(m[1])
			number = max(number, n)
		}
	}
	return path.Join(dir, fmt.Sprintf("%04d-%s.patch", max(number, len(changes))+1, slug))
}

// numbered returns how many patches there are if each says so in its subject,
// else 0.
func numbered(changes []Change) int {
	for i, c := range changes {
		m := reCount.FindSubmatch(c.Mail.Text)
		if m == nil || string(m[2]) != strconv.Itoa(i+1) || string(m[3]) != strconv.Itoa(len(changes)) {
			return 0
		}
	}
	return len(changes)
}

// renumber returns the patches with a series one longer in their subjects.
func renumber(changes []Change) map[string][]byte {
	files := map[string][]byte{}
	if numbered(changes) == 0 {
		return files
	}
	for _, c := range changes {
		at := reCount.FindSubmatchIndex(c.Mail.Text)
		total := fmt.Sprint(len(changes) + 1)
		files[c.Name] = slices.Concat(c.Mail.Text[:at[6]], []byte(total), c.Mail.Text[at[7]:])
	}
	return files
}

// mail writes the patch (git-format-patch(1)).
func (d Draft) mail(diff Diff, others int) []byte {
	count := "PATCH"
	if others > 0 {
		count = fmt.Sprintf("PATCH %d/%d", others+1, others+1)
	}
	from := d.From.String()
	if !strings.ContainsAny(d.From.Name, `"(),.:;<>@[\]`) && isASCII(d.From.Name) {
		from = d.From.Name + " <" + d.From.Address + ">"
	}
	return fmt.Appendf(nil, "From %040d Mon Sep 17 00:00:00 2001\nFrom: %s\nDate: %s\nSubject: [%s] %s\n\n---\n%s\n%s-- \nbzmage\n",
		0, from, d.Date.Format("Mon, 2 Jan 2006 15:04:05 -0700"), count, d.Title, diff.Stat, diff.Text)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' })
}
