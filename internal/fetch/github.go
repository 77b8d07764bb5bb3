package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v58/github"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
)

// apiAttempts is how often one question is put to the API.
const apiAttempts = 3

var reCommit = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// githubSource downloads the archive that GitHub makes of a release's tag.
//
// The .tar.gz of one commit may differ from one year to the next
// (https://github.blog/2023-02-21-update-on-the-future-stability-of-source-code-archives-and-hashes/),
// so there is no sha256 to pin: the proof is GitHub's word on the tag.
type githubSource struct {
	*fetcher
	name       string
	repository string // owner/name
	api        string // base address of an Enterprise server; empty: github.com
}

func (s *githubSource) tag() string { return "v" + kernels.AtKernelOrg(s.Line.Release) }

// key names the archive of a commit or tag across servers and repositories.
func (s *githubSource) key(ref string) string { return s.host() + "/" + s.repository + "@" + ref }

func (s *githubSource) host() string {
	if u, err := url.Parse(s.api); err == nil && u.Host != "" {
		return u.Host
	}
	return "github.com"
}

func (s *githubSource) client() (*github.Client, error) {
	h := newClient(s.lim)
	c := github.NewClient(h)
	if s.api != "" {
		var err error
		if c, err = c.WithEnterpriseURLs(s.api, s.api); err != nil {
			return nil, fault.New(fault.Usage, "correct api of [source."+s.name+"] in kernels.toml", "GitHub server %s: %w", redact(s.api), err)
		}
	}
	if token := s.getenv("GITHUB_TOKEN"); token != "" {
		c = c.WithAuthToken(token)
	}
	return c, nil
}

func (s *githubSource) available(ctx context.Context) error {
	err := errOffline
	if !s.Offline {
		c, e := s.client()
		if e != nil {
			return e
		}
		if _, err = s.resolve(ctx, c); err == nil || !mayRecall(err) {
			return err
		}
	}
	if r, ok := s.store.lookup(tagIndex, s.key(s.tag())); ok {
		if _, e := s.store.find(r.SHA256); e == nil {
			return nil
		}
	}
	return err
}

// The indexes of the store that this source keeps.
const (
	commitIndex = "github-commit"
	tagIndex    = "github-tag"
)

// fetch proves of the archive only what the line demands: a developer's
// signature serves GitHub's archive, too, whose tar is that of git archive.
func (s *githubSource) fetch(ctx context.Context) (Archive, error) {
	a, err := s.get(ctx)
	if err != nil || len(s.Line.Demand) == 0 {
		return a, err
	}
	return s.prove(ctx, a, false)
}

func (s *githubSource) get(ctx context.Context) (Archive, error) {
	if s.demands(Pinned) || s.demands(SumsSigned) {
		return Archive{}, errors.New("its archives are not the file that kernel.org publishes, as the line demands")
	}
	if s.Offline {
		return s.recallTag(ctx, errOffline)
	}
	c, err := s.client()
	if err != nil {
		return Archive{}, err
	}
	commit, err := s.resolve(ctx, c)
	if err != nil {
		return s.recallTag(ctx, err)
	}
	unlock, err := s.store.lock(ctx, safeName(s.key(commit)), s.lim)
	if err != nil {
		return Archive{}, err
	}
	defer unlock()
	r, path, err := s.store.recall(ctx, commitIndex, s.key(commit))
	if err != nil {
		if r, path, err = s.download(ctx, c, commit); err != nil {
			return Archive{}, err
		}
	}
	if err := s.store.remember(tagIndex, s.key(s.tag()), r); err != nil {
		return Archive{}, err
	}
	return s.archive(r, path), nil
}

func (s *githubSource) archive(r record, path string) Archive {
	return Archive{
		Path: path, Release: s.Line.Release, SHA256: r.SHA256,
		Source: s.name, Origin: r.Origin, Proofs: []string{GitHubTag},
	}
}

// mayRecall says whether what GitHub said of the tag before may stand in
// for an answer it cannot give now. That there is no such tag is an answer.
func mayRecall(err error) bool {
	var no *refusal
	return !errors.As(err, &no)
}

func (s *githubSource) recallTag(ctx context.Context, cause error) (Archive, error) {
	if ctx.Err() != nil || !mayRecall(cause) {
		return Archive{}, cause
	}
	r, path, err := s.store.recall(ctx, tagIndex, s.key(s.tag()))
	if err != nil {
		return Archive{}, cause
	}
	s.Log.Warnf("%s: %v; taking what an earlier run got: %s", s.name, cause, r.Origin)
	return s.archive(r, path), nil
}

// resolve returns the id of the commit that the release's tag points at.
func (s *githubSource) resolve(ctx context.Context, c *github.Client) (string, error) {
	owner, repo, _ := strings.Cut(s.repository, "/")
	var object *github.GitObject
	err := s.ask(ctx, func(ctx context.Context) error {
		ref, _, err := c.Git.GetRef(ctx, owner, repo, "tags/"+s.tag())
		object = ref.GetObject()
		return err
	})
	// A signed tag is an object of its own, and may point at another tag.
	for hops := 0; err == nil && object.GetType() == "tag" && hops < 4; hops++ {
		err = s.ask(ctx, func(ctx context.Context) error {
			tag, _, err := c.Git.GetTag(ctx, owner, repo, object.GetSHA())
			if err == nil {
				object = tag.GetObject()
			}
			return err
		})
	}
	if err != nil {
		return "", fmt.Errorf("resolve tag %s of %s: %w", s.tag(), s.repository, err)
	}
	if object.GetType() != "commit" || !reCommit.MatchString(object.GetSHA()) {
		return "", fmt.Errorf("tag %s of %s is no commit", s.tag(), s.repository)
	}
	return object.GetSHA(), nil
}

func (s *githubSource) download(ctx context.Context, c *github.Client, commit string) (record, string, error) {
	fail := func(err error) (record, string, error) { return record{}, "", err }
	link, err := s.link(ctx, c, commit)
	if err != nil {
		return fail(err)
	}
	p, err := openPartial(ctx, s.store, safeName(s.key(commit)))
	if err != nil {
		return fail(err)
	}
	defer p.close()
	// Without a pin nobody could tell whether an earlier run's bytes are good.
	if err := p.restart(meta{}); err != nil {
		return fail(err)
	}
	d := s.downloader()
	defer d.client.CloseIdleConnections()
	if _, err := d.get(ctx, p, []string{link}, ""); err != nil {
		return fail(err)
	}
	format, err := Sniff(p.file)
	if err == nil && format != Gzip {
		err = fmt.Errorf("it is %s", format)
	}
	if err != nil {
		return fail(fmt.Errorf("GitHub's archive of %s is no .tar.gz: %w", commit, err))
	}
	name := "linux-" + kernels.AtKernelOrg(s.Line.Release) + "-" + commit[:12] + ".tar.gz"
	r := record{SHA256: p.sum(), Origin: fmt.Sprintf("%s/%s %s, commit %s", s.host(), s.repository, s.tag(), commit)}
	path, err := s.store.put(p.path, r.SHA256, name)
	if err != nil {
		return fail(err)
	}
	p.done()
	return r, path, s.store.remember(commitIndex, s.key(commit), r)
}

// link returns the address of a commit's archive. It may hold a token.
func (s *githubSource) link(ctx context.Context, c *github.Client, commit string) (string, error) {
	owner, repo, _ := strings.Cut(s.repository, "/")
	var link *url.URL
	err := s.ask(ctx, func(ctx context.Context) error {
		u, res, err := c.Repositories.GetArchiveLink(ctx, owner, repo, github.Tarball, &github.RepositoryContentGetOptions{Ref: commit}, 3)
		if err != nil && res != nil {
			// GetArchiveLink does not tell a rate limit from other answers.
			if e := github.CheckResponse(res.Response); e != nil {
				return e
			}
		}
		link = u
		return err
	})
	if err != nil {
		return "", fmt.Errorf("ask for the archive of %s: %w", commit, err)
	}
	return link.String(), nil
}

// ask puts one question to the API, again where that may help.
func (s *githubSource) ask(ctx context.Context, question func(context.Context) error) error {
	for n := 1; ; n++ {
		inner, cancel := context.WithTimeout(ctx, s.lim.api)
		err := s.explain(question(inner))
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			return nil
		}
		wait, again := retry(err, n, s.lim)
		if !again || n >= apiAttempts {
			return err
		}
		if err := s.lim.pause(ctx, n, wait); err != nil {
			return err
		}
	}
}

// explain says in our words what an error of the API means.
func (s *githubSource) explain(err error) error {
	var limit *github.RateLimitError
	var abuse *github.AbuseRateLimitError
	var answer *github.ErrorResponse
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limit):
		return s.limited(limit.Rate.Reset.Time)
	case errors.As(err, &abuse):
		return s.limited(time.Now().Add(abuse.GetRetryAfter()))
	case errors.As(err, &answer) && answer.Response != nil:
		return s.refused(answer)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// refusal is an answer of the API that no repetition changes.
type refusal struct {
	code    int
	message string
}

func (e *refusal) Error() string {
	return fmt.Sprintf("GitHub says %d %s: %.200q", e.code, http.StatusText(e.code), e.message)
}

func (s *githubSource) refused(answer *github.ErrorResponse) error {
	code, header := answer.Response.StatusCode, answer.Response.Header
	wait := retryAfter(header, time.Now())
	switch {
	case code == http.StatusTooManyRequests:
		// go-github 58 knows this limit by the code 403 only.
		if reset, err := strconv.ParseInt(header.Get("X-RateLimit-Reset"), 10, 64); err == nil && wait == 0 {
			return s.limited(time.Unix(reset, 0))
		}
		return s.limited(time.Now().Add(wait))
	case code >= 500:
		return &statusError{code: code, retryAfter: wait}
	}
	err := error(&refusal{code, answer.Message})
	switch code {
	case http.StatusUnauthorized:
		err = fault.New(fault.Source, "correct GITHUB_TOKEN or unset it", "GitHub does not accept the GITHUB_TOKEN: %w", err)
	case http.StatusNotFound:
		err = fmt.Errorf("there is no such repository or tag: %w", err)
	}
	return &permanentError{err}
}

// limited is the error of a rate limit that ends at until.
func (s *githubSource) limited(until time.Time) error {
	at := until.UTC().Format("15:04:05 UTC")
	hint := "set GITHUB_TOKEN to a token (it raises GitHub's rate limit), or wait until " + at
	if s.getenv("GITHUB_TOKEN") != "" {
		hint = "wait until " + at
	}
	return &permanentError{fault.New(fault.Source, hint, "GitHub's rate limit is used up until %s", at)}
}
