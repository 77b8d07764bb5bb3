package publish

import (
	"context"
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
	r, err := retry(ctx, waitsOf(h.Name(), h), func() (*Release, error) { return h.Find(ctx, tag) })
	if err != nil {
		return nil, err
	}
	if r == nil || r.Draft {
		return nil, fault.New(fault.Usage, "look at the tags that are published", "%s has published no release of tag %s", h.Name(), tag)
	}
	left, seen := int64(maxRelease), map[string]bool{}
	for _, a := range r.Assets {
		if !reName.MatchString(a.Name) {
			return nil, fault.New(fault.Unproved, "", "a file of the release has the name %q", shown(a.Name))
		}
		if wanted != nil && !wanted(a.Name) {
			continue
		}
		if seen[a.Name] {
			return nil, fault.New(fault.Unproved, "", "the release has two files %s", a.Name)
		}
		if !a.Whole {
			return nil, fault.New(fault.Unproved, "", "%s is not whole at %s", a.Name, h.Name())
		}
		seen[a.Name] = true
		if left -= a.Size; a.Size < 0 || left < 0 {
			return nil, fault.New(fault.Unproved, "", "the release has more than %d GB", maxRelease>>30)
		}
		if err := download(ctx, h, r, a, filepath.Join(dir, a.Name)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func download(ctx context.Context, h Host, r *Release, a Asset, to string) error {
	_, err := retry(ctx, waitsOf(h.Name(), h), func() (bool, error) { return true, once(ctx, h, r, a, to) })
	return err
}

func once(ctx context.Context, h Host, r *Release, a Asset, to string) error {
	body, err := h.Download(ctx, r, a)
	if err != nil {
		return err
	}
	f, err := os.Create(to)
	if err != nil {
		_ = body.Close() // nothing was read
		return fault.New(fault.Machine, "free some disk space", "download a release: %w", err)
	}
	err = copyAsset(ctx, f, body, a)
	if e := f.Close(); e != nil && err == nil {
		err = fault.New(fault.Machine, "free some disk space", "download a release: %w", e)
	}
	return err
}
