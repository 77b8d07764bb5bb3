package patch

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// mark is where one file's diff begins in a patch.
type mark struct {
	line  int   // of the header, from 1
	git   bool  // "diff --git", not a plain unified diff
	hunks []int // lines of the hunk headers, from 1
	end   int   // lines up to the end of the diff
}

// scanner walks over the lines of a patch before go-gitdiff reads them, for
// three things that parser leaves open: where in the patch each hunk stands,
// names that are not in -p1 form (they are rewritten on the way), and text
// that it would pass over as if it were no part of the diff.
type scanner struct {
	lines []string // with their newlines
	strip int
	at    int
	marks []mark
	open  bool // the line before was part of a header or a hunk
}

// extended are the lines that may follow "diff --git", as go-gitdiff has them.
func isExtended(line string) bool {
	for _, p := range []string{"--- ", "+++ ", "old mode ", "new mode ", "deleted file mode ", "new file mode ",
		"copy from ", "copy to ", "rename old ", "rename new ", "rename from ", "rename to ",
		"similarity index ", "dissimilarity index ", "index "} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	return false
}

// scan returns the text with all names in -p1 form for git's headers and bare
// for plain ones, and a mark for each file.
func scan(text string, strip int) (string, []mark, error) {
	s := &scanner{lines: strings.SplitAfter(text, "\n"), strip: strip}
	if s.lines[len(s.lines)-1] == "" {
		s.lines = s.lines[:len(s.lines)-1]
	}
	if err := checkMail(s.lines); err != nil {
		return "", nil, err
	}
	if err := s.all(); err != nil {
		return "", nil, err
	}
	return strings.Join(s.lines, ""), s.marks, nil
}

func (s *scanner) all() error {
	for s.at < len(s.lines) {
		if err := s.next(); err != nil {
			return err
		}
		if s.open {
			s.marks[len(s.marks)-1].end = s.at
		}
	}
	return nil
}

func (s *scanner) next() error {
	line := s.lines[s.at]
	switch {
	case strings.HasPrefix(line, "diff --git "):
		return s.gitHeader()
	case s.atPlainHeader():
		return s.plainHeader()
	case strings.HasPrefix(line, "diff --cc "), strings.HasPrefix(line, "diff --combined "):
		return s.errorf("this is the diff of a merge; make one against the first parent")
	case strings.HasPrefix(line, "@@") && len(s.marks) > 0:
		return s.hunk()
	case s.atBinary():
		return s.errorf("%s is a binary patch, which bzmage does not apply", s.binaryName())
	case s.open && len(s.marks[len(s.marks)-1].hunks) > 0 && s.atStray():
		return s.errorf("%s looks like a part of the hunk above, whose header counts fewer lines", show(line))
	}
	s.open = false
	s.at++
	return nil
}

// errorf returns an error that names the current line.
func (s *scanner) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{s.at + 1}, args...)...)
}

// gitHeader passes over a header that begins with "diff --git".
func (s *scanner) gitHeader() error {
	s.marks = append(s.marks, mark{line: s.at + 1, git: true})
	s.open = true
	if strings.HasSuffix(s.lines[s.at], "\r\n") {
		return s.crlf()
	}
	if s.strip == 0 {
		s.lines[s.at] = "diff --git " + withPrefixes(s.lines[s.at][len("diff --git "):])
	}
	for s.at++; s.at < len(s.lines) && isExtended(s.lines[s.at]); s.at++ {
		line := s.lines[s.at]
		if strings.HasSuffix(line, "\r\n") {
			return s.crlf()
		}
		if strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "+++ ") {
			err := checkRaw(line[4:])
			if err == nil {
				_, err = stripName(line[4:], s.strip)
			}
			if err != nil {
				return s.errorf("%w", err)
			}
		}
		switch {
		case s.strip != 0:
		case strings.HasPrefix(line, "--- "):
			s.lines[s.at] = "--- " + withPrefix("a/", line[4:])
		case strings.HasPrefix(line, "+++ "):
			s.lines[s.at] = "+++ " + withPrefix("b/", line[4:])
		}
	}
	return nil
}

// atPlainHeader says whether a unified diff without git's header begins here,
// by go-gitdiff's rule.
func (s *scanner) atPlainHeader() bool {
	return s.at+2 < len(s.lines) && strings.HasPrefix(s.lines[s.at], "--- ") &&
		strings.HasPrefix(s.lines[s.at+1], "+++ ") && strings.HasPrefix(s.lines[s.at+2], "@@ -") &&
		len(s.lines[s.at+2]) >= len("@@ -1 +1 @@\n")
}

func (s *scanner) plainHeader() error {
	s.marks = append(s.marks, mark{line: s.at + 1})
	s.open = true
	for range 2 {
		line := s.lines[s.at]
		if strings.HasSuffix(line, "\r\n") {
			return s.crlf()
		}
		if err := checkRaw(line[4:]); err != nil {
			return s.errorf("%w", err)
		}
		name, err := stripName(line[4:], s.strip)
		if err != nil {
			return s.errorf("%w", err)
		}
		s.lines[s.at] = line[:4] + name
		s.at++
	}
	return nil
}

func (s *scanner) crlf() error {
	return s.errorf(`the patch has Windows line ends in part; take them off with: sed -i 's/\r$//'`)
}

var reHunk = regexp.MustCompile(`^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@`)

// hunk passes over a hunk, by the counts in its header.
func (s *scanner) hunk() error {
	m := reHunk.FindStringSubmatch(s.lines[s.at])
	if m == nil {
		return s.errorf("cannot read the hunk header %s", show(s.lines[s.at]))
	}
	if !s.open {
		return s.errorf("a hunk without a file name before it")
	}
	if strings.HasSuffix(s.lines[s.at], "\r\n") {
		return s.crlf()
	}
	last := &s.marks[len(s.marks)-1]
	last.hunks = append(last.hunks, s.at+1)
	header, left := s.at+1, [2]int{count(m[2]), count(m[4])}
	for s.at++; left[0] > 0 || left[1] > 0; s.at++ {
		if s.at == len(s.lines) || !strings.HasSuffix(s.lines[s.at], "\n") {
			return fmt.Errorf("the patch is cut off in the hunk of line %d", header)
		}
		switch s.lines[s.at][0] {
		case ' ', '\n':
			left[0]--
			left[1]--
		case '-':
			left[0]--
		case '+':
			left[1]--
		case '\\':
		default:
			return s.errorf("not a line of the hunk of line %d, whose header counts more: %s", header, show(s.lines[s.at]))
		}
		if left[0] < 0 || left[1] < 0 {
			return s.errorf("the hunk of line %d does not hold what its header counts", header)
		}
	}
	if s.at < len(s.lines) && strings.HasPrefix(s.lines[s.at], `\ `) {
		s.at++
	}
	return nil
}

// count reads the length in a hunk header, which is 1 when left out. The
// pattern has bounded it.
func count(digits string) int {
	if digits == "" {
		return 1
	}
	n, _ := strconv.Atoi(digits)
	return n
}

// atStray says whether a line right after a hunk would have been content, had
// the header counted it: go-gitdiff and git pass over such lines. The line
// "-- " of format-patch is the end of a patch.
func (s *scanner) atStray() bool {
	switch line := s.lines[s.at]; line[0] {
	case '+', ' ', '\\':
		return true
	case '-':
		return line != "-- \n" && line != "--\n" && line != "-- " && line != "--"
	}
	return false
}

func (s *scanner) atBinary() bool {
	line := s.lines[s.at]
	if len(s.marks) == 0 && (s.at == 0 || !strings.HasPrefix(s.lines[s.at-1], "diff ")) {
		return false // a commit message
	}
	return line == "GIT binary patch\n" || strings.HasSuffix(line, " differ\n") &&
		(strings.HasPrefix(line, "Binary files ") || strings.HasPrefix(line, "Files "))
}

// binaryName names the file of a binary patch, as far as the lines tell.
func (s *scanner) binaryName() string {
	header := s.lines[s.at]
	if s.open && s.marks[len(s.marks)-1].git {
		header = strings.TrimPrefix(s.lines[s.marks[len(s.marks)-1].line-1], "diff --git ")
	}
	return "the diff of " + show(header)
}

// checkMail refuses a mail whose body is encoded: its diff cannot be read.
func checkMail(lines []string) error {
	for i, line := range lines {
		if strings.TrimSpace(line) == "" {
			return nil
		}
		name, value, ok := strings.Cut(strings.ToLower(line), ":")
		if ok && name == "content-transfer-encoding" && (strings.Contains(value, "base64") || strings.Contains(value, "quoted-printable")) {
			return fmt.Errorf("line %d: the mail's body is encoded; save the patch with git format-patch, or b4 am", i+1)
		}
	}
	return nil
}

// withPrefixes puts a/ and b/ before the two names of a "diff --git" line. The
// line counts only where both names are the same, so other pairs may become
// anything that differs.
func withPrefixes(names string) string {
	n := strings.TrimSuffix(names, "\n")
	if half := len(n) / 2; len(n)%2 == 1 && n[half] == ' ' && n[:half] == n[half+1:] {
		return withPrefix("a/", n[:half]) + " " + withPrefix("b/", n[half+1:]) + "\n"
	}
	return "a/old b/new\n"
}

// withPrefix puts prefix before a name, inside of its quotes.
func withPrefix(prefix, name string) string {
	switch {
	case isNull(name):
		return name
	case strings.HasPrefix(name, `"`):
		return `"` + prefix + name[1:]
	}
	return prefix + name
}

// checkRaw refuses names that go-gitdiff would make relative: it drops what
// stands before the first slash, and every second of two.
func checkRaw(name string) error {
	bare, _, _ := strings.Cut(strings.TrimPrefix(name, `"`), "\t")
	if !isNull(name) && (strings.HasPrefix(bare, "/") || strings.Contains(bare, "//")) {
		return errors.New(show(bare) + ": the name is absolute")
	}
	return nil
}

func isNull(name string) bool {
	rest, ok := strings.CutPrefix(name, "/dev/null")
	return ok && (rest == "" || rest[0] == '\t' || rest[0] == '\n')
}

// stripName takes n leading parts off a name and keeps what follows it.
func stripName(name string, n int) (string, error) {
	if n == 0 || isNull(name) {
		return name, nil
	}
	quote := ""
	if strings.HasPrefix(name, `"`) {
		quote, name = `"`, name[1:]
	}
	bare, _, _ := strings.Cut(name, "\t")
	i := strings.IndexByte(bare, '/')
	if i < 0 {
		return "", errors.New(show(bare) + ": no leading folder to take off; put -p0 behind the patch's name in the series")
	}
	return quote + name[i+1:], nil
}
