package build

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// NotesDir is the folder of a dist with what the compiler noted of objects.
const NotesDir = "notes"

// addNotes adds the notes that are there to the files to collect, and makes
// their folders in the dist dir.
func (p Params) addNotes(from map[string]string, dir string) error {
	for _, name := range p.Notes {
		_, err := os.Stat(filepath.Join(p.Make.Obj, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		to := filepath.Join(NotesDir, name)
		if err := errors.Join(err, os.MkdirAll(filepath.Join(dir, filepath.Dir(to)), 0o755)); err != nil {
			return err
		}
		from[to] = name
	}
	return nil
}
