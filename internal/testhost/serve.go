package testhost

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// control is below what a test of a whole pipeline asks for, which runs in
// processes of its own: GET state; POST tag?name=NAME&commit=COMMIT.
const control = "/testhost/"

// State is what the server has and saw.
type State struct {
	Releases  []StateRelease `json:"releases"`
	Proposals []Request      `json:"proposals"`
	Broken    []string       `json:"broken"`   // rules
	Requests  int            `json:"requests"` // that were answered or broken
}

// StateRelease is a release, with its files by name.
type StateRelease struct {
	Tag   string            `json:"tag"`
	Draft bool              `json:"draft"`
	Notes string            `json:"notes"`
	Files map[string]string `json:"files"` // name: sha256, or its state if it is not whole
}

// State returns what the server has.
func (g *GitHub) State() State { g.mu.Lock(); defer g.mu.Unlock(); return g.state() }

func (g *GitHub) state() State {
	s := State{Releases: []StateRelease{}, Proposals: []Request{}, Broken: append([]string{}, g.broken...), Requests: g.n}
	for _, r := range g.releases {
		files := map[string]string{}
		for _, a := range r.Assets {
			files[a.Name] = a.State
			if a.State == "uploaded" {
				files[a.Name] = sumOf(a.Body)
			}
		}
		s.Releases = append(s.Releases, StateRelease{Tag: r.Tag, Draft: r.Draft, Notes: r.Body, Files: files})
	}
	for _, p := range g.proposed {
		s.Proposals = append(s.Proposals, *p)
	}
	return s
}

func (g *GitHub) answerControl(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case r.URL.Path == control+"state" && r.Method == http.MethodGet:
		send(w, http.StatusOK, g.state())
	case r.URL.Path == control+"tag" && r.Method == http.MethodPost && q.Get("name") != "":
		g.Tags[q.Get("name")] = q.Get("commit")
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// Serve has the server answer at an address of the loopback too, until the
// context ends: GITHUB_API_URL=http://ADDRESS/api/v3.
func (g *GitHub) Serve(ctx context.Context, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return errors.New("a test server is for this machine alone: 127.0.0.1:PORT")
	}
	s := &http.Server{Addr: address, Handler: g.broke(g.answerAPI), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.ListenAndServe(); ctx.Err() == nil {
		return err
	}
	return nil
}
