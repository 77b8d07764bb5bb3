package build

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/plain"
)

// Cause is why a make failed, as its log says.
type Cause struct {
	Kind   fault.Kind // Build, or Machine when this machine failed and not the kernel
	Text   string     // the line that says why, with paths as in the tree
	Line   int        // its number in the log
	Around []string   // that line with up to five before it and five behind it
	At     int        // its index in Around
	File   string     // the file it speaks of, as in the tree; may be empty
	Place  int        // the line of that file, or 0
	Chain  []string   // the files through which a header was reached
	Object string     // what make was making; may be empty
	Mend   string     // what to do, when the machine is at fault

	rank   rank
	header string // that was not found
}

// Bounds on what is read of a log, which may hold anything.
const (
	around   = 5        // lines shown before and behind the cause
	maxLine  = 4 << 10  // bytes of a line; the rest is dropped
	maxShown = 300      // bytes of a line that is shown
	maxLog   = 1 << 28  // bytes of a log
	maxHost  = 10 << 10 // host programs that are remembered
	maxChain = 50
)

// reader finds the cause in a log. Jobs that run at once mix their lines, so
// what belongs together is found by the names of files.
type reader struct {
	folders  []string // their names are taken off
	n        int
	before   []string // the last lines
	chain    []string
	chainEnd int // the line after which chain is stale
	host     map[string]bool
	best     Cause
	found    bool
}

// ReadLog returns the first root cause in a make log; src and obj are the
// kernel's tree and make's output folder. A line by a compiler or linker goes
// before one that only follows from it, and one about this machine before all.
// found is false when no line says anything.
func ReadLog(log io.Reader, src, obj string) (c Cause, found bool) {
	r := reader{host: map[string]bool{}}
	for _, dir := range []string{src, obj} {
		if dir = strings.TrimRight(dir, "/"); dir != "" {
			r.folders = append(r.folders, dir+"/")
		}
	}
	in := bufio.NewReaderSize(io.LimitReader(log, maxLog), maxLine)
	for {
		raw, err := in.ReadSlice('\n')
		// Trimmed and cleaned first: patterns are not to be fooled by codes
		// for a terminal.
		line := strings.TrimRight(plain.Text(string(raw)), " \t\r\n")
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if err == nil || len(raw) > 0 {
			for _, dir := range r.folders {
				line = strings.ReplaceAll(line, dir, "")
			}
			r.read(line)
		}
		if err != nil {
			break
		}
	}
	r.finish()
	return r.best, r.found
}

func (r *reader) read(line string) {
	r.n++
	if strings.HasPrefix(line, "  HOST") && len(r.host) < maxHost {
		if m := reStep.FindStringSubmatch(line); m != nil {
			r.host[m[2]] = true
		}
	}
	if m := reChain.FindStringSubmatch(line); m != nil {
		if strings.HasPrefix(line, "In") {
			r.chain = nil
		}
		if len(r.chain) < maxChain {
			r.chain = append(r.chain, clean(m[1]))
		}
		r.chainEnd = r.n + around
	}
	if p := judge(line); p.rank < silent && (!r.found || p.rank < r.best.rank) {
		r.take(line, p)
	} else if r.found && len(r.best.Around) < r.best.At+1+around {
		r.best.Around = append(r.best.Around, cut(line))
	}
	if r.found {
		r.object(line)
	}
	if r.before = append(r.before, cut(line)); len(r.before) > around {
		r.before = r.before[1:]
	}
}

// take makes line the cause.
func (r *reader) take(line string, p pattern) {
	c := Cause{Kind: fault.Build, Text: cut(line), Line: r.n, At: len(r.before), rank: p.rank, Mend: p.mend}
	c.Around = append(slices.Clone(r.before), c.Text)
	if p.mend != "" {
		c.Kind = fault.Machine
	}
	if p.rank == absent {
		m := reAbsent.FindStringSubmatch(line)
		c.Kind, c.Mend = fault.Machine, "go tool mage setup, or install the package that has "+strings.Join(m[1:], "")
	}
	if m := rePlace.FindStringSubmatch(line); m != nil && !strings.HasPrefix(m[1], "/") {
		c.File = clean(m[1])
		c.Place, _ = strconv.Atoi(m[2])
	}
	if m := reNoRule.FindStringSubmatch(line); m != nil {
		c.Object, c.File = clean(m[1]), path.Dir(clean(m[1]))+"/Makefile"
	}
	if m := reHeader.FindStringSubmatch(line); m != nil {
		c.header = m[1]
	}
	if r.n <= r.chainEnd {
		c.Chain = r.chain
	}
	r.best, r.found = c, true
}

// object looks for the target that failed: the first one behind the cause, or
// better one that is made of the file the cause speaks of.
func (r *reader) object(line string) {
	if !strings.Contains(line, "*** [") {
		return
	}
	m := reFailed.FindStringSubmatch(line)
	if m == nil {
		return
	}
	target := clean(m[1])
	if r.best.Object == "" || !r.madeOf(r.best.Object) && r.madeOf(target) {
		r.best.Object = target
	}
}

func (r *reader) madeOf(object string) bool {
	files := append([]string{r.best.File}, r.best.Chain...)
	return slices.ContainsFunc(files, func(f string) bool { return f != "" && stem(f) == stem(object) })
}

func stem(file string) string { return strings.TrimSuffix(file, path.Ext(file)) }

// finish fills in what only the whole log tells.
func (r *reader) finish() {
	c := &r.best
	if !r.found {
		return
	}
	if c.File == "" || c.Place == 0 && path.Base(c.File) != "Makefile" {
		r.linked()
	}
	if c.header == "" {
		return
	}
	// The kernel itself includes nothing of this machine: a header that it
	// lacks is the patch's fault, and so is one of a host program that no
	// package has.
	name := debianPackage(c.header)
	if name != "" && (r.host[c.Object] || r.host[stem(c.Object)] || strings.HasPrefix(c.Object, "tools/") || strings.HasPrefix(c.File, "/")) {
		c.Kind, c.Mend = fault.Machine, "go tool mage setup, or install the package that has "+c.header+" (on Debian: "+name+")"
	}
}

// linked finds what the objects that a linker speaks of are made of: ld names
// them in the cause and the line before it, lld in lines with >>> behind it.
func (r *reader) linked() {
	c := &r.best
	var files []string
	for i := max(0, c.At-1); i < len(c.Around); i++ {
		line := c.Around[i]
		if i < c.At && !strings.Contains(line, ".o: in function ") || i > c.At && !strings.HasPrefix(line, ">>>") {
			continue
		}
		if m := reObject.FindStringSubmatch(line); m != nil && m[1] != "vmlinux.o" {
			files = append(files, stem(path.Join(path.Dir(m[2]), m[1]))+".c")
		}
	}
	if len(files) > 0 {
		c.File, c.Chain = files[0], append(c.Chain, files[1:]...)
	}
}

// clean returns a path without what only make needs.
func clean(file string) string {
	if file == "" {
		return ""
	}
	return path.Clean(file)
}

func cut(line string) string {
	if len(line) <= maxShown {
		return line
	}
	return string(bytes.ToValidUTF8([]byte(line[:maxShown]), nil)) + " ..."
}
