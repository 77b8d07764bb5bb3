package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/hashicorp/go-version"

	"bzmage/internal/keyring"
)

// releasesMax is how many bytes a releases.json may have; it has 10 kB.
const releasesMax = 1 << 20

var reReleased = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,4}(\.[0-9]{1,4})?$`)

// Known is a release that kernel.org's releases.json lists: the newest of a
// line that is alive, or that has just ended.
type Known struct {
	Version string
	EOL     bool // its line has reached its end of life
}

// ParseReleases reads a releases.json (https://www.kernel.org/releases.json).
// What is no release of the form 6.1 or 6.1.3, such as linux-next's and
// release candidates, is left out.
func ParseReleases(text []byte) ([]Known, error) {
	var file struct {
		Releases []struct {
			Version string `json:"version"`
			EOL     bool   `json:"iseol"`
		} `json:"releases"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("it is no releases.json: %w", err)
	}
	if len(file.Releases) == 0 {
		return nil, errors.New("it is no releases.json: it lists nothing")
	}
	var all []Known
	for _, r := range file.Releases {
		if reReleased.MatchString(r.Version) {
			all = append(all, Known{r.Version, r.EOL})
		}
	}
	return all, nil
}

// Releases asks the line's sources for a releases.json.
func Releases(ctx context.Context, p Params) ([]Known, error) {
	f := newFetcher(p)
	var all []Known
	list, err := f.sources()
	if err != nil {
		return nil, err
	}
	var sites []site
	for _, n := range list {
		if u := f.Sources[n.name].Releases; u != "" && n.kind == "http" {
			sites = append(sites, site{n, []string{u}})
		}
	}
	_, err = f.small(ctx, sites, releasesMax, func(b []byte) (err error) {
		all, err = ParseReleases(b)
		return err
	})
	return all, err
}

// Listed returns the releases in kernel.org's signed list that belong to the
// line.
func Listed(ctx context.Context, p Params) ([]string, error) {
	sums, err := Sums(ctx, p)
	return slices.Collect(maps.Keys(sums)), err
}

// Sums returns the releases of the line in kernel.org's signed list, each with
// the sha256 of its .tar.xz.
func Sums(ctx context.Context, p Params) (map[string]string, error) {
	f := newFetcher(p)
	sums, _, err := f.signedList(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for name, sum := range sums {
		if m := reArchive.FindStringSubmatch(name); m != nil && f.Line.Check(m[1]) == nil {
			all[m[1]] = sum
		}
	}
	return all, nil
}

// Packaged returns the newest release of the line that the distribution has as
// a package; empty: the line takes none. Installed or not, apt's lists are
// asked, which are as old as the last apt-get update.
func Packaged(ctx context.Context, p Params) (string, error) {
	f := newFetcher(p)
	list, err := f.sources()
	if err != nil || f.Line.Accept == "" {
		return "", err
	}
	for _, n := range list {
		if s, ok := n.source.(*packageSource); ok {
			v, err := s.candidate(ctx)
			if err != nil {
				return "", err
			}
			return upstream(v)
		}
	}
	return "", nil
}

var reArchive = regexp.MustCompile(`^linux-([0-9]{1,3}\.[0-9]{1,4}(?:\.[0-9]{1,4})?)\.tar\.xz$`)

// signedList asks for the signed list in the folder of the line's release.
func (f *fetcher) signedList(ctx context.Context) (sums map[string]string, list []byte, err error) {
	ring := f.Keys.Ring(keyring.Sums)
	if !ring.Usable() {
		return nil, nil, f.Keys.Missing(keyring.Sums)
	}
	list, err = f.small(ctx, f.beside(besideSums), sumsMax, func(b []byte) (err error) {
		sums, err = signedSums(ring, b)
		return err
	})
	return sums, list, err
}

// NewestOf returns the newest of releases that constraint allows and any says
// yes to, or "".
func NewestOf(releases []string, constraint version.Constraints, any func(release string) bool) string {
	var best *version.Version
	name := ""
	for _, r := range releases {
		v, err := version.NewVersion(r)
		if err != nil || !constraint.Check(v) || !any(r) || best != nil && !v.GreaterThan(best) {
			continue
		}
		best, name = v, r
	}
	return name
}
