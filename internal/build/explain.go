package build

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"bzmage/internal/fault"
	"bzmage/internal/run"
)

// Touch is a patch, or a person, with the files of the tree it touches.
type Touch struct {
	By    string
	Files []string
}

// Explain turns the error of a make, which has its class and its hint, into
// one that says why it failed, whose fault that is, and which patch touches
// the place, as far as p's log tells.
func (p Params) Explain(err error) error {
	if !run.Failed(err) || fault.KindOf(err) == fault.Interrupted {
		return err // make itself was stopped, or never ran
	}
	c, found := p.cause()
	if !found {
		return err
	}
	kind, hint := c.Kind, fault.HintOf(err)
	if c.rank == weak {
		kind = fault.KindOf(err) // the log does not know better
	}
	if c.Mend != "" {
		hint = c.Mend + memory(c) + "\n" + hint
	}
	return fault.New(kind, hint, "%s: %s\n%s\n%w", p.what(), c.Text, strings.Join(p.details(c), "\n"), short{err})
}

// failed classifies the error of a make by itself.
func (p Params) failed(err error) error {
	kind := fault.Build
	if !run.Failed(err) {
		kind = fault.Machine
	}
	if fault.KindOf(err) == fault.Interrupted {
		return err
	}
	return fault.New(kind, "the whole log: "+p.Log+"\nto repeat it: "+p.Make.Repeat(p.targets()...), "%s: %w", p.what(), err)
}

// what says what was built, and by what.
func (p Params) what() string {
	if p.Compiler == "" {
		return "build: " + p.Make.Arch.Name
	}
	return fmt.Sprintf("build: %s (%s)", p.Make.Arch.Name, p.Make.Toolchain.Short(p.Compiler))
}

func (p Params) cause() (Cause, bool) {
	f, err := os.Open(p.Log)
	if err != nil {
		return Cause{}, false
	}
	defer f.Close()
	return ReadLog(f, p.Make.Src, p.Make.Obj)
}

// details returns the lines around the cause, what was being made, and who
// touched it.
func (p Params) details(c Cause) []string {
	var lines []string
	for i, text := range c.Around {
		mark := "    "
		if i == c.At {
			mark = "  > "
		}
		lines = append(lines, strings.TrimRight(mark+text, " "))
	}
	if c.Object != "" {
		lines = append(lines, "object: "+c.Object)
	}
	if c.Kind == fault.Machine {
		return append(lines, "this machine failed, not the kernel")
	}
	return append(lines, c.Blame(p.Touched)...)
}

// Blame returns a line for each of touches that touches what the cause speaks
// of: the file, the files through which a header was reached, or what the
// object is made of.
func (c Cause) Blame(touches []Touch) []string {
	var lines []string
	for _, t := range touches {
		for _, f := range t.Files {
			if f == c.File || stem(f) == c.File && c.File != "" || slices.Contains(c.Chain, f) || c.Object != "" && stem(f) == stem(c.Object) {
				lines = append(lines, t.By+" touches "+f)
				break
			}
		}
	}
	if len(lines) == 0 && c.File != "" {
		return []string{"no patch of the series touches " + c.File}
	}
	return lines
}

// memory says how much memory there is, where that was too little.
func memory(c Cause) string {
	var info unix.Sysinfo_t
	if c.Mend != mendMemory || unix.Sysinfo(&info) != nil {
		return ""
	}
	return fmt.Sprintf(" (it has %.1f GiB)", float64(info.Totalram)*float64(info.Unit)/(1<<30))
}

// short hides the tail of a command's error where better lines stand.
type short struct{ err error }

func (s short) Error() string {
	var exit *run.ExitError
	if errors.As(s.err, &exit) {
		return (&run.ExitError{Argv: exit.Argv, Code: exit.Code, Signal: exit.Signal}).Error()
	}
	return s.err.Error()
}

func (s short) Unwrap() error { return s.err }
