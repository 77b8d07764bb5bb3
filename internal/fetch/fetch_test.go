package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
)

// hexOf returns the sha256 of b.
func hexOf(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// payload is a file of n bytes that begins like a .tar.xz and repeats nowhere.
func payload(n int) []byte {
	b := make([]byte, 0, n+32)
	b = append(b, "\xfd7zXZ\x00"...)
	for sum := sha256.Sum256(nil); len(b) < n; sum = sha256.Sum256(sum[:]) {
		b = append(b, sum[:]...)
	}
	return b[:n]
}

// logBook collects log lines; it is safe for the goroutines of a test.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// testFetcher returns a fetcher of line 5.4 with sources named as their
// kinds, an empty cache, short limits, no environment and no dpkg database.
func testFetcher(t *testing.T, body []byte, sources map[string]kernels.Source, order ...string) (*fetcher, *logBook) {
	t.Helper()
	log := logrus.New()
	book := &logBook{}
	log.SetOutput(book)
	log.SetLevel(logrus.DebugLevel)
	f := newFetcher(Params{
		Line: kernels.Line{
			Name: "5.4", Release: "5.4.302", SHA256: hexOf(body), Accept: "~> 5.4.0",
			Sources: order, Package: "linux-source-5.4",
		},
		Sources: sources,
		Cache:   filepath.Join(t.TempDir(), "cache"),
		Log:     log,
	})
	f.lim.stall = 20 * time.Second // a busy machine is no stalled server
	f.lim.backoff, f.lim.backoffMax = time.Millisecond, 5*time.Millisecond
	f.lim.poll = 5 * time.Millisecond
	f.lim.reserve = 1 << 20
	f.getenv = func(string) string { return "" }
	f.debian = debianPaths{root: t.TempDir(), admin: t.TempDir()}
	return f, book
}

var cacheOnly = map[string]kernels.Source{"cache": {Kind: "cache"}}

func TestFetchListsEveryReason(t *testing.T) {
	f, book := testFetcher(t, payload(10), map[string]kernels.Source{
		"cache": {Kind: "cache"},
		"a":     {Kind: "http", URLs: []string{"http://127.0.0.1:1/linux-{release}.tar.xz", "http://no-such-host.invalid/v{major}.x/x"}},
		"b":     {Kind: "http", URLs: []string{"http://user:secret@127.0.0.1:1/b?token=secret"}},
	}, "cache", "a", "b")
	_, err := f.fetch(t.Context())
	if fault.KindOf(err) != fault.Source {
		t.Fatalf("kind %v of %v", fault.KindOf(err), err)
	}
	for _, want := range []string{"cache: not in the cache", "127.0.0.1:1/linux-5.4.302.tar.xz: ", "no-such-host.invalid/v5.x/x: ", "b: download"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if s := err.Error() + book.String(); strings.Contains(s, "secret") {
		t.Errorf("a password is told:\n%s", s)
	}
	if !strings.Contains(fault.HintOf(err), "KERNEL_SOURCE") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
}

// A machine without a network must not keep people waiting: this uses the
// limits as they ship.
func TestNoNetworkFailsFast(t *testing.T) {
	f, _ := testFetcher(t, payload(10), map[string]kernels.Source{
		"kernel.org": {Kind: "http", URLs: []string{"https://a.invalid/x", "https://b.invalid/x", "https://c.invalid/x"}},
		"github":     {Kind: "github", Repository: "o/r", API: "https://d.invalid"},
	}, "kernel.org", "github")
	f.lim = defaultLimits()
	start := time.Now()
	if _, err := f.fetch(t.Context()); fault.KindOf(err) != fault.Source {
		t.Errorf("fetch: %v", err)
	}
	if _, err := f.available(t.Context()); fault.KindOf(err) != fault.Source {
		t.Errorf("available: %v", err)
	}
	if took := time.Since(start); took > 12*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestCancelledStopsAtOnce(t *testing.T) {
	f, _ := testFetcher(t, payload(10), map[string]kernels.Source{
		"a": {Kind: "http", URLs: []string{"http://127.0.0.1:1/a"}},
	}, "a", "a", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"fetch":     func() error { _, err := f.fetch(ctx); return err },
		"available": func() error { _, err := f.available(ctx); return err },
	} {
		if err := call(); fault.KindOf(err) != fault.Interrupted || strings.Contains(err.Error(), "no source") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUndescribedSource(t *testing.T) {
	f, _ := testFetcher(t, payload(10), cacheOnly, "cache", "moon")
	for _, call := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := f.fetch(ctx); return err },
		func(ctx context.Context) error { _, err := f.available(ctx); return err },
	} {
		if err := call(t.Context()); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "moon") {
			t.Errorf("got %v", err)
		}
	}
}

func TestAvailablePicksTheFirstThatCan(t *testing.T) {
	m := newMirror(t, payload(100))
	f, _ := testFetcher(t, m.body, map[string]kernels.Source{
		"cache": {Kind: "cache"},
		"dead":  {Kind: "http", URLs: []string{"http://127.0.0.1:1/x"}},
		"live":  {Kind: "http", URLs: []string{m.URL + "/404", m.URL + "/x"}},
		"other": {Kind: "http", URLs: []string{m.URL + "/x"}},
	}, "cache", "dead", "live", "other")
	got, err := f.available(t.Context())
	if err != nil || got != "live" {
		t.Fatalf("got %q, %v", got, err)
	}
	if n := len(m.gets()); n != 0 {
		t.Errorf("Available downloaded: %d GET requests", n)
	}
	if _, err := f.fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := f.available(t.Context()); err != nil || got != "cache" {
		t.Errorf("after the download: got %q, %v", got, err)
	}
}

func TestArchiveRoundTrip(t *testing.T) {
	for _, a := range []Archive{
		{Path: "/x", Release: "5.4.302", SHA256: "00", Source: "kernel.org", Origin: "https://k/x", Proofs: []string{Pinned}},
		{Path: "/x", Folder: true, Source: OverrideName, Origin: "/x", Proofs: []string{}},
		{},
	} {
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back Archive
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(a, back); d != "" {
			t.Error(d)
		}
	}
}

func TestVerified(t *testing.T) {
	for proof, want := range map[string]bool{Pinned: true, AptSigned: true, GitHubTag: false, "": false} {
		if got := (Archive{Proofs: []string{proof}}).Verified(); got != want {
			t.Errorf("%q: %v", proof, got)
		}
	}
	if (Archive{}).Verified() {
		t.Error("no proof is verified")
	}
}

// makeTar returns a tar of files, name and content in turn.
func makeTar(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		head := &tar.Header{Typeflag: tar.TypeReg, Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Format: tar.FormatUSTAR}
		if err := errors.Join(w.WriteHeader(head), second(io.WriteString(w, files[i+1]))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func makeGzip(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if err := errors.Join(second(w.Write(b)), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func second[T any](_ T, err error) error { return err }

const kernelMakefile = "# SPDX\nVERSION = 5\nPATCHLEVEL = 4\nSUBLEVEL = 302\nEXTRAVERSION =\nNAME = x\n"

func TestOverride(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	raw := makeTar(t, "linux/Makefile", kernelMakefile)
	write("tree/Makefile", []byte(kernelMakefile))
	write("other/Makefile", []byte("all:\n\ttrue\n"))
	for _, tt := range []struct {
		name, path string
		folder     bool
		bad        string
	}{
		{name: "tar", path: write("a", raw)},
		{name: "gzip", path: write("b.txt", makeGzip(t, raw))},
		{name: "xz", path: write("c", payload(100))},
		{name: "bzip2", path: write("d", []byte("BZh91AY&SY"))},
		{name: "zstd", path: write("e", []byte("\x28\xb5\x2f\xfd12345"))},
		{name: "folder", path: filepath.Join(dir, "tree"), folder: true},
		{name: "no kernel", path: filepath.Join(dir, "other"), bad: "not a kernel's"},
		{name: "no Makefile", path: t.TempDir(), bad: "no such file"},
		{name: "not there", path: filepath.Join(dir, "nothing"), bad: "no such file"},
		{name: "empty", path: write("f", nil), bad: "it is empty"},
		{name: "zip", path: write("g.tar.xz", []byte("PK\x03\x04 and so on")), bad: "none of tar"},
		{name: "device", path: "/dev/null", bad: "neither a file nor a folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := testFetcher(t, payload(1), cacheOnly, "cache")
			f.Override = tt.path
			source, availErr := f.available(t.Context())
			a, err := f.fetch(t.Context())
			if tt.bad != "" {
				for _, err := range []error{err, availErr} {
					if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), tt.bad) || fault.HintOf(err) == "" {
						t.Errorf("got %v, want %q", err, tt.bad)
					}
				}
				return
			}
			if err != nil || availErr != nil || source != OverrideName {
				t.Fatal(source, availErr, err)
			}
			want := Archive{Path: tt.path, Folder: tt.folder, Source: OverrideName, Origin: tt.path, Proofs: []string{}}
			if !tt.folder {
				b, _ := os.ReadFile(tt.path)
				want.SHA256 = hexOf(b)
			}
			if d := cmp.Diff(want, a); d != "" {
				t.Error(d)
			}
		})
	}
}

// newServer starts a server that ends with the test.
func newServer(t *testing.T, s *httptest.Server) *httptest.Server {
	t.Helper()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}
