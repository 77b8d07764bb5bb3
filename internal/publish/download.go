package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"bzmage/internal/fault"
)

// reName matches the names of files that a release may have: no path leads out
// of the folder they are put into.
var reName = regexp.MustCompile(`^[A-Za-z0-9_+][A-Za-z0-9._+~:,@=-]{0,254}$`)

// maxRelease bounds all files of a release that is downloaded.
const maxRelease = 64 << 30

// Download gets the published release of a tag into the folder dir, which must
// be empty; wanted chooses files, nil takes all. What the files are is for the
// caller to prove.
func Download(ctx context.Context, h Host, tag, dir string, wanted func(name string) bool) (*Release, error) {
	r, err := h.Find(ctx, tag)
	if err != nil {
		return nil, err
	}
	if r == nil || r.Draft {
		return nil, fault.New(fault.Usage, "look at the tags that are published", "%s has published no release of tag %s", h.Name(), tag)
	}
	left := int64(maxRelease)
	for _, a := range r.Assets {
		if !reName.MatchString(a.Name) {
			return nil, fault.New(fault.Unproved, "", "a file of the release has the name %.100q", a.Name)
		}
		if wanted != nil && !wanted(a.Name) {
			continue
		}
		if left -= a.Size; a.Size < 0 || left < 0 {
			return nil, fault.New(fault.Unproved, "", "the release has more than %d GB", maxRelease>>30)
		}
		if err := download(ctx, h, r, a, filepath.Join(dir, a.Name)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// tries is how often a download is begun anew.
const tries = 4

func download(ctx context.Context, h Host, r *Release, a Asset, to string) error {
	var w waits
	for n := 1; ; n++ {
		err := once(ctx, h, r, a, to)
		if err == nil || n == tries || final(err) {
			return err
		}
		if err := w.before(ctx, h.Name(), err); err != nil {
			return err
		}
	}
}

func once(ctx context.Context, h Host, r *Release, a Asset, to string) error {
	body, err := h.Download(ctx, r, a)
	if err != nil {
		return err
	}
	defer body.Close() // only read
	f, err := os.Create(to)
	if err != nil {
		return fault.New(fault.Machine, "free some disk space", "download a release: %w", err)
	}
	n, err := io.Copy(f, io.LimitReader(body, a.Size+1))
	if err = errors.Join(err, f.Close()); err != nil || n != a.Size {
		return &Temporary{Err: fmt.Errorf("download %s: %d of %d bytes: %w", a.Name, n, a.Size, orShort(err))}
	}
	return nil
}
