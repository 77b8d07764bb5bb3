// Package testhost keeps releases as GitHub does, on this machine's loopback,
// for the tests of what publishes: the API's state and its rules, and faults on
// demand. In go requests; out come answers, and what was broken of the rules.
//
// The rules are those of docs.github.com/rest: releases, assets, git/refs,
// pulls, issues, and its rate limits.
package testhost

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"
)

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
	Commit string // target_commitish
	Name   string
	Body   string
	Draft  bool
	Assets []*Asset
}

// GitHub is the server of one repository, owner/name. What is set here is set
// before it is asked.
type GitHub struct {
	Token       string            // of somebody who may push
	Reader      string            // of somebody who may not
	Tags        map[string]string // name: commit
	Lightweight bool              // tags are no objects of their own
	Expected    []string          // the files that a published release must have, whenever it is seen
	Sums        map[string]string // and the sha256 of those that have one here
	Archived    bool
	Immutable   bool                // GitHub refuses to change what is published
	NoDrafts    bool                // the repository has no draft pull requests
	Split       bool                // as github.com: files go to [GitHub.Uploads] only
	Lag         int                 // this many lists do not show a release that was just made
	After       string              // Retry-After of [Limit] and [TooMany]
	Reset       string              // X-RateLimit-Reset of [Primary], seconds of Unix
	Mangle      func(string) string // nil: as GitHub does

	mu       sync.Mutex
	fault    func(n int, r *http.Request) Mode
	n        int
	busy     int // requests that are being answered
	next     int64
	releases []*Release
	proposed []*Request
	broken   []string
	spoilt   map[string]bool // assets that come back as other bytes
	lag      int
	api      *httptest.Server
	uploads  *httptest.Server
	storage  *httptest.Server
	done     chan struct{}
	closing  sync.Once
}

// NewGitHub starts a server; Close it.
func NewGitHub() *GitHub {
	g := &GitHub{
		Token: "ghp_s3cretpush", Reader: "ghp_s3cretread", Tags: map[string]string{}, Sums: map[string]string{}, After: "0", Reset: "1",
		next: 100, spoilt: map[string]bool{}, done: make(chan struct{}),
	}
	g.api = httptest.NewServer(g.broke(g.answerAPI))
	g.uploads = httptest.NewServer(g.broke(g.answerUpload))
	g.storage = httptest.NewServer(g.broke(g.answerStorage))
	return g
}

// Close ends the server; again, it does nothing.
func (g *GitHub) Close() { g.closing.Do(g.close) }

func (g *GitHub) close() {
	close(g.done)
	for _, s := range []*httptest.Server{g.api, g.uploads, g.storage} {
		s.CloseClientConnections()
		s.Close()
	}
}

// API is its address, as GITHUB_API_URL has it of an Enterprise server.
func (g *GitHub) API() string { return g.api.URL + "/api/v3" }

// Uploads is the address of the server for files, as github.com has one.
func (g *GitHub) Uploads() string { return g.uploads.URL }

// Requests is how many requests there were, to all its servers.
func (g *GitHub) Requests() int { g.mu.Lock(); defer g.mu.Unlock(); return g.n }

// Break has f say what becomes of the n-th request from now on; nil: all is
// well. Requests are counted from one again.
func (g *GitHub) Break(f func(n int, r *http.Request) Mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault, g.n = f, 0
}

// Idle waits until no request is being answered: a client that was killed does
// not wait for what it asked for, which is done all the same.
func (g *GitHub) Idle() { idle(func() int { g.mu.Lock(); defer g.mu.Unlock(); return g.busy }) }

func idle(busy func() int) {
	for end := time.Now().Add(5 * time.Second); busy() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

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

// Spoil has the assets of a name come back as other bytes.
func (g *GitHub) Spoil(name string) { g.mu.Lock(); defer g.mu.Unlock(); g.spoilt[name] = true }

func (g *GitHub) id() int64 { g.next++; return g.next }

func (g *GitHub) breaks(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(g.broken, text) {
		g.broken = append(g.broken, text)
	}
}

// watch sees, after each change, that no release is ever in the open that is
// not whole, and never two of a tag.
func (g *GitHub) watch() {
	open := map[string]int{}
	for _, r := range g.releases {
		if r.Draft {
			continue
		}
		open[r.Tag]++
		for _, name := range g.Expected {
			i := slices.IndexFunc(r.Assets, func(a *Asset) bool { return a.Name == name && a.State == "uploaded" })
			if i < 0 {
				g.breaks("%s is published without %s", r.Tag, name)
			} else if want := g.Sums[name]; want != "" && want != sumOf(r.Assets[i].Body) {
				g.breaks("%s is published with another %s", r.Tag, name)
			}
		}
		if g.Expected != nil && len(r.Assets) > len(g.Expected) {
			g.breaks("%s is published with more than belongs to it", r.Tag)
		}
	}
	for tag, n := range open {
		if n > 1 {
			g.breaks("%d releases of %s are published", n, tag)
		}
	}
}
