package fetch

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
)

// httpFetcher returns a fetcher whose only source is the given mirrors.
func httpFetcher(t *testing.T, body []byte, mirrors ...*mirror) (*fetcher, *logBook) {
	t.Helper()
	var urls []string
	for _, m := range mirrors {
		urls = append(urls, m.URL+"/v{major}.x/linux-{release}.tar.xz")
	}
	return testFetcher(t, body, map[string]kernels.Source{"kernel.org": {Kind: "http", URLs: urls}}, "kernel.org")
}

// ranges returns the Range and If-Range headers of a mirror's GET requests.
func ranges(m *mirror) []string {
	var list []string
	for _, h := range m.gets() {
		list = append(list, strings.TrimSpace(h.Get("Range")+" "+h.Get("If-Range")))
	}
	return list
}

// bodySize is more than the buffers between server and client hold.
const bodySize = 3 << 20

func TestHTTPDelivers(t *testing.T) {
	body := payload(bodySize)
	half := fmt.Sprintf(`bytes=%d- "one"`, bodySize/2)
	for _, tt := range []struct {
		name string
		acts []act
		want []string // the Range and If-Range of each request
	}{
		{"at once", nil, []string{""}},
		{"truncated", []act{truncate}, []string{"", half}},
		{"truncated twice", []act{truncate, truncate}, nil},
		{"reset", []act{reset}, nil},
		{"stalled", []act{stall}, []string{"", half}},
		{"mute", []act{mute}, []string{"", ""}},
		{"wrong bytes once", []act{wrongBytes}, []string{"", ""}},
		{"wrong bytes, then truncated", []act{wrongBytes, truncate}, []string{"", "", half}},
		{"range ignored", []act{truncate, whole}, []string{"", half}},
		{"file replaced", []act{truncate, renew}, []string{"", half}},
		{"range of elsewhere", []act{truncate, wrongRange}, []string{"", half, ""}},
		{"range of another file", []act{truncate, foreignRange}, []string{"", half, ""}},
		{"range refused", []act{truncate, status(416, "")}, []string{"", half, ""}},
		{"busy", []act{status(503, ""), status(500, ""), status(429, "0")}, []string{"", "", "", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMirror(t, body, tt.acts...)
			f, book := httpFetcher(t, body, m)
			if tt.name == "stalled" || tt.name == "mute" {
				f.lim.stall = 300 * time.Millisecond
			}
			a, err := f.fetch(t.Context())
			if err != nil {
				t.Fatalf("%v\n%s", err, book)
			}
			want := Archive{
				Path:    filepath.Join(f.Cache, "sha256", hexOf(body), "linux-5.4.302.tar.xz"),
				Release: "5.4.302", SHA256: hexOf(body), Source: "kernel.org",
				Origin: m.URL + "/v5.x/linux-5.4.302.tar.xz", Proofs: []string{Pinned},
			}
			if d := cmp.Diff(want, a); d != "" {
				t.Error(d)
			}
			if got, err := os.ReadFile(a.Path); err != nil || hexOf(got) != hexOf(body) {
				t.Errorf("the delivered file is another one: %v", err)
			}
			if got := ranges(m); tt.want != nil && !cmp.Equal(got, tt.want) {
				t.Errorf("requests %q, want %q", got, tt.want)
			}
			if strings.HasPrefix(tt.name, "range of") && !strings.Contains(book.String(), errRange.Error()) {
				t.Errorf("bytes of two files were joined:\n%s", book)
			}
			if left, _ := filepath.Glob(filepath.Join(f.Cache, "partial", hexOf(body)+"*")); len(left) != 1 {
				t.Errorf("partial holds %q, want the lock only", left)
			}
		})
	}
}

func TestHTTPGoesToTheNextMirror(t *testing.T) {
	body := payload(bodySize)
	many := func(a act) []act { return []act{a, a, a, a, a, a, a, a, a, a} }
	for _, tt := range []struct {
		name  string
		acts  []act
		tries int
		why   string
	}{
		{"not found", many(status(404, "")), 1, "404 Not Found"},
		{"forbidden", many(status(403, "")), 1, "403 Forbidden"},
		{"gone", many(status(410, "")), 1, "410 Gone"},
		{"wrong bytes", many(wrongBytes), 2, "its sha256 is " + hexOf(otherBytes(body))},
		{"busy for long", many(status(503, "3600")), 1, "asks to wait 1h0m0s"},
		{"always busy", many(status(502, "")), 5, "502 Bad Gateway"},
		{"always mute", many(mute), 5, "no byte for 300ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bad, good := newMirror(t, body, tt.acts...), newMirror(t, body)
			f, book := httpFetcher(t, body, bad, good)
			if tt.name == "always mute" {
				f.lim.stall = 300 * time.Millisecond
			}
			a, err := f.fetch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(a.Origin, good.URL) {
				t.Errorf("origin %s", a.Origin)
			}
			if n := len(bad.gets()); n != tt.tries {
				t.Errorf("asked the bad mirror %d times, want %d", n, tt.tries)
			}
			if !strings.Contains(book.String(), tt.why) {
				t.Errorf("log lacks %q:\n%s", tt.why, book)
			}
		})
	}
}

func TestHTTPWrongEverywhere(t *testing.T) {
	body := payload(bodySize)
	m := newMirror(t, []byte("something else"))
	f, _ := httpFetcher(t, body, m)
	_, err := f.fetch(t.Context())
	if fault.KindOf(err) != fault.Source || !strings.Contains(err.Error(), "kernels.toml pins "+hexOf(body)) || !strings.Contains(err.Error(), m.URL) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(f.Cache, "sha256")); err == nil {
		t.Error("wrong bytes are in the cache")
	}
	if info, err := os.Stat(filepath.Join(f.Cache, "partial", hexOf(body))); err == nil && info.Size() > 0 {
		t.Error("wrong bytes were kept")
	}
}

func TestHTTPObeysRetryAfter(t *testing.T) {
	body := payload(1000)
	m := newMirror(t, body, status(503, "1"))
	f, _ := httpFetcher(t, body, m)
	start := time.Now()
	if _, err := f.fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < time.Second {
		t.Errorf("came back after %v, the server asked for one second", took)
	}
}

func TestHTTPResumesAfterAKill(t *testing.T) {
	body := payload(bodySize)
	m := newMirror(t, body, stall)
	f, _ := httpFetcher(t, body, m)
	ctx, cancel := context.WithCancel(t.Context())
	f.Progress = cancelHalfway(cancel)
	if _, err := f.fetch(ctx); fault.KindOf(err) != fault.Interrupted {
		t.Fatalf("got %v", err)
	}
	f.Progress = func(int64, int64) {}
	if _, err := f.fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ranges(m); len(got) != 2 || !strings.HasPrefix(got[1], "bytes=") {
		t.Errorf("requests %q: the second does not go on where the first was cut", got)
	}
}

// A run killed between the last byte and the rename has nothing to download.
func TestHTTPWholePartial(t *testing.T) {
	body := payload(1000)
	m := newMirror(t, body)
	f, _ := httpFetcher(t, body, m)
	path := filepath.Join(f.Cache, "partial", hexOf(body))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(m.gets()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestHTTPOneDownloadForAll(t *testing.T) {
	body := payload(bodySize)
	m := newMirror(t, body)
	f, _ := httpFetcher(t, body, m)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := f.fetch(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(m.gets()); n != 1 {
		t.Errorf("%d downloads", n)
	}
}

func TestHTTPBounds(t *testing.T) {
	body := payload(bodySize)
	chunked := func(m *mirror, w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush() // no Content-Length
		_, _ = w.Write(m.body)
	}
	for _, tt := range []struct {
		name string
		act  act
		set  func(*limits)
		kind fault.Kind
		want string
	}{
		{"declared too large", serve, func(l *limits) { l.maxBytes = 1 << 20 }, fault.Source, "more than any kernel"},
		{"too large unannounced", chunked, func(l *limits) { l.maxBytes = 1 << 20 }, fault.Source, "more than any kernel"},
		{"no room", serve, func(l *limits) { l.reserve = 1 << 60 }, fault.Machine, "are needed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMirror(t, body, tt.act)
			f, _ := httpFetcher(t, body, m)
			tt.set(&f.lim)
			_, err := f.fetch(t.Context())
			if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) || fault.HintOf(err) == "" {
				t.Errorf("got %v: %v", fault.KindOf(err), err)
			}
			if n := len(m.gets()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestPublished(t *testing.T) {
	for release, want := range map[string]string{"5.4.302": "5.4.302", "5.4.0": "5.4", "5.4": "5.4", "6.2.0-rc1": "6.2.0-rc1"} {
		if got := kernels.AtKernelOrg(release); got != want {
			t.Errorf("%s: %s, want %s", release, got, want)
		}
	}
}

func TestRetryAfterAndContentRange(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "99999999999999999999": 0,
		"Sun, 01 Nov 2026 12:00:30 GMT": 30 * time.Second, "Sun, 01 Nov 2020 12:00:30 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
	for v, want := range map[string][3]any{
		"bytes 5-9/10": {int64(5), int64(10), true}, "bytes 5-9/*": {int64(5), int64(0), true},
		"bytes 5-9/4": {int64(5), int64(4), false}, "bytes */10": {int64(0), int64(0), false},
		"items 5-9/10": {int64(0), int64(0), false}, "": {int64(0), int64(0), false},
	} {
		start, total, ok := contentRange(v)
		if got := [3]any{start, total, ok}; got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
}
