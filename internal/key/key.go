// Package key is how a stage knows whether it has to run: everything that goes
// in has a name and a value, the key is the hash of all of them, and it is kept
// with the result together with the inputs, so that a person can be told which
// of them changed.
package key

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// Open is the value of an input that an earlier stage has yet to make: whether
// it changes is not known before that stage ran.
const Open = "?"

// Inputs is everything that goes into a stage: hashes, versions, settings. One
// that is empty is the same as one that is not there.
type Inputs map[string]string

// With returns a copy of the inputs with those of more, without empty ones.
func (in Inputs) With(more Inputs) Inputs {
	all := Inputs{}
	maps.Copy(all, in)
	maps.Copy(all, more)
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

// Sum returns the key: a hash of all inputs, and of the stage with the version
// of its code, such as "build 3".
func (in Inputs) Sum(stage string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", stage)
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if in[name] != "" {
			fmt.Fprintf(h, "%q=%q\n", name, in[name])
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Change is one reason to run a stage again.
type Change struct {
	Name string `json:"name"`          // of an input, or of a file that came out
	Old  string `json:"old,omitempty"` // empty: it was not there
	New  string `json:"new,omitempty"` // empty: it is not there; [Open]: not known yet
}

// Since returns what differs from the inputs of an earlier run.
func (in Inputs) Since(old Inputs) []Change {
	var changes []Change
	both := maps.Clone(old.With(nil))
	maps.Copy(both, in)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if old[name] != in[name] {
			changes = append(changes, Change{name, old[name], in[name]})
		}
	}
	return changes
}

// First is why a stage runs that has no result of an earlier run.
func First() []Change { return []Change{{Name: "no result yet"}} }

// NewStage is why a stage runs though no input changed: its own code did.
func NewStage() []Change { return []Change{{Name: "another version of bzmage"}} }

// Files returns which files of a result are not what they were: hash takes the
// name and returns a file's sha256.
func Files(want map[string]string, hash func(name string) (string, error)) []Change {
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got, err := hash(name); err != nil || got != want[name] {
			changes = append(changes, Change{name, want[name], got})
		}
	}
	return changes
}

// Undecided says whether all that is known to differ is what earlier stages
// have yet to make: the stage may run, or keep what it has.
func Undecided(changes []Change) bool {
	return len(changes) > 0 && !slices.ContainsFunc(changes, func(c Change) bool { return c.New != Open })
}

// shown is how much of a value a person gets to see; a hash is told apart by
// less.
const shown = 40

// String returns the change as a few words.
func (c Change) String() string {
	switch {
	case c.New == Open:
		return c.Name + ": made anew first"
	case c.Old == "" && c.New == "":
		return c.Name
	case c.Old == "":
		return c.Name + ": new, " + short(c.New)
	case c.New == "":
		return c.Name + ": " + short(c.Old) + " -> gone"
	}
	return c.Name + ": " + short(c.Old) + " -> " + short(c.New)
}

func short(v string) string {
	if _, err := hex.DecodeString(v); err == nil && len(v) > 12 {
		return v[:8]
	}
	if r := []rune(v); len(r) > shown {
		return string(r[:shown-3]) + "..."
	}
	return v
}
