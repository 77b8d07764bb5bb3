package kernels

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Guest says what the guest of a target is: guest = {...} of a line and of a
// flavour, see [File.Guest]. A zero is a value that was not given.
type Guest struct {
	Memory  int      `toml:"memory"` // MiB
	CPUs    int      `toml:"cpus"`
	Append  string   `toml:"append"`  // more of the kernel's command line
	Slow    float64  `toml:"slow"`    // the guest may take so many times longer
	Modules []string `toml:"modules"` // of make's folder, such as drivers/net/dummy.ko; process 1 loads them in this order before the checks
	Files   []string `toml:"files"`   // paths or globs in the checkout, {arch} is the arch; they go to /verify/files of the guest
}

// The guest of a line and a flavour that say nothing.
const (
	guestMemory = 256
	guestCPUs   = 2
)

// longestAppend leaves room on a kernel's command line, which has 2048 bytes
// on both arches (COMMAND_LINE_SIZE), for what every guest is told.
const longestAppend = 1024

// reReserved finds the words of the command line that are bzmage's own, and
// those that would take process 1 or its parameters away.
var reReserved = regexp.MustCompile(`(^|[\s"])(bzmage\.[^\s]*|init=|rdinit=|--($|\s))`)

// Guest returns the guest of a line's flavour: the flavour's values where it
// has some, else the line's, else the defaults; of both the words of the
// command line, the modules and the files, the line's first.
func (f File) Guest(line Line, flavour string) Guest {
	g := Guest{Memory: guestMemory, CPUs: guestCPUs, Slow: 1}
	for _, over := range []Guest{line.Guest, f.Flavours[flavour].Guest} {
		if over.Memory != 0 {
			g.Memory = over.Memory
		}
		if over.CPUs != 0 {
			g.CPUs = over.CPUs
		}
		if over.Slow != 0 {
			g.Slow = over.Slow
		}
		g.Append = strings.TrimSpace(g.Append + " " + strings.TrimSpace(over.Append))
		g.Files = union(g.Files, over.Files)
		g.Modules = union(g.Modules, over.Modules)
	}
	return g
}

// union returns a, and behind it what else b has.
func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// reModule matches the path of a module below make's folder.
var reModule = regexp.MustCompile(`^[A-Za-z0-9_.,+/-]+\.ko$`)

// check returns what is wrong with a guest table; where names it.
func (g Guest) check(where string) []error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf(where+": guest: "+format, args...))
	}
	if g.Memory != 0 && (g.Memory < 64 || g.Memory > 65536) {
		bad("memory is 64 to 65536 MiB, not %d", g.Memory)
	}
	if g.CPUs < 0 || g.CPUs > 64 {
		bad("cpus is 1 to 64, not %d", g.CPUs)
	}
	if g.Slow != 0 && !(g.Slow >= 1 && g.Slow <= 100) { // NaN is neither
		bad("slow is a factor from 1 to 100, not %v", g.Slow)
	}
	switch word := reReserved.FindString(g.Append); {
	case len(g.Append) > longestAppend:
		bad("append has %d bytes; %d is the most", len(g.Append), longestAppend)
	case strings.ContainsFunc(g.Append, func(r rune) bool { return r < ' ' || r > '~' }):
		bad("append holds more than printable ASCII")
	case strings.Count(g.Append, `"`)%2 != 0:
		bad("append has a quote that is not closed")
	case word != "":
		bad("append must not hold %s: that is for bzmage to say", strings.TrimSpace(word))
	}
	for i, m := range g.Modules {
		if !reModule.MatchString(m) || !filepath.IsLocal(m) || filepath.Clean(m) != m {
			bad("modules: %q is not the path of a .ko below make's folder", m)
		}
		if slices.Contains(g.Modules[:i], m) {
			bad("modules: %q stands there twice", m)
		}
	}
	for i, file := range g.Files {
		if _, err := filepath.Match(file, ""); err != nil || !filepath.IsLocal(file) || filepath.Clean(file) != file {
			bad("files: %q is not a path or glob within the checkout", file)
		}
		if slices.Contains(g.Files[:i], file) {
			bad("files: %q stands there twice", file)
		}
	}
	return errs
}
