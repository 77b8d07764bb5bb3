package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"bzmage/internal/fetch/disk"
)

// evidence returns the place of a file that proves something of the file with
// that sha256.
func (s store) evidence(sum, name string) string { return filepath.Join(s.dir, "proof", sum, name) }

// readEvidence checks a file of evidence that was kept.
func (s store) readEvidence(path string, limit int64, check func([]byte) error) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return errNotCached
	}
	if err != nil {
		return err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return err
	}
	return check(b)
}

// keepEvidence keeps a file of evidence for the runs to come.
func (s store) keepEvidence(path string, b []byte) error {
	if err := s.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	return disk.Classify(renameio.WriteFile(path, b, 0o644), s.dir)
}

// site is the addresses of one source for one file.
type site struct {
	named
	urls []string
}

// beside returns the addresses of a file that lies beside the archive, for
// each http source of the line in order; other derives one from the archive's
// address, and returns "" where there is none.
func (f *fetcher) beside(other func(string) string) []site {
	var sites []site
	list, err := f.sources()
	if err != nil {
		return nil
	}
	for _, n := range list {
		h, ok := n.source.(*httpSource)
		if !ok {
			continue
		}
		s := site{named: n}
		for _, u := range h.addresses() {
			if o := other(u); o != "" {
				s.urls = append(s.urls, o)
			}
		}
		if len(s.urls) > 0 {
			sites = append(sites, s)
		}
	}
	return sites
}

// small gets a small file from the first address that has one which check
// accepts.
func (f *fetcher) small(ctx context.Context, sites []site, limit int64, check func([]byte) error) ([]byte, error) {
	if f.Offline {
		return nil, errOffline
	}
	var all reasons
	for _, s := range sites {
		err := f.absent(s.named)
		var b []byte
		if err == nil {
			b, err = f.smallFrom(ctx, s.urls, limit, check)
			f.noteReach(ctx, s.named, err)
		}
		if err == nil || ctx.Err() != nil {
			return b, err
		}
		all.add(s.name, err)
	}
	if len(all) == 0 {
		return nil, errors.New("no source has an address for it")
	}
	return nil, all
}

func (f *fetcher) smallFrom(ctx context.Context, urls []string, limit int64, check func([]byte) error) ([]byte, error) {
	d := f.downloader()
	defer d.client.CloseIdleConnections()
	reach, stop := d.reach(ctx, urls)
	defer stop()
	var all reasons
	for i, u := range urls {
		err := <-reach[i]
		var b []byte
		if err == nil {
			b, err = d.smallRetry(ctx, u, limit)
		}
		if err == nil {
			if err = check(b); err == nil {
				return b, nil
			}
			err = &badAnswer{err}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		all.add(redact(u), err)
	}
	return nil, fmt.Errorf("ask for it:\n%w", all)
}

// smallRetry gets a small file, again where that may help.
func (d *downloader) smallRetry(ctx context.Context, u string, limit int64) ([]byte, error) {
	for n := 1; ; n++ {
		b, err := d.smallOnce(ctx, u, limit)
		if err == nil || ctx.Err() != nil {
			return b, err
		}
		wait, again := retry(err, n, d.lim)
		if !again || n >= d.lim.attempts {
			return nil, err
		}
		if err := d.lim.pause(ctx, n, wait); err != nil {
			return nil, err
		}
	}
}

func (d *downloader) smallOnce(ctx context.Context, u string, limit int64) ([]byte, error) {
	inner, cancel := context.WithTimeoutCause(ctx, d.lim.stall, fmt.Errorf("no whole answer in %v", d.lim.stall))
	defer cancel()
	res, err := d.request(inner, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, &statusError{code: res.StatusCode, retryAfter: retryAfter(res.Header, time.Now())}
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = &permanentError{fmt.Errorf("it has more than %d bytes", limit)}
	}
	return b, err
}
