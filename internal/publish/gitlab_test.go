package publish_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/publish"
	"bzmage/internal/testhost"
)

// project is a GitLab server, a host that talks to it, and files to publish.
type project struct {
	t      *testing.T
	server *testhost.GitLab
	host   publish.Host
	params publish.Params
}

func newProject(t *testing.T, job bool) *project {
	t.Helper()
	l := newLab(t) // for its files
	s := testhost.NewGitLab()
	t.Cleanup(s.Close)
	s.Tags[tag] = commit
	s.Expected = l.server.Expected
	token := s.Token
	if job {
		token = s.Job
	}
	g, err := publish.NewGitLab(publish.GitLabParams{Project: "group/name", API: s.API(), Token: token, Job: job, Timeout: 5 * time.Second, Wait: atOnce})
	if err != nil {
		t.Fatal(err)
	}
	return &project{t, s, g, l.params}
}

func (p *project) publish() (publish.Result, error) {
	return publish.Publish(p.t.Context(), p.host, p.params)
}

func (p *project) wantRelease(what string) {
	p.t.Helper()
	all := p.server.Releases()
	if len(all) != 1 || all[0].Tag != tag || all[0].Body != "notes" || len(all[0].Assets) != len(p.params.Files) {
		p.t.Errorf("%s: %d releases: %+v", what, len(all), all)
		return
	}
	for _, a := range all[0].Assets {
		want, err := os.ReadFile(filepath.Join(p.params.Dir, a.Name))
		if err != nil || string(want) != string(a.Body) {
			p.t.Errorf("%s: %s is not what was sent", what, a.Name)
		}
	}
	if broken := p.server.Broken(); len(broken) > 0 {
		p.t.Errorf("%s: %v", what, broken)
	}
}

func TestGitLab(t *testing.T) {
	for _, job := range []bool{false, true} {
		p := newProject(t, job)
		if err := p.host.Preflight(t.Context(), tag, commit); err != nil {
			t.Fatal(err)
		}
		res, err := p.publish()
		if err != nil || res.Kept || len(res.Uploaded) != 4 || res.URL == "" {
			t.Errorf("%+v, %v", res, err)
		}
		p.wantRelease("first")
		if res, err = p.publish(); err != nil || !res.Kept {
			t.Errorf("again: %+v, %v", res, err)
		}
		p.params.Files[1].SHA256 = strings.Repeat("0", 64)
		if _, err = p.publish(); fault.KindOf(err) != fault.Usage || p.server.Files(tag) != 4 {
			t.Errorf("another file: %v", err)
		}
	}
}

// TestGitLabDraft goes on with what an earlier run left: a file of other bytes,
// one that is none of ours, and a name that is there twice.
func TestGitLabDraft(t *testing.T) {
	p := newProject(t, false)
	right, err := os.ReadFile(filepath.Join(p.params.Dir, "file-0.tar.zst"))
	if err != nil {
		t.Fatal(err)
	}
	p.server.Put(tag, "file-0.tar.zst", []byte("old"))
	p.server.Put(tag, "file-0.tar.zst", right)
	p.server.Put(tag, "file-0.tar.zst", right)
	p.server.Put(tag, "file-1.tar.zst", []byte("wrong"))
	p.server.Put(tag, "old.deb", []byte("x"))
	res, err := p.publish()
	if err != nil || len(res.Replaced) != 3 || len(res.Reused) != 1 || p.server.Files(tag) != 4 {
		t.Errorf("%+v, %v, %d files", res, err, p.server.Files(tag))
	}
	p.wantRelease("a draft")
}

// TestGitLabSurplus links to no file that was removed.
func TestGitLabSurplus(t *testing.T) {
	p := newProject(t, false)
	for _, f := range p.params.Files {
		text, err := os.ReadFile(filepath.Join(p.params.Dir, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		p.server.Put(tag, f.Name, text)
	}
	p.server.Put(tag, "old.deb", []byte("x"))
	if res, err := p.publish(); err != nil || len(res.Uploaded) != 0 || len(res.Replaced) != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	p.wantRelease("all but one too many")
}

// TestGitLabFaults is TestFaults for GitLab.
func TestGitLabFaults(t *testing.T) {
	whole := newProject(t, false)
	if _, err := whole.publish(); err != nil {
		t.Fatal(err)
	}
	last := whole.server.Requests()
	for at := 1; at <= last; at++ {
		for _, mode := range testhost.Modes() {
			p := newProject(t, false)
			p.server.Break(func(n int, _ *http.Request) testhost.Mode {
				if n == at {
					return mode
				}
				return testhost.Answer
			})
			if _, err := p.publish(); err != nil {
				t.Errorf("request %d, %s: a run did not get over it: %v", at, mode, err)
			}
			p.wantRelease(fmt.Sprintf("request %d, %s", at, mode))
		}
		p := newProject(t, false)
		ctx, kill := context.WithCancel(t.Context())
		p.server.Break(func(n int, _ *http.Request) testhost.Mode {
			if n == at {
				kill()
			}
			return testhost.Answer
		})
		_, _ = publish.Publish(ctx, p.host, p.params) // ended on purpose
		kill()
		p.server.Break(nil)
		if _, err := p.publish(); err != nil {
			t.Errorf("killed at %d: %v", at, err)
		}
		p.wantRelease(fmt.Sprintf("killed at %d", at))
	}
}

func TestGitLabPreflight(t *testing.T) {
	p := newProject(t, false)
	bad, err := publish.NewGitLab(publish.GitLabParams{Project: "group/name", API: p.server.API(), Token: "glpat-s3cretbad"})
	if err != nil {
		t.Fatal(err)
	}
	if err := bad.Preflight(t.Context(), tag, commit); fault.KindOf(err) != fault.Usage || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a bad token: %v", err)
	}
	if err := p.host.Preflight(t.Context(), "v9", commit); err == nil || !strings.Contains(err.Error(), "has no tag") {
		t.Errorf("no tag: %v", err)
	}
	if err := p.host.Preflight(t.Context(), tag, strings.Repeat("f", 40)); err == nil || !strings.Contains(err.Error(), "is commit 0123") {
		t.Errorf("another commit: %v", err)
	}
	p.server.Break(func(int, *http.Request) testhost.Mode { return testhost.Error502 })
	if err := p.host.Preflight(t.Context(), tag, commit); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a proxy that tells: %v", err)
	}
}

// TestGitLabRequests opens one merge request and one issue.
func TestGitLabRequests(t *testing.T) {
	for at := range 6 {
		t.Run(fmt.Sprint("answer lost ", at), func(t *testing.T) {
			t.Parallel()
			p := newProject(t, false)
			p.server.Break(func(n int, _ *http.Request) testhost.Mode {
				if n == at {
					return testhost.Lost
				}
				return testhost.Answer
			})
			g := p.host.(publish.Requests)
			for _, title := range []string{"one", "two"} {
				if _, err := g.Propose(t.Context(), publish.Proposal{Branch: "b", Title: title, Body: "x", Draft: title == "one"}); err != nil {
					t.Fatal(err)
				}
				if _, err := g.Report(t.Context(), publish.Issue{Marker: "m", Title: title, Body: "b"}); err != nil {
					t.Fatal(err)
				}
			}
			if err := g.Settle(t.Context(), "m", "done"); err != nil {
				t.Fatal(err)
			}
			all := p.server.Proposals()
			if len(all) != 2 || all[0].Title != "two" || all[1].Title != "two" || all[0].Base != "main" || all[1].Open || len(all[1].Comments) != 1 {
				t.Errorf("%+v", all)
			}
		})
	}
}
