package series

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"bzmage/internal/fault"
)

// WriteNew makes the folder dir with these files, whole or not at all. A folder
// that holds just them is left alone. One that holds anything else is not
// touched, and the error wraps [fs.ErrExist]; a series without a patch in it
// gives way.
func WriteNew(dir string, files map[string][]byte) error {
	if Holds(dir, files) {
		return nil
	}
	tmp, err := stage(dir, nil, files)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if vacant(dir) {
		if err := os.Remove(filepath.Join(dir, "series")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return writable(dir, err)
		}
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return writable(dir, err)
		}
	}
	err = unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("write %s: %w", dir, fs.ErrExist)
	}
	if err != nil {
		return writable(dir, err)
	}
	return nil
}

// Exchange puts a folder with these files in the place of dir, in one step,
// and keeps the one that was there as old, which must not exist. Other files
// in dir, those of dropped aside, are in the new one too.
func Exchange(dir, old string, files map[string][]byte, dropped []string) error {
	tmp, err := stage(dir, dropped, files)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.MkdirAll(filepath.Dir(old), 0o755); err != nil {
		return writable(old, err)
	}
	if err := unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE); err != nil {
		return writable(dir, err)
	}
	if err := unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, old, unix.RENAME_NOREPLACE); err != nil {
		// What was there goes back: it must not be removed with tmp.
		return writable(old, errors.Join(err, unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE)))
	}
	return nil
}

// stage makes a folder beside dir with what is in dir, if dropped is given, and
// the files.
func stage(dir string, dropped []string, files map[string][]byte) (string, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", writable(dir, err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".new-")
	if err != nil {
		return "", writable(dir, err)
	}
	err = os.Chmod(tmp, 0o755)
	if err == nil && dropped != nil {
		err = os.CopyFS(tmp, os.DirFS(dir))
		for _, name := range dropped {
			err = errors.Join(err, os.Remove(filepath.Join(tmp, filepath.FromSlash(name))))
		}
	}
	for name, text := range files {
		path := filepath.Join(tmp, filepath.FromSlash(name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = write(path, text)
		}
	}
	if err != nil {
		os.RemoveAll(tmp)
		return "", writable(dir, err)
	}
	return tmp, nil
}

// write puts a file on the disk before its folder gets its name.
func write(path string, text []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func writable(dir string, err error) error {
	return fault.New(fault.Machine, "make "+filepath.Dir(dir)+" writable", "write %s: %w", dir, err)
}

// Holds says whether dir holds these files and no others.
func Holds(dir string, files map[string][]byte) bool {
	n, same := 0, true
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || !d.Type().IsRegular() {
			same = false
			return err
		}
		text, err := os.ReadFile(path)
		want, ok := files[filepath.ToSlash(name)]
		n++
		same = same && ok && bytes.Equal(text, want)
		return err
	})
	return err == nil && same && n == len(files)
}

// vacant says whether dir holds nothing but a series without a line in it.
func vacant(dir string) bool {
	list, err := os.ReadDir(dir)
	if err != nil || len(list) > 1 || len(list) == 1 && list[0].Name() != "series" {
		return false
	}
	text, err := os.ReadFile(filepath.Join(dir, "series"))
	return errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(text)) == 0
}
