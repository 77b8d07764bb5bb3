package compile

import (
	"bufio"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"bzmage/internal/plain"
)

// Levels of a [Finding], from a compiler's own words.
const (
	Warning = "warning"
	Error   = "error"
)

// Finding is one thing a compiler, sparse, the assembler, objtool or the
// linker said.
type Finding struct {
	Level  string   `json:"level"`            // warning or error
	File   string   `json:"file,omitempty"`   // in the tree; empty where none was named
	Line   int      `json:"line,omitempty"`   // in that file, from 1
	Text   string   `json:"text"`             // the message, with the option in brackets where there is one
	Source []string `json:"source,omitempty"` // the lines of code that were shown with it
}

// key is what makes two findings the same one: everything but the place in the
// file and the numbers that move with it.
func (f Finding) key() string {
	code := ""
	if len(f.Source) > 0 {
		code = reGutter.ReplaceAllString(f.Source[0], "")
	}
	return f.Level + "\x00" + f.File + "\x00" + reMoving.ReplaceAllString(f.Text, "#") + "\x00" + code
}

// Step is one step of make, such as "CC fs/proc/base.o", with what was said in
// it. Only the output of make --output-sync=target is in such order: what a
// step prints comes in one piece.
type Step struct {
	Name     string
	Findings []Finding
	Failed   bool // an error was among them
}

// Limits on what a step may say: a compiler that repeats itself must not fill
// the memory.
const (
	maxLine     = 4096 // bytes of a line that count
	maxFindings = 2000 // in one step
	maxSource   = 6    // lines of code with one finding
)

var (
	// reStep is what kbuild prints of a step (scripts/Kbuild.include).
	reStep = regexp.MustCompile(`^  ([A-Z][A-Z0-9_+-]*)(?: \[M\])? +(\S+)$`)
	// rePlace is the form of gcc, clang, sparse and gas, column or not.
	rePlace = regexp.MustCompile(`^([^\s:][^:\n]*):(\d+)(?::\d+)?: (fatal error|[Ee]rror|[Ww]arning): (.+)$`)
	// reBare is a finding without a place: objtool, ld, modpost.
	reBare   = regexp.MustCompile(`(?i)\b(warning|error): \S|undefined reference to|multiple definition of`)
	reMake   = regexp.MustCompile(`^make(\[\d+\])?: `)
	reGutter = regexp.MustCompile(`^ *\d* \| ?`)
	// reMoving are offsets and addresses, and line numbers in a message.
	reMoving = regexp.MustCompile(`0x[0-9a-f]+|\b\d+\b`)
)

// Read returns the steps in what make printed, in order. src is the tree as
// make was given it, which is taken off the names of files. Lines that are too
// long are cut.
func Read(r io.Reader, src string) ([]Step, error) {
	in := bufio.NewReaderSize(r, maxLine)
	l := &log{src: strings.TrimSuffix(src, "/") + "/"}
	for {
		line, more, err := in.ReadLine()
		if errors.Is(err, io.EOF) {
			return l.steps, nil
		}
		if err != nil {
			return nil, err
		}
		l.line(plain.Text(string(line)))
		for more && err == nil {
			_, more, err = in.ReadLine()
		}
	}
}

// log is the state of reading: the step and the finding that may go on.
type log struct {
	src   string
	steps []Step
	open  *Finding // the finding whose code may follow
}

func (l *log) line(s string) {
	if m := reStep.FindStringSubmatch(s); m != nil {
		l.open = nil
		l.steps = append(l.steps, Step{Name: m[1] + " " + l.file(m[2])})
		return
	}
	f, ok := l.finding(s)
	switch {
	case ok:
		l.add(f)
	case l.open != nil && strings.HasPrefix(s, " ") && len(l.open.Source) < maxSource:
		l.open.Source = append(l.open.Source, s)
	default:
		l.open = nil
	}
}

func (l *log) finding(s string) (Finding, bool) {
	if reMake.MatchString(s) {
		return Finding{}, false // of make itself, which only repeats it
	}
	if m := rePlace.FindStringSubmatch(s); m != nil {
		n, err := strconv.Atoi(m[2])
		if err == nil {
			return Finding{Level: level(m[3]), File: l.file(m[1]), Line: n, Text: m[4]}, true
		}
	}
	if m := reBare.FindStringSubmatch(s); m != nil && !strings.HasPrefix(s, " ") {
		return Finding{Level: level(m[0]), Text: strings.ReplaceAll(s, l.src, "")}, true
	}
	return Finding{}, false
}

func level(word string) string {
	if strings.Contains(strings.ToLower(word), "warning") {
		return Warning
	}
	return Error
}

func (l *log) file(name string) string { return strings.TrimPrefix(name, l.src) }

func (l *log) add(f Finding) {
	if len(l.steps) == 0 {
		l.steps = append(l.steps, Step{Name: "make"})
	}
	s := &l.steps[len(l.steps)-1]
	s.Failed = s.Failed || f.Level == Error
	l.open = nil
	if len(s.Findings) < maxFindings {
		s.Findings = append(s.Findings, f)
		l.open = &s.Findings[len(s.Findings)-1]
	}
}
