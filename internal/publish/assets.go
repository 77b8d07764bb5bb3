package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/plain"
)

// Limits of GitHub's releases; GitLab's are wider.
const (
	mostAssets = 1000
	assetMax   = 2<<30 - 1
)

// reSafe matches the names that a host keeps as they are. GitHub makes dots of
// other characters, and takes dots at the ends away.
var reSafe = regexp.MustCompile(`^[A-Za-z0-9_+][A-Za-z0-9_+@-]*(\.[A-Za-z0-9_+@-]+)*$`)

// limits refuses what no host would take, before anything is made there.
func limits(files []File) error {
	if len(files) == 0 || len(files) > mostAssets {
		return fault.New(fault.Usage, "", "a release has 1 to %d files, not %d", mostAssets, len(files))
	}
	names := map[string]bool{}
	for _, f := range files {
		switch {
		case f.Size > assetMax || f.Size <= 0:
			return fault.New(fault.Usage, "leave debug info out, or split it", "%s has %d bytes; a file of a release has 1 to %d", f.Name, f.Size, assetMax)
		case !reSafe.MatchString(f.Name) || len(f.Name) > 255:
			return fault.New(fault.Usage, "name it with letters, digits and single . _ + @ -", "GitHub would publish %q under another name", f.Name)
		case names[f.Name]:
			return fault.New(fault.Internal, "", "%s is to be published twice", f.Name)
		}
		names[f.Name] = true
	}
	return nil
}

// compare holds what the host has against the files: which are missing there,
// and which assets are none of ours, not whole, or other bytes.
func (u *publisher) compare(ctx context.Context, r *Release) (missing []File, wrong []Asset, err error) {
	right := make([]bool, len(r.Assets))
	err = each(len(r.Assets), u.p.Parallel, func(i int) (err error) {
		a := r.Assets[i]
		n := slices.IndexFunc(u.p.Files, func(f File) bool { return f.Name == a.Name })
		if n < 0 || !a.Whole || a.Size != u.p.Files[n].Size {
			return nil
		}
		right[i], err = u.same(ctx, r, a, u.p.Files[n])
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	have := map[string]bool{}
	for i, a := range r.Assets {
		if !right[i] || have[a.Name] {
			wrong = append(wrong, a)
			continue
		}
		have[a.Name] = true
	}
	u.res.Reused = nil
	var done, all int64
	for _, f := range u.p.Files {
		all += f.Size
		if !have[f.Name] {
			missing = append(missing, f)
			continue
		}
		done += f.Size
		if u.sent[f.Name] == 0 {
			u.res.Reused = append(u.res.Reused, f.Name)
		}
	}
	u.best = max(u.best, len(have))
	if u.p.Progress != nil {
		u.p.Progress(done, all)
	}
	return missing, wrong, nil
}

// same says whether the host has the bytes of a file. Other bytes are only
// believed when they came twice: a way can spoil them, too.
func (u *publisher) same(ctx context.Context, r *Release, a Asset, f File) (bool, error) {
	key := a.ID + "/" + a.Name
	u.mu.Lock()
	sum := u.checked[key]
	u.mu.Unlock()
	for n := 0; n < 2 && sum != f.SHA256; n++ {
		var err error
		if sum, err = u.sumOf(ctx, r, a); err != nil {
			return false, err
		}
	}
	if sum != f.SHA256 {
		return false, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.checked[key] = sum
	return true, nil
}

// sumOf downloads an asset and returns its sha256.
func (u *publisher) sumOf(ctx context.Context, r *Release, a Asset) (string, error) {
	body, err := u.host.Download(ctx, r, a)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if err := copyAsset(ctx, h, body, a); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// copyAsset reads all of an asset, and closes it.
func copyAsset(ctx context.Context, w io.Writer, body io.ReadCloser, a Asset) error {
	n, err := io.Copy(w, io.LimitReader(body, a.Size+1))
	_ = body.Close() // it was read, or its error is told
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var disk *fs.PathError
	switch {
	case n == a.Size && err == nil:
		return nil
	case err == nil:
		err = io.ErrUnexpectedEOF
	case errors.As(err, &disk):
		return fault.New(fault.Machine, "free some disk space", "download %s: %w", shown(a.Name), err)
	}
	// An error of the way may hold addresses: its first line says enough.
	return &Temporary{Err: fmt.Errorf("download %s: %d of %d bytes: %s", shown(a.Name), n, a.Size, plain.Line(err.Error(), 200))}
}

// upload sends files, some at a time.
func (u *publisher) upload(ctx context.Context, r *Release, files []File) error {
	return each(len(files), u.p.Parallel, func(i int) error { return u.send(ctx, r, files[i]) })
}

// send sends a file, if it is still what it was.
func (u *publisher) send(ctx context.Context, r *Release, f File) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	u.mu.Lock()
	n := u.sent[f.Name]
	u.mu.Unlock()
	if n >= sendings {
		return fault.New(fault.Machine, "run the same again later", "%s: %s was sent %d times, and other bytes came back each time", u.host.Name(), f.Name, n)
	}
	file, err := openSame(filepath.Join(u.p.Dir, f.Name), f)
	if err != nil {
		return err
	}
	defer file.Close() // only read
	a, err := u.host.Upload(ctx, r, f.Name, file)
	if errors.Is(err, ErrExists) {
		return &Temporary{Err: fmt.Errorf("%s: %w", f.Name, err)} // the next round looks what it is
	}
	if err != nil {
		return err
	}
	if a.Name != f.Name {
		return fault.New(fault.Usage, "rename the file", "%s published %s as %.100q", u.host.Name(), f.Name, a.Name)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sent[f.Name]++; n == 0 {
		u.res.Uploaded, u.res.Bytes = append(u.res.Uploaded, f.Name), u.res.Bytes+f.Size
	}
	return nil
}

// openSame opens a file that is still the one that was listed.
func openSame(path string, f File) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Machine, "run the same again", "publish: %w", err)
	}
	h := sha256.New()
	_, err = io.Copy(h, file)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	switch {
	case err != nil:
		err = fault.New(fault.Machine, "run the same again", "publish: %w", err)
	case hex.EncodeToString(h.Sum(nil)) != f.SHA256:
		err = fault.New(fault.Machine, "run the same again, and let nothing else write there", "publish: %s was changed since it was listed", path)
	default:
		return file, nil
	}
	_ = file.Close() // only read
	return nil, err
}

// published judges a release that all can see. It is ours and whole already, if
// this run proved its draft; else what is about the run itself may differ.
func (u *publisher) published(ctx context.Context, r *Release) (bool, error) {
	u.res.URL, u.res.Kept = r.URL, !u.ending
	bad := make([]string, len(u.p.Files))
	err := each(len(u.p.Files), u.p.Parallel, func(n int) error {
		f := u.p.Files[n]
		i := slices.IndexFunc(r.Assets, func(a Asset) bool { return a.Name == f.Name })
		if i < 0 || !r.Assets[i].Whole {
			bad[n] = f.Name + " is not there"
			return nil
		}
		if f.Run && u.res.Kept {
			return nil
		}
		same := r.Assets[i].Size == f.Size
		var err error
		if same {
			same, err = u.same(ctx, r, r.Assets[i], f)
		}
		if err == nil && !same {
			bad[n] = f.Name + " is another one"
		}
		return err
	})
	if err != nil {
		return false, err
	}
	for i, a := range r.Assets {
		if !slices.ContainsFunc(u.p.Files, func(f File) bool { return f.Name == a.Name }) {
			bad = append(bad, shown(a.Name)+" is none of ours")
		} else if slices.ContainsFunc(r.Assets[:i], func(b Asset) bool { return b.Name == a.Name }) {
			bad = append(bad, shown(a.Name)+" is there twice")
		}
	}
	if r.Commit != "" && u.p.Commit != "" && r.Commit != u.p.Commit {
		bad = append(bad, fmt.Sprintf("its tag is commit %.12s, and ours %.12s", plain.Line(r.Commit, 40), u.p.Commit))
	}
	return true, u.another(slices.DeleteFunc(bad, func(s string) bool { return s == "" }))
}

// another is the error of a published release that is not ours; nil: it is.
func (u *publisher) another(bad []string) error {
	if len(bad) == 0 {
		return nil
	}
	const most = 10
	if more := len(bad) - most; more > 0 {
		bad = append(bad[:most], fmt.Sprintf("and %d more", more))
	}
	return fault.New(fault.Usage, "make a new tag; a release that people may have is not replaced",
		"%s has published another release of tag %s: %s", u.host.Name(), u.p.Tag, strings.Join(bad, "; "))
}

// shown is a name from outside, for messages.
func shown(name string) string { return plain.Line(name, 100) }
