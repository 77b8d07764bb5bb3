package testhost

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Request is a pull request, or an issue where it has no branch.
type Request struct {
	Number   int
	Head     string
	Base     string
	Title    string
	Body     string
	Draft    bool
	Open     bool
	Comments []string
}

// requests are what is proposed and reported.
type requests struct {
	proposed []*Request
}

// Proposals returns the pull requests and issues.
func (g *GitHub) Proposals() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Request
	for _, r := range g.proposed {
		all = append(all, *r)
	}
	return all
}

type proposal struct {
	Title string `json:"title"`
	Head  string `json:"head"`
	Base  string `json:"base"`
	Body  string `json:"body"`
	State string `json:"state"`
	Draft bool   `json:"draft"`
}

// proposals answers what is asked of /pulls and /issues.
func (g *GitHub) proposals(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var p proposal
	_ = json.Unmarshal(body, &p) // a GET has none
	pulls := parts[0] == "pulls"
	switch {
	case !g.may(r):
		fail(w, http.StatusForbidden, "Resource not accessible", "")
	case len(parts) == 1 && r.Method == http.MethodGet:
		g.listRequests(w, r, pulls)
	case len(parts) == 1:
		g.openRequest(w, p, pulls)
	default:
		n, _ := strconv.Atoi(parts[1])
		i := slices.IndexFunc(g.proposed, func(o *Request) bool { return o.Number == n })
		if i < 0 {
			fail(w, http.StatusNotFound, "Not Found", "")
			return
		}
		o := g.proposed[i]
		switch {
		case len(parts) == 3 && parts[2] == "comments":
			o.Comments = append(o.Comments, p.Body)
		case r.Method == http.MethodPatch:
			if p.Title != "" {
				o.Title, o.Body = p.Title, p.Body
			}
			o.Open = p.State != "closed"
		}
		send(w, 200, requestJSON(o))
	}
}

func requestJSON(o *Request) map[string]any {
	state := "closed"
	if o.Open {
		state = "open"
	}
	m := map[string]any{"number": o.Number, "title": o.Title, "body": o.Body, "state": state, "draft": o.Draft, "html_url": "https://github.com/owner/name/pull/" + strconv.Itoa(o.Number), "node_id": "N"}
	if o.Head != "" {
		m["head"] = map[string]string{"ref": o.Head}
		m["base"] = map[string]string{"ref": o.Base}
	}
	return m
}

// listRequests lists what is open; the list of issues has pull requests too.
func (g *GitHub) listRequests(w http.ResponseWriter, r *http.Request, pulls bool) {
	head := strings.TrimPrefix(r.URL.Query().Get("head"), "owner:")
	var all []any
	for _, o := range g.proposed {
		if !o.Open || pulls && (o.Head == "" || head != "" && o.Head != head) {
			continue
		}
		m := requestJSON(o)
		if o.Head != "" && !pulls {
			m["pull_request"] = map[string]string{"url": "x"}
		}
		all = append(all, m)
	}
	send(w, 200, page(w, r, all))
}

func (g *GitHub) openRequest(w http.ResponseWriter, p proposal, pulls bool) {
	if pulls && slices.ContainsFunc(g.proposed, func(o *Request) bool { return o.Open && o.Head == p.Head && o.Base == p.Base }) {
		send(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed", "errors": []map[string]string{{"message": "A pull request already exists for owner:" + p.Head + "."}}})
		return
	}
	o := &Request{Number: int(g.id()), Head: p.Head, Base: p.Base, Title: p.Title, Body: p.Body, Draft: p.Draft, Open: true}
	if !pulls {
		o.Head, o.Base = "", ""
	}
	g.proposed = append(g.proposed, o)
	send(w, http.StatusCreated, requestJSON(o))
}
