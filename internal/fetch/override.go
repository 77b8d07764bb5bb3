package fetch

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"bzmage/internal/fault"
)

// overrideHint says what KERNEL_SOURCE may be.
const overrideHint = "set KERNEL_SOURCE to a kernel's tarball or to a folder with its source, or unset it"

// override delivers what KERNEL_SOURCE names, as it is and unverified.
// Nothing is ever written to it.
func (f *fetcher) override(ctx context.Context) (Archive, error) {
	if err := f.checkOverride(); err != nil {
		return Archive{}, err
	}
	path, err := filepath.Abs(f.Override)
	if err != nil {
		return Archive{}, err
	}
	a := Archive{Path: path, Source: OverrideName, Origin: path, Proofs: []string{}}
	info, err := os.Stat(path)
	if err != nil {
		return Archive{}, overrideError(path, err)
	}
	if info.IsDir() {
		a.Folder = true
		return a, nil
	}
	if a.SHA256, err = f.store.hashes.SumContext(ctx, path); err != nil {
		if ctx.Err() != nil {
			return Archive{}, err
		}
		return Archive{}, overrideError(path, err)
	}
	return a, nil
}

// checkOverride says whether KERNEL_SOURCE names a tarball or a kernel's
// folder, from a look at its beginning.
func (f *fetcher) checkOverride() error {
	info, err := os.Stat(f.Override)
	if err != nil {
		return overrideError(f.Override, err)
	}
	switch {
	case info.IsDir():
		err = checkFolder(f.Override)
	case info.Mode().IsRegular():
		err = checkTarball(f.Override)
	default:
		err = errors.New("it is neither a file nor a folder")
	}
	if err != nil {
		return overrideError(f.Override, err)
	}
	return nil
}

func overrideError(path string, err error) error {
	return fault.New(fault.Usage, overrideHint, "%s %s: %w", OverrideName, path, err)
}

func checkFolder(dir string) error {
	file, err := os.Open(filepath.Join(dir, "Makefile"))
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = ReadRelease(file)
	return err
}

func checkTarball(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = Sniff(file)
	return err
}
