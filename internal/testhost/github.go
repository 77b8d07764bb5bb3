// Package testhost keeps releases as GitHub does, on this machine's loopback,
// for the tests of what publishes: the API's state and its rules, and faults on
// demand. In go requests; out come answers, and what was broken of the rules.
package testhost

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Mode is what becomes of one request.
type Mode int

// The modes.
const (
	Answer   Mode = iota // as it should be
	Error500             // refused before anything happened
	Error502             // the same by a proxy, with a page of HTML
	Cut                  // half of the request is read, and the connection ends
	Lost                 // it is done, and the answer is lost
	Limit                // the secondary rate limit: 403 and Retry-After
	Primary              // 403, the hour's requests are used up
)

// Modes are those that go wrong.
func Modes() []Mode { return []Mode{Error500, Error502, Cut, Lost, Limit, Primary} }

// Asset is a file of a release.
type Asset struct {
	ID    int64
	Name  string
	Body  []byte
	State string // uploaded, or starter: it was cut short
}

// Release is a release.
type Release struct {
	ID     int64
	Tag    string
	Name   string
	Body   string
	Draft  bool
	Assets []*Asset
}

// GitHub is the server of one repository, owner/name.
type GitHub struct {
	Token    string            // of somebody who may push
	Reader   string            // of somebody who may not
	Tags     map[string]string // name: commit
	Expected []string          // the files that a published release must have, whenever it is seen
	Archived bool
	After    string // Retry-After of [Limit], seconds

	mu       sync.Mutex
	fault    func(n int, r *http.Request) Mode
	n        int
	next     int64
	releases []*Release
	requests // pull requests and issues
	broken   []string
	api      *httptest.Server
	store    *httptest.Server
}

// NewGitHub starts a server; Close it.
func NewGitHub() *GitHub {
	g := &GitHub{Token: "ghp_s3cretpush", Reader: "ghp_s3cretread", Tags: map[string]string{}, next: 100, After: "0"}
	g.api = httptest.NewServer(http.HandlerFunc(g.serve))
	g.store = httptest.NewServer(http.HandlerFunc(g.storage))
	return g
}

// Close ends the server.
func (g *GitHub) Close() { g.api.Close(); g.store.Close() }

// API is its address, as GITHUB_API_URL has it.
func (g *GitHub) API() string { return g.api.URL + "/api/v3" }

// Requests is how many requests there were.
func (g *GitHub) Requests() int { g.mu.Lock(); defer g.mu.Unlock(); return g.n }

// Break has f say what becomes of the n-th request from now on; nil: all is well.
func (g *GitHub) Break(f func(n int, r *http.Request) Mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault = f
}

// Reset counts requests from nothing.
func (g *GitHub) Reset() { g.mu.Lock(); defer g.mu.Unlock(); g.n = 0 }

// Releases returns what is there.
func (g *GitHub) Releases() []Release {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Release
	for _, r := range g.releases {
		c := *r
		c.Assets = nil
		for _, a := range r.Assets {
			copied := *a
			c.Assets = append(c.Assets, &copied)
		}
		all = append(all, c)
	}
	return all
}

// Broken returns the rules that were broken.
func (g *GitHub) Broken() []string { g.mu.Lock(); defer g.mu.Unlock(); return slices.Clone(g.broken) }

// Put adds a release as somebody else left it.
func (g *GitHub) Put(r Release) *Release {
	g.mu.Lock()
	defer g.mu.Unlock()
	r.ID = g.id()
	for _, a := range r.Assets {
		a.ID = g.id()
	}
	g.releases = append(g.releases, &r)
	return &r
}

func (g *GitHub) id() int64 { g.next++; return g.next }

func (g *GitHub) breaks(format string, args ...any) {
	g.broken = append(g.broken, fmt.Sprintf(format, args...))
}

// serve counts a request, and answers it or not as it was told to.
func (g *GitHub) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.n++
	n, fault := g.n, g.fault
	g.mu.Unlock()
	mode := Answer
	if fault != nil {
		mode = fault(n, r)
	}
	switch mode {
	case Error500:
		fail(w, http.StatusInternalServerError, "Server Error", "")
	case Error502:
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html><h1>Bad Gateway</h1> "+r.Header.Get("Authorization")+"</html>")
	case Limit:
		w.Header().Set("Retry-After", g.After)
		fail(w, http.StatusForbidden, "You have exceeded a secondary rate limit", "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits")
	case Primary:
		w.Header().Set("X-RateLimit-Limit", "5000")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", "1")
		fail(w, http.StatusForbidden, "API rate limit exceeded for user", "")
	case Cut:
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		if strings.HasSuffix(r.URL.Path, "/assets") && r.Method == http.MethodPost {
			g.mu.Lock()
			g.starter(r)
			g.mu.Unlock()
		}
		panic(http.ErrAbortHandler)
	case Lost:
		g.answer(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	default:
		g.answer(w, r)
	}
}

// answer does what a request asks for, under one lock, and looks at what all
// can see then.
func (g *GitHub) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.watch()
	path := r.URL.Path
	const repo = "/repos/owner/name"
	switch {
	case strings.HasPrefix(path, "/api/uploads"+repo+"/releases/"):
		g.upload(w, r, body)
	case strings.HasPrefix(path, "/api/v3"+repo+"/pulls"), strings.HasPrefix(path, "/api/v3"+repo+"/issues"):
		g.proposals(w, r, strings.TrimPrefix(path, "/api/v3"+repo), body)
	case strings.HasPrefix(path, "/api/v3"+repo):
		g.repository(w, r, strings.TrimPrefix(path, "/api/v3"+repo), body)
	default:
		fail(w, http.StatusNotFound, "Not Found", "")
	}
}

// watch sees that no release is ever in the open that is not whole.
func (g *GitHub) watch() {
	open := map[string]int{}
	for _, r := range g.releases {
		if r.Draft {
			continue
		}
		open[r.Tag]++
		for _, name := range g.Expected {
			if !slices.ContainsFunc(r.Assets, func(a *Asset) bool { return a.Name == name && a.State == "uploaded" }) {
				g.breaks("%s is published without %s", r.Tag, name)
			}
		}
	}
	for tag, n := range open {
		if n > 1 {
			g.breaks("%d releases of %s are published", n, tag)
		}
	}
}

func (g *GitHub) may(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+g.Token }

func (g *GitHub) repository(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	if auth := r.Header.Get("Authorization"); auth != "" && !g.may(r) && auth != "Bearer "+g.Reader {
		fail(w, http.StatusUnauthorized, "Bad credentials for "+auth, "")
		return
	}
	tag, ofTag := strings.CutPrefix(path, "/git/ref/tags/")
	release, ofRelease := strings.CutPrefix(path, "/releases/tags/")
	switch {
	case path == "":
		send(w, 200, map[string]any{"default_branch": "main", "archived": g.Archived, "permissions": map[string]bool{"push": g.may(r), "pull": true}})
	case ofTag && g.Tags[tag] != "":
		send(w, 200, map[string]any{"ref": "refs/tags/" + tag, "object": map[string]string{"type": "tag", "sha": "object-of-" + tag}})
	case strings.HasPrefix(path, "/git/tags/object-of-"):
		send(w, 200, map[string]any{"object": map[string]string{"type": "commit", "sha": g.Tags[strings.TrimPrefix(path, "/git/tags/object-of-")]}})
	case ofRelease:
		for _, rel := range g.releases {
			if rel.Tag == release && !rel.Draft {
				send(w, 200, g.json(rel))
				return
			}
		}
		fail(w, http.StatusNotFound, "Not Found", "")
	case path == "/releases" && r.Method == http.MethodGet:
		g.list(w, r)
	case strings.HasPrefix(path, "/releases") && (g.may(r) || r.Method == http.MethodGet):
		g.releaseRequest(w, r, strings.Split(strings.Trim(path, "/"), "/"), body)
	default:
		fail(w, http.StatusNotFound, "Not Found", "")
	}
}

// page cuts a list as per_page and page ask, and links to the next part.
func page[T any](w http.ResponseWriter, r *http.Request, all []T) []T {
	size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
	at, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, at = min(max(size, 1), 3), max(at, 1) // few, so that tests turn pages
	from, to := min((at-1)*size, len(all)), min(at*size, len(all))
	if to < len(all) {
		q := r.URL.Query()
		q.Set("page", strconv.Itoa(at+1))
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next"`, r.Host, r.URL.Path, q.Encode()))
	}
	return all[from:to]
}

// fail answers with an error of the API.
func fail(w http.ResponseWriter, code int, message, docs string) {
	send(w, code, map[string]string{"message": message, "documentation_url": docs})
}

func send(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // who asked has gone
}
