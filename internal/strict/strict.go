// Package strict reads the TOML files that people write for bzmage. In goes a
// file, out comes what its reader makes of it; a key that nobody reads is an
// error, and so is what is not a file of a sensible size.
package strict

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/BurntSushi/toml"

	"bzmage/internal/fault"
	"bzmage/internal/plain"
)

const most = 1 << 20 // bytes of a file

// Load returns what parse makes of the text of a file. Without the file that
// is nothing. Errors are the user's, and name the file.
func Load[T any](path string, parse func(text string) (T, error)) (T, error) {
	var none T
	bad := func(err error) error {
		return fault.New(fault.Usage, "correct "+path, "%s: %w", path, err)
	}
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return none, nil
	case err != nil:
		return none, bad(err)
	case !fi.Mode().IsRegular() || fi.Size() > most:
		return none, bad(fmt.Errorf("not a regular file of at most %d KiB", most>>10))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return none, bad(err)
	}
	v, err := parse(string(text))
	if err != nil {
		return none, bad(err)
	}
	return v, nil
}

// Decode fills in v. An error says that the text is no TOML, or of other types
// than v's; extra, which keys v does not have.
func Decode(text string, v any) (extra []error, err error) {
	meta, err := toml.Decode(text, v)
	if err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			return nil, fmt.Errorf("at its line %d: %s", pe.Position.Line, plain.Text(pe.Message))
		}
		return nil, errors.New(plain.Text(err.Error()))
	}
	for _, key := range meta.Undecoded() {
		extra = append(extra, fmt.Errorf("unknown key %s", plain.Text(key.String())))
	}
	return extra, nil
}
