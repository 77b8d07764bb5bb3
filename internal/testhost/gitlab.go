package testhost

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// GitLab is the server of one project, group/name. It keeps a version of a
// generic package for each tag, and releases that link to its files.
type GitLab struct {
	Token    string
	Job      string // a job's token: it may publish, and neither remove nor propose
	Tags     map[string]string
	Expected []string
	After    string

	mu       sync.Mutex
	n        int
	busy     int // requests that are being answered
	next     int64
	fault    func(n int, r *http.Request) Mode
	files    map[string][]*Asset // by tag
	released []*Release
	links    map[string][]map[string]any
	proposed []*Request
	broken   []string
	api      *httptest.Server
	store    *httptest.Server
}

// NewGitLab starts a server; Close it.
func NewGitLab() *GitLab {
	g := &GitLab{Token: "glpat-s3cret", Job: "glcbt-s3cretjob", Tags: map[string]string{}, After: "0", next: 100,
		files: map[string][]*Asset{}, links: map[string][]map[string]any{}}
	g.api = httptest.NewServer(http.HandlerFunc(g.serve))
	g.store = httptest.NewServer(http.HandlerFunc(g.storage))
	return g
}

// Close ends the server.
func (g *GitLab) Close() { g.api.Close(); g.store.Close() }

// API is its address, as CI_API_V4_URL has it.
func (g *GitLab) API() string { return g.api.URL + "/api/v4" }

// Requests is how many requests there were.
func (g *GitLab) Requests() int { g.mu.Lock(); defer g.mu.Unlock(); return g.n }

// Break has f say what becomes of the n-th request from now on; nil: all is well.
func (g *GitLab) Break(f func(n int, r *http.Request) Mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault = f
}

// Idle waits until no request is being answered.
func (g *GitLab) Idle() { idle(func() int { g.mu.Lock(); defer g.mu.Unlock(); return g.busy }) }

// Broken returns the rules that were broken.
func (g *GitLab) Broken() []string { g.mu.Lock(); defer g.mu.Unlock(); return slices.Clone(g.broken) }

// Releases returns what is published, and the files that a link leads to.
func (g *GitLab) Releases() []Release {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Release
	for _, r := range g.released {
		c := *r
		for _, l := range g.links[r.Tag] {
			if a := g.newest(r.Tag, l["name"].(string)); a != nil {
				c.Assets = append(c.Assets, &Asset{Name: a.Name, Body: slices.Clone(a.Body), State: "uploaded"})
			}
		}
		all = append(all, c)
	}
	return all
}

// Files is how many files a tag's package has.
func (g *GitLab) Files(tag string) int { g.mu.Lock(); defer g.mu.Unlock(); return len(g.files[tag]) }

// Put adds a file as an earlier run left it.
func (g *GitLab) Put(tag, name string, body []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next++
	g.files[tag] = append(g.files[tag], &Asset{ID: g.next, Name: name, Body: body})
}

func (g *GitLab) newest(tag, name string) *Asset {
	for _, a := range slices.Backward(g.files[tag]) {
		if a.Name == name {
			return a
		}
	}
	return nil
}

func (g *GitLab) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.n++
	g.busy++
	n, fault := g.n, g.fault
	g.mu.Unlock()
	defer func() { g.mu.Lock(); defer g.mu.Unlock(); g.busy-- }()
	mode := Answer
	if fault != nil {
		mode = fault(n, r)
	}
	switch mode {
	case Error500:
		send(w, http.StatusInternalServerError, map[string]string{"message": "500 Internal Server Error"})
	case Error502:
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html>GitLab is not responding "+r.Header.Get("PRIVATE-TOKEN")+"</html>")
	case Limit, Primary, TooMany:
		w.Header().Set("Retry-After", g.After)
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, "Retry later")
	case Drop:
		panic(http.ErrAbortHandler)
	case Cut:
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		panic(http.ErrAbortHandler)
	case Lost:
		g.answer(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	default:
		g.answer(w, r)
	}
}

func (g *GitLab) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	job := r.Header.Get("JOB-TOKEN") == g.Job
	person := r.Header.Get("PRIVATE-TOKEN") == g.Token
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/v4/projects/group%2Fname")
	switch {
	case r.Header.Get("PRIVATE-TOKEN") != "" && !person, r.Header.Get("JOB-TOKEN") != "" && !job:
		send(w, http.StatusUnauthorized, map[string]string{"message": "401 Unauthorized " + r.Header.Get("PRIVATE-TOKEN")})
	case !ok || !job && !person && r.Method != http.MethodGet:
		send(w, http.StatusNotFound, map[string]string{"message": "404 Project Not Found"})
	case path == "":
		send(w, 200, map[string]any{"default_branch": "main", "packages_enabled": true, "permissions": map[string]any{"project_access": map[string]int{"access_level": 40}}})
	case strings.HasPrefix(path, "/merge_requests"), strings.HasPrefix(path, "/issues"):
		g.proposals(w, r, path, body, person)
	default:
		g.project(w, r, path, body, person)
	}
}

func (g *GitLab) project(w http.ResponseWriter, r *http.Request, path string, body []byte, person bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		parts[i], _ = url.PathUnescape(part) // the client's own escapes
	}
	is := func(method string, n int, names ...string) bool {
		if r.Method != method || len(parts) != n {
			return false
		}
		for i, name := range names {
			if name != "" && parts[i] != name {
				return false
			}
		}
		return true
	}
	switch {
	case is("GET", 3, "repository", "tags") && g.Tags[parts[2]] != "":
		send(w, 200, map[string]any{"name": parts[2], "commit": map[string]string{"id": g.Tags[parts[2]]}})
	case is("GET", 2, "releases"):
		g.release(w, parts[1])
	case is("POST", 1, "releases"):
		g.create(w, body)
	case is("GET", 1, "packages"):
		var all []any
		for tag, files := range g.files {
			if len(files) > 0 && tag == r.URL.Query().Get("package_version") {
				all = append(all, map[string]any{"id": 7, "name": "linux", "version": tag, "package_type": "generic"})
			}
		}
		send(w, 200, page(w, r, all))
	case is("GET", 3, "packages", "7", "package_files"):
		g.list(w, r)
	case is("DELETE", 4, "packages", "7", "package_files"):
		g.remove(w, parts[3], person)
	case is("PUT", 5, "packages", "generic", "linux"):
		g.next++
		a := &Asset{ID: g.next, Name: parts[4], Body: body}
		g.files[parts[3]] = append(g.files[parts[3]], a)
		if slices.ContainsFunc(g.released, func(o *Release) bool { return o.Tag == parts[3] }) {
			g.broken = append(g.broken, parts[4]+" of a published release was replaced")
		}
		send(w, http.StatusCreated, map[string]any{"id": a.ID, "package_id": 7, "file_name": a.Name, "size": len(body)})
	case is("GET", 5, "packages", "generic", "linux") && g.newest(parts[3], parts[4]) != nil:
		http.Redirect(w, r, g.store.URL+"/"+strconv.FormatInt(g.newest(parts[3], parts[4]).ID, 10), http.StatusFound)
	default:
		send(w, http.StatusNotFound, map[string]string{"message": "404 Not Found"})
	}
}

func (g *GitLab) list(w http.ResponseWriter, r *http.Request) {
	var all []any
	for _, files := range g.files {
		for _, a := range files {
			all = append(all, map[string]any{"id": a.ID, "package_id": 7, "file_name": a.Name, "size": len(a.Body)})
		}
	}
	part := page(w, r, all)
	if w.Header().Get("Link") != "" {
		at, _ := strconv.Atoi(r.URL.Query().Get("page"))
		w.Header().Set("X-Next-Page", strconv.Itoa(max(at, 1)+1))
	}
	send(w, 200, part)
}

func (g *GitLab) remove(w http.ResponseWriter, id string, person bool) {
	if !person {
		send(w, http.StatusForbidden, map[string]string{"message": "403 Forbidden"})
		return
	}
	for tag, files := range g.files {
		g.files[tag] = slices.DeleteFunc(files, func(a *Asset) bool { return strconv.FormatInt(a.ID, 10) == id })
	}
	w.WriteHeader(http.StatusNoContent)
}

func (g *GitLab) release(w http.ResponseWriter, tag string) {
	for _, r := range g.released {
		if r.Tag == tag {
			send(w, 200, map[string]any{"tag_name": tag, "name": r.Name, "description": r.Body, "commit": map[string]string{"id": g.Tags[tag]},
				"assets": map[string]any{"links": g.links[tag]}, "_links": map[string]string{"self": "https://gitlab.com/group/name/-/releases/" + tag}})
			return
		}
	}
	send(w, http.StatusNotFound, map[string]string{"message": "404 Not Found"})
}

// create makes a release. From then on all can see it, so that it must be whole.
func (g *GitLab) create(w http.ResponseWriter, body []byte) {
	var c struct {
		Tag         string `json:"tag_name"`
		Name        string `json:"name"`
		Description string `json:"description"`
		Assets      struct {
			Links []map[string]any `json:"links"`
		} `json:"assets"`
	}
	switch {
	case json.Unmarshal(body, &c) != nil || g.Tags[c.Tag] == "":
		send(w, http.StatusUnprocessableEntity, map[string]string{"message": "Ref is not specified"})
		return
	case slices.ContainsFunc(g.released, func(r *Release) bool { return r.Tag == c.Tag }):
		send(w, http.StatusConflict, map[string]string{"message": "Release already exists"})
		return
	}
	for _, name := range g.Expected {
		if !slices.ContainsFunc(c.Assets.Links, func(l map[string]any) bool { return l["name"] == name }) || g.newest(c.Tag, name) == nil {
			g.broken = append(g.broken, c.Tag+" is published without "+name)
		}
	}
	g.next++
	g.released = append(g.released, &Release{ID: g.next, Tag: c.Tag, Name: c.Name, Body: c.Description})
	g.links[c.Tag] = c.Assets.Links
	g.release(w, c.Tag)
}

// storage is where the files lie; it refuses tokens.
func (g *GitLab) storage(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Header.Get("PRIVATE-TOKEN")+r.Header.Get("JOB-TOKEN")+r.Header.Get("Authorization") != "" {
		g.broken = append(g.broken, "a token was sent to the storage")
	}
	for _, files := range g.files {
		for _, a := range files {
			if "/"+strconv.FormatInt(a.ID, 10) == r.URL.Path {
				_, _ = w.Write(a.Body)
				return
			}
		}
	}
	w.WriteHeader(http.StatusNotFound)
}
