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
	Head     string // branch
	Fork     bool   // whose repository is another one
	Base     string
	Title    string
	Body     string
	By       string // login
	Type     string // User or Bot
	Is       string // author_association
	Draft    bool
	Open     bool
	Comments []string
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

// Propose adds a pull request or an issue as somebody else left it.
func (g *GitHub) Propose(r Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r.Number = int(g.id())
	g.proposed = append(g.proposed, &r)
}

type proposal struct {
	Title *string `json:"title"`
	Head  string  `json:"head"`
	Base  string  `json:"base"`
	Body  *string `json:"body"`
	State string  `json:"state"`
	Draft bool    `json:"draft"`
}

func (p proposal) to(o *Request) {
	if p.Title != nil {
		o.Title = *p.Title
	}
	if p.Body != nil {
		o.Body = *p.Body
	}
	if p.Base != "" {
		o.Base = p.Base
	}
	if p.State != "" {
		o.Open = p.State == "open"
	}
}

func (o *Request) json() map[string]any {
	state, kind := "closed", "issues"
	if o.Open {
		state = "open"
	}
	if o.Head != "" {
		kind = "pull"
	}
	at := "https://github.com/owner/name/" + kind + "/" + strconv.Itoa(o.Number)
	m := map[string]any{
		"number": o.Number, "title": o.Title, "body": o.Body, "state": state, "html_url": at, "node_id": "N" + strconv.Itoa(o.Number),
		"user": map[string]string{"login": o.By, "type": o.Type}, "author_association": o.Is,
	}
	if o.Head != "" {
		repo := "owner/name"
		if o.Fork {
			repo = "stranger/name"
		}
		m["draft"] = o.Draft
		m["pull_request"] = map[string]string{"url": at}
		m["head"] = map[string]any{"ref": o.Head, "repo": map[string]string{"full_name": repo}}
		m["base"] = map[string]any{"ref": o.Base}
	}
	return m
}

func (g *GitHub) request(w http.ResponseWriter, number string) *Request {
	i := slices.IndexFunc(g.proposed, func(o *Request) bool { return strconv.Itoa(o.Number) == number })
	if i < 0 {
		fail(w, http.StatusNotFound, "Not Found", "")
		return nil
	}
	return g.proposed[i]
}

// pullRequests answers what is asked of pull requests: one is open of a branch
// to a base.
func (g *GitHub) pullRequests(w http.ResponseWriter, r *http.Request, parts []string, body []byte) {
	var p proposal
	_ = json.Unmarshal(body, &p) // a GET has none
	head := strings.TrimPrefix(r.URL.Query().Get("head"), "owner:")
	switch {
	case r.Method != http.MethodGet && !g.may(r):
		fail(w, http.StatusForbidden, "Resource not accessible by integration", "")
	case len(parts) == 1 && r.Method == http.MethodGet:
		g.listRequests(w, r, func(o *Request) bool { return o.Head != "" && (head == "" || o.Head == head) })
	case len(parts) == 1 && slices.ContainsFunc(g.proposed, func(o *Request) bool { return o.Open && !o.Fork && o.Head == p.Head && o.Base == p.Base }):
		invalid(w, "PullRequest", "custom", "", "A pull request already exists for owner:"+p.Head+".")
	case len(parts) == 1 && p.Draft && g.NoDrafts:
		fail(w, http.StatusUnprocessableEntity, "Draft pull requests are not supported in this repository.", "")
	case len(parts) == 1:
		g.open(w, p, &Request{Head: p.Head, Draft: p.Draft})
	default:
		if o := g.request(w, parts[1]); o != nil {
			p.to(o)
			send(w, http.StatusOK, o.json())
		}
	}
}

// issueRequests answers what is asked of issues. Their list has the pull
// requests, too. Anybody may open one.
func (g *GitHub) issueRequests(w http.ResponseWriter, r *http.Request, parts []string, body []byte) {
	var p proposal
	_ = json.Unmarshal(body, &p) // a GET has none
	switch {
	case r.Method != http.MethodGet && !g.may(r):
		fail(w, http.StatusForbidden, "Resource not accessible by integration", "")
	case len(parts) == 1 && r.Method == http.MethodGet:
		g.listRequests(w, r, func(*Request) bool { return true })
	case len(parts) == 1:
		g.open(w, p, &Request{})
	default:
		o := g.request(w, parts[1])
		switch {
		case o == nil:
		case len(parts) == 3 && r.Method == http.MethodGet:
			var all []any
			for _, c := range o.Comments {
				all = append(all, map[string]string{"body": c})
			}
			send(w, http.StatusOK, page(w, r, all))
		case len(parts) == 3:
			o.Comments = append(o.Comments, *p.Body)
			send(w, http.StatusCreated, map[string]string{"body": *p.Body})
		default:
			p.to(o)
			send(w, http.StatusOK, o.json())
		}
	}
}

// listRequests lists what is open.
func (g *GitHub) listRequests(w http.ResponseWriter, r *http.Request, listed func(*Request) bool) {
	var all []any
	for _, o := range g.proposed {
		if o.Open && listed(o) {
			all = append(all, o.json())
		}
	}
	send(w, http.StatusOK, page(w, r, all))
}

func (g *GitHub) open(w http.ResponseWriter, p proposal, o *Request) {
	if p.Title == nil || *p.Title == "" {
		invalid(w, "Issue", "missing_field", "title", "")
		return
	}
	o.Number, o.Open, o.By, o.Type, o.Is = int(g.id()), true, "pusher", "User", "COLLABORATOR"
	p.to(o)
	g.proposed = append(g.proposed, o)
	send(w, http.StatusCreated, o.json())
}

// graphQL does the two things that REST cannot.
func (g *GitHub) graphQL(w http.ResponseWriter, r *http.Request, body []byte) {
	var q struct {
		Query     string
		Variables struct{ ID string }
	}
	_ = json.Unmarshal(body, &q) // then it asks for nothing
	draft := strings.Contains(q.Query, "convertPullRequestToDraft")
	i := slices.IndexFunc(g.proposed, func(o *Request) bool { return "N"+strconv.Itoa(o.Number) == q.Variables.ID })
	message := ""
	switch {
	case !g.may(r):
		message = "Resource not accessible by integration"
	case i < 0 || !draft && !strings.Contains(q.Query, "markPullRequestReadyForReview"):
		message = "Could not resolve to a node"
	case draft && g.NoDrafts:
		message = "Draft pull requests are not supported in this repository."
	}
	if message != "" {
		send(w, http.StatusOK, map[string]any{"data": nil, "errors": []map[string]string{{"message": message}}})
		return
	}
	g.proposed[i].Draft = draft
	send(w, http.StatusOK, map[string]any{"data": map[string]any{}})
}
