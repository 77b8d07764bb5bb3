package publish_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/publish"
	"bzmage/internal/testhost"
)

const (
	tag    = "v6.1.192-bzmage"
	commit = "0123456789012345678901234567890123456789"
)

// lab is a server, a host that talks to it, and files to publish.
type lab struct {
	t      *testing.T
	server *testhost.GitHub
	host   publish.Host
	params publish.Params
}

func newLab(t *testing.T) *lab {
	t.Helper()
	s := testhost.NewGitHub()
	t.Cleanup(s.Close)
	s.Tags[tag] = commit
	l := &lab{t: t, server: s}
	l.params = publish.Params{
		Description: publish.Description{Tag: tag, Commit: commit, Title: "linux", Notes: "notes"}, Dir: t.TempDir(),
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	for i := range 5 {
		l.add(fmt.Sprintf("file-%d.tar.zst", i), strings.Repeat("content ", 100*i+1), false)
	}
	l.add("SHA256SUMS.asc", "a signature", true)
	l.host = l.connect(s.Token)
	return l
}

func (l *lab) connect(token string) publish.Host {
	l.t.Helper()
	g, err := publish.NewGitHub(publish.GitHubParams{Repository: "owner/name", API: l.server.API(), Token: token, Quiet: 5 * time.Second})
	if err != nil {
		l.t.Fatal(err)
	}
	return g
}

func (l *lab) add(name, text string, run bool) {
	if err := os.WriteFile(filepath.Join(l.params.Dir, name), []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	l.params.Files = append(l.params.Files, publish.File{Name: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), Run: run})
	l.server.Expected = append(l.server.Expected, name)
}

// wantRelease sees that there is one release, published, with our files, and
// that no rule was broken on the way.
func (l *lab) wantRelease(what string) {
	l.t.Helper()
	all := l.server.Releases()
	if len(all) != 1 || all[0].Draft || all[0].Tag != tag || all[0].Body != "notes" {
		l.t.Errorf("%s: %d releases: %+v", what, len(all), all)
		return
	}
	if len(all[0].Assets) != len(l.params.Files) {
		l.t.Errorf("%s: %d files", what, len(all[0].Assets))
	}
	for _, a := range all[0].Assets {
		want, err := os.ReadFile(filepath.Join(l.params.Dir, a.Name))
		if err != nil || string(want) != string(a.Body) || a.State != "uploaded" {
			l.t.Errorf("%s: %s is not what was sent", what, a.Name)
		}
	}
	if broken := l.server.Broken(); len(broken) > 0 {
		l.t.Errorf("%s: %v", what, broken)
	}
}

func (l *lab) publish() (publish.Result, error) {
	return publish.Publish(l.t.Context(), l.host, l.params)
}

func TestPublish(t *testing.T) {
	l := newLab(t)
	if err := l.host.Preflight(t.Context(), tag, commit); err != nil {
		t.Fatal(err)
	}
	res, err := l.publish()
	if err != nil || res.Kept || len(res.Uploaded) != 6 || res.URL == "" {
		t.Errorf("%+v, %v", res, err)
	}
	l.wantRelease("first")
	before := l.server.Requests()
	l.params.Files[5].SHA256 = strings.Repeat("0", 64) // another run signs anew
	res, err = l.publish()
	if err != nil || !res.Kept || len(res.Uploaded) != 0 {
		t.Errorf("again: %+v, %v", res, err)
	}
	if n := l.server.Requests() - before; n > 20 {
		t.Errorf("%d requests to see that nothing is to be done", n)
	}
	dir := t.TempDir()
	if _, err := publish.Download(t.Context(), l.connect(""), tag, dir, nil); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 6 {
		t.Errorf("downloaded: %v, %v", list, err)
	}
}

// TestPublishedIsKept refuses another release of a tag, and touches nothing.
func TestPublishedIsKept(t *testing.T) {
	for name, change := range map[string]func(l *lab){
		"another file":     func(l *lab) { l.params.Files[1].SHA256 = strings.Repeat("0", 64) },
		"a file more":      func(l *lab) { l.add("more", "x", false) },
		"a file less":      func(l *lab) { l.params.Files = l.params.Files[1:] },
		"another commit":   func(l *lab) { l.params.Commit = strings.Repeat("f", 40) },
		"no run's file":    func(l *lab) { l.add("SHA256SUMS.sig", "x", true) },
		"the tag is moved": func(l *lab) { l.server.Tags[tag] = strings.Repeat("e", 40) },
	} {
		l := newLab(t)
		if _, err := l.publish(); err != nil {
			t.Fatal(err)
		}
		before := l.server.Releases()
		change(l)
		l.server.Expected = nil
		_, err := l.publish()
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "another release") {
			t.Errorf("%s: %v", name, err)
		}
		if after := l.server.Releases(); len(after) != 1 || len(after[0].Assets) != len(before[0].Assets) || len(l.server.Broken()) > 0 {
			t.Errorf("%s: it was touched: %v", name, l.server.Broken())
		}
	}
}

// TestDraftIsFinished goes on with what an earlier run left: right, cut short,
// of another size, other bytes, not ours; and a second draft of the same tag.
func TestDraftIsFinished(t *testing.T) {
	l := newLab(t)
	body := func(i int) []byte {
		text, err := os.ReadFile(filepath.Join(l.params.Dir, l.params.Files[i].Name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	same := slices.Clone(body(2))
	same[0] ^= 1
	l.server.Put(testhost.Release{Tag: tag, Draft: true, Assets: []*testhost.Asset{
		{Name: "file-0.tar.zst", State: "uploaded", Body: body(0)},
		{Name: "file-1.tar.zst", State: "starter"},
		{Name: "file-2.tar.zst", State: "uploaded", Body: same},
		{Name: "file-3.tar.zst", State: "uploaded", Body: body(3)[1:]},
		{Name: "old.deb", State: "uploaded", Body: []byte("x")},
	}})
	res, err := l.publish()
	if err != nil || len(res.Uploaded) != 5 || len(res.Reused) != 1 || len(res.Replaced) != 4 {
		t.Errorf("%+v, %v", res, err)
	}
	l.wantRelease("a draft")
}

// TestFaults breaks each request of a publication in each way, and ends a run
// at each: whatever came of the first run, the next ends in one release.
func TestFaults(t *testing.T) {
	whole := newLab(t)
	if _, err := whole.publish(); err != nil {
		t.Fatal(err)
	}
	last := whole.server.Requests()
	if last < 15 {
		t.Fatalf("only %d requests", last)
	}
	for at := 1; at <= last; at++ {
		for _, mode := range testhost.Modes() {
			l := newLab(t)
			l.server.Break(func(n int, _ *http.Request) testhost.Mode {
				if n == at {
					return mode
				}
				return testhost.Answer
			})
			name := fmt.Sprintf("request %d, mode %d", at, mode)
			if _, err := l.publish(); err != nil {
				t.Errorf("%s: a run did not get over it: %v", name, err)
			}
			l.wantRelease(name)
		}
		l := newLab(t)
		ctx, kill := context.WithCancel(t.Context())
		l.server.Break(func(n int, _ *http.Request) testhost.Mode {
			if n == at {
				kill()
			}
			return testhost.Answer
		})
		if _, err := publish.Publish(ctx, l.host, l.params); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
		kill()
		l.server.Break(nil)
		if _, err := l.publish(); err != nil {
			t.Errorf("killed at %d: %v", at, err)
		}
		l.wantRelease(fmt.Sprintf("killed at %d", at))
	}
}

// TestAlwaysBroken ends in an error after a bounded number of requests, and
// nothing of it in the open.
func TestAlwaysBroken(t *testing.T) {
	for _, mode := range testhost.Modes() {
		l := newLab(t)
		l.server.Break(func(_ int, r *http.Request) testhost.Mode {
			if strings.Contains(r.URL.RawQuery, "file-3") {
				return mode
			}
			return testhost.Answer
		})
		if _, err := l.publish(); mode == testhost.Lost {
			if err != nil {
				t.Errorf("the file was there each time: %v", err)
			}
		} else if fault.KindOf(err) != fault.Machine || len(l.server.Releases()) != 1 || !l.server.Releases()[0].Draft {
			t.Errorf("mode %d: %v, %+v", mode, err, l.server.Releases())
		}
		l.server.Break(nil)
		if _, err := l.publish(); err != nil {
			t.Error(err)
		}
		l.wantRelease("when it works again")
	}
}

func TestPreflight(t *testing.T) {
	for name, tt := range map[string]struct {
		token  func(*lab) string
		change func(*lab)
		want   string
	}{
		"no token":      {func(*lab) string { return "" }, nil, "GITHUB_TOKEN is not set"},
		"a bad token":   {func(*lab) string { return "ghp_s3cretbad" }, nil, "does not accept"},
		"a reader":      {func(l *lab) string { return l.server.Reader }, nil, "may not publish"},
		"no tag":        {nil, func(l *lab) { delete(l.server.Tags, tag) }, "has no tag"},
		"another tag":   {nil, func(l *lab) { l.server.Tags[tag] = strings.Repeat("f", 40) }, "is commit ffff"},
		"an old museum": {nil, func(l *lab) { l.server.Archived = true }, "archived"},
		"a proxy that tells": {nil, func(l *lab) {
			l.server.Break(func(int, *http.Request) testhost.Mode { return testhost.Error502 })
		}, "502"},
	} {
		l := newLab(t)
		host := l.host
		if tt.token != nil {
			host = l.connect(tt.token(l))
		}
		if tt.change != nil {
			tt.change(l)
		}
		err := host.Preflight(t.Context(), tag, commit)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the token is told: %v", name, err)
		}
	}
}

// TestLimits refuses what no host takes before it makes anything.
func TestLimits(t *testing.T) {
	l := newLab(t)
	l.params.Files[0].Size = 2 << 30
	if _, err := l.publish(); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
	if l.server.Requests() != 0 {
		t.Error("the host was asked")
	}
	l = newLab(t)
	if err := os.WriteFile(filepath.Join(l.params.Dir, "file-1.tar.zst"), []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := l.publish(); err == nil || !strings.Contains(err.Error(), "was changed") {
		t.Error(err)
	}
}

// TestLimitIsObeyed waits as long as the host asks for, and not for ever.
func TestLimitIsObeyed(t *testing.T) {
	for after, wait := range map[string]time.Duration{"7": 7 * time.Second, "3600": time.Hour} {
		l := newLab(t)
		l.server.After = after
		l.server.Break(func(n int, _ *http.Request) testhost.Mode {
			if n == 3 {
				return testhost.Limit
			}
			return testhost.Answer
		})
		stop := errors.New("enough")
		var waited time.Duration
		l.params.Wait = func(_ context.Context, d time.Duration) error {
			waited = d
			return stop
		}
		if _, err := l.publish(); !errors.Is(err, stop) || waited < wait || waited > wait+4*time.Second {
			t.Errorf("Retry-After %s: waited %s: %v", after, waited, err)
		}
	}
	l := newLab(t)
	l.server.After = "7200"
	l.server.Break(func(int, *http.Request) testhost.Mode { return testhost.Limit })
	if _, err := l.publish(); fault.KindOf(err) != fault.Machine || !strings.Contains(err.Error(), "asks to wait for 2h") {
		t.Errorf("two hours: %v", err)
	}
}

func TestOpen(t *testing.T) {
	for name, tt := range map[string]struct {
		env    map[string]string
		origin string
		want   string // the place, or what the error says
	}{
		"said":             {map[string]string{"PUBLISH_TO": "github:a/b", "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "c/d"}, "", "GitHub a/b"},
		"Actions":          {map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "c/d"}, "https://github.com/e/f", "GitHub c/d"},
		"origin by https":  {nil, "https://github.com/e/f.git", "GitHub e/f"},
		"origin by ssh":    {nil, "git@github.com:e/f.git", "GitHub e/f"},
		"origin by ssh://": {nil, "ssh://git@github.com/e/f", "GitHub e/f"},
		"elsewhere":        {nil, "https://example.org/e/f", "is not known"},
		"like it":          {nil, "https://evilgithub.com/e/f", "is not known"},
		"a path":           {nil, "/srv/git/f.git", "is not known"},
		"nothing":          {nil, "", "is not known"},
		"nonsense":         {map[string]string{"PUBLISH_TO": "ftp:a/b"}, "https://github.com/e/f", "PUBLISH_TO"},
		"no repository":    {map[string]string{"PUBLISH_TO": "github:a"}, "", "no repository"},
	} {
		place, err := publish.Open(func(n string) string { return tt.env[n] }, tt.origin)
		got := fmt.Sprint(err)
		if err == nil {
			got = place.Host.Name()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
