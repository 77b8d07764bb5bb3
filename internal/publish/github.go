package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	wait        func(context.Context, time.Duration) error

	mu   sync.Mutex
	made map[string]int64 // tag: the draft that this run made
}

// GitHubParams says which.
type GitHubParams struct {
	Repository string // owner/name
	API        string // base address, as GITHUB_API_URL has it; empty: github.com
	Upload     string // base address for files; empty: the one that belongs to API
	Token      string // empty: what all may see
	UserAgent  string
	Quiet      time.Duration                              // how long a server may say nothing; 0: two minutes
	Wait       func(context.Context, time.Duration) error // between tries; nil: as long as it says
	Now        func() time.Time                           // nil: the clock
}

// reRepository matches owner/name.
var reRepository = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_-]*)/([A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*)$`)

// NewGitHub returns the repository. Nothing is asked yet.
func NewGitHub(p GitHubParams) (*GitHub, error) {
	m := reRepository.FindStringSubmatch(p.Repository)
	if m == nil {
		return nil, fault.New(fault.Usage, "PUBLISH_TO=github:owner/name", "%.100q is no repository of GitHub", p.Repository)
	}
	if p.API == "" {
		p.API = "https://api.github.com"
	}
	api, err := baseOf(p.API)
	if err != nil {
		return nil, fault.New(fault.Usage, "GITHUB_API_URL=https://host/api/v3", "GITHUB_API_URL: %w", err)
	}
	up := uploadsOf(api)
	if p.Upload != "" {
		if up, err = baseOf(p.Upload); err != nil {
			return nil, fault.New(fault.Usage, "", "the address for files: %w", err)
		}
	}
	if p.Quiet == 0 {
		p.Quiet = quiet
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.UserAgent == "" {
		p.UserAgent = "bzmage"
	}
	way := newTransport(p.Quiet)
	g := &GitHub{owner: m[1], repo: m[2], token: p.Token, wait: p.Wait, made: map[string]int64{}, plain: &http.Client{Transport: way}}
	g.client = github.NewClient(&http.Client{
		Transport:     &guard{to: way, hosts: []string{api.Scheme + "://" + api.Host, up.Scheme + "://" + up.Host}, token: p.Token, agent: p.UserAgent, now: p.Now},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	g.client.BaseURL, g.client.UploadURL = api, up
	return g, nil
}

// uploadsOf returns where the files of an API go. A release's upload_url says
// so too, but a token is not sent where an answer says.
func uploadsOf(api *url.URL) *url.URL {
	up := *api
	if rest, ok := strings.CutPrefix(api.Host, "api."); ok { // github.com, and *.ghe.com
		up.Host = "uploads." + rest
		return &up
	}
	up.Path = strings.TrimSuffix(strings.TrimSuffix(api.Path, "/"), "/v3") + "/uploads/"
	return &up
}

// Name implements [Host].
func (g *GitHub) Name() string { return "GitHub " + g.owner + "/" + g.repo }

func (g *GitHub) pause(ctx context.Context, d time.Duration) error {
	if g.wait != nil {
		return g.wait(ctx, d)
	}
	return sleep(ctx, d)
}

// Preflight implements [Host].
func (g *GitHub) Preflight(ctx context.Context, tag, commit string) error {
	if g.token == "" {
		return fault.New(fault.Usage, "GITHUB_TOKEN=<a token with contents: write>", "GITHUB_TOKEN is not set")
	}
	_, err := retry(ctx, waitsOf(g.Name(), g), func() (bool, error) {
		r, _, err := g.client.Repositories.Get(ctx, g.owner, g.repo)
		if err != nil {
			return false, g.explain("look at the repository", err)
		}
		switch {
		case r.GetArchived():
			return false, fault.New(fault.Usage, "unarchive it", "%s is archived", g.Name())
		case !r.GetPermissions()["push"]:
			return false, fault.New(fault.Usage, "give the token the right contents: write", "GITHUB_TOKEN may not publish to %s", g.Name())
		}
		return true, g.checkTag(ctx, tag, commit)
	})
	return err
}

// checkTag demands that the tag is the commit there that it is here.
func (g *GitHub) checkTag(ctx context.Context, tag, commit string) error {
	there, err := g.commitOf(ctx, tag)
	if err == nil && there != commit {
		err = fault.New(fault.Usage, "git push origin "+tag, "tag %s is commit %.12s at %s, and %.12s here", tag, g.shown(there), g.Name(), commit)
	}
	return err
}

// depth is how often a tag may name another tag.
const depth = 5

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
	for range depth {
		if o.GetType() != "tag" {
			break
		}
		t, _, err := g.client.Git.GetTag(ctx, g.owner, g.repo, url.PathEscape(o.GetSHA()))
		if err != nil {
			return "", g.explain("look at the tag", err)
		}
		o = t.GetObject()
	}
	if o.GetType() != "commit" {
		return "", fault.New(fault.Usage, "tag a commit", "tag %s is no commit at %s", tag, g.Name())
	}
	return o.GetSHA(), nil
}

// Create implements [Host].
func (g *GitHub) Create(ctx context.Context, d Description) (*Release, error) {
	notes := fit(d.Notes, maxNotes)
	r, _, err := g.client.Repositories.CreateRelease(ctx, g.owner, g.repo, &github.RepositoryRelease{
		TagName: &d.Tag, TargetCommitish: &d.Commit, Name: &d.Title, Body: &notes, Draft: github.Bool(true),
	})
	if err != nil {
		return nil, g.explain("make the draft", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.made[d.Tag] = r.GetID()
	return g.release(r), nil
}

// Publish implements [Host]. Were the tag gone, GitHub would make one: it is
// looked at first.
func (g *GitHub) Publish(ctx context.Context, r *Release, d Description) (string, error) {
	if err := g.checkTag(ctx, d.Tag, d.Commit); err != nil {
		return "", err
	}
	notes := fit(d.Notes, maxNotes)
	done, _, err := g.client.Repositories.EditRelease(ctx, g.owner, g.repo, number(r.ID), &github.RepositoryRelease{
		TagName: &d.Tag, TargetCommitish: &d.Commit, Name: &d.Title, Body: &notes, Draft: github.Bool(false),
	})
	if taken(err) { // somebody else was quicker: the next look says with what
		return "", &Temporary{Err: fmt.Errorf("%s has published a release of tag %s meanwhile", g.Name(), d.Tag)}
	}
	if err != nil {
		return "", g.explain("publish the draft", err)
	}
	return g.shown(done.GetHTMLURL()), nil
}

func number(id string) int64 { n, _ := strconv.ParseInt(id, 10, 64); return n } // our own, of an answer

// Upload implements [Host].
func (g *GitHub) Upload(ctx context.Context, r *Release, name string, f *os.File) (Asset, error) {
	a, _, err := g.client.Repositories.UploadReleaseAsset(ctx, g.owner, g.repo, number(r.ID), &github.UploadOptions{Name: name, MediaType: octets}, f)
	if taken(err) {
		return Asset{}, ErrExists
	}
	if err != nil {
		return Asset{}, g.explain("send "+name, err)
	}
	return asset(a), nil
}

// Remove implements [Host]. Somebody else may have published the draft since it
// was looked at: then nothing is removed, and the next look judges it.
func (g *GitHub) Remove(ctx context.Context, r *Release, a Asset) error {
	now, _, err := g.client.Repositories.GetRelease(ctx, g.owner, g.repo, number(r.ID))
	if err != nil {
		return g.explain("look at the draft", err)
	}
	if !now.GetDraft() {
		return &Temporary{Err: fmt.Errorf("%s: somebody has published %s meanwhile", g.Name(), r.Tag)}
	}
	_, err = g.client.Repositories.DeleteReleaseAsset(ctx, g.owner, g.repo, number(a.ID))
	if err != nil && status(err) != http.StatusNotFound {
		return g.explain("remove "+shown(a.Name), err)
	}
	return nil
}

// octets asks for a file itself, not for what the API says of it.
const octets = "application/octet-stream"

// Download implements [Host]. Where the file lies elsewhere it is fetched
// without the token.
func (g *GitHub) Download(ctx context.Context, _ *Release, a Asset) (io.ReadCloser, error) {
	what := "download " + shown(a.Name)
	req, err := g.client.NewRequest(http.MethodGet, fmt.Sprintf("repos/%s/%s/releases/assets/%d", g.owner, g.repo, number(a.ID)), nil)
	if err != nil {
		return nil, g.explain(what, err)
	}
	req.Header.Set("Accept", octets)
	resp, err := g.client.BareDo(ctx, req)
	if err == nil {
		return resp.Body, nil
	}
	if c := status(err); c != http.StatusFound && c != http.StatusTemporaryRedirect && c != http.StatusSeeOther {
		return nil, g.explain(what, err)
	}
	to, err := resp.Location()
	if err != nil {
		return nil, g.explain(what, err)
	}
	if req, err = http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil); err != nil {
		return nil, g.explain(what, errors.New("the address is none"))
	}
	got, err := g.plain.Do(req)
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // the address is a key to the file for a while
	}
	if err != nil {
		return nil, g.explain(what, err)
	}
	if got.StatusCode != http.StatusOK {
		_ = got.Body.Close()
		return nil, &Temporary{Err: fmt.Errorf("%s: %s: the storage says %d", g.Name(), what, got.StatusCode), Wait: retryAfter(got.Header, time.Now())}
	}
	return got.Body, nil
}

// The longest texts that GitHub takes, in characters.
const (
	maxNotes = 125000
	maxBody  = 65536
)

// fit cuts a text that is too long, at the end of a line.
func fit(text string, most int) string {
	const rest = "\n\nThe rest is left out: it is too long.\n"
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	text = string(runes[:most-len(rest)])
	if i := strings.LastIndexByte(text, '\n'); i > 0 {
		text = text[:i]
	}
	return text + rest
}

// shown is what a server said, for messages: it drives no terminal, and does
// not tell the token.
func (g *GitHub) shown(text string) string {
	if g.token != "" {
		text = strings.ReplaceAll(text, g.token, "[token]")
	}
	return plain.Line(text, 500)
}

// status returns the status of a refused request; 0: it was not refused.
func status(err error) int {
	var e *github.ErrorResponse
	if errors.As(err, &e) && e.Response != nil {
		return e.Response.StatusCode
	}
	return 0
}

// taken says that a name is there already.
func taken(err error) bool {
	var e *github.ErrorResponse
	return errors.As(err, &e) && status(err) == http.StatusUnprocessableEntity &&
		slices.ContainsFunc(e.Errors, func(e github.Error) bool { return e.Code == "already_exists" })
}
