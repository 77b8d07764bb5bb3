// Package config makes a kernel's .config: a base target of the kernel's own
// (such as tinyconfig), the fragments laid over it, and the proof that every
// line asked for is in the result.
//
// In go the fragments, out comes .config in make's output folder, with
// config.json beside it as the mark that it is done.
package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"bzmage/internal/fault"
	"bzmage/internal/kbuild"
	"bzmage/internal/key"
	"bzmage/internal/run"
)

// Params is what a configuration is made of.
type Params struct {
	Make      kbuild.Make
	Base      string     // make target, such as tinyconfig
	Fragments []string   // paths, laid over in order
	Partial   bool       // only a part of the series is applied: what the rest brings may be missing
	Root      string     // what the fragments' names in messages are relative to
	Target    []string   // line, arch and flavour: what an allowance may be limited to
	Inputs    key.Inputs // identity of the tree, as far as Kconfig reads it, and of the toolchain
	Log       string     // file for what make prints
}

// Result describes a .config that holds all that was asked for.
type Result struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Asked  int    `json:"asked"` // options of the fragments
	Key    string `json:"key"`   // hash of all that went in
	Kept   bool   `json:"-"`     // nothing had to be done

	Inputs key.Inputs `json:"inputs"` // what went in

	Allowed []Allowed   `json:"allowed,omitempty"` // what was lost, and may be
	Stale   []Allowance `json:"-"`                 // what may be lost, and was not
}

// Look returns what Configure would keep, or with what it would make anew also
// why: the inputs that changed, or the file that was altered. It writes nothing.
func Look(p Params) (Result, []key.Change, error) {
	frag, err := ReadFragments(p.Root, p.Fragments)
	if err != nil {
		return Result{}, nil, err
	}
	res, why := p.look(frag)
	return res, why, nil
}

func (p Params) look(frag Fragment) (Result, []key.Change) {
	in := p.inputs(frag)
	res := Result{Path: filepath.Join(p.Make.Obj, ".config"), Asked: len(frag.Asked()), Inputs: in, Key: in.Sum(stage)}
	old, why := kept(res)
	if len(why) > 0 {
		return res, why
	}
	old.Stale = frag.stale(p.Target, old.Allowed)
	return old, nil
}

// Configure makes the .config, or keeps the one that is there when nothing
// that goes in has changed.
func Configure(ctx context.Context, p Params) (Result, error) {
	frag, err := ReadFragments(p.Root, p.Fragments)
	if err != nil {
		return Result{}, err
	}
	res, why := p.look(frag)
	if len(why) == 0 {
		return res, nil
	}
	asked := frag.Asked()
	if err := os.MkdirAll(p.Make.Obj, 0o755); err != nil {
		return Result{}, fault.New(fault.Machine, "free some disk space", "configure: %w", err)
	}
	if err := p.make(ctx, p.Base); err != nil {
		return Result{}, err
	}
	base, err := os.ReadFile(res.Path)
	if err != nil {
		return Result{}, fault.New(fault.Config, "is base in configs/kernels.toml a config target?", "make %s left no .config: %w", p.Base, err)
	}
	if err := renameio.WriteFile(res.Path, merge(base, asked), 0o644); err != nil {
		return Result{}, fault.New(fault.Machine, "free some disk space", "write .config: %w", err)
	}
	if err := p.make(ctx, "olddefconfig"); err != nil {
		return Result{}, err
	}
	return p.finish(res, frag, base)
}

// finish checks the final .config and writes the mark.
func (p Params) finish(res Result, frag Fragment, base []byte) (Result, error) {
	text, err := os.ReadFile(res.Path)
	if err != nil {
		return Result{}, fault.New(fault.Machine, "", "read the final .config: %w", err)
	}
	losses := lost(frag, ReadConfig(text))
	res.Allowed, losses = frag.excuse(p.Target, losses)
	res.Stale = frag.stale(p.Target, res.Allowed)
	if p.Partial {
		losses, res.Stale = nil, nil
	}
	if len(losses) > 0 {
		p.explain(losses, frag, base, text)
		return Result{}, fault.New(fault.Config, lostHint, "%w", &LostError{Arch: p.Make.Arch.Name, Asked: res.Asked, Losses: losses})
	}
	res.SHA256 = digest(text)
	mark, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return Result{}, err
	}
	if err := renameio.WriteFile(markPath(res), mark, 0o644); err != nil {
		return Result{}, fault.New(fault.Machine, "free some disk space", "keep the result of configure: %w", err)
	}
	return res, nil
}

func (p Params) make(ctx context.Context, target string) error {
	if err := p.Make.Run(ctx, p.Log, nil, target); err != nil {
		kind := fault.Config
		if !run.Failed(err) {
			kind = fault.Machine
		}
		return fault.New(kind, "look at "+p.Log+"; it was: "+p.Make.Repeat(target),
			"make %s for %s: %w", target, p.Make.Arch.Name, err)
	}
	return nil
}

// stage is raised when the same inputs would give another result.
const stage = "config 3"

// inputs is everything that goes in, a fragment by its name. What make is told
// matters but for the time, which no .config holds.
func (p Params) inputs(frag Fragment) key.Inputs {
	m := p.Make
	m.Time = time.Time{}
	in := p.Inputs.With(m.Inputs(p.Base, "olddefconfig")).With(key.Inputs{
		"target": fmt.Sprint(p.Target), "partial": fmt.Sprint(p.Partial),
		"fragments": strings.TrimPrefix(strings.Join(p.Fragments, " "), p.Root),
	})
	texts := map[string]string{}
	// With their places: what is kept names them.
	for _, o := range frag.Lines {
		texts[o.File] += fmt.Sprintln(o, o.Line)
	}
	for _, a := range frag.Allows {
		texts[a.File] += fmt.Sprintln(a, a.Line)
	}
	for file, text := range texts {
		in[file] = digest([]byte(text))
	}
	return in
}

// kept returns the earlier result, and why it is not that of the same things:
// an input, or the .config is not any more what was made.
func kept(want Result) (Result, []key.Change) {
	text, err := os.ReadFile(markPath(want))
	if err != nil {
		return Result{}, key.First()
	}
	var old Result
	if json.Unmarshal(text, &old) != nil || old.Path != want.Path || old.Inputs == nil {
		return Result{}, key.First()
	}
	if why := want.Inputs.Since(old.Inputs); len(why) > 0 {
		return Result{}, why
	}
	if old.Key != want.Key {
		return Result{}, key.NewStage()
	}
	why := key.Files(map[string]string{".config": old.SHA256}, func(string) (string, error) {
		config, err := os.ReadFile(want.Path)
		return digest(config), err
	})
	old.Kept = true
	return old, why
}

func markPath(r Result) string { return filepath.Join(filepath.Dir(r.Path), "config.json") }

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
