package testhost

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Proposals returns the merge requests and issues.
func (g *GitLab) Proposals() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Request
	for _, r := range g.proposed {
		all = append(all, *r)
	}
	return all
}

type merge struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	Source      string `json:"source_branch"`
	Target      string `json:"target_branch"`
	Event       string `json:"state_event"`
	Body        string `json:"body"`
}

// proposals answers what is asked of /merge_requests and /issues.
func (g *GitLab) proposals(w http.ResponseWriter, r *http.Request, path string, body []byte, person bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	merges := parts[0] == "merge_requests"
	var m merge
	_ = json.Unmarshal(body, &m) // a GET has none
	switch {
	case !person:
		send(w, http.StatusForbidden, map[string]string{"message": "403 Forbidden"})
	case len(parts) == 1 && r.Method == http.MethodGet:
		var all []any
		for _, o := range g.proposed {
			if o.Open && (o.Head != "") == merges {
				all = append(all, mergeJSON(o))
			}
		}
		send(w, 200, page(w, r, all))
	case len(parts) == 1:
		if merges && slices.ContainsFunc(g.proposed, func(o *Request) bool { return o.Open && o.Head == m.Source }) {
			send(w, http.StatusConflict, map[string]any{"message": []string{"Another open merge request already exists for this source branch"}})
			return
		}
		g.next++
		o := &Request{Number: int(g.next), Head: m.Source, Base: m.Target, Title: m.Title, Body: m.Description, Open: true}
		g.proposed = append(g.proposed, o)
		send(w, http.StatusCreated, mergeJSON(o))
	default:
		g.change(w, parts, m)
	}
}

func (g *GitLab) change(w http.ResponseWriter, parts []string, m merge) {
	n, _ := strconv.Atoi(parts[1])
	i := slices.IndexFunc(g.proposed, func(o *Request) bool { return o.Number == n })
	if i < 0 {
		send(w, http.StatusNotFound, map[string]string{"message": "404 Not Found"})
		return
	}
	o := g.proposed[i]
	switch {
	case len(parts) == 3:
		o.Comments = append(o.Comments, m.Body)
		send(w, http.StatusCreated, map[string]any{"id": 1, "body": m.Body})
		return
	case m.Event == "close":
		o.Open = false
	case m.Title != "":
		o.Title, o.Body = m.Title, m.Description
	}
	send(w, 200, mergeJSON(o))
}

func mergeJSON(o *Request) map[string]any {
	return map[string]any{"id": o.Number, "iid": o.Number, "title": o.Title, "description": o.Body, "source_branch": o.Head, "target_branch": o.Base, "web_url": "https://gitlab.com/group/name/-/x/" + strconv.Itoa(o.Number)}
}
