package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v58/github"

	"bzmage/internal/fault"
	"bzmage/internal/plain"
)

// GitHub is a repository of GitHub, or of an Enterprise server.
type GitHub struct {
	owner, repo string
	token       string
	client      *github.Client
	plain       *http.Client // without the token, for where a download leads to
}

// GitHubParams says which.
type GitHubParams struct {
	Repository string // owner/name
	API        string // base address, as GITHUB_API_URL has it; empty: github.com
	Token      string
	Timeout    time.Duration // of one request but uploads and downloads; 0: two minutes
}

// NewGitHub returns the repository. Nothing is asked yet.
func NewGitHub(p GitHubParams) (*GitHub, error) {
	owner, repo, ok := strings.Cut(p.Repository, "/")
	if !ok || owner == "" || repo == "" || strings.ContainsAny(repo, "/?#") {
		return nil, fault.New(fault.Usage, "PUBLISH_TO=github:owner/name", "%q is no repository of GitHub", p.Repository)
	}
	// A token goes to the API's host and to none that an answer names.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 2 * time.Minute
	if p.Timeout > 0 {
		transport.ResponseHeaderTimeout = p.Timeout
	}
	noFollow := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	g := &GitHub{owner: owner, repo: repo, token: p.Token, plain: &http.Client{Transport: transport}}
	g.client = github.NewClient(&http.Client{Transport: transport, CheckRedirect: noFollow})
	if p.API != "" && p.API != "https://api.github.com" {
		base, err := url.Parse(strings.TrimSuffix(p.API, "/") + "/")
		if err != nil || base.Host == "" {
			return nil, fault.New(fault.Usage, "GITHUB_API_URL=https://host/api/v3", "GITHUB_API_URL is no address")
		}
		up := *base
		up.Path = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/"), "/v3") + "/uploads/"
		g.client.BaseURL, g.client.UploadURL = base, &up
	}
	if p.Token != "" {
		g.client = g.client.WithAuthToken(p.Token)
	}
	return g, nil
}

// Name implements [Host].
func (g *GitHub) Name() string { return "GitHub " + g.owner + "/" + g.repo }

// Preflight implements [Host].
func (g *GitHub) Preflight(ctx context.Context, tag, commit string) error {
	if g.token == "" {
		return fault.New(fault.Usage, "GITHUB_TOKEN=<a token with contents: write>", "GITHUB_TOKEN is not set")
	}
	r, _, err := g.client.Repositories.Get(ctx, g.owner, g.repo)
	if err != nil {
		return g.explain("look at the repository", err)
	}
	switch {
	case r.GetArchived():
		return fault.New(fault.Usage, "unarchive it", "%s is archived", g.Name())
	case !r.GetPermissions()["push"]:
		return fault.New(fault.Usage, "give the token the right contents: write", "GITHUB_TOKEN may not publish to %s", g.Name())
	}
	there, err := g.commitOf(ctx, tag)
	if err != nil {
		return err
	}
	if there != commit {
		return fault.New(fault.Usage, "git push origin "+tag, "tag %s is commit %.12s at %s, and %.12s here", tag, there, g.Name(), commit)
	}
	return nil
}

// commitOf returns the commit of a tag, which may be an object of its own.
func (g *GitHub) commitOf(ctx context.Context, tag string) (string, error) {
	ref, _, err := g.client.Git.GetRef(ctx, g.owner, g.repo, "tags/"+tag)
	if status(err) == http.StatusNotFound {
		return "", fault.New(fault.Usage, "git push origin "+tag, "%s has no tag %s", g.Name(), tag)
	}
	if err != nil {
		return "", g.explain("look for the tag", err)
	}
	o := ref.GetObject()
	for depth := 0; o.GetType() == "tag" && depth < 5; depth++ {
		t, _, err := g.client.Git.GetTag(ctx, g.owner, g.repo, o.GetSHA())
		if err != nil {
			return "", g.explain("look at the tag", err)
		}
		o = t.GetObject()
	}
	return o.GetSHA(), nil
}

// Find implements [Host]. A draft is in the list only, and there for those who
// may push. GitHub lets a tag have several drafts: the oldest is taken, by all
// who look.
func (g *GitHub) Find(ctx context.Context, tag string) (*Release, error) {
	found, _, err := g.client.Repositories.GetReleaseByTag(ctx, g.owner, g.repo, tag)
	if err != nil && status(err) != http.StatusNotFound {
		return nil, g.explain("look for the release", err)
	}
	if err != nil {
		if found, err = g.draft(ctx, tag); err != nil || found == nil {
			return nil, err
		}
	}
	r := &Release{ID: strconv.FormatInt(found.GetID(), 10), Tag: found.GetTagName(), Draft: found.GetDraft(), URL: found.GetHTMLURL(), Notes: found.GetBody()}
	if r.Assets, err = g.assets(ctx, found.GetID()); err != nil {
		return nil, err
	}
	if !r.Draft {
		r.Commit, err = g.commitOf(ctx, tag)
	}
	return r, err
}

// pages bounds a list that a server says goes on.
const pages = 20

func (g *GitHub) draft(ctx context.Context, tag string) (*github.RepositoryRelease, error) {
	var oldest *github.RepositoryRelease
	opts := &github.ListOptions{PerPage: 100}
	for range pages {
		list, resp, err := g.client.Repositories.ListReleases(ctx, g.owner, g.repo, opts)
		if err != nil {
			return nil, g.explain("list the releases", err)
		}
		for _, r := range list {
			if r.GetDraft() && r.GetTagName() == tag && (oldest == nil || r.GetID() < oldest.GetID()) {
				oldest = r
			}
		}
		if opts.Page = resp.NextPage; opts.Page == 0 {
			break
		}
	}
	return oldest, nil
}

func (g *GitHub) assets(ctx context.Context, id int64) ([]Asset, error) {
	var all []Asset
	opts := &github.ListOptions{PerPage: 100}
	for range pages {
		list, resp, err := g.client.Repositories.ListReleaseAssets(ctx, g.owner, g.repo, id, opts)
		if err != nil {
			return nil, g.explain("list the files", err)
		}
		for _, a := range list {
			all = append(all, asset(a))
		}
		if opts.Page = resp.NextPage; opts.Page == 0 {
			break
		}
	}
	slices.SortFunc(all, func(a, b Asset) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

func asset(a *github.ReleaseAsset) Asset {
	return Asset{ID: strconv.FormatInt(a.GetID(), 10), Name: a.GetName(), Size: int64(a.GetSize()), Whole: a.GetState() == "uploaded"}
}

// Create implements [Host].
func (g *GitHub) Create(ctx context.Context, d Description) (*Release, error) {
	r, _, err := g.client.Repositories.CreateRelease(ctx, g.owner, g.repo, &github.RepositoryRelease{
		TagName: &d.Tag, TargetCommitish: &d.Commit, Name: &d.Title, Body: &d.Notes, Draft: github.Bool(true),
	})
	if err != nil {
		return nil, g.explain("make the draft", err)
	}
	return &Release{ID: strconv.FormatInt(r.GetID(), 10), Tag: d.Tag, Draft: true}, nil
}

// Upload implements [Host].
func (g *GitHub) Upload(ctx context.Context, r *Release, name string, f *os.File) (Asset, error) {
	a, _, err := g.client.Repositories.UploadReleaseAsset(ctx, g.owner, g.repo, number(r.ID), &github.UploadOptions{Name: name, MediaType: "application/octet-stream"}, f)
	if status(err) == http.StatusUnprocessableEntity && strings.Contains(err.Error(), "already_exists") {
		return Asset{}, ErrExists
	}
	if err != nil {
		return Asset{}, g.explain("send "+name, err)
	}
	return asset(a), nil
}

// Remove implements [Host].
func (g *GitHub) Remove(ctx context.Context, _ *Release, a Asset) error {
	_, err := g.client.Repositories.DeleteReleaseAsset(ctx, g.owner, g.repo, number(a.ID))
	if err != nil && status(err) != http.StatusNotFound {
		return g.explain("remove "+plain.Line(a.Name, 100), err)
	}
	return nil
}

// Download implements [Host]. Where the file lies elsewhere it is fetched
// without the token.
func (g *GitHub) Download(ctx context.Context, _ *Release, a Asset) (io.ReadCloser, error) {
	body, _, err := g.client.Repositories.DownloadReleaseAsset(ctx, g.owner, g.repo, number(a.ID), g.plain)
	if err != nil {
		return nil, g.explain("download "+plain.Line(a.Name, 100), err)
	}
	return body, nil
}

// Publish implements [Host].
func (g *GitHub) Publish(ctx context.Context, r *Release, d Description) (string, error) {
	done, _, err := g.client.Repositories.EditRelease(ctx, g.owner, g.repo, number(r.ID), &github.RepositoryRelease{
		TagName: &d.Tag, Name: &d.Title, Body: &d.Notes, Draft: github.Bool(false),
	})
	if err != nil {
		return "", g.explain("publish the draft", err)
	}
	return done.GetHTMLURL(), nil
}

func number(id string) int64 { n, _ := strconv.ParseInt(id, 10, 64); return n } // our own, of an answer

// status returns the status of a refused request; 0: it was not refused.
func status(err error) int {
	var e *github.ErrorResponse
	if errors.As(err, &e) && e.Response != nil {
		return e.Response.StatusCode
	}
	return 0
}

// explain says whose fault an error is and whether another try may help. The
// token is in none of its words.
func (g *GitHub) explain(what string, err error) error {
	text := err.Error()
	if g.token != "" {
		text = strings.ReplaceAll(text, g.token, "[token]")
	}
	said := fmt.Errorf("%s: %s: %s", g.Name(), what, plain.Line(text, 500))
	var limit *github.RateLimitError
	var abuse *github.AbuseRateLimitError
	switch code := status(err); {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", said, context.Canceled)
	case errors.As(err, &limit):
		return &Temporary{Err: said, Wait: time.Until(limit.Rate.Reset.Time) + time.Second}
	case errors.As(err, &abuse):
		wait := time.Minute // what GitHub asks for where it does not say
		if abuse.RetryAfter != nil {
			wait = *abuse.RetryAfter
		}
		return &Temporary{Err: said, Wait: wait}
	case code == http.StatusTooManyRequests, code == http.StatusConflict, code >= 500, code == 0:
		return &Temporary{Err: said}
	case code == http.StatusUnauthorized:
		return fault.New(fault.Usage, "set GITHUB_TOKEN to a token that is valid", "GitHub does not accept GITHUB_TOKEN: %w", said)
	case code == http.StatusForbidden, code == http.StatusNotFound:
		return fault.New(fault.Usage, "look at the name of the repository and the rights of GITHUB_TOKEN: contents: write", "%w", said)
	}
	return fault.New(fault.Machine, "", "%w", said)
}
