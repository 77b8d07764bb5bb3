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

	gitlab "gitlab.com/gitlab-org/api/client-go"

	"bzmage/internal/fault"
	"bzmage/internal/plain"
)

// GitLab is a project of GitLab. The files of a release are a version of a
// generic package; as long as no release links to them they are a draft.
type GitLab struct {
	project string
	token   string
	header  string // what a request carries the token in
	base    *url.URL
	client  *gitlab.Client
	plain   *http.Client // follows no redirect
	wait    func(context.Context, time.Duration) error
}

// GitLabParams says which.
type GitLabParams struct {
	Project string // group/name
	API     string // as CI_API_V4_URL has it; empty: gitlab.com
	Token   string
	Job     bool                                       // the token is a job's
	Timeout time.Duration                              // how long the server may say nothing; 0: two minutes
	Wait    func(context.Context, time.Duration) error // between tries; nil: as long as it says
}

// packageName is that of the generic package whose versions are the tags.
const packageName = "linux"

// NewGitLab returns the project. Nothing is asked yet.
func NewGitLab(p GitLabParams) (*GitLab, error) {
	if strings.Count(p.Project, "/") == 0 || strings.ContainsAny(p.Project, "?#") {
		return nil, fault.New(fault.Usage, "PUBLISH_TO=gitlab:group/name", "%q is no project of GitLab", p.Project)
	}
	if p.API == "" {
		p.API = "https://gitlab.com/api/v4"
	}
	base, err := url.Parse(strings.TrimSuffix(p.API, "/") + "/")
	if err != nil || base.Host == "" {
		return nil, fault.New(fault.Usage, "CI_API_V4_URL=https://host/api/v4", "CI_API_V4_URL is no address")
	}
	if p.Timeout == 0 {
		p.Timeout = quiet
	}
	transport := newTransport(p.Timeout)
	// A header of GitLab's is not known to net/http as one that a redirect to
	// another host must not carry.
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	opts := []gitlab.ClientOptionFunc{gitlab.WithBaseURL(base.String()), gitlab.WithHTTPClient(client), gitlab.WithoutRetries(), gitlab.WithCustomLimiter(noLimit{})}
	g := &GitLab{project: p.Project, token: p.Token, header: "PRIVATE-TOKEN", base: base, plain: client, wait: p.Wait}
	if p.Job {
		g.header = "JOB-TOKEN"
		g.client, err = gitlab.NewJobClient(p.Token, opts...)
	} else {
		g.client, err = gitlab.NewClient(p.Token, opts...)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "CI_API_V4_URL=https://host/api/v4", "GitLab: %w", err)
	}
	return g, nil
}

// noLimit leaves waiting to [Publish], which does what the server says.
type noLimit struct{}

// Wait implements the library's limiter.
func (noLimit) Wait(context.Context) error { return nil }

// Name implements [Host].
func (g *GitLab) Name() string { return "GitLab " + g.project }

func (g *GitLab) pause(ctx context.Context, d time.Duration) error {
	if g.wait != nil {
		return g.wait(ctx, d)
	}
	return sleep(ctx, d)
}

// Preflight implements [Host]. What a job's token may do is not told by the
// API; it may publish packages and releases of its own project.
func (g *GitLab) Preflight(ctx context.Context, tag, commit string) error {
	if g.token == "" {
		return fault.New(fault.Usage, "GITLAB_TOKEN=<a token with the scope api>", "GITLAB_TOKEN is not set")
	}
	if g.header == "PRIVATE-TOKEN" {
		p, _, err := g.client.Projects.GetProject(g.project, nil, gitlab.WithContext(ctx))
		if err != nil {
			return g.explain("look at the project", err)
		}
		switch {
		case p.Archived:
			return fault.New(fault.Usage, "unarchive it", "%s is archived", g.Name())
		case !p.PackagesEnabled: //nolint:staticcheck // older servers say it here only
			return fault.New(fault.Usage, "turn the package registry on", "%s has no package registry", g.Name())
		case access(p) < gitlab.DeveloperPermissions:
			return fault.New(fault.Usage, "give the token the role Developer or Maintainer", "GITLAB_TOKEN may not publish to %s", g.Name())
		}
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

func access(p *gitlab.Project) gitlab.AccessLevelValue {
	level := gitlab.NoPermissions
	if p.Permissions != nil {
		if a := p.Permissions.ProjectAccess; a != nil {
			level = max(level, a.AccessLevel)
		}
		if a := p.Permissions.GroupAccess; a != nil {
			level = max(level, a.AccessLevel)
		}
	}
	return level
}

func (g *GitLab) commitOf(ctx context.Context, tag string) (string, error) {
	t, resp, err := g.client.Tags.GetTag(g.project, tag, gitlab.WithContext(ctx))
	if err != nil && code(resp) == http.StatusNotFound {
		return "", fault.New(fault.Usage, "git push origin "+tag, "%s has no tag %s", g.Name(), tag)
	}
	if err != nil {
		return "", g.explain("look for the tag", err)
	}
	if t.Commit == nil {
		return "", nil
	}
	return t.Commit.ID, nil
}

func code(r *gitlab.Response) int {
	if r == nil || r.Response == nil {
		return 0
	}
	return r.StatusCode
}

// Find implements [Host]. The assets of a published release are the files that
// it links to, of this project's package; those of a draft are the package's.
func (g *GitLab) Find(ctx context.Context, tag string) (*Release, error) {
	rel, resp, err := g.client.Releases.GetRelease(g.project, tag, gitlab.WithContext(ctx))
	if err != nil && code(resp) != http.StatusNotFound {
		return nil, g.explain("look for the release", err)
	}
	files, fileErr := g.files(ctx, tag)
	if fileErr != nil {
		return nil, fileErr
	}
	if err != nil {
		if len(files) == 0 {
			return nil, nil
		}
		return &Release{Tag: tag, Draft: true, Assets: files}, nil
	}
	r := &Release{ID: tag, Tag: rel.TagName, Commit: rel.Commit.ID, Notes: rel.Description, URL: rel.Links.Self}
	for _, link := range rel.Assets.Links {
		i := slices.IndexFunc(files, func(a Asset) bool { return a.Name == link.Name })
		if i < 0 || link.URL != g.address(tag, link.Name) {
			r.Assets = append(r.Assets, Asset{ID: "link " + strconv.FormatInt(link.ID, 10), Name: link.Name})
			continue
		}
		r.Assets = append(r.Assets, files[i])
	}
	return r, nil
}

// files returns the files of the version, the newest of a name first: that is
// the one which is downloaded.
func (g *GitLab) files(ctx context.Context, tag string) ([]Asset, error) {
	name, kind := packageName, "generic"
	list, _, err := g.client.Packages.ListProjectPackages(g.project, &gitlab.ListProjectPackagesOptions{
		PackageName: &name, PackageType: &kind, PackageVersion: &tag, ListOptions: gitlab.ListOptions{PerPage: 100},
	}, gitlab.WithContext(ctx))
	if err != nil {
		return nil, g.explain("list the packages", err)
	}
	var all []Asset
	for _, p := range list {
		if p.Name != packageName || p.Version != tag {
			continue
		}
		opts := &gitlab.ListPackageFilesOptions{ListOptions: gitlab.ListOptions{PerPage: 100}}
		for range pages {
			files, resp, err := g.client.Packages.ListPackageFiles(g.project, p.ID, opts, gitlab.WithContext(ctx))
			if err != nil {
				return nil, g.explain("list the files", err)
			}
			for _, f := range files {
				all = append(all, Asset{ID: fmt.Sprintf("%d/%d", p.ID, f.ID), Name: f.FileName, Size: f.Size, Whole: true})
			}
			if opts.Page = resp.NextPage; opts.Page == 0 {
				break
			}
		}
	}
	slices.SortFunc(all, func(a, b Asset) int { return int(fileID(b.ID) - fileID(a.ID)) })
	return all, nil
}

func fileID(id string) int64 {
	_, file, _ := strings.Cut(id, "/")
	return number(file)
}

// Create implements [Host]. A draft is made by its first file.
func (g *GitLab) Create(_ context.Context, d Description) (*Release, error) {
	return &Release{Tag: d.Tag, Draft: true}, nil
}

// address is that of a file in the package registry.
func (g *GitLab) address(tag, name string) string {
	return g.base.String() + "projects/" + url.PathEscape(g.project) + "/packages/generic/" + packageName + "/" + url.PathEscape(tag) + "/" + url.PathEscape(name)
}

// Upload implements [Host]. GitLab takes a name twice, and the newer file counts.
func (g *GitLab) Upload(ctx context.Context, r *Release, name string, f *os.File) (Asset, error) {
	chosen := gitlab.SelectPackageFile
	up, _, err := g.client.GenericPackages.PublishPackageFile(g.project, packageName, r.Tag, name, f, &gitlab.PublishPackageFileOptions{Select: &chosen}, gitlab.WithContext(ctx))
	if err != nil {
		return Asset{}, g.explain("send "+name, err)
	}
	return Asset{ID: fmt.Sprintf("%d/%d", up.PackageID, up.ID), Name: name, Size: up.Size, Whole: true}, nil
}

// Remove implements [Host].
func (g *GitLab) Remove(ctx context.Context, _ *Release, a Asset) error {
	pack, _, _ := strings.Cut(a.ID, "/")
	resp, err := g.client.Packages.DeletePackageFile(g.project, number(pack), fileID(a.ID), gitlab.WithContext(ctx))
	if err != nil && code(resp) != http.StatusNotFound {
		return g.explain("remove "+plain.Line(a.Name, 100)+" (a job's token may not: GITLAB_TOKEN of a person or project may)", err)
	}
	return nil
}

// Download implements [Host]. The token goes to the API only, not to where the
// file lies.
func (g *GitLab) Download(ctx context.Context, r *Release, a Asset) (io.ReadCloser, error) {
	address, token := g.address(r.Tag, a.Name), g.token
	for range 5 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, g.explain("download "+a.Name, err)
		}
		if token != "" {
			req.Header.Set(g.header, token)
		}
		resp, err := g.plain.Do(req)
		if err != nil {
			return nil, g.explain("download "+a.Name, err)
		}
		if resp.StatusCode == http.StatusOK {
			return resp.Body, nil
		}
		_ = resp.Body.Close() // nothing of it is wanted
		next, err := resp.Location()
		if err != nil {
			return nil, g.refused("download "+a.Name, resp, "")
		}
		address, token = next.String(), ""
	}
	return nil, fault.New(fault.Machine, "", "%s: download %s: too many redirects", g.Name(), a.Name)
}

// Publish implements [Host]: one call makes the release with all its links.
func (g *GitLab) Publish(ctx context.Context, r *Release, d Description) (string, error) {
	var links []*gitlab.ReleaseAssetLinkOptions
	kind := gitlab.PackageLinkType
	for _, a := range r.Assets {
		name, address, path := a.Name, g.address(d.Tag, a.Name), "/"+a.Name
		links = append(links, &gitlab.ReleaseAssetLinkOptions{Name: &name, URL: &address, DirectAssetPath: &path, LinkType: &kind})
	}
	rel, _, err := g.client.Releases.CreateRelease(g.project, &gitlab.CreateReleaseOptions{
		Name: &d.Title, TagName: &d.Tag, Description: &d.Notes, Assets: &gitlab.ReleaseAssetsOptions{Links: links},
	}, gitlab.WithContext(ctx))
	if err != nil {
		return "", g.explain("make the release", err)
	}
	return rel.Links.Self, nil
}

// explain says whose fault an error is and whether another try may help.
func (g *GitLab) explain(what string, err error) error {
	var e *gitlab.ErrorResponse
	if errors.As(err, &e) {
		return g.refused(what, e.Response, e.Message)
	}
	if errors.Is(err, gitlab.ErrNotFound) {
		return fault.New(fault.Usage, "look at the name of the project and the rights of GITLAB_TOKEN: scope api", "%s: %s: not found", g.Name(), what)
	}
	said := g.said(what, err.Error())
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", said, context.Canceled)
	}
	return &Temporary{Err: said}
}

// said is an error in words that do not hold the token.
func (g *GitLab) said(what, text string) error {
	if g.token != "" {
		text = strings.ReplaceAll(text, g.token, "[token]")
	}
	return fmt.Errorf("%s: %s: %s", g.Name(), what, plain.Line(text, 500))
}

// refused explains an answer that is an error.
func (g *GitLab) refused(what string, resp *http.Response, text string) error {
	said := g.said(what, resp.Status+" "+text)
	switch n := resp.StatusCode; {
	case n == http.StatusTooManyRequests:
		wait := retryAfter(resp.Header, time.Now())
		if resp.Header.Get("Retry-After") == "" {
			wait = unsaid
		}
		return &Temporary{Err: said, Wait: wait}
	case n >= 500, n == http.StatusConflict, n == http.StatusRequestTimeout:
		return &Temporary{Err: said, Wait: retryAfter(resp.Header, time.Now())}
	case n == http.StatusUnauthorized:
		return fault.New(fault.Usage, "set GITLAB_TOKEN to a token that is valid", "GitLab does not accept the token: %w", said)
	case n == http.StatusForbidden, n == http.StatusNotFound:
		return fault.New(fault.Usage, "look at the name of the project, the rights of GITLAB_TOKEN (scope api) and protected tags", "%w", said)
	}
	return fault.New(fault.Machine, "", "%w", said)
}
