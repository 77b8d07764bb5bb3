package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"bzmage/internal/fault"
)

// absentFor is how long a source that could not be reached is left alone, as
// long as another one delivers.
const absentFor = 30 * time.Minute

// absentIndex is the index of the store with the sources that could not be
// reached.
const absentIndex = "absent"

var (
	// errAbsent says that a source could not be reached a moment ago.
	errAbsent = errors.New("it could not be reached")
	// errOffline says that a source is not asked because of OFFLINE.
	errOffline = fault.New(fault.Source, "unset OFFLINE, or set KERNEL_SOURCE to a tarball or folder of the kernel",
		"OFFLINE is set, and it is not in the cache")
)

// remote says whether a source is asked over the network at each fetch. A
// distribution's package is not: apt's lists and installed files are here.
func (n named) remote() bool { return n.kind == "http" || n.kind == "github" }

// try fetches from a source, unless it could not be reached a moment ago.
func (f *fetcher) try(ctx context.Context, s named) (Archive, error) {
	if err := f.absent(s); err != nil {
		return Archive{}, err
	}
	a, err := s.fetch(ctx)
	f.noteReach(ctx, s, err)
	return a, err
}

// ask asks whether a source could deliver, unless it could not be reached a
// moment ago.
func (f *fetcher) ask(ctx context.Context, s named) error {
	if err := f.absent(s); err != nil {
		return err
	}
	err := s.available(ctx)
	f.noteReach(ctx, s, err)
	return err
}

// absent returns an error that is errAbsent if the source could not be reached
// from this network a moment ago.
func (f *fetcher) absent(s named) error {
	if !s.remote() || f.Fresh || f.Offline {
		return nil
	}
	r, ok := f.store.lookup(absentIndex, f.absentKey(s))
	at, err := time.Parse(time.RFC3339, r.Origin)
	ago := time.Since(at)
	if !ok || err != nil || ago < 0 || ago > absentFor {
		return nil
	}
	return fmt.Errorf("%w %v ago and is asked again after %s", errAbsent, ago.Round(time.Second), at.Add(absentFor).Local().Format("15:04"))
}

// noteReach remembers or forgets that a source cannot be reached.
func (f *fetcher) noteReach(ctx context.Context, s named, err error) {
	if !s.remote() || f.Offline || ctx.Err() != nil {
		return
	}
	key := f.absentKey(s)
	if err == nil || !allUnreachable(err) {
		_ = os.Remove(f.store.recordPath(absentIndex, key))
		return
	}
	at := time.Now().UTC().Format(time.RFC3339)
	if err := f.store.remember(absentIndex, key, record{SHA256: hexOfNothing, Origin: at}); err != nil {
		f.Log.Debugf("remember that %s cannot be reached: %v", s.name, err)
	}
}

// hexOfNothing stands where a record must have a sha256 and there is no file.
var hexOfNothing = fmt.Sprintf("%x", sha256.Sum256(nil))

// absentKey names a source as it is asked from this network: with other
// addresses, another network, name server or proxy it may be reached.
func (f *fetcher) absentKey(s named) string {
	h := sha256.New()
	text, _ := json.Marshal(f.Sources[s.name])
	h.Write(text)
	for _, path := range []string{"/etc/resolv.conf", "/proc/net/route", "/proc/net/ipv6_route"} {
		b, _ := os.ReadFile(path)
		h.Write(b)
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY"} {
		fmt.Fprintf(h, "%s=%s\n", name, f.getenv(name))
	}
	return s.name + "@" + hexSum(h)[:16]
}

// allUnreachable says that err is about connections that did not come about,
// and about nothing else.
func allUnreachable(err error) bool {
	var list reasons
	if !errors.As(err, &list) {
		return unreachable(err)
	}
	for _, e := range list {
		if !allUnreachable(errors.Unwrap(e)) {
			return false
		}
	}
	return len(list) > 0
}
