package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"bzmage/internal/fault"
)

// File is a file to publish.
type File struct {
	Name   string
	Size   int64
	SHA256 string
	Run    bool // about the run that made it: another run makes another one
}

// Params is what is published.
type Params struct {
	Description
	Dir      string
	Files    []File
	Parallel int // uploads at once; 0: four
	Log      *logrus.Logger
	Wait     func(context.Context, time.Duration) error // nil: as long as it says
}

// Result is what was done.
type Result struct {
	URL      string
	Kept     bool // it was published already, with the same files
	Uploaded int  // files that were sent
	Found    int  // files that were there already
	Removed  int  // files of an earlier try that were wrong, cut short, or none of ours
	Bytes    int64
}

// String is the result for people.
func (r Result) String() string {
	if r.Kept {
		return "published already, the same: " + r.URL
	}
	return fmt.Sprintf("published: %s (%d files sent, %.1f MB; %d were there; %d replaced or removed)", r.URL, r.Uploaded, float64(r.Bytes)/1e6, r.Found, r.Removed)
}

// Limits of GitHub's releases; GitLab's are wider.
const (
	mostAssets = 1000
	assetMax   = 2<<30 - 1
)

// rounds is how often the host is looked at again. Each round sends what is
// missing then, so that any number of failures of one kind costs one round.
const rounds = 8

// publisher is one publication.
type publisher struct {
	p       Params
	host    Host
	waits   waits
	mu      sync.Mutex
	checked map[string]string // asset's ID: the sha256 of what the host sent back
	sent    map[string]bool   // assets' IDs that this run sent
	res     Result
}

// Publish puts the files up. The host is looked at first, and again after each
// step: what is right there is kept, what is not is replaced, and the draft is
// published when every byte of it came back as it was sent. So it does not
// matter how far an earlier run came, or whether an answer was lost.
//
// A published release is never touched: the same files are success, others an
// error.
func Publish(ctx context.Context, h Host, p Params) (Result, error) {
	if err := limits(p.Files); err != nil {
		return Result{}, err
	}
	if p.Parallel <= 0 {
		p.Parallel = 4
	}
	u := &publisher{p: p, host: h, checked: map[string]string{}, sent: map[string]bool{}, waits: waits{sleep: p.Wait, log: p.Log}}
	last := errors.New("the host does not show what it was sent")
	for range rounds {
		done, err := u.round(ctx)
		if done || ctx.Err() != nil {
			return u.res, err
		}
		if err == nil {
			continue
		}
		last = err
		if err := u.waits.before(ctx, h.Name(), err); err != nil {
			return u.res, err
		}
	}
	return u.res, fault.New(fault.Machine, "run the same again: it goes on where this run ended", "publish to %s: still not done after %d rounds: %w", h.Name(), rounds, last)
}

func limits(files []File) error {
	if len(files) > mostAssets {
		return fault.New(fault.Usage, "", "a release has at most %d files, not %d", mostAssets, len(files))
	}
	for _, f := range files {
		if f.Size > assetMax || f.Size == 0 {
			return fault.New(fault.Usage, "leave debug info out, or split it", "%s has %d bytes; a file of a release has 1 to %d", f.Name, f.Size, assetMax)
		}
	}
	return nil
}

// round looks at the host and does what is to be done next. Done says that
// there is nothing more.
func (u *publisher) round(ctx context.Context) (done bool, err error) {
	r, err := u.host.Find(ctx, u.p.Tag)
	if err != nil {
		return final(err), err
	}
	if r == nil {
		if r, err = u.host.Create(ctx, u.p.Description); err != nil {
			return final(err), err
		}
	}
	if !r.Draft {
		return u.published(ctx, r)
	}
	missing, wrong, err := u.compare(ctx, r)
	if err != nil {
		return final(err), err
	}
	for _, a := range wrong {
		if err := u.host.Remove(ctx, r, a); err != nil {
			return final(err), err
		}
		u.res.Removed++
	}
	if len(missing) > 0 {
		err := u.upload(ctx, r, missing)
		return err != nil && final(err), err
	}
	if len(wrong) > 0 {
		return false, nil
	}
	u.res.Found = len(u.p.Files) - u.res.Uploaded
	_, err = u.host.Publish(ctx, r, u.p.Description)
	return err != nil && final(err), err // the next round sees it published
}

// final says that no other round would help.
func final(err error) bool {
	var t *Temporary
	return !errors.As(err, &t)
}

// compare holds what the host has against the files: which are missing there,
// and which assets are none of ours, not whole, or other bytes.
func (u *publisher) compare(ctx context.Context, r *Release) (missing []File, wrong []Asset, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(u.p.Parallel)
	right := make([]bool, len(r.Assets))
	for i, a := range r.Assets {
		n := slices.IndexFunc(u.p.Files, func(f File) bool { return f.Name == a.Name })
		if n < 0 || !a.Whole || a.Size != u.p.Files[n].Size {
			continue
		}
		g.Go(func() error {
			sum, err := u.sumOf(gctx, r, a)
			right[i] = sum == u.p.Files[n].SHA256
			return err
		})
	}
	if err := g.Wait(); err != nil {
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
	for _, f := range u.p.Files {
		if !have[f.Name] {
			missing = append(missing, f)
		}
	}
	return missing, wrong, nil
}

// sumOf downloads an asset and returns its sha256, once in a run.
func (u *publisher) sumOf(ctx context.Context, r *Release, a Asset) (string, error) {
	u.mu.Lock()
	sum := u.checked[a.ID]
	u.mu.Unlock()
	if sum != "" {
		return sum, nil
	}
	body, err := u.host.Download(ctx, r, a)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(body, a.Size+1))
	_ = body.Close() // it was read, or its error is told
	if err != nil || n != a.Size {
		return "", &Temporary{Err: fmt.Errorf("download %s again: %d of %d bytes: %w", a.Name, n, a.Size, orShort(err))}
	}
	sum = hex.EncodeToString(h.Sum(nil))
	u.mu.Lock()
	u.checked[a.ID] = sum
	u.mu.Unlock()
	return sum, nil
}

func orShort(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// upload sends files, some at a time. All are tried, whatever becomes of one.
func (u *publisher) upload(ctx context.Context, r *Release, files []File) error {
	errs := make([]error, len(files))
	var g errgroup.Group
	g.SetLimit(u.p.Parallel)
	for i, f := range files {
		g.Go(func() error { errs[i] = u.send(ctx, r, f); return nil })
	}
	_ = g.Wait() // the errors are in errs
	for _, err := range errs {
		if err != nil && final(err) {
			return err
		}
	}
	return errors.Join(errs...)
}

func (u *publisher) send(ctx context.Context, r *Release, f File) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	path := filepath.Join(u.p.Dir, f.Name)
	file, err := os.Open(path)
	if err != nil {
		return fault.New(fault.Machine, "run the same again", "publish: %w", err)
	}
	defer file.Close() // only read
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return fault.New(fault.Machine, "run the same again", "publish: %w", err)
	}
	if hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return fault.New(fault.Machine, "run the same again, and let nothing else write there", "publish: %s was changed", path)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	a, err := u.host.Upload(ctx, r, f.Name, file)
	if errors.Is(err, ErrExists) {
		return &Temporary{Err: err} // the next round looks what it is
	}
	if err == nil {
		u.mu.Lock()
		u.res.Uploaded, u.res.Bytes, u.sent[a.ID] = u.res.Uploaded+1, u.res.Bytes+f.Size, true
		u.mu.Unlock()
	}
	return err
}

// published judges a release that all can see.
func (u *publisher) published(ctx context.Context, r *Release) (bool, error) {
	u.res.URL = r.URL
	u.res.Kept = u.res.Uploaded+u.res.Found == 0
	var bad []string
	for _, f := range u.p.Files {
		i := slices.IndexFunc(r.Assets, func(a Asset) bool { return a.Name == f.Name })
		if i < 0 || !r.Assets[i].Whole {
			bad = append(bad, f.Name+" is not there")
			continue
		}
		if f.Run && u.res.Kept {
			continue
		}
		sum, err := u.sumOf(ctx, r, r.Assets[i])
		if err != nil {
			return final(err), err
		}
		if sum != f.SHA256 {
			bad = append(bad, f.Name+" is another one")
		}
	}
	for _, a := range r.Assets {
		if !slices.ContainsFunc(u.p.Files, func(f File) bool { return f.Name == a.Name }) {
			bad = append(bad, a.Name+" is none of ours")
		}
	}
	if r.Commit != "" && u.p.Commit != "" && r.Commit != u.p.Commit {
		bad = append(bad, fmt.Sprintf("its tag is commit %.12s, and ours %.12s", r.Commit, u.p.Commit))
	}
	if len(bad) == 0 {
		return true, nil
	}
	const most = 10
	if len(bad) > most {
		bad = append(bad[:most], "and more")
	}
	return true, fault.New(fault.Usage, "make a new tag; a release that people may have is not replaced",
		"%s has published another release of tag %s: %s", u.host.Name(), u.p.Tag, strings.Join(bad, "; "))
}
