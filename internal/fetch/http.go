package fetch

import (
	"context"
	"fmt"
	"strings"
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
	release := published(s.Line.Release)
	major, _, _ := strings.Cut(release, ".")
	fill := strings.NewReplacer("{release}", release, "{major}", major)
	list := make([]string, len(s.urls))
	for i, u := range s.urls {
		list[i] = fill.Replace(u)
	}
	return list
}

// published returns a release as kernel.org names its file and its tag: the
// first of a line is 5.4 there, though its Makefile says 5.4.0.
func published(release string) string {
	if parts := strings.Split(release, "."); len(parts) == 3 && parts[2] == "0" {
		return parts[0] + "." + parts[1]
	}
	return release
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
