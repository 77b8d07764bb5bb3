package fetch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
)

const (
	testCommit = "219d54332a09e8d8741c1e1982f5eae56099de85"
	testTag    = "9a3a2a0b6bcd1e0c3f6d0f4d7f0fcd1f8a5d6e7b"
	testToken  = "ghp_aVerySecretToken"
)

// hub is an Enterprise server of GitHub with one repository, gregkh/linux,
// which has the signed tags v5.4.302 and v5.4.
type hub struct {
	*httptest.Server
	archive []byte

	mu    sync.Mutex
	paths []string
	auth  []string
	fail  func(w http.ResponseWriter, r *http.Request) bool // answers instead, if it returns true
}

func newHub(t *testing.T, archive []byte) *hub {
	t.Helper()
	h := &hub{archive: archive}
	h.Server = newServer(t, httptest.NewServer(h))
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.paths = append(h.paths, r.URL.Path)
	h.auth = append(h.auth, r.Header.Get("Authorization"))
	fail := h.fail
	h.mu.Unlock()
	if fail != nil && fail(w, r) {
		return
	}
	object := func(kind, sha string) {
		_ = json.NewEncoder(w).Encode(map[string]any{"object": map[string]string{"type": kind, "sha": sha}})
	}
	const repo = "/api/v3/repos/gregkh/linux/"
	switch r.URL.Path {
	case repo + "git/ref/tags/v5.4.302", repo + "git/ref/tags/v5.4":
		object("tag", testTag)
	case repo + "git/tags/" + testTag:
		object("commit", testCommit)
	case repo + "tarball/" + testCommit:
		http.Redirect(w, r, h.URL+"/codeload/"+testCommit+"?token="+testToken, http.StatusFound)
	case "/codeload/" + testCommit:
		_, _ = w.Write(h.archive)
	default:
		apiError(w, http.StatusNotFound, "Not Found \x1b[31m")
	}
}

func apiError(w http.ResponseWriter, code int, message string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

func (h *hub) setFail(fail func(w http.ResponseWriter, r *http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fail = fail
}

// asked returns how often a path that contains part was asked for.
func (h *hub) asked(part string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.paths {
		if strings.Contains(p, part) {
			n++
		}
	}
	return n
}

func hubFetcher(t *testing.T, h *hub) (*fetcher, *logBook) {
	t.Helper()
	return testFetcher(t, []byte("pinned, and elsewhere"), map[string]kernels.Source{
		"github": {Kind: "github", Repository: "gregkh/linux", API: h.URL},
	}, "github")
}

func TestGitHubDelivers(t *testing.T) {
	body := makeGzip(t, makeTar(t, "gregkh-linux-219d543/Makefile", kernelMakefile))
	h := newHub(t, body)
	f, book := hubFetcher(t, h)
	f.getenv = func(string) string { return testToken }
	if name, err := f.available(t.Context()); err != nil || name != "github" {
		t.Fatal(name, err)
	}
	a, err := f.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Archive{
		Path:    filepath.Join(f.Cache, "sha256", hexOf(body), "linux-5.4.302-219d54332a09.tar.gz"),
		Release: "5.4.302", SHA256: hexOf(body), Source: "github",
		Origin: strings.TrimPrefix(h.URL, "http://") + "/gregkh/linux v5.4.302, commit " + testCommit,
		Proofs: []string{GitHubTag},
	}
	if d := cmp.Diff(want, a); d != "" {
		t.Error(d)
	}
	if a.Verified() {
		t.Error("GitHub's word alone is no verification")
	}
	again, err := f.fetch(t.Context())
	if err != nil || !cmp.Equal(a, again) {
		t.Errorf("second fetch: %v, %v", again, err)
	}
	if n := h.asked("codeload"); n != 1 {
		t.Errorf("%d downloads of one commit", n)
	}
	if s := book.String() + fmt.Sprint(a); strings.Contains(s, testToken) {
		t.Errorf("the token is told: %s", s)
	}
	for i, p := range h.paths {
		if want := "Bearer " + testToken; strings.HasPrefix(p, "/api/") != (h.auth[i] == want) {
			t.Errorf("%s got Authorization %q", p, h.auth[i])
		}
	}
}

func TestGitHubFirstReleaseOfALine(t *testing.T) {
	h := newHub(t, makeGzip(t, []byte("x")))
	f, _ := hubFetcher(t, h)
	f.Line.Release = "5.4.0"
	if _, err := f.fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.asked("tags/v5.4.0") != 0 || h.asked("tags/v5.4") != 1 {
		t.Errorf("asked for %q", h.paths)
	}
}

func TestGitHubErrors(t *testing.T) {
	reset := time.Now().Add(time.Hour).Truncate(time.Second)
	at := reset.UTC().Format("15:04:05 UTC")
	primary := func(code int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
			apiError(w, code, "API rate limit exceeded")
			return true
		}
	}
	only := func(part string, fail func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			return strings.Contains(r.URL.Path, part) && fail(w, r)
		}
	}
	secondary := func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"message":"slow down","documentation_url":"https://docs.github.com/x#secondary-rate-limits"}`))
		return true
	}
	code := func(code int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			apiError(w, code, "no\x1b[31m")
			return true
		}
	}
	for _, tt := range []struct {
		name, release string
		fail          func(http.ResponseWriter, *http.Request) bool
		token         string
		want, hint    string
		requests      int
	}{
		{name: "rate limit", fail: primary(403), want: "used up until " + at, hint: "set GITHUB_TOKEN", requests: 1},
		{name: "rate limit 429", fail: primary(429), want: "used up until " + at, hint: "set GITHUB_TOKEN", requests: 1},
		{name: "rate limit with token", fail: primary(403), token: testToken, want: at, hint: "wait until " + at, requests: 1},
		{name: "rate limit of the link", fail: only("tarball", primary(403)), want: at, hint: "set GITHUB_TOKEN", requests: 3},
		{name: "secondary rate limit", fail: secondary, want: "used up until ", hint: "set GITHUB_TOKEN", requests: 1},
		{name: "bad token", fail: code(401), token: testToken, want: "does not accept the GITHUB_TOKEN", hint: "unset it", requests: 1},
		{name: "no such tag", release: "5.4.999", want: "no such repository or tag", requests: 1},
		{name: "server error", fail: code(502), want: "502 Bad Gateway", requests: 3},
		{name: "link not found", fail: only("tarball", code(404)), want: "404 Not Found", requests: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHub(t, makeGzip(t, []byte("x")))
			h.setFail(tt.fail)
			f, book := hubFetcher(t, h)
			f.getenv = func(string) string { return tt.token }
			if tt.release != "" {
				f.Line.Release = tt.release
			}
			_, err := f.fetch(t.Context())
			if fault.KindOf(err) != fault.Source || !strings.Contains(err.Error(), tt.want) || !strings.Contains(fault.HintOf(err), tt.hint) {
				t.Errorf("got %v\nhint %s", err, fault.HintOf(err))
			}
			if n := len(h.paths); n != tt.requests {
				t.Errorf("%d requests, want %d: %q", n, tt.requests, h.paths)
			}
			if s := fmt.Sprint(err, book); strings.Contains(s, testToken) || strings.Contains(s, "\x1b") {
				t.Errorf("tells a token or passes control characters on: %q", s)
			}
		})
	}
}

func TestGitHubBadArchive(t *testing.T) {
	for name, body := range map[string]string{"empty": "", "a page": "<html>sign in</html>", "not gzip": "\xfd7zXZ\x00 and so on"} {
		t.Run(name, func(t *testing.T) {
			f, _ := hubFetcher(t, newHub(t, []byte(body)))
			if _, err := f.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "no .tar.gz") {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(filepath.Join(f.Cache, "sha256")); err == nil {
				t.Error("it is in the cache")
			}
		})
	}
}

// When GitHub cannot be asked, its earlier word on the tag stands; when it
// says that there is no such tag, it does not.
func TestGitHubRemembersTheTag(t *testing.T) {
	body := makeGzip(t, []byte("x"))
	h := newHub(t, body)
	f, book := hubFetcher(t, h)
	a, err := f.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	busy := func(w http.ResponseWriter, _ *http.Request) bool { apiError(w, 500, ""); return true }
	h.setFail(busy)
	again, err := f.fetch(t.Context())
	if err != nil || !cmp.Equal(a, again) || !strings.Contains(book.String(), "an earlier run") {
		t.Errorf("got %v, %v", again, err)
	}
	if name, err := f.available(t.Context()); err != nil || name != "github" {
		t.Errorf("available: %q, %v", name, err)
	}
	h.setFail(func(w http.ResponseWriter, _ *http.Request) bool { apiError(w, 404, ""); return true })
	if _, err := f.fetch(t.Context()); err == nil {
		t.Error("a tag that is gone was delivered")
	}
	h.setFail(busy)
	if err := os.WriteFile(a.Path, []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.fetch(t.Context()); err == nil {
		t.Error("a damaged file was delivered")
	}
}

func TestGitHubCancelled(t *testing.T) {
	h := newHub(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	h.setFail(func(_ http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done()
		return true
	})
	f, _ := hubFetcher(t, h)
	if _, err := f.fetch(ctx); fault.KindOf(err) != fault.Interrupted {
		t.Errorf("got %v", err)
	}
}
