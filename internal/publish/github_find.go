package publish

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/google/go-github/v58/github"
)

// pages bounds a list that a server says goes on.
const pages = 30

// list calls f for each thing of a list, page by page.
func list[T any](f func(o github.ListOptions) ([]T, *github.Response, error), each func(T)) error {
	o := github.ListOptions{PerPage: 100}
	for range pages {
		items, resp, err := f(o)
		if err != nil {
			return err
		}
		for _, item := range items {
			each(item)
		}
		if o.Page = resp.NextPage; o.Page == 0 {
			return nil
		}
	}
	return errLong
}

var errLong = errors.New("the list has no end")

// Find implements [Host]. A draft is in the list only, and there for those who
// may push. GitHub lets a tag have several drafts: the oldest is taken, by all
// who look, and the others are left alone.
func (g *GitHub) Find(ctx context.Context, tag string) (*Release, error) {
	found, _, err := g.client.Repositories.GetReleaseByTag(ctx, g.owner, g.repo, url.PathEscape(tag))
	if status(err) == http.StatusNotFound && g.token != "" {
		found, err = g.draft(ctx, tag)
	}
	if status(err) == http.StatusNotFound || err == nil && found == nil {
		return nil, nil
	}
	if err != nil {
		return nil, g.explain("look for the release", err)
	}
	r := g.release(found)
	err = list(func(o github.ListOptions) ([]*github.ReleaseAsset, *github.Response, error) {
		return g.client.Repositories.ListReleaseAssets(ctx, g.owner, g.repo, found.GetID(), &o)
	}, func(a *github.ReleaseAsset) { r.Assets = append(r.Assets, asset(a)) })
	if err != nil {
		return nil, g.explain("list the files", err)
	}
	slices.SortFunc(r.Assets, func(a, b Asset) int { return cmp.Compare(number(a.ID), number(b.ID)) })
	if !r.Draft {
		r.Commit, err = g.commitOf(ctx, tag)
	}
	return r, err
}

// draft returns the oldest draft of the tag; nil: there is none. The list may
// lag behind what this run made.
func (g *GitHub) draft(ctx context.Context, tag string) (*github.RepositoryRelease, error) {
	var oldest *github.RepositoryRelease
	err := list(func(o github.ListOptions) ([]*github.RepositoryRelease, *github.Response, error) {
		return g.client.Repositories.ListReleases(ctx, g.owner, g.repo, &o)
	}, func(r *github.RepositoryRelease) {
		if r.GetDraft() && r.GetTagName() == tag && (oldest == nil || r.GetID() < oldest.GetID()) {
			oldest = r
		}
	})
	g.mu.Lock()
	id, made := g.made[tag]
	g.mu.Unlock()
	if err == nil && oldest == nil && made {
		oldest, _, err = g.client.Repositories.GetRelease(ctx, g.owner, g.repo, id)
	}
	return oldest, err
}

func (g *GitHub) release(r *github.RepositoryRelease) *Release {
	return &Release{
		ID: strconv.FormatInt(r.GetID(), 10), Tag: g.shown(r.GetTagName()), Draft: r.GetDraft(),
		URL: g.shown(r.GetHTMLURL()), Notes: r.GetBody(),
	}
}

func asset(a *github.ReleaseAsset) Asset {
	return Asset{ID: strconv.FormatInt(a.GetID(), 10), Name: a.GetName(), Size: int64(a.GetSize()), Whole: a.GetState() == "uploaded"}
}
