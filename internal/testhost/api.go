package testhost

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

func (g *GitHub) may(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+g.Token }

// answerAPI answers what is asked of the API, whose paths begin with /api/v3 at
// an Enterprise server and with nothing at api.github.com. Files go to
// /api/uploads there.
func (g *GitHub) answerAPI(w http.ResponseWriter, r *http.Request, body []byte) {
	if strings.HasPrefix(r.URL.Path, control) {
		g.answerControl(w, r)
		return
	}
	auth := r.Header.Get("Authorization")
	if auth != "" && !g.may(r) && auth != "Bearer "+g.Reader {
		fail(w, http.StatusUnauthorized, "Bad credentials for "+auth, "")
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/v3")
	path, ours := strings.CutPrefix(path, "/repos/owner/name")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case !g.Split && strings.HasPrefix(r.URL.Path, "/api/uploads/"):
		g.answerUpload(w, r, body)
	case path == "/graphql" || path == "/api/graphql":
		g.graphQL(w, r, body)
	case path == "/user" && auth != "":
		send(w, http.StatusOK, map[string]string{"login": g.login(r), "type": "User"})
	case !ours:
		fail(w, http.StatusNotFound, "Not Found", "")
	case path == "":
		send(w, http.StatusOK, map[string]any{"full_name": "owner/name", "default_branch": "main", "archived": g.Archived, "permissions": map[string]bool{"push": g.may(r), "pull": true}})
	case parts[0] == "git":
		g.gitRequest(w, path)
	case parts[0] == "releases":
		g.releaseRequests(w, r, parts, body)
	case parts[0] == "pulls":
		g.pullRequests(w, r, parts, body)
	case parts[0] == "issues":
		g.issueRequests(w, r, parts, body)
	default:
		fail(w, http.StatusNotFound, "Not Found", "")
	}
}

func (g *GitHub) login(r *http.Request) string {
	if g.may(r) {
		return "pusher"
	}
	return "reader"
}

// gitRequest answers what a tag is: a commit, or an object that names one.
func (g *GitHub) gitRequest(w http.ResponseWriter, path string) {
	object := func(kind, sha string) map[string]any {
		return map[string]any{"object": map[string]string{"type": kind, "sha": sha}}
	}
	tag, ofTag := strings.CutPrefix(path, "/git/ref/tags/")
	named, ofObject := strings.CutPrefix(path, "/git/tags/object-of-")
	switch {
	case ofTag && g.Tags[tag] != "" && g.Lightweight:
		send(w, http.StatusOK, object("commit", g.Tags[tag]))
	case ofTag && g.Tags[tag] != "":
		send(w, http.StatusOK, object("tag", "object-of-"+tag))
	case ofObject && g.Tags[named] != "":
		send(w, http.StatusOK, object("commit", g.Tags[named]))
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
	if all == nil {
		return []T{}
	}
	return all[from:to]
}

// fail answers with an error of the API.
func fail(w http.ResponseWriter, code int, message, docs string) {
	send(w, code, map[string]string{"message": message, "documentation_url": docs})
}

// invalid answers that a request was understood, and refused.
func invalid(w http.ResponseWriter, resource, code, field, message string) {
	send(w, http.StatusUnprocessableEntity, map[string]any{
		"message": "Validation Failed", "documentation_url": "https://docs.github.com/rest",
		"errors": []map[string]string{{"resource": resource, "code": code, "field": field, "message": message}},
	})
}

const jsonType = "application/json; charset=utf-8"

func send(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // who asked may have gone
}
