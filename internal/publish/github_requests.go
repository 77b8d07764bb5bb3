package publish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-github/v58/github"

	"bzmage/internal/fault"
)

// Propose implements [Requests]. What is open is looked for before anything is
// opened, also by a try that follows one whose answer was lost.
func (g *GitHub) Propose(ctx context.Context, p Proposal) (string, error) {
	p.Body = fit(p.Body, maxBody)
	return retry(ctx, waitsOf(g.Name(), g), func() (string, error) { return g.propose(ctx, &p) })
}

func (g *GitHub) propose(ctx context.Context, p *Proposal) (string, error) {
	if p.Base == "" {
		r, _, err := g.client.Repositories.Get(ctx, g.owner, g.repo)
		if err != nil {
			return "", g.explain("look at the repository", err)
		}
		p.Base = r.GetDefaultBranch()
	}
	open, err := g.proposed(ctx, p.Branch)
	if err != nil {
		return "", g.explain("list the pull requests", err)
	}
	if open != nil {
		return g.refresh(ctx, open, p)
	}
	pr, _, err := g.client.PullRequests.Create(ctx, g.owner, g.repo, &github.NewPullRequest{Title: &p.Title, Head: &p.Branch, Base: &p.Base, Body: &p.Body, Draft: &p.Draft})
	switch {
	case refused(err, "already exists"):
		return "", &Temporary{Err: fmt.Errorf("%s: somebody has opened a pull request of %s meanwhile", g.Name(), p.Branch)}
	case p.Draft && refused(err, "draft pull requests are not supported"):
		p.Draft = false
		return g.propose(ctx, p)
	case err != nil:
		return "", g.explain("open a pull request", err)
	}
	return g.shown(pr.GetHTMLURL()), nil
}

// refused says that the server understood, and refused with these words.
func refused(err error, with string) bool {
	var e *github.ErrorResponse
	if !errors.As(err, &e) || status(err) != http.StatusUnprocessableEntity {
		return false
	}
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), with) }
	return has(e.Message) || slices.ContainsFunc(e.Errors, func(e github.Error) bool { return has(e.Message) })
}

// proposed returns the oldest open pull request of a branch of this repository:
// one of the same name may be in a fork.
func (g *GitHub) proposed(ctx context.Context, branch string) (*github.PullRequest, error) {
	var open *github.PullRequest
	err := list(func(o github.ListOptions) ([]*github.PullRequest, *github.Response, error) {
		return g.client.PullRequests.List(ctx, g.owner, g.repo, &github.PullRequestListOptions{State: "open", Head: g.owner + ":" + branch, ListOptions: o})
	}, func(pr *github.PullRequest) {
		ours := strings.EqualFold(pr.GetHead().GetRepo().GetFullName(), g.owner+"/"+g.repo)
		if ours && pr.GetHead().GetRef() == branch && (open == nil || pr.GetNumber() < open.GetNumber()) {
			open = pr
		}
	})
	return open, err
}

func (g *GitHub) refresh(ctx context.Context, pr *github.PullRequest, p *Proposal) (string, error) {
	if pr.GetTitle() != p.Title || pr.GetBody() != p.Body || pr.GetBase().GetRef() != p.Base {
		change := &github.PullRequest{Title: &p.Title, Body: &p.Body, Base: &github.PullRequestBranch{Ref: &p.Base}}
		if _, _, err := g.client.PullRequests.Edit(ctx, g.owner, g.repo, pr.GetNumber(), change); err != nil {
			return "", g.explain("refresh the pull request", err)
		}
	}
	if pr.GetDraft() != p.Draft {
		if err := g.setDraft(ctx, pr.GetNodeID(), p.Draft); err != nil {
			return "", g.explain("change whether the pull request is a draft", err)
		}
	}
	return g.shown(pr.GetHTMLURL()), nil
}

// setDraft makes a draft of a pull request or ends it: REST cannot, GraphQL can.
func (g *GitHub) setDraft(ctx context.Context, id string, draft bool) error {
	what := "markPullRequestReadyForReview"
	if draft {
		what = "convertPullRequestToDraft"
	}
	at := "graphql"
	if strings.HasSuffix(g.client.BaseURL.Path, "/v3/") {
		at = "../graphql" // of an Enterprise server
	}
	req, err := g.client.NewRequest(http.MethodPost, at, map[string]any{
		"query":     "mutation($id: ID!) { " + what + "(input: {pullRequestId: $id}) { clientMutationId } }",
		"variables": map[string]string{"id": id},
	})
	if err != nil {
		return err
	}
	var answer struct {
		Errors []struct{ Message string }
	}
	if _, err = g.client.Do(ctx, req, &answer); err == nil && len(answer.Errors) > 0 {
		message := answer.Errors[0].Message
		if draft && strings.Contains(strings.ToLower(message), "not supported") {
			return nil // a repository without drafts
		}
		err = fault.New(fault.Usage, "give the token the right pull-requests: write", "%s: change whether a pull request is a draft: %s", g.Name(), g.shown(message))
	}
	return err
}

// mark is how a marker stands in the body of an issue.
func mark(marker string) string { return "<!-- " + marker + " -->" }

// Report implements [Requests]. Issues are listed, not searched for: the index
// of a search lags behind, and would let a second one be opened.
func (g *GitHub) Report(ctx context.Context, i Issue) (string, error) {
	if i.Marker == "" || strings.Contains(i.Marker, "--") {
		return "", fault.New(fault.Internal, "", "%q marks no issue", i.Marker)
	}
	title, body := i.Title, mark(i.Marker)+"\n"+fit(i.Body, maxBody-1000)
	request := &github.IssueRequest{Title: &title, Body: &body}
	return retry(ctx, waitsOf(g.Name(), g), func() (string, error) {
		open, err := g.issue(ctx, i.Marker)
		switch {
		case err != nil:
			return "", g.explain("list the issues", err)
		case open == nil:
			open, _, err = g.client.Issues.Create(ctx, g.owner, g.repo, request)
		case open.GetTitle() != title || open.GetBody() != body:
			open, _, err = g.client.Issues.Edit(ctx, g.owner, g.repo, open.GetNumber(), request)
		}
		if err != nil {
			return "", g.explain("report", err)
		}
		return g.shown(open.GetHTMLURL()), nil
	})
}

// issue returns the oldest open issue with the marker. One of a stranger is
// none: anybody could write a marker.
func (g *GitHub) issue(ctx context.Context, marker string) (*github.Issue, error) {
	var open []*github.Issue
	err := list(func(o github.ListOptions) ([]*github.Issue, *github.Response, error) {
		return g.client.Issues.ListByRepo(ctx, g.owner, g.repo, &github.IssueListByRepoOptions{State: "open", Sort: "created", Direction: "asc", ListOptions: o})
	}, func(i *github.Issue) {
		if !i.IsPullRequest() && strings.HasPrefix(i.GetBody(), mark(marker)) {
			open = append(open, i)
		}
	})
	if err != nil || len(open) == 0 {
		return nil, err
	}
	slices.SortFunc(open, func(a, b *github.Issue) int { return a.GetNumber() - b.GetNumber() })
	for _, i := range open {
		trusted := []string{"OWNER", "MEMBER", "COLLABORATOR"}
		if i.GetUser().GetType() == "Bot" || slices.Contains(trusted, i.GetAuthorAssociation()) {
			return i, nil
		}
	}
	// The token's owner may be a member whom GitHub does not call one. A
	// pipeline's token has no owner, and is refused: its issues are a bot's.
	me, _, err := g.client.Users.Get(ctx, "")
	if status(err) == http.StatusForbidden {
		return nil, nil
	}
	for _, i := range open {
		if err == nil && me.GetLogin() != "" && i.GetUser().GetLogin() == me.GetLogin() {
			return i, nil
		}
	}
	return nil, err
}

// Settle implements [Requests]. The comment comes first: an issue that is
// closed is found no more.
func (g *GitHub) Settle(ctx context.Context, marker, comment string) error {
	comment = mark(marker+": settled") + "\n" + fit(comment, maxBody-1000)
	_, err := retry(ctx, waitsOf(g.Name(), g), func() (string, error) {
		open, err := g.issue(ctx, marker)
		if err != nil {
			return "", g.explain("list the issues", err)
		}
		if open == nil {
			return "", nil
		}
		if err := g.comment(ctx, open.GetNumber(), comment); err != nil {
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

// comment adds a comment that is not there yet.
func (g *GitHub) comment(ctx context.Context, number int, text string) error {
	there := false
	err := list(func(o github.ListOptions) ([]*github.IssueComment, *github.Response, error) {
		return g.client.Issues.ListComments(ctx, g.owner, g.repo, number, &github.IssueListCommentsOptions{ListOptions: o})
	}, func(c *github.IssueComment) { there = there || c.GetBody() == text })
	if err == nil && !there {
		_, _, err = g.client.Issues.CreateComment(ctx, g.owner, g.repo, number, &github.IssueComment{Body: &text})
	}
	return err
}
