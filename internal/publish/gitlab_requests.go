package publish

import (
	"context"
	"strings"

	gitlab "gitlab.com/gitlab-org/api/client-go"

	"bzmage/internal/fault"
)

// Propose implements [Requests]. GitLab marks a draft by its title.
func (g *GitLab) Propose(ctx context.Context, p Proposal) (string, error) {
	return retry(ctx, waitsOf(g.Name(), g), func() (string, error) { return g.propose(ctx, p) })
}

func (g *GitLab) propose(ctx context.Context, p Proposal) (string, error) {
	if p.Base == "" {
		project, _, err := g.client.Projects.GetProject(g.project, nil, gitlab.WithContext(ctx))
		if err != nil {
			return "", g.explain("look at the project", err)
		}
		p.Base = project.DefaultBranch
	}
	if p.Draft {
		p.Title = "Draft: " + p.Title
	}
	open := "opened"
	list, _, err := g.client.MergeRequests.ListProjectMergeRequests(g.project, &gitlab.ListProjectMergeRequestsOptions{
		State: &open, SourceBranch: &p.Branch, ListOptions: gitlab.ListOptions{PerPage: 100},
	}, gitlab.WithContext(ctx))
	if err != nil {
		return "", g.explain("list the merge requests", err)
	}
	for _, mr := range list {
		if mr.SourceBranch != p.Branch {
			continue
		}
		if mr.Title == p.Title && mr.Description == p.Body {
			return mr.WebURL, nil
		}
		done, _, err := g.client.MergeRequests.UpdateMergeRequest(g.project, mr.IID, &gitlab.UpdateMergeRequestOptions{Title: &p.Title, Description: &p.Body}, gitlab.WithContext(ctx))
		if err != nil {
			return "", g.explain("refresh the merge request", err)
		}
		return done.WebURL, nil
	}
	mr, _, err := g.client.MergeRequests.CreateMergeRequest(g.project, &gitlab.CreateMergeRequestOptions{
		Title: &p.Title, Description: &p.Body, SourceBranch: &p.Branch, TargetBranch: &p.Base,
	}, gitlab.WithContext(ctx))
	if err != nil {
		return "", g.explain("open a merge request", err)
	}
	return mr.WebURL, nil
}

// Report implements [Requests].
func (g *GitLab) Report(ctx context.Context, i Issue) (string, error) {
	if i.Marker == "" {
		return "", fault.New(fault.Internal, "", "an issue without a marker")
	}
	return retry(ctx, waitsOf(g.Name(), g), func() (string, error) {
		body := mark(i.Marker) + "\n" + i.Body
		open, err := g.issue(ctx, i.Marker)
		switch {
		case err != nil:
			return "", err
		case open == nil:
			open, _, err = g.client.Issues.CreateIssue(g.project, &gitlab.CreateIssueOptions{Title: &i.Title, Description: &body}, gitlab.WithContext(ctx))
		case open.Title != i.Title || open.Description != body:
			open, _, err = g.client.Issues.UpdateIssue(g.project, open.IID, &gitlab.UpdateIssueOptions{Title: &i.Title, Description: &body}, gitlab.WithContext(ctx))
		}
		if err != nil {
			return "", g.explain("report", err)
		}
		return open.WebURL, nil
	})
}

// issue returns the open issue with the marker, of all that are listed.
func (g *GitLab) issue(ctx context.Context, marker string) (*gitlab.Issue, error) {
	open := "opened"
	opts := &gitlab.ListProjectIssuesOptions{State: &open, ListOptions: gitlab.ListOptions{PerPage: 100}}
	for range pages {
		list, resp, err := g.client.Issues.ListProjectIssues(g.project, opts, gitlab.WithContext(ctx))
		if err != nil {
			return nil, g.explain("list the issues", err)
		}
		for _, i := range list {
			if strings.HasPrefix(i.Description, mark(marker)) {
				return i, nil
			}
		}
		if opts.Page = resp.NextPage; opts.Page == 0 {
			break
		}
	}
	return nil, nil
}

// Settle implements [Requests].
func (g *GitLab) Settle(ctx context.Context, marker, comment string) error {
	_, err := retry(ctx, waitsOf(g.Name(), g), func() (string, error) {
		open, err := g.issue(ctx, marker)
		if err != nil || open == nil {
			return "", err
		}
		if _, _, err := g.client.Notes.CreateIssueNote(g.project, open.IID, &gitlab.CreateIssueNoteOptions{Body: &comment}, gitlab.WithContext(ctx)); err != nil {
			return "", g.explain("comment", err)
		}
		closing := "close"
		if _, _, err := g.client.Issues.UpdateIssue(g.project, open.IID, &gitlab.UpdateIssueOptions{StateEvent: &closing}, gitlab.WithContext(ctx)); err != nil {
			return "", g.explain("close the issue", err)
		}
		return "", nil
	})
	return err
}
