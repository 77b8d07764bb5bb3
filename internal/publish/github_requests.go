package publish

import (
	"context"
	"strings"

	"github.com/google/go-github/v58/github"

	"bzmage/internal/fault"
)

// Propose implements [Requests]. What is open is looked for before anything is
// opened, also by a try that follows one whose answer was lost.
func (g *GitHub) Propose(ctx context.Context, p Proposal) (string, error) {
	return again(ctx, g.Name(), func() (string, error) { return g.propose(ctx, p) })
}

func (g *GitHub) propose(ctx context.Context, p Proposal) (string, error) {
	if p.Base == "" {
		r, _, err := g.client.Repositories.Get(ctx, g.owner, g.repo)
		if err != nil {
			return "", g.explain("look at the repository", err)
		}
		p.Base = r.GetDefaultBranch()
	}
	opts := &github.PullRequestListOptions{State: "open", Head: g.owner + ":" + p.Branch, ListOptions: github.ListOptions{PerPage: 100}}
	list, _, err := g.client.PullRequests.List(ctx, g.owner, g.repo, opts)
	if err != nil {
		return "", g.explain("list the pull requests", err)
	}
	for _, pr := range list {
		if pr.GetHead().GetRef() != p.Branch {
			continue
		}
		if pr.GetTitle() == p.Title && pr.GetBody() == p.Body {
			return pr.GetHTMLURL(), nil
		}
		pr, _, err = g.client.PullRequests.Edit(ctx, g.owner, g.repo, pr.GetNumber(), &github.PullRequest{Title: &p.Title, Body: &p.Body})
		if err != nil {
			return "", g.explain("refresh the pull request", err)
		}
		return pr.GetHTMLURL(), nil
	}
	pr, _, err := g.client.PullRequests.Create(ctx, g.owner, g.repo, &github.NewPullRequest{Title: &p.Title, Head: &p.Branch, Base: &p.Base, Body: &p.Body, Draft: &p.Draft})
	if err != nil {
		return "", g.explain("open a pull request", err)
	}
	return pr.GetHTMLURL(), nil
}

// mark is how a marker stands in the body of an issue.
func mark(marker string) string { return "<!-- " + marker + " -->" }

// Report implements [Requests]. Issues are listed, not searched for: the index
// of a search lags behind, and would let a second one be opened.
func (g *GitHub) Report(ctx context.Context, i Issue) (string, error) {
	if i.Marker == "" {
		return "", fault.New(fault.Internal, "", "an issue without a marker")
	}
	return again(ctx, g.Name(), func() (string, error) {
		title, body := i.Title, mark(i.Marker)+"\n"+i.Body
		open, err := g.issue(ctx, i.Marker)
		if err != nil {
			return "", err
		}
		if open != nil && open.GetTitle() == title && open.GetBody() == body {
			return open.GetHTMLURL(), nil
		}
		request := &github.IssueRequest{Title: &title, Body: &body}
		if open == nil {
			open, _, err = g.client.Issues.Create(ctx, g.owner, g.repo, request)
		} else {
			open, _, err = g.client.Issues.Edit(ctx, g.owner, g.repo, open.GetNumber(), request)
		}
		if err != nil {
			return "", g.explain("report", err)
		}
		return open.GetHTMLURL(), nil
	})
}

// issue returns the open issue with the marker.
func (g *GitHub) issue(ctx context.Context, marker string) (*github.Issue, error) {
	opts := &github.IssueListByRepoOptions{State: "open", ListOptions: github.ListOptions{PerPage: 100}}
	for range pages {
		list, resp, err := g.client.Issues.ListByRepo(ctx, g.owner, g.repo, opts)
		if err != nil {
			return nil, g.explain("list the issues", err)
		}
		for _, i := range list {
			if !i.IsPullRequest() && strings.HasPrefix(i.GetBody(), mark(marker)) {
				return i, nil
			}
		}
		if opts.Page = resp.NextPage; opts.Page == 0 {
			break
		}
	}
	return nil, nil
}

// Settle implements [Requests]. The comment comes first: an issue that is
// closed is found no more.
func (g *GitHub) Settle(ctx context.Context, marker, comment string) error {
	_, err := again(ctx, g.Name(), func() (string, error) {
		open, err := g.issue(ctx, marker)
		if err != nil || open == nil {
			return "", err
		}
		if _, _, err = g.client.Issues.CreateComment(ctx, g.owner, g.repo, open.GetNumber(), &github.IssueComment{Body: &comment}); err != nil {
			return "", g.explain("comment", err)
		}
		closed := "closed"
		if _, _, err = g.client.Issues.Edit(ctx, g.owner, g.repo, open.GetNumber(), &github.IssueRequest{State: &closed}); err != nil {
			return "", g.explain("close the issue", err)
		}
		return "", nil
	})
	return err
}

// again repeats f while its error is temporary.
func again(ctx context.Context, host string, f func() (string, error)) (string, error) {
	var w waits
	for n := 1; ; n++ {
		text, err := f()
		if err == nil || n == tries || final(err) {
			return text, err
		}
		if err := w.before(ctx, host, err); err != nil {
			return "", err
		}
	}
}
