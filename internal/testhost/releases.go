package testhost

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func sumOf(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }

func (g *GitHub) json(r *Release) map[string]any {
	assets := []any{}
	for _, a := range r.Assets {
		assets = append(assets, assetJSON(a))
	}
	return map[string]any{
		"id": r.ID, "tag_name": r.Tag, "target_commitish": r.Commit, "name": r.Name, "body": r.Body, "draft": r.Draft,
		"html_url": "https://github.com/owner/name/releases/tag/" + r.Tag, "assets": assets,
		"upload_url": "http://127.0.0.1:9/steal{?name,label}", // it is not to be believed
	}
}

func assetJSON(a *Asset) map[string]any {
	return map[string]any{"id": a.ID, "name": a.Name, "size": len(a.Body), "state": a.State, "content_type": "application/octet-stream"}
}

func (g *GitHub) release(id string) *Release {
	i := slices.IndexFunc(g.releases, func(r *Release) bool { return strconv.FormatInt(r.ID, 10) == id })
	if i < 0 {
		return nil
	}
	return g.releases[i]
}

func (r *Release) asset(name string) *Asset {
	i := slices.IndexFunc(r.Assets, func(a *Asset) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return r.Assets[i]
}

// releaseRequests answers what is asked of releases. Drafts are there for those
// who may push.
func (g *GitHub) releaseRequests(w http.ResponseWriter, r *http.Request, parts []string, body []byte) {
	one := len(parts) > 1
	switch {
	case r.Method != http.MethodGet && !g.may(r):
		fail(w, http.StatusForbidden, "Resource not accessible by integration", "")
	case !one && r.Method == http.MethodGet:
		g.listReleases(w, r)
	case !one && r.Method == http.MethodPost:
		g.create(w, body)
	case one && parts[1] == "tags":
		tag := strings.Join(parts[2:], "/")
		i := slices.IndexFunc(g.releases, func(r *Release) bool { return r.Tag == tag && !r.Draft })
		if i < 0 {
			fail(w, http.StatusNotFound, "Not Found", "")
			return
		}
		send(w, http.StatusOK, g.json(g.releases[i]))
	case len(parts) == 3 && parts[1] == "assets":
		g.assetRequest(w, r, parts[2])
	case one:
		g.oneRelease(w, r, parts, body)
	default:
		fail(w, http.StatusNotFound, "Not Found", "")
	}
}

func (g *GitHub) listReleases(w http.ResponseWriter, r *http.Request) {
	var all []any
	for i, rel := range slices.Backward(g.releases) {
		if g.lag > 0 && i == len(g.releases)-1 {
			g.lag--
			continue
		}
		if !rel.Draft || g.may(r) {
			all = append(all, g.json(rel))
		}
	}
	send(w, http.StatusOK, page(w, r, all))
}

func (g *GitHub) oneRelease(w http.ResponseWriter, r *http.Request, parts []string, body []byte) {
	rel := g.release(parts[1])
	switch {
	case rel == nil || rel.Draft && !g.may(r):
		fail(w, http.StatusNotFound, "Not Found", "")
	case len(parts) == 3 && parts[2] == "assets" && r.Method == http.MethodGet:
		var all []any
		for _, a := range rel.Assets {
			all = append(all, assetJSON(a))
		}
		send(w, http.StatusOK, page(w, r, all))
	case len(parts) == 2 && r.Method == http.MethodGet:
		send(w, http.StatusOK, g.json(rel))
	case len(parts) == 2 && r.Method == http.MethodPatch:
		g.edit(w, rel, body)
	default: // files do not go to the API
		fail(w, http.StatusNotFound, "Not Found", "")
	}
}

type change struct {
	Tag    string  `json:"tag_name"`
	Commit string  `json:"target_commitish"`
	Name   *string `json:"name"`
	Body   *string `json:"body"`
	Draft  *bool   `json:"draft"`
}

// apply changes the release. What is published has a tag of its own.
func (g *GitHub) apply(w http.ResponseWriter, r *Release, body []byte) bool {
	var c change
	if json.Unmarshal(body, &c) != nil {
		fail(w, http.StatusBadRequest, "Problems parsing JSON", "")
		return false
	}
	if c.Tag == "" && r.Tag == "" || c.Body != nil && len([]rune(*c.Body)) > 125000 {
		invalid(w, "Release", "custom", "body", "body is too long (maximum is 125000 characters)")
		return false
	}
	shown := !r.Draft || c.Draft != nil && !*c.Draft
	if shown && slices.ContainsFunc(g.releases, func(o *Release) bool { return o != r && !o.Draft && o.Tag == c.Tag }) {
		invalid(w, "Release", "already_exists", "tag_name", "")
		return false
	}
	if c.Tag != "" {
		r.Tag, r.Commit = c.Tag, c.Commit
	}
	if c.Name != nil {
		r.Name = *c.Name
	}
	if c.Body != nil {
		r.Body = *c.Body
	}
	if c.Draft != nil {
		r.Draft = *c.Draft
	}
	if !r.Draft && g.Tags[r.Tag] == "" {
		g.breaks("publishing made the tag %s", r.Tag)
		g.Tags[r.Tag] = r.Commit
	}
	return true
}

func (g *GitHub) create(w http.ResponseWriter, body []byte) {
	r := &Release{Draft: true}
	if !g.apply(w, r, body) {
		return
	}
	r.ID = g.id()
	g.releases = append(g.releases, r)
	g.lag = g.Lag
	send(w, http.StatusCreated, g.json(r))
}

func (g *GitHub) edit(w http.ResponseWriter, r *Release, body []byte) {
	before := *r
	if !g.apply(w, r, body) {
		return
	}
	changed := before.Tag != r.Tag || before.Name != r.Name || before.Body != r.Body || r.Draft
	if !before.Draft && changed && g.frozen(w, "the published release %s was edited", r.Tag) {
		*r = before
		return
	}
	send(w, http.StatusOK, g.json(r))
}

// frozen notes a change of what is published, and refuses it where asked to.
func (g *GitHub) frozen(w http.ResponseWriter, format string, args ...any) bool {
	g.breaks(format, args...)
	if g.Immutable {
		fail(w, http.StatusUnprocessableEntity, "Cannot change an immutable release", "")
	}
	return g.Immutable
}

// assetRequest takes an asset away, describes it, or says where it lies.
func (g *GitHub) assetRequest(w http.ResponseWriter, r *http.Request, id string) {
	for _, rel := range g.releases {
		i := slices.IndexFunc(rel.Assets, func(a *Asset) bool { return strconv.FormatInt(a.ID, 10) == id })
		if i < 0 || rel.Draft && !g.may(r) {
			continue
		}
		switch {
		case r.Method == http.MethodDelete:
			if !rel.Draft && g.frozen(w, "%s of a published release was removed", rel.Assets[i].Name) {
				return
			}
			rel.Assets = slices.Delete(rel.Assets, i, i+1)
			w.WriteHeader(http.StatusNoContent)
		case r.Header.Get("Accept") != "application/octet-stream":
			send(w, http.StatusOK, assetJSON(rel.Assets[i]))
		default:
			http.Redirect(w, r, g.storage.URL+"/"+id+"?signature=k3yoffile", http.StatusFound)
		}
		return
	}
	fail(w, http.StatusNotFound, "Not Found", "")
}

// answerStorage is where the files lie. It refuses a token, as GitHub's does.
func (g *GitHub) answerStorage(w http.ResponseWriter, r *http.Request, _ []byte) {
	if r.Header.Get("Authorization") != "" {
		g.breaks("the token was sent to the storage")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.URL.Query().Get("signature") == "" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	for _, rel := range g.releases {
		for _, a := range rel.Assets {
			if "/"+strconv.FormatInt(a.ID, 10) != r.URL.Path {
				continue
			}
			body := slices.Clone(a.Body)
			if g.spoilt[a.Name] {
				body[0] ^= 1
			}
			_, _ = w.Write(body) // who asked may have gone
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

// uploadTo returns the release that a file is sent to.
func uploadTo(r *http.Request) (id string, ok bool) {
	path := strings.TrimPrefix(r.URL.Path, "/api/uploads")
	id, ok = strings.CutPrefix(path, "/repos/owner/name/releases/")
	id, after := strings.CutSuffix(id, "/assets")
	return id, ok && after && r.Method == http.MethodPost
}

// answerUpload takes a file, and nothing else. A name that is taken, even by
// what was cut short, is 422.
func (g *GitHub) answerUpload(w http.ResponseWriter, r *http.Request, body []byte) {
	id, ok := uploadTo(r)
	rel, name := g.release(id), g.mangled(r.URL.Query().Get("name"))
	switch {
	case !ok || rel == nil || !g.may(r) || name == "":
		fail(w, http.StatusNotFound, "Not Found", "")
	case r.ContentLength <= 0:
		fail(w, http.StatusBadRequest, "Bad Content-Length", "")
	case rel.asset(name) != nil:
		invalid(w, "ReleaseAsset", "already_exists", "name", "")
	case len(rel.Assets) >= 1000:
		invalid(w, "ReleaseAsset", "custom", "name", "too many assets")
	default:
		if !rel.Draft && g.frozen(w, "%s was added to a published release", name) {
			return
		}
		a := &Asset{ID: g.id(), Name: name, Body: body, State: "uploaded"}
		rel.Assets = append(rel.Assets, a)
		send(w, http.StatusCreated, assetJSON(a))
	}
}

var (
	reOdd  = regexp.MustCompile(`[^A-Za-z0-9._+@-]`)
	reDots = regexp.MustCompile(`\.\.+`)
)

// mangled is the name that GitHub gives a file.
func (g *GitHub) mangled(name string) string {
	if g.Mangle != nil {
		return g.Mangle(name)
	}
	return strings.Trim(reDots.ReplaceAllString(reOdd.ReplaceAllString(name, "."), "."), ".")
}
