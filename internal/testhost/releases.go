package testhost

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (g *GitHub) json(r *Release) map[string]any {
	return map[string]any{
		"id": r.ID, "tag_name": r.Tag, "name": r.Name, "body": r.Body, "draft": r.Draft, "html_url": "https://github.com/owner/name/releases/tag/" + r.Tag,
		"upload_url": "http://example.invalid/steal{?name,label}", "assets": []any{},
	}
}

func assetJSON(a *Asset) map[string]any {
	return map[string]any{"id": a.ID, "name": a.Name, "size": len(a.Body), "state": a.State}
}

// list lists the releases: drafts are seen by those who may push.
func (g *GitHub) list(w http.ResponseWriter, r *http.Request) {
	var all []any
	for _, rel := range slices.Backward(g.releases) {
		if !rel.Draft || g.may(r) {
			all = append(all, g.json(rel))
		}
	}
	send(w, 200, page(w, r, all))
}

// releaseRequest is one about a release or its assets: parts are those of the
// path, releases first.
func (g *GitHub) releaseRequest(w http.ResponseWriter, r *http.Request, parts []string, body []byte) {
	switch {
	case len(parts) == 1 && r.Method == http.MethodPost:
		g.create(w, body)
	case len(parts) == 3 && parts[1] == "assets":
		g.assetRequest(w, r, parts[2])
	case len(parts) >= 2:
		rel := g.release(parts[1])
		switch {
		case rel == nil || rel.Draft && !g.may(r):
			fail(w, http.StatusNotFound, "Not Found", "")
		case len(parts) == 3 && parts[2] == "assets":
			var all []any
			for _, a := range rel.Assets {
				all = append(all, assetJSON(a))
			}
			send(w, 200, page(w, r, all))
		case r.Method == http.MethodPatch:
			g.edit(w, rel, body)
		default:
			fail(w, http.StatusMethodNotAllowed, "not here", "")
		}
	}
}

func (g *GitHub) release(id string) *Release {
	for _, r := range g.releases {
		if strconv.FormatInt(r.ID, 10) == id {
			return r
		}
	}
	return nil
}

type change struct {
	Tag   string `json:"tag_name"`
	Name  string `json:"name"`
	Body  string `json:"body"`
	Draft *bool  `json:"draft"`
}

func (g *GitHub) create(w http.ResponseWriter, body []byte) {
	var c change
	if json.Unmarshal(body, &c) != nil || c.Tag == "" {
		fail(w, http.StatusUnprocessableEntity, "Validation Failed", "")
		return
	}
	r := &Release{ID: g.id(), Tag: c.Tag, Name: c.Name, Body: c.Body, Draft: c.Draft != nil && *c.Draft}
	g.releases = append(g.releases, r)
	send(w, http.StatusCreated, g.json(r))
}

func (g *GitHub) edit(w http.ResponseWriter, r *Release, body []byte) {
	var c change
	if json.Unmarshal(body, &c) != nil {
		fail(w, http.StatusBadRequest, "Problems parsing JSON", "")
		return
	}
	if !r.Draft {
		g.breaks("the published release %s was edited", r.Tag)
	}
	r.Name, r.Body = c.Name, c.Body
	if c.Draft != nil {
		r.Draft = *c.Draft
	}
	send(w, 200, g.json(r))
}

// assetRequest takes an asset away, or says where it lies.
func (g *GitHub) assetRequest(w http.ResponseWriter, r *http.Request, id string) {
	for _, rel := range g.releases {
		i := slices.IndexFunc(rel.Assets, func(a *Asset) bool { return strconv.FormatInt(a.ID, 10) == id })
		if i < 0 || rel.Draft && !g.may(r) {
			continue
		}
		if r.Method == http.MethodDelete {
			if !rel.Draft {
				g.breaks("%s of a published release was removed", rel.Assets[i].Name)
			}
			rel.Assets = slices.Delete(rel.Assets, i, i+1)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		http.Redirect(w, r, g.store.URL+"/"+id+"?signature=x", http.StatusFound)
		return
	}
	fail(w, http.StatusNotFound, "Not Found", "")
}

// storage is where the files lie. It refuses a token, as GitHub's does.
func (g *GitHub) storage(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Header.Get("Authorization") != "" {
		g.breaks("the token was sent to the storage")
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, rel := range g.releases {
		for _, a := range rel.Assets {
			if "/"+strconv.FormatInt(a.ID, 10) == r.URL.Path {
				_, _ = w.Write(a.Body)
				return
			}
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

// upload takes a file. A name that is taken, even by what was cut short, is 422.
func (g *GitHub) upload(w http.ResponseWriter, r *http.Request, body []byte) {
	rel := g.release(strings.Split(r.URL.Path, "/")[7])
	switch name := r.URL.Query().Get("name"); {
	case rel == nil || !g.may(r):
		fail(w, http.StatusNotFound, "Not Found", "")
	case r.ContentLength != int64(len(body)):
		fail(w, http.StatusBadRequest, "Bad Content-Length", "")
	case slices.ContainsFunc(rel.Assets, func(a *Asset) bool { return a.Name == name }):
		send(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed", "errors": []map[string]string{{"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}}})
	default:
		if !rel.Draft {
			g.breaks("%s was added to a published release", name)
		}
		a := &Asset{ID: g.id(), Name: name, Body: body, State: "uploaded"}
		rel.Assets = append(rel.Assets, a)
		send(w, http.StatusCreated, assetJSON(a))
	}
}

// starter is what an upload leaves that was cut short.
func (g *GitHub) starter(r *http.Request) {
	if rel := g.release(strings.Split(r.URL.Path, "/")[7]); rel != nil {
		rel.Assets = append(rel.Assets, &Asset{ID: g.id(), Name: r.URL.Query().Get("name"), State: "starter"})
	}
}
