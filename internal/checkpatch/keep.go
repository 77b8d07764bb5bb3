package checkpatch

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"bzmage/internal/fault"
	"bzmage/internal/key"
)

// kept is what the file Params.Kept holds: a look that found nothing new.
type kept struct {
	Inputs key.Inputs `json:"inputs"` // all that went in
	Key    string     `json:"key"`    // hash of the inputs
	Result Result     `json:"result"`
}

const stage = "checkpatch 1"

// Look returns what Run would keep, or why it would look again: the inputs that
// changed. It writes nothing.
func Look(p Params) (Result, []key.Change, error) {
	in, err := p.inputs()
	if err != nil {
		return Result{}, nil, err
	}
	old, why := p.look(in)
	return old.Result, why, nil
}

func (p Params) look(in key.Inputs) (kept, []key.Change) {
	var old kept
	text, err := os.ReadFile(p.Kept)
	if err != nil || json.Unmarshal(text, &old) != nil {
		return kept{}, key.First()
	}
	if why := in.Since(old.Inputs); len(why) > 0 {
		return kept{}, why
	}
	if old.Key != in.Sum(stage) {
		return kept{}, key.NewStage()
	}
	return old, nil
}

// inputs adds to the tree and the series what people accepted.
func (p Params) inputs() (key.Inputs, error) {
	in := p.Inputs.With(key.Inputs{"folder": p.Folder})
	path := filepath.Join(p.Series, baselineName)
	sum, err := p.Hashes.Sum(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Machine, "make "+path+" readable", "read what is accepted: %w", err)
	}
	in[baselineName] = sum
	return in, nil
}

// keep notes a result without new findings for the next run.
func (p Params) keep(in key.Inputs, res Result) error {
	if p.Kept == "" || p.Patches != nil {
		return nil
	}
	text, err := json.Marshal(kept{in, in.Sum(stage), res})
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(p.Kept), 0o755), renameio.WriteFile(p.Kept, text, 0o644))
	}
	return folder(err)
}
