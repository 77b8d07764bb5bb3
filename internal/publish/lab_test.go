package publish_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	host   *publish.GitHub
	params publish.Params
}

// atOnce waits for nothing.
func atOnce(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// newLab has three files, and one about the run. Its server is as github.com.
func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, server: testhost.NewGitHub()}
	t.Cleanup(l.server.Close)
	l.server.Tags[tag] = commit
	l.server.Split = true
	l.params = publish.Params{
		Description: publish.Description{Tag: tag, Commit: commit, Title: "linux", Notes: "notes"}, Dir: t.TempDir(), Wait: atOnce,
	}
	for i := range 3 {
		l.add(fmt.Sprintf("file-%d.tar.zst", i), strings.Repeat("content ", 100*i+1), false)
	}
	l.add("SHA256SUMS.asc", "a signature", true)
	l.host = l.connect(l.server.Token)
	return l
}

func (l *lab) connect(token string, change ...func(*publish.GitHubParams)) *publish.GitHub {
	l.t.Helper()
	p := publish.GitHubParams{Repository: "owner/name", API: strings.TrimSuffix(l.server.API(), "/api/v3"), Upload: l.server.Uploads(), Token: token, Quiet: 5 * time.Second, Wait: atOnce}
	for _, c := range change {
		c(&p)
	}
	g, err := publish.NewGitHub(p)
	if err != nil {
		l.t.Fatal(err)
	}
	return g
}

func (l *lab) add(name, text string, run bool) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.params.Dir, name), []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	f := publish.File{Name: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), Run: run}
	l.params.Files = append(l.params.Files, f)
	l.server.Expected = append(l.server.Expected, name)
	l.server.Sums[name] = f.SHA256
}

// body returns what the i-th file has.
func (l *lab) body(i int) []byte {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(l.params.Dir, l.params.Files[i].Name))
	if err != nil {
		l.t.Fatal(err)
	}
	return text
}

func (l *lab) publish() (publish.Result, error) {
	return publish.Publish(l.t.Context(), l.host, l.params)
}

// wantRelease sees that there is one release in the open, with our files, and
// that no rule was broken on the way. Drafts of others may be left.
func (l *lab) wantRelease(what string, drafts int) {
	l.t.Helper()
	var open []testhost.Release
	all := l.server.Releases()
	for _, r := range all {
		if !r.Draft {
			open = append(open, r)
		}
	}
	if len(open) != 1 || open[0].Tag != tag || open[0].Body != "notes" || len(all) != 1+drafts {
		l.t.Errorf("%s: %d releases: %+v", what, len(all), l.server.State())
		return
	}
	if len(open[0].Assets) != len(l.params.Files) {
		l.t.Errorf("%s: %d files", what, len(open[0].Assets))
	}
	for _, a := range open[0].Assets {
		want, err := os.ReadFile(filepath.Join(l.params.Dir, a.Name))
		if err != nil || string(want) != string(a.Body) || a.State != "uploaded" {
			l.t.Errorf("%s: %s is not what was sent", what, a.Name)
		}
	}
	if broken := l.server.Broken(); len(broken) > 0 {
		l.t.Errorf("%s: %v", what, broken)
	}
}
