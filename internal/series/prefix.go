package series

import (
	"os"

	"bzmage/internal/fault"
	"bzmage/internal/patch"
)

// Prefix makes dest a series of the first n patches of the one in folder, 0
// being the unpatched kernel. Whatever dest held is replaced: it is bzmage's.
func Prefix(folder string, n int, dest string) error {
	texts, list, err := patch.Mails(folder)
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	files["series"] = []byte(patch.Keep(list, func(name string) bool {
		if len(files) >= n {
			return false
		}
		files[name] = []byte(texts[name].Text)
		return true
	}))
	if Holds(dest, files) {
		return nil
	}
	if err := os.RemoveAll(dest); err != nil {
		return scratch(err)
	}
	return WriteNew(dest, files)
}

// scratch classifies an error with files that are only bzmage's own.
func scratch(err error) error {
	return fault.New(fault.Machine, "free some disk space", "lay out a part of the series: %w", err)
}
