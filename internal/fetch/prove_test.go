package fetch

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
	"bzmage/internal/keyring"
	"bzmage/internal/testkeys"
)

// org is a real server laid out as kernel.org's.
type org struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte // by path; what is not here is not found
	gets  []string
}

func newOrg(t *testing.T, files map[string][]byte) *org {
	t.Helper()
	o := &org{files: files}
	o.Server = newServer(t, httptest.NewServer(o))
	return o
}

func (o *org) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	b, ok := o.files[r.URL.Path]
	if r.Method == http.MethodGet {
		o.gets = append(o.gets, r.URL.Path)
	}
	o.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(b)
}

// asked returns the paths of the GET requests since the last call.
func (o *org) asked() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.gets
	o.gets = nil
	return list
}

const (
	archivePath   = "/v5.x/linux-5.4.302.tar.xz"
	signaturePath = "/v5.x/linux-5.4.302.tar.sign"
	sumsPath      = "/v5.x/sha256sums.asc"
)

// signers are the keys of a test: a developer's, that of the sums, and one
// that nobody pinned.
type signers struct{ dev, sums, stranger testkeys.Signer }

func newSigners(t *testing.T) signers {
	return signers{testkeys.New(t, "dev", 0), testkeys.New(t, "sums", 0), testkeys.New(t, "stranger", 0)}
}

func (s signers) keys(t *testing.T) keyring.Keys {
	return testkeys.Keys(t, []testkeys.Signer{s.dev}, []testkeys.Signer{s.sums})
}

// list is a list of sums with the archive's among others.
func list(body []byte) string {
	return fmt.Sprintf("%s  linux-5.4.301.tar.xz\n%s  linux-5.4.302.tar.xz\n%s  linux-5.4.302.tar.xz.old\n",
		hexOf([]byte("a")), hexOf(body), hexOf([]byte("b")))
}

// served is what a good kernel.org serves. The signature is over a tar that
// nobody sees here; package unpack checks it.
func (s signers) served(t *testing.T, body []byte) map[string][]byte {
	return map[string][]byte{
		archivePath:   body,
		signaturePath: s.dev.Detached(t, []byte("the tar")),
		sumsPath:      s.sums.Clearsigned(t, list(body)),
	}
}

// orgFetcher returns a fetcher with a cache and servers as its sources.
func orgFetcher(t *testing.T, body []byte, keys keyring.Keys, servers ...*org) (*fetcher, *logBook) {
	t.Helper()
	var urls []string
	for _, o := range servers {
		urls = append(urls, o.URL+"/v{major}.x/linux-{release}.tar.xz")
	}
	f, book := testFetcher(t, body, map[string]kernels.Source{
		"cache": {Kind: "cache"}, "kernel.org": {Kind: "http", URLs: urls},
	}, "cache", "kernel.org")
	f.Keys = keys
	return f, book
}

func TestProofs(t *testing.T) {
	s, body := newSigners(t), payload(1000)
	for _, tt := range []struct {
		name   string
		demand string
		change func(files map[string][]byte)
		keys   keyring.Keys
		want   string // proofs and "signature", or the error
	}{
		{name: "all", want: "pinned sums-signed signature"},
		{name: "all demanded", demand: "pinned sums-signed tar-signed", want: "pinned sums-signed signature"},
		{name: "no keys", keys: keyring.Keys{Dir: "x"}, want: "pinned"},
		{name: "no keys, demanded", keys: keyring.Keys{Dir: "x"}, demand: "pinned tar-signed", want: "no key"},
		{name: "sums key missing", keys: testkeys.Keys(t, []testkeys.Signer{s.dev}, nil), want: "pinned signature"},
		{name: "sums key missing, demanded", keys: testkeys.Keys(t, []testkeys.Signer{s.dev}, nil), demand: "sums-signed", want: "cannot be proved to be sums-signed"},
		{name: "no signature", change: func(f map[string][]byte) { delete(f, signaturePath) }, want: "no mirror has a signature"},
		{name: "no signature, not demanded", demand: "pinned", change: func(f map[string][]byte) { delete(f, signaturePath) }, want: "pinned sums-signed"},
		{name: "signature by the sums' key", change: func(f map[string][]byte) { f[signaturePath] = s.sums.Detached(t, nil) }, want: "not in the ring"},
		{name: "signature by a stranger", change: func(f map[string][]byte) { f[signaturePath] = s.stranger.Detached(t, nil) }, want: "not in the ring"},
		{name: "signature is a page", change: func(f map[string][]byte) { f[signaturePath] = []byte("<html>") }, want: "no armored signature"},
		{name: "signature is huge", change: func(f map[string][]byte) { f[signaturePath] = payload(keyring.SignatureMax + 1) }, want: "pinned sums-signed"},
		{name: "no list", change: func(f map[string][]byte) { delete(f, sumsPath) }, want: "pinned signature"},
		{name: "no list, demanded", demand: "sums-signed", change: func(f map[string][]byte) { delete(f, sumsPath) }, want: "404 Not Found"},
		{name: "list by a developer", demand: "sums-signed", change: func(f map[string][]byte) { f[sumsPath] = s.dev.Clearsigned(t, list(body)) }, want: "not in the ring"},
		{name: "list without it", demand: "sums-signed", change: func(f map[string][]byte) {
			f[sumsPath] = s.sums.Clearsigned(t, hexOf(body)+"  xlinux-5.4.302.tar.xz\n"+hexOf(body)+"  linux-5x4.302.tar.xz\n")
		}, want: "the signed list has no linux-5.4.302.tar.xz"},
		{name: "listed outside the signed text", demand: "sums-signed", change: func(f map[string][]byte) {
			f[sumsPath] = append([]byte(list(body)), s.sums.Clearsigned(t, hexOf(body)+"  other\n")...)
		}, want: "the signed list has no"},
		{name: "list of another sum", demand: "pinned", change: func(f map[string][]byte) { f[sumsPath] = s.sums.Clearsigned(t, list([]byte("x"))) }, want: "kernels.toml pins " + hexOf(body)},
		{name: "wrong archive, right lists", change: func(f map[string][]byte) { f[archivePath] = payload(1001) }, want: "its sha256 is"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := s.served(t, body)
			if tt.change != nil {
				tt.change(files)
			}
			keys := s.keys(t)
			if tt.keys.Dir != "" {
				keys = tt.keys
			}
			o := newOrg(t, files)
			f, book := orgFetcher(t, body, keys, o)
			f.Line.Demand = strings.Fields(tt.demand)
			for run, source := range []string{"kernel.org", "cache"} { // the second time from the cache: the same verdict
				a, err := f.fetch(t.Context())
				if err != nil {
					if !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != fault.Source || fault.HintOf(err) == "" {
						t.Fatalf("run %d: got %v, want %q\n%s", run, err, tt.want, book)
					}
					continue
				}
				got := a.Proofs
				if a.Signature != "" {
					got = append(got, "signature")
				}
				if strings.Join(got, " ") != tt.want || a.Source != source {
					t.Errorf("run %d: got %q from %s, want %q\n%s", run, got, a.Source, tt.want, book)
				}
			}
		})
	}
}

// All that was proved once is proved again without a network.
func TestProofsAreKept(t *testing.T) {
	s, body := newSigners(t), payload(1000)
	o := newOrg(t, s.served(t, body))
	f, _ := orgFetcher(t, body, s.keys(t), o)
	if _, err := f.fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := o.asked(); !slices.Equal(got, []string{archivePath, signaturePath, sumsPath}) {
		t.Errorf("asked for %q", got)
	}
	for _, offline := range []bool{false, true} {
		f.Offline = offline
		f.Line.Demand = kernels.Proofs()
		a, err := f.fetch(t.Context())
		if err != nil || !a.Has(SumsSigned) || a.Signature == "" || a.Source != "cache" {
			t.Errorf("got %+v, %v", a, err)
		}
	}
	if got := o.asked(); len(got) > 0 {
		t.Errorf("the cached archive asked for %q", got)
	}
}

// A mirror that lacks the signature is passed over for one that has it.
func TestSignatureOfTheNextMirror(t *testing.T) {
	s, body := newSigners(t), payload(1000)
	files := s.served(t, body)
	delete(files, signaturePath)
	a, b := newOrg(t, files), newOrg(t, s.served(t, body))
	f, _ := orgFetcher(t, body, s.keys(t), a, b)
	got, err := f.fetch(t.Context())
	if err != nil || got.Signature == "" || !strings.HasPrefix(got.Origin, a.URL) {
		t.Errorf("got %+v, %v", got, err)
	}
	if asked := b.asked(); !slices.Equal(asked, []string{signaturePath}) {
		t.Errorf("the second mirror was asked for %q", asked)
	}
}

// OFFLINE asks nobody, whatever is missing.
func TestOffline(t *testing.T) {
	s, body := newSigners(t), payload(1000)
	o := newOrg(t, s.served(t, body))
	f, _ := orgFetcher(t, body, s.keys(t), o)
	f.Sources["github"] = kernels.Source{Kind: "github", Repository: "o/r", API: o.URL}
	f.Line.Sources = append(f.Line.Sources, "github")
	f.Offline = true
	for name, call := range map[string]func() error{
		"fetch":     func() error { _, err := f.fetch(t.Context()); return err },
		"available": func() error { _, err := f.available(t.Context()); return err },
		"pin":       func() error { _, err := Candidate(t.Context(), f.Params); return err },
		"releases":  func() error { _, err := Releases(t.Context(), f.Params); return err },
	} {
		if err := call(); err == nil || name != "releases" && !strings.Contains(err.Error(), "OFFLINE") && !strings.Contains(fault.HintOf(err), "OFFLINE") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The archive in the cache does, without its signature unless that is demanded.
	seed(t, f, hexOf(body), body)
	if a, err := f.fetch(t.Context()); err != nil || a.Signature != "" || !a.Has(Pinned) {
		t.Errorf("got %+v, %v", a, err)
	}
	f.Line.Demand = []string{TarSigned}
	if _, err := f.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "OFFLINE") {
		t.Errorf("got %v", err)
	}
	if got := o.asked(); len(got) > 0 {
		t.Errorf("it asked for %q", got)
	}
}

// A source that could not be reached is not asked by the next run, as long as
// another one delivers; when none does, it is asked after all.
func TestAbsentIsRemembered(t *testing.T) {
	body := payload(1000)
	good := newMirror(t, body)
	dead := kernels.Source{Kind: "http", URLs: []string{"http://127.0.0.1:1/x", "http://no-such-host.invalid/x"}}
	f, book := testFetcher(t, body, map[string]kernels.Source{
		"dead": dead, "good": {Kind: "http", URLs: []string{good.URL}},
	}, "dead", "good")
	for range 2 {
		if name, err := f.available(t.Context()); err != nil || name != "good" {
			t.Fatal(name, err)
		}
	}
	if err := f.absent(named{name: "dead", kind: "http"}); err == nil {
		t.Fatal("nothing was remembered")
	}
	if err := f.absent(named{name: "good", kind: "http"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.fetch(t.Context()); err != nil || strings.Contains(book.String(), "warning") {
		t.Errorf("%v\n%s", err, book)
	}
	// Other addresses are another source.
	f.Sources["dead"] = kernels.Source{Kind: "http", URLs: []string{good.URL}}
	if err := f.absent(named{name: "dead", kind: "http"}); err != nil {
		t.Error(err)
	}
	f.Sources["dead"], f.Line.Sources = dead, []string{"dead"}
	if err := os.RemoveAll(f.store.folder(hexOf(body))); err != nil {
		t.Fatal(err)
	}
	if _, err := f.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("it was not asked again: %v", err)
	}
}
