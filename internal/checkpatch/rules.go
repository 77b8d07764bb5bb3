package checkpatch

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Rule is a check of bzmage's own, for what checkpatch.pl does not look at.
// What it finds goes the same way as what the script finds.
type Rule struct {
	Type  string // the type of its findings; checkpatch has none of that name
	Level string
	Text  string // what it asks for, in a sentence
	// check looks at docs[i], a patch of a series.
	check func(docs []document, i int) []problem
}

// problem is what a rule found.
type problem struct {
	line    int // from 1
	message string
}

// Rules returns bzmage's own checks. What they ask for is what the kernel's
// Documentation/process/submitting-patches.rst asks for, and that a series is
// one piece.
func Rules() []Rule {
	return []Rule{
		{"NO_DIFF", Error, "a patch holds a diff", one(noDiff)},
		{"MAIL_HEADER", Error, "a patch is a mail as git format-patch writes it, with From: and Subject:", one(mailHeader)},
		{"NO_MESSAGE", Error, "a patch says above its diff what it does and why, and is signed off there", one(noMessage)},
		{"SIGN_OFF_LAST", Error, "Signed-off-by: of who passes the patch on is the last line of the message", one(signOffLast)},
		{"FIXES_TAG", Error, `Fixes: names a commit on one line, with 12 or more digits: Fixes: 54a4f0239f2e ("KVM: MMU: make it so")`, one(fixesTag)},
		{"PATCH_NUMBERING", Error, "numbers in subjects and names of files are in the order of the series, with none missing or twice", numbering},
		{"SUBJECT_PREFIX", Warning, "the subject begins with the subsystem: `subsystem: what it does`", one(subjectPrefix)},
		{"SUBJECT_PERIOD", Warning, "the subject does not end in a period", one(subjectPeriod)},
		{"SUBJECT_LENGTH", Warning, "the subject has at most 75 characters", one(subjectLength)},
		{"CRLF", Error, "lines end in LF, not in CR LF", one(crlf)},
	}
}

// one makes a check of one that looks at nothing but the patch.
func one(f func(document) []problem) func([]document, int) []problem {
	return func(docs []document, i int) []problem { return f(docs[i]) }
}

// obey returns what the rules find in docs[i].
func obey(docs []document, i int) []Finding {
	var found []Finding
	for _, r := range Rules() {
		for _, p := range r.check(docs, i) {
			line := min(max(p.line, 1), max(len(docs[i].lines), 1))
			found = append(found, Finding{Patch: docs[i].name, Line: line, Level: r.Level, Type: r.Type, Message: clean(p.message)})
		}
	}
	return found
}

func noDiff(d document) []problem {
	if d.diff {
		return nil
	}
	return []problem{{1, "there is no diff in it"}}
}

func mailHeader(d document) []problem {
	var missing []string
	if !d.from {
		missing = append(missing, "From:")
	}
	if d.subject == "" {
		missing = append(missing, "Subject:")
	}
	if len(missing) == 0 {
		return nil
	}
	return []problem{{1, "no " + strings.Join(missing, " and no ") + " at its top; a mail of git format-patch has both"}}
}

func noMessage(d document) []problem {
	if strings.TrimSpace(strings.Join(d.lines[d.body:d.end], "")) != "" {
		return nil
	}
	return []problem{{max(d.subjectLine, 1), "no description and no Signed-off-by: above the diff"}}
}

var reSignOff = regexp.MustCompile(`(?i)^signed-off-by:\s*\S`)

// signOffLast leaves it to the script to miss a sign-off that is not there.
func signOffLast(d document) []problem {
	last, signed := -1, false
	for i := d.body; i < d.end; i++ {
		l := strings.TrimRight(d.lines[i], " \t\r")
		signed = signed || reSignOff.MatchString(l)
		if l != "" && !continues(l) && !strings.HasPrefix(l, "[") {
			last = i // no remark of a maintainer's: [a@b.c: changed this]
		}
	}
	if !signed || reSignOff.MatchString(d.lines[last]) {
		return nil
	}
	return []problem{{last + 1, "this stands behind the last Signed-off-by:"}}
}

var (
	reFixes     = regexp.MustCompile(`(?i)^\s*fixes:`)
	reFixesGood = regexp.MustCompile(`^Fixes: [0-9a-f]{12,40} \(".+"\)$`)
)

func fixesTag(d document) []problem {
	var found []problem
	for i := d.body; i < d.end; i++ {
		l := strings.TrimRight(d.lines[i], "\r")
		if reFixes.MatchString(l) && !reFixesGood.MatchString(l) {
			found = append(found, problem{i + 1, `write Fixes: <12 or more hex digits> ("<subject>"), all on one line`})
		}
	}
	return found
}

func subjectPrefix(d document) []problem {
	title, _ := d.title()
	if title == "" || strings.HasPrefix(title, `Revert "`) || rePrefix.MatchString(title) {
		return nil
	}
	return []problem{{d.subjectLine, "the subject names no subsystem: `subsystem: what it does`"}}
}

var rePrefix = regexp.MustCompile(`^[^\s:][^:]*:\s+\S`)

func subjectPeriod(d document) []problem {
	if title, _ := d.title(); !strings.HasSuffix(title, ".") || strings.HasSuffix(title, "...") {
		return nil
	}
	return []problem{{d.subjectLine, "the subject ends in a period"}}
}

const maxSubject = 75

func subjectLength(d document) []problem {
	title, _ := d.title()
	n := len([]rune(title))
	if n <= maxSubject || strings.HasPrefix(title, `Revert "`) {
		return nil
	}
	return []problem{{d.subjectLine, fmt.Sprintf("the subject has %d characters, of at most %d", n, maxSubject)}}
}

func crlf(d document) []problem {
	for i, l := range d.lines {
		if strings.HasSuffix(l, "\r") {
			return []problem{{i + 1, "lines end in CR LF, this one first"}}
		}
	}
	return nil
}

// numbering looks at docs[i] and its neighbours. A series may be made of
// several sets, each numbered from 1/m to m/m, and of patches without a number.
func numbering(docs []document, i int) []problem {
	var found []problem
	say := func(format string, args ...any) {
		found = append(found, problem{max(docs[i].subjectLine, 1), fmt.Sprintf(format, args...)})
	}
	at := func(i int) (n, m int) {
		if i < 0 || i >= len(docs) {
			return 0, 0
		}
		return docs[i].number()
	}
	n, m := at(i)
	before, beforeM := at(i - 1)
	after, _ := at(i + 1)
	switch {
	case m > 0 && (n < 1 || n > m):
		say("the subject says %d/%d", n, m)
	case n > 1 && (before != n-1 || beforeM != m):
		say("the subject says %d/%d, but the patch before is not %d/%d", n, m, n-1, m)
	case n < m && after < 2: // a wrong number above 1 is said of that patch
		say("the subject says %d/%d, but the patch behind is not %d/%d", n, m, n+1, m)
	}
	if own, ok := docs[i].fileNumber(); ok {
		if j, last := lastFileNumber(docs[:i], path.Dir(docs[i].name)); j >= 0 && last >= own {
			say("the name of the file begins with %04d, and %s stands before it", own, docs[j].name)
		}
	}
	return found
}

var reNumber = regexp.MustCompile(`(?:^|\s)(\d{1,6})/(\d{1,6})(?:\s|$)`)

// number returns the n and m of [PATCH n/m]; both are 0 without them.
func (d document) number() (n, m int) {
	_, brackets := d.title()
	if f := reNumber.FindStringSubmatch(brackets); f != nil {
		n, _ = strconv.Atoi(f[1]) // six digits
		m, _ = strconv.Atoi(f[2])
	}
	return n, m
}

var reFileNumber = regexp.MustCompile(`^(\d{1,9})-`)

// fileNumber returns the number that the name of the patch begins with.
func (d document) fileNumber() (int, bool) {
	f := reFileNumber.FindStringSubmatch(path.Base(d.name))
	if f == nil {
		return 0, false
	}
	n, _ := strconv.Atoi(f[1]) // nine digits
	return n, true
}

// lastFileNumber returns the last patch of a folder with a number, and it; or -1.
func lastFileNumber(docs []document, folder string) (i, number int) {
	for i := len(docs) - 1; i >= 0; i-- {
		if n, ok := docs[i].fileNumber(); ok && path.Dir(docs[i].name) == folder {
			return i, n
		}
	}
	return -1, 0
}
