package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bzmage/internal/fault"
	"bzmage/internal/keyring"
)

// Candidate gets the archive of p.Line.Release, whose sha256 nobody has pinned
// yet, from the line's http sources. The sha256 is that of kernel.org's signed
// list; without the list's key it is that of the file, which then proves
// nothing until package unpack has checked its Signature.
//
// The archive has one of the two, and all that the line demands but what
// package unpack checks.
func Candidate(ctx context.Context, p Params) (Archive, error) {
	p.Fresh = true
	f := newFetcher(p)
	if f.Offline {
		return Archive{}, fault.New(fault.Usage, "unset OFFLINE", "a release is pinned only after kernel.org was asked")
	}
	f.Line.SHA256 = ""
	sums, list, err := f.signedList(ctx)
	switch {
	case err == nil:
		return f.listedCandidate(ctx, sums, list)
	case ctx.Err() != nil:
		return Archive{}, context.Cause(ctx)
	case f.Keys.Ring(keyring.Sums).Usable() || f.demands(SumsSigned):
		return Archive{}, fault.New(fault.Source, f.otherPolicy(), "get kernel.org's signed list for linux %s: %w", f.Line.Release, err)
	case !f.Keys.Ring(keyring.Developers).Usable():
		return Archive{}, fault.New(fault.Source, "put a key into "+f.Keys.Dir, "nothing could prove linux %s: %w; %w", f.Line.Release, err, f.Keys.Missing(keyring.Developers))
	}
	f.Log.Debugf("no signed list: %v", err)
	return f.unlistedCandidate(ctx)
}

// listedCandidate gets the file that the signed list names.
func (f *fetcher) listedCandidate(ctx context.Context, sums map[string]string, list []byte) (Archive, error) {
	sum, ok := sums[f.archiveName()]
	if !ok {
		return Archive{}, fault.New(fault.Usage, "choose a release that is there", "kernel.org's signed list has no %s", f.archiveName())
	}
	f.Line.SHA256 = sum
	if err := f.store.keepEvidence(f.store.evidence(sum, sumsName), list); err != nil {
		return Archive{}, err
	}
	return f.fromHTTP(func(s *httpSource) (Archive, error) { return s.fetch(ctx) })
}

// unlistedCandidate gets a file and takes its sha256 as it is. A developer's
// signature must come with it.
func (f *fetcher) unlistedCandidate(ctx context.Context) (Archive, error) {
	a, err := f.fromHTTP(func(s *httpSource) (Archive, error) { return s.unpinned(ctx) })
	if err != nil {
		return Archive{}, err
	}
	f.Line.SHA256 = a.SHA256
	f.Line.Demand = append(slices.DeleteFunc(slices.Clone(f.Line.Demand), func(d string) bool { return d == Pinned || d == TarSigned }), TarSigned)
	return f.prove(ctx, a, true)
}

// fromHTTP calls get with the line's http sources until one delivers.
func (f *fetcher) fromHTTP(get func(*httpSource) (Archive, error)) (Archive, error) {
	list, err := f.sources()
	if err != nil {
		return Archive{}, err
	}
	var reasons reasons
	for _, n := range list {
		s, ok := n.source.(*httpSource)
		if !ok {
			continue
		}
		a, err := get(s)
		if err == nil {
			return a, nil
		}
		reasons.add(n.name, err)
	}
	if len(reasons) == 0 {
		reasons.add("line "+f.Line.Name, errors.New("it has no source of the kind http"))
	}
	return Archive{}, f.verdict(reasons)
}

// unpinned downloads the archive whatever its sha256 is. It is in nobody's way
// in the cache: its place is its own sha256.
func (s *httpSource) unpinned(ctx context.Context) (Archive, error) {
	key := safeName(s.archiveName())
	unlock, err := s.store.lock(ctx, key, s.lim)
	if err != nil {
		return Archive{}, err
	}
	defer unlock()
	p, err := openPartial(ctx, s.store, key)
	if err != nil {
		return Archive{}, err
	}
	defer p.close()
	// Without a pin nobody could tell whether an earlier run's bytes are good.
	if err := p.restart(meta{}); err != nil {
		return Archive{}, err
	}
	d := s.downloader()
	defer d.client.CloseIdleConnections()
	from, err := d.get(ctx, p, s.addresses(), "")
	if err != nil {
		return Archive{}, err
	}
	sum := p.sum()
	path, err := s.store.put(p.path, sum, s.archiveName())
	if err != nil {
		return Archive{}, err
	}
	p.done()
	if err := s.store.remember(originIndex, sum, record{SHA256: sum, Origin: redact(from)}); err != nil {
		return Archive{}, fmt.Errorf("remember where %s came from: %w", path, err)
	}
	return Archive{Path: path, Release: s.Line.Release, SHA256: sum, Source: s.name, Origin: redact(from), Proofs: []string{}}, nil
}
