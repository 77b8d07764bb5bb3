// Package reproduce finds out whether a second build gives the same bytes, and
// where the first one that differs comes from.
//
// In go a checkout and a program that builds in it; out come a [Copy] of the
// checkout elsewhere, a run of the program there in an environment that differs
// in all that can be changed on this machine ([Second]), and of every file
// whether it is the same ([Compare]): a difference names the member of an
// archive, the section and the symbol of an ELF file, or the line of a text.
package reproduce

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Difference is a file that is not the same on both sides.
type Difference struct {
	File  string   `json:"file"`  // below both folders
	Where []string `json:"where"` // what differs in it, the most telling first; at least one
}

// mostWhere is how many places are told of one file, and mostRead how big a
// file may be that is looked into: a vmlinux with debug info has some 500 MB.
const (
	mostWhere = 20
	mostRead  = 1 << 30
)

// Compare compares the files of those names below the folders a and b, and
// explains those that differ, in the order of names. Only content counts: the
// mode of a file on the disk is the umask's, that within an archive is content.
//
// The symbols of an image that has none are those of the vmlinux beside it. An
// error is one of this machine: that a file is not there is a difference.
func Compare(a, b string, names []string) ([]Difference, error) {
	var all []Difference
	for _, name := range names {
		where, err := compare(filepath.Join(a, name), filepath.Join(b, name))
		if err != nil {
			return all, fmt.Errorf("compare %s: %w", name, err)
		}
		if len(where) > 0 {
			all = append(all, Difference{name, where})
		}
	}
	return all, nil
}

func compare(a, b string) ([]string, error) {
	kinds := [2]string{}
	for i, path := range []string{a, b} {
		var err error
		if kinds[i], err = kind(path); err != nil {
			return nil, err
		}
	}
	switch {
	case kinds[0] != kinds[1]:
		return []string{fmt.Sprintf("it is %s in the first build, %s in the second", kinds[0], kinds[1])}, nil
	case kinds[0] != regular:
		return nil, nil // there is neither, or both are links to the same
	}
	same, err := sameBytes(a, b)
	if same || err != nil {
		return nil, err
	}
	x, y, err := readBoth(a, b)
	if errors.Is(err, errTooBig) {
		return []string{err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	e := explainer{vmlinux: func() (*symbols, error) { return openSymbols(filepath.Join(filepath.Dir(a), "vmlinux")) }}
	e.explain("", x, y)
	if !e.image {
		return e.result(), nil
	}
	return slices.Concat(byKernel(a, b), e.result()), nil
}

// byKernel tells what the vmlinux files beside two images say of their
// difference: they have the symbols. The image is told to differ in any case,
// and vmlinux on its own account.
func byKernel(a, b string) []string {
	const most = 3
	x, y, err := readBoth(filepath.Join(filepath.Dir(a), "vmlinux"), filepath.Join(filepath.Dir(b), "vmlinux"))
	if err != nil || !magic(0, "\x7fELF")(x) || !magic(0, "\x7fELF")(y) {
		return nil
	}
	var e explainer
	e.explain("by vmlinux: ", x, y)
	return e.where[:min(most, len(e.where))]
}

const regular = "a file"

// kind says what lies there.
func kind(path string) (string, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "not there", nil
	case err != nil:
		return "", err
	case info.Mode().IsRegular():
		return regular, nil
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(path)
		return fmt.Sprintf("a link to %s", quote(to)), err
	case info.IsDir():
		return "a folder", nil
	}
	return "neither a file nor a folder", nil
}

func sameBytes(a, b string) (bool, error) {
	x, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer x.Close() // only read
	y, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer y.Close()
	p, q := make([]byte, 1<<18), make([]byte, 1<<18)
	for {
		n, errX := io.ReadFull(x, p)
		m, errY := io.ReadFull(y, q)
		if !bytes.Equal(p[:n], q[:m]) {
			return false, nil
		}
		ends := errors.Is(errX, io.EOF) || errors.Is(errX, io.ErrUnexpectedEOF)
		if ends && errX == errY {
			return true, nil
		}
		if errX != nil || errY != nil {
			return false, errors.Join(errX, errY)
		}
	}
}

var errTooBig = fmt.Errorf("it differs, and is too big to be looked into: more than %d MB", mostRead>>20)

func readBoth(a, b string) (x, y []byte, err error) {
	for _, path := range []string{a, b} {
		info, err := os.Stat(path)
		if err != nil {
			return nil, nil, err
		}
		if info.Size() > mostRead {
			return nil, nil, errTooBig
		}
	}
	if x, err = os.ReadFile(a); err == nil {
		y, err = os.ReadFile(b)
	}
	return x, y, err
}

// Files returns the names, sorted and below root, of all files that are below
// one of the files or folders names, in any of the roots. Skip leaves files
// out by their base name. What is not there at all has no files.
func Files(roots, names []string, skip func(base string) bool) ([]string, error) {
	var all []string
	for _, root := range roots {
		for _, name := range names {
			top := filepath.Join(root, name)
			err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
				if errors.Is(err, fs.ErrNotExist) && path == top {
					return nil
				}
				if err != nil || d.IsDir() || skip(d.Name()) {
					return err
				}
				rel, err := filepath.Rel(root, path)
				all = append(all, rel)
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", top, err)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
