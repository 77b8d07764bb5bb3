package unpack

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
)

// errEnough says that no more of an archive is wanted.
var errEnough = errors.New("read far enough")

// Release returns the release of a kernel tree that was not unpacked yet: a
// folder's, or that of an archive, which is read only as far as its Makefile.
func Release(ctx context.Context, path string) (string, error) {
	release, err := peek(ctx, path)
	if err != nil && ctx.Err() == nil && fault.KindOf(err) == fault.Internal {
		return "", fault.New(fault.Usage, "give a kernel tarball or the top folder of a kernel tree", "%s: %w", path, err)
	}
	return release, err
}

func peek(ctx context.Context, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		f, err := os.Open(filepath.Join(path, "Makefile"))
		if err != nil {
			return "", err
		}
		defer f.Close()
		return fetch.ReadRelease(f)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	format, err := fetch.Sniff(f)
	if err != nil {
		return "", err
	}
	release := ""
	err = decompress(ctx, f, format, nil, 1, func(r io.Reader) error {
		if release, err = findRelease(r); err != nil {
			return err
		}
		return errEnough // else the rest would be unpacked to be thrown away
	})
	if release != "" {
		return release, nil
	}
	return "", err
}

// findRelease reads a tar stream up to the Makefile of its top folder.
func findRelease(r io.Reader) (string, error) {
	for files := tar.NewReader(io.LimitReader(r, defaultLimits().total)); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return "", errors.New("it holds no Makefile in its top folder")
		}
		if err != nil {
			return "", fmt.Errorf("read it: %w", err)
		}
		if _, name, _ := strings.Cut(strings.TrimPrefix(h.Name, "./"), "/"); name == "Makefile" {
			return fetch.ReadRelease(files)
		}
	}
}
