package fetch

import (
	"context"
	"fmt"

	"bzmage/internal/kernels"
)

// originIndex is the index of the store that says where a file came from.
const originIndex = "origin"

// httpSource downloads linux-<release>.tar.xz from kernel.org's CDN or one
// of its mirrors.
type httpSource struct {
	*fetcher
	name string
	urls []string
}

// addresses returns the source's addresses with the release filled in.
func (s *httpSource) addresses() []string {
	return kernels.Source{URLs: s.urls}.Addresses(s.Line.Release)
}

func (s *httpSource) available(ctx context.Context) error {
	if s.Offline {
		return errOffline
	}
	d := s.downloader()
	defer d.client.CloseIdleConnections()
	urls := s.addresses()
	answers, stop := d.each(ctx, urls, d.head)
	defer stop()
	var reasons reasons
	for i, u := range urls {
		err := <-answers[i]
		if err == nil {
			return nil
		}
		reasons.add(redact(u), err)
	}
	return fmt.Errorf("ask for the file:\n%w", reasons)
}

func (s *httpSource) fetch(ctx context.Context) (Archive, error) {
	sum := s.Line.SHA256
	unlock, err := s.store.lock(ctx, sum, s.lim)
	if err != nil {
		return Archive{}, err
	}
	defer unlock()
	// The one who held the lock may have downloaded it.
	if path, err := s.store.verified(ctx, sum); err == nil {
		return s.prove(ctx, s.pinned(path, s.name, path), false)
	}
	if s.Offline {
		return Archive{}, errOffline
	}
	p, err := openPartial(ctx, s.store, sum)
	if err != nil {
		return Archive{}, err
	}
	defer p.close()
	d := s.downloader()
	defer d.client.CloseIdleConnections()
	from, err := d.get(ctx, p, s.addresses(), sum)
	if err != nil {
		return Archive{}, err
	}
	path, err := s.store.put(p.path, sum, s.archiveName())
	if err != nil {
		return Archive{}, err
	}
	p.done()
	if err := s.store.remember(originIndex, sum, record{SHA256: sum, Origin: redact(from)}); err != nil {
		return Archive{}, err
	}
	return s.prove(ctx, s.pinned(path, s.name, redact(from)), true)
}
