// Package compile makes the objects of one tree again and again, as patch
// after patch is applied to it, and tells which warnings each patch brought.
//
// In go a configured tree that changes between the calls, and a folder for
// make's output that stays. Out comes, for each call, what make compiled anew
// and what was said then that had not been said of the same object before.
// make itself knows what a change reaches: the objects of the files touched
// and of all that includes a touched header.
package compile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"bzmage/internal/fault"
	"bzmage/internal/kbuild"
	"bzmage/internal/run"
)

// Params is what [Run] needs.
type Params struct {
	Make    kbuild.Make
	Targets []string // what to make, options included
	Log     string   // file for what make prints
	Each    func(done int, file string)
}

// Result is what one call compiled.
type Result struct {
	Objects   int       `json:"objects"`             // compiled anew
	Unreached []string  `json:"unreached,omitempty"` // files of the patch that no object is made of
	New       []Finding `json:"new,omitempty"`       // warnings that were not there before
	Gone      int       `json:"gone"`                // warnings that are there no more
	Errors    []Finding `json:"errors,omitempty"`    // why it does not compile; empty: it does
	Seconds   float64   `json:"seconds"`
}

// state is what each step said when it was last done.
type state struct {
	Steps map[string][]Finding `json:"steps"`
}

// Run makes the targets. An object that does not compile is in the result; an
// error is this machine's. A run that was killed is followed by one that
// compiles again what nobody has heard of.
func Run(ctx context.Context, p Params) (Result, error) {
	st, err := p.load()
	if err != nil {
		return Result{}, err
	}
	if err := p.recover(st); err != nil {
		return Result{}, err
	}
	if err := os.WriteFile(p.running(), nil, 0o644); err != nil {
		return Result{}, machine(err)
	}
	start := time.Now()
	argv := append([]string{"--output-sync=target", "--keep-going"}, p.Targets...)
	makeErr := p.Make.Run(ctx, p.Log, &kbuild.Steps{Each: p.Each}, argv...)
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	steps, err := p.read()
	if err != nil {
		return Result{}, err
	}
	res := st.absorb(steps, makeErr != nil)
	res.Seconds = time.Since(start).Seconds()
	if makeErr != nil {
		if err := p.failed(makeErr, &res); err != nil {
			return res, err
		}
	}
	return res, p.settle(st)
}

// failed puts why make ended badly into the result, or returns an error where
// that was this machine's fault.
func (p Params) failed(err error, res *Result) error {
	if !run.Failed(err) {
		return fault.New(fault.Machine, "the whole log: "+p.Log, "compile: %w", err)
	}
	if len(res.Errors) == 0 {
		res.Errors = []Finding{{Level: Error, Text: err.Error()}}
	}
	return nil
}

// absorb takes over what the steps said and returns the difference. Where make
// failed, steps with an error are taken for not done; sparse alone may speak of
// errors that stop nobody.
func (s *state) absorb(steps []Step, failed bool) Result {
	var res Result
	for _, step := range steps {
		if step.object() {
			res.Objects++
		}
		if failed && step.Failed && !strings.HasPrefix(step.Name, "CHECK ") {
			for _, f := range step.Findings {
				if f.Level == Error {
					res.Errors = append(res.Errors, f)
				}
			}
			continue // what it says of the rest does not count, nor what it would say
		}
		fresh, gone := diff(s.Steps[step.Name], step.Findings)
		res.New, res.Gone = append(res.New, fresh...), res.Gone+gone
		s.Steps[step.Name] = step.Findings
	}
	return res
}

// object says whether the step compiled something.
func (s Step) object() bool {
	kind, _, _ := strings.Cut(s.Name, " ")
	return kind == "CC" || kind == "AS"
}

// diff returns which findings are new, and how many are gone. Where one of
// several that are the same is new, it is the last in the file.
func diff(before, after []Finding) (fresh []Finding, gone int) {
	left := map[string]int{}
	for _, f := range before {
		left[f.key()]++
	}
	for _, f := range after {
		if left[f.key()] > 0 {
			left[f.key()]--
			continue
		}
		fresh = append(fresh, f)
	}
	for _, n := range left {
		gone += n
	}
	return fresh, gone
}

// statePath lies with the objects it speaks of: they come and go together.
func (p Params) statePath() string { return filepath.Join(p.Make.Obj, "compile.json") }

// running is there while make runs: objects that are newer may have said what
// was not heard.
func (p Params) running() string { return p.statePath() + ".running" }

// load returns the state, empty without a file.
func (p Params) load() (*state, error) {
	st := &state{Steps: map[string][]Finding{}}
	text, err := os.ReadFile(p.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err == nil {
		err = json.Unmarshal(text, st)
	}
	if err != nil || st.Steps == nil {
		return nil, fault.New(fault.Machine, "rm -r "+p.Make.Obj, "read what earlier compilations said: %w", err)
	}
	return st, nil
}

// recover brings state and objects together after a run that was killed: what
// the log has is taken over, and the other objects made meanwhile are removed.
func (p Params) recover(st *state) error {
	mark, err := os.Stat(p.running())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return machine(err)
	}
	steps, err := p.read()
	if err != nil {
		return err
	}
	st.absorb(steps, true)
	err = filepath.WalkDir(p.Make.Obj, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".o" {
			return err
		}
		fi, err := d.Info()
		if err != nil || fi.ModTime().Before(mark.ModTime()) {
			return err
		}
		name, _ := filepath.Rel(p.Make.Obj, path)
		heard := slices.ContainsFunc(steps, func(s Step) bool { return s.object() && strings.HasSuffix(s.Name, " "+name) })
		if heard {
			return nil
		}
		return os.Remove(path)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return machine(err)
	}
	return p.settle(st)
}

// read returns what the log holds. Without one make was never started.
func (p Params) read() ([]Step, error) {
	text, err := os.ReadFile(p.Log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, machine(err)
	}
	steps, err := Read(bytes.NewReader(text), p.Make.Src)
	if err != nil {
		return nil, machine(err)
	}
	return steps, nil
}

// settle writes the state; only then is the run over.
func (p Params) settle(st *state) error {
	text, err := json.Marshal(st)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(p.statePath(), text, 0o644); err != nil {
		return machine(err)
	}
	if err := os.Remove(p.running()); err != nil {
		return machine(err)
	}
	return nil
}

func machine(err error) error {
	return fault.New(fault.Machine, "free some disk space", "compile: %w", err)
}

// Reaches says whether make compiles the file of the tree into any object: its
// own, or one that includes it. It reads what kbuild notes beside each object
// (scripts/basic/fixdep.c).
func Reaches(obj, name string) (bool, error) {
	if ext := filepath.Ext(name); ext == ".c" || ext == ".S" {
		if _, err := os.Stat(filepath.Join(obj, strings.TrimSuffix(name, ext)+".o")); err == nil {
			return true, nil
		}
	}
	found := errors.New("found")
	err := filepath.WalkDir(obj, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".cmd") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if Names(text, name) {
			return found
		}
		return nil
	})
	if errors.Is(err, found) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for what includes %s: %w", name, err)
	}
	return false, nil
}

// Names says whether what kbuild notes beside an object names the file of the
// tree.
func Names(note []byte, name string) bool {
	want := []byte("/" + name)
	for at := bytes.Index(note, want); at >= 0; at = bytes.Index(note, want) {
		note = note[at+len(want):]
		if len(note) == 0 || bytes.IndexByte([]byte(" \\\n)"), note[0]) >= 0 {
			return true
		}
	}
	return false
}
