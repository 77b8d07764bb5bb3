// Package fault says whose fault an error is. Each kind has an exit code of
// its own, so that a pipeline can branch on it, and each error may carry a
// hint: the line to type next. The table [Kinds] is what the README prints.
package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Kind is whose fault an error is.
type Kind int

// The kinds, in the order of their exit codes.
const (
	Internal    Kind = iota // bzmage itself: nobody classified the error
	Usage                   // a setting or file of the user's
	Machine                 // this machine: a tool, the disk, memory, the network
	Source                  // the kernel source: not to be had, or not what was pinned
	Patch                   // a patch that does not apply
	Checkpatch              // a patch that checkpatch objects to
	Config                  // a config option that did not survive
	Build                   // the kernel does not compile
	Guest                   // the checks or procrand do not compile
	CheckFailed             // the guest ran, and a check failed
	Crashed                 // the kernel crashed
	Hung                    // the guest fell silent
	EarlyExit               // the machine stopped before the checks began
	MissingDone             // the machine stopped before the last record
	NoVerdict               // the guest's records contradict each other
	Code                    // bzmage's own code: lint or a test
	Uncovered               // the checks run too little of the series
	Unproved                // a release is not what it says, or nothing proves it
	NotSame                 // a second build gave other bytes
	Outdated                // a pinned release is not what to build any more
	Interrupted             // the user or the pipeline stopped the run
)

// Row is one line of the table of kinds.
type Row struct {
	Kind Kind
	Code int    // the exit code
	Name string // one word, used in reports
	Text string // whose fault, in a sentence
}

// Kinds returns the table of kinds. Exit code 0 is success.
func Kinds() []Row {
	return []Row{
		{Internal, 1, "internal", "bzmage itself: an error nobody foresaw"},
		{Usage, 2, "usage", "a setting, a target name or a file of yours"},
		{Machine, 3, "machine", "this machine: a missing tool, the disk, memory, the network"},
		{Source, 4, "source", "the kernel source cannot be had, or is not what was pinned"},
		{Patch, 5, "patch", "a patch of the series does not apply, or edits made in the tree stand in its way"},
		{Checkpatch, 6, "checkpatch", "checkpatch objects to a patch of the series"},
		{Config, 7, "config", "a config option that was asked for did not survive, or a config is not its snapshot"},
		{Build, 8, "build", "the kernel does not compile"},
		{Guest, 9, "guest", "the checks or procrand do not compile"},
		{CheckFailed, 10, "check-failed", "the guest ran and a check failed"},
		{Crashed, 11, "crashed", "the kernel crashed"},
		{Hung, 12, "hung", "the guest fell silent"},
		{EarlyExit, 13, "early-exit", "the machine stopped before the checks began"},
		{MissingDone, 14, "missing-done", "the machine stopped before the guest's last record"},
		{NoVerdict, 15, "no-verdict", "the guest's records contradict each other"},
		{Code, 16, "code", "lint found something in bzmage's code, or one of its tests failed"},
		{Uncovered, 17, "uncovered", "the checks pass, and run less of the series than is asked for"},
		{Unproved, 18, "unproved", "a release is not what it says it is, or nothing proves it"},
		{NotSame, 19, "not-reproducible", "a second build, elsewhere and otherwise, gave other bytes"},
		{Outdated, 20, "outdated", "a pinned line has a newer release, is at its end of life or was withdrawn"},
		{Interrupted, 130, "interrupted", "stopped by Ctrl-C, SIGINT or SIGTERM"},
	}
}

// Code returns the exit code of k.
func (k Kind) Code() int {
	for _, r := range Kinds() {
		if r.Kind == k {
			return r.Code
		}
	}
	return 1
}

// String returns the kind's name in the table.
func (k Kind) String() string {
	for _, r := range Kinds() {
		if r.Kind == k {
			return r.Name
		}
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Error is an error with whose fault it is and what to type next.
type Error struct {
	Kind Kind
	Err  error
	Hint string // empty when there is nothing better to say than the error
}

// Error returns the message without the hint.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error that was classified.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of kind k with a hint, which may be empty.
// The format is that of [fmt.Errorf].
func New(k Kind, hint, format string, args ...any) error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...), Hint: hint}
}

// KindOf returns whose fault err is: the outermost classification in its
// chain. A cancelled context is [Interrupted] whatever else was said of it.
func KindOf(err error) Kind {
	if errors.Is(err, context.Canceled) {
		return Interrupted
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// HintOf returns the hints of err, a line each: of a chain the outermost one,
// of joined errors those of all.
func HintOf(err error) string {
	var hints []string
	for _, h := range hintsOf(err) {
		if !slices.Contains(hints, h) {
			hints = append(hints, h)
		}
	}
	return strings.Join(hints, "\n")
}

func hintsOf(err error) []string {
	if e, ok := err.(*Error); ok && e.Hint != "" {
		return []string{e.Hint}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return hintsOf(e.Unwrap())
	case interface{ Unwrap() []error }:
		var all []string
		for _, inner := range e.Unwrap() {
			all = append(all, hintsOf(inner)...)
		}
		return all
	}
	return nil
}
