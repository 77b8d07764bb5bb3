// Package fetch gets the source archive of a kernel line onto this machine.
//
// In goes a line of kernels.toml with the sources it names; out comes an
// [Archive]: a file or folder, and what is known of its origin. The sources
// are tried in the line's order. Each is one file of this package: cache,
// http (kernel.org and mirrors), github and package (the distribution's);
// KERNEL_SOURCE overrides them all.
//
// What it leaves behind lies in the cache folder: sha256/<hex>/<name> holds
// whole, verified files; partial/ holds downloads that were cut short, which
// the next run goes on with; proof/<hex>/ holds what signs a file; index/ says
// which sha256 a commit or a package version had, where a file came from, and
// which sources could not be reached a moment ago.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
	"bzmage/internal/key"
	"bzmage/internal/keyring"
)

// Proofs an archive can have.
const (
	Pinned     = kernels.Pinned
	SumsSigned = kernels.SumsSigned
	TarSigned  = kernels.TarSigned // made by package unpack, which sees the tar
	AptSigned  = "apt-signed"      // it is in a package that apt or dpkg vouches for
	GitHubTag  = "github-tag"      // GitHub says that the release's tag is this commit
)

// OverrideName is the Source of an archive that KERNEL_SOURCE named.
const OverrideName = "KERNEL_SOURCE"

// Params is what [Fetch] and [Available] need to know.
type Params struct {
	Line     kernels.Line
	Sources  map[string]kernels.Source // kernels.File.Sources
	Override string                    // KERNEL_SOURCE: a tarball or a folder; "" = none
	Offline  bool                      // ask nothing of the network
	Look     bool                      // write nothing, and ask nothing of the network: for a look at what is here
	Fresh    bool                      // ask also what could not be reached a moment ago
	Keys     keyring.Keys              // for sums-signed, and to know a signature for tar-signed
	Cache    string                    // bzmage's cache folder, created as needed
	Log      *logrus.Logger            // nil: silent
	Progress func(done, total int64)   // bytes; total is 0 if unknown; may be nil; called at most ten times a second
}

// Archive is a kernel source on this machine.
type Archive struct {
	Path    string   `json:"path"`             // the tarball, or the folder of KERNEL_SOURCE
	Folder  bool     `json:"folder,omitempty"` // Path is a folder
	Release string   `json:"release"`          // as far as known before unpacking: the pinned one or the package's; "" for an override
	SHA256  string   `json:"sha256,omitempty"` // of the file; empty for a folder
	Source  string   `json:"source"`           // the source's name in kernels.toml, or KERNEL_SOURCE
	Origin  string   `json:"origin"`           // an address, package=version, or a path
	Proofs  []string `json:"proofs"`           // empty: unverified

	// Signature is a file with a detached signature over the uncompressed tar,
	// by a key of the ring of developers, that package unpack checks: the
	// proof [TarSigned] and SignedBy, the key's fingerprint, are made there.
	Signature string `json:"signature,omitempty"`
	SignedBy  string `json:"signed_by,omitempty"`
}

// Verified says whether the archive is what kernels.toml pins, or what a
// kernel developer or the distribution signed.
func (a Archive) Verified() bool { return a.Has(Pinned) || a.Has(TarSigned) || a.Has(AptSigned) }

// Has says whether the archive has a proof.
func (a Archive) Has(proof string) bool { return slices.Contains(a.Proofs, proof) }

// source is one place an archive may come from.
type source interface {
	// available says quickly, and without a download, whether fetch could
	// deliver; nil means yes.
	available(ctx context.Context) error
	// fetch delivers the archive, verified as far as the source allows.
	fetch(ctx context.Context) (Archive, error)
}

// Fetch delivers the line's archive from the first of its sources that can,
// or what KERNEL_SOURCE names. A source that cannot is logged as a warning;
// when none can, the error lists the reason of each.
func Fetch(ctx context.Context, p Params) (Archive, error) {
	f := newFetcher(p)
	if !p.Look {
		defer func() { _ = f.store.hashes.Save() }() // or the next run reads the files again
	}
	return f.fetch(ctx)
}

// Available returns the name of the first source that could deliver the
// line's archive. It downloads nothing and takes a few seconds at most. The
// error says of each source why it cannot.
func Available(ctx context.Context, p Params) (string, error) {
	return newFetcher(p).available(ctx)
}

// fetcher is a call of Fetch or Available: its parameters, and what tests
// set differently.
type fetcher struct {
	Params
	store  store
	lim    limits
	getenv func(string) string
	debian debianPaths
}

func newFetcher(p Params) *fetcher {
	if p.Log == nil {
		p.Log = logrus.New()
		p.Log.SetOutput(io.Discard)
	}
	p.Progress = Throttle(p.Progress)
	p.Offline = p.Offline || p.Look
	return &fetcher{
		Params: p,
		store:  store{dir: p.Cache, log: p.Log, look: p.Look, hashes: key.NewHashes(filepath.Join(p.Cache, "index", "hashes.json"))},
		lim:    defaultLimits(),
		getenv: environment,
		debian: defaultDebianPaths(),
	}
}

// named is a source under its name in kernels.toml.
type named struct {
	name string
	kind string
	source
}

func (f *fetcher) sources() ([]named, error) {
	var list []named
	for _, name := range f.Line.Sources {
		s, ok := f.Sources[name]
		if !ok {
			return nil, fault.New(fault.Usage, "describe it in a [source."+name+"] of kernels.toml", "source %q of line %s is not described", name, f.Line.Name)
		}
		n := named{name: name, kind: s.Kind}
		switch s.Kind {
		case "cache":
			n.source = &cacheSource{f, name}
		case "http":
			n.source = &httpSource{f, name, s.URLs}
		case "github":
			n.source = &githubSource{f, name, s.Repository, s.API}
		case "package":
			n.source = &packageSource{f, name}
		default:
			return nil, fault.New(fault.Usage, "", "source %q has the unknown kind %q", name, s.Kind)
		}
		list = append(list, n)
	}
	return list, nil
}

func (f *fetcher) fetch(ctx context.Context) (Archive, error) {
	if f.Override != "" {
		return f.override(ctx)
	}
	list, err := f.sources()
	if err != nil {
		return Archive{}, err
	}
	var reasons reasons
	for _, s := range list {
		a, err := f.try(ctx, s)
		if ctx.Err() != nil {
			return Archive{}, fmt.Errorf("get linux %s: %w", f.Line.Release, context.Cause(ctx))
		}
		if err == nil {
			return a, nil
		}
		if errors.Is(err, errNotCached) || errors.Is(err, errAbsent) || errors.Is(err, errOffline) {
			f.Log.Debugf("%s: %v", s.name, err)
		} else {
			f.Log.Warnf("%s: %s", s.name, brief(err))
			f.Log.Debugf("%s: %v", s.name, err)
		}
		reasons.add(s.name, err)
	}
	if !f.Fresh && errors.Is(reasons, errAbsent) {
		f.Fresh = true // nothing else will do, so it is asked after all
		return f.fetch(ctx)
	}
	return Archive{}, f.verdict(reasons)
}

// brief returns an error with many lines as one: what was tried, and how the
// last try ended.
func brief(err error) string {
	lines := strings.Split(err.Error(), "\n")
	if len(lines) == 1 {
		return lines[0]
	}
	return lines[0] + " " + strings.TrimSpace(lines[len(lines)-1])
}

// verdict is the error of a fetch that no source could serve. A full disk
// is the machine's fault, wherever else the search went on.
func (f *fetcher) verdict(r reasons) error {
	kind := fault.Source
	if slices.ContainsFunc(r, func(e error) bool { return fault.KindOf(e) == fault.Machine }) {
		kind = fault.Machine
	}
	return fault.New(kind, r.hint(), "no source could deliver linux %s:\n%w", f.Line.Release, r)
}

func (f *fetcher) available(ctx context.Context) (string, error) {
	if f.Override != "" {
		return OverrideName, f.checkOverride()
	}
	list, err := f.sources()
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, f.lim.available)
	answers, wait := f.probe(limited, list)
	defer wait()
	defer cancel()
	var reasons reasons
	for i, answer := range answers {
		err := <-answer
		if ctx.Err() != nil {
			return "", fmt.Errorf("look for linux %s: %w", f.Line.Release, context.Cause(ctx))
		}
		if err == nil {
			return list[i].name, nil
		}
		reasons.add(list[i].name, err)
	}
	return "", f.verdict(reasons)
}

// probe asks all sources at once; the answers are in the order of list, and
// wait returns when no question is open. A cache at the head of the list is
// asked first: when it has the archive, nothing else is begun.
func (f *fetcher) probe(ctx context.Context, list []named) (answers []<-chan error, wait func()) {
	var wg sync.WaitGroup
	for i, s := range list {
		c := make(chan error, 1)
		answers = append(answers, c)
		if i > 0 || s.kind != "cache" {
			wg.Go(func() { c <- f.ask(ctx, s) })
			continue
		}
		err := s.available(ctx)
		if c <- err; err == nil {
			break
		}
	}
	return answers, wg.Wait
}

// reasons is why each source, or each address, could not deliver.
type reasons []error

func (r *reasons) add(who string, err error) { *r = append(*r, fmt.Errorf("%s: %w", who, err)) }

// Error returns one reason a line, indented so that lists may nest.
func (r reasons) Error() string {
	var b strings.Builder
	for i, e := range r {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("  " + strings.ReplaceAll(e.Error(), "\n", "\n  "))
	}
	return b.String()
}

// Unwrap returns the reasons, for [errors.Is] and [errors.As].
func (r reasons) Unwrap() []error { return r }

// hint joins what the reasons advise, each advice once.
func (r reasons) hint() string {
	var hints []string
	for _, e := range r {
		if h := fault.HintOf(e); h != "" && !slices.Contains(hints, h) {
			hints = append(hints, h)
		}
	}
	if len(hints) == 0 {
		return "connect to the network, or set KERNEL_SOURCE to a tarball or folder of the kernel"
	}
	return strings.Join(hints, "; or ")
}
