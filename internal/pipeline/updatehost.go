package pipeline

import (
	"context"
	"io"
	"os"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/publish"
	"bzmage/internal/repo"
)

// UpdateHost is UpdatePR with the host that PUBLISH_TO, the pipeline or the
// remote origin names, and its token.
func (p Project) UpdateHost(ctx context.Context, out io.Writer) error {
	getenv := p.getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	state, err := repo.Read(ctx, p.Root)
	if err != nil {
		return err
	}
	if state.Origin == "" {
		return fault.New(fault.Usage, "git remote add origin ADDRESS", "there is no remote origin to push a proposal to")
	}
	place, err := publish.Open(getenv, state.Origin)
	if err != nil {
		return err
	}
	if place.Requests == nil {
		return fault.New(fault.Usage, "PUBLISH_TO=github:owner/name", "%s takes no requests", place.Kind)
	}
	r := Remote{URL: state.Origin, User: "x-access-token", Token: first(getenv, "GITHUB_TOKEN", "GH_TOKEN")}
	if place.Kind == "gitlab" {
		r.User, r.Token = "oauth2", first(getenv, "GITLAB_TOKEN")
	}
	// The token is for its own host: the remote may be another.
	if place.Web != "" && !strings.HasPrefix(strings.ToLower(r.URL), strings.ToLower(hostOf(place.Web))) {
		r.Token = ""
	}
	return p.UpdatePR(ctx, out, UpdateParams{Remote: r, Requests: place.Requests})
}

func first(getenv func(string) string, names ...string) string {
	for _, n := range names {
		if v := getenv(n); v != "" {
			return v
		}
	}
	return ""
}

// hostOf returns scheme and host of an address, with the slash that ends them.
func hostOf(address string) string {
	scheme, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host + "/"
}
