package publish_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
	"bzmage/internal/publish"
	"bzmage/internal/testhost"
)

func TestPublish(t *testing.T) {
	for name, enterprise := range map[string]bool{"github.com": false, "Enterprise": true} {
		l := newLab(t)
		if enterprise {
			l.server.Split = false
			l.host = l.connect(l.server.Token, func(p *publish.GitHubParams) { p.API, p.Upload = l.server.API(), "" })
		}
		if err := l.host.Preflight(t.Context(), tag, commit); err != nil {
			t.Fatal(err)
		}
		var done, all int64
		l.params.Progress = func(d, a int64) { done, all = d, a }
		res, err := l.publish()
		if err != nil || res.Kept || len(res.Uploaded) != 4 || res.URL != "https://github.com/owner/name/releases/tag/"+tag || res.Bytes != all {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
		if done != all || all == 0 {
			t.Errorf("%s: %d of %d bytes", name, done, all)
		}
		l.wantRelease(name, 0)
		// Another run signs anew, and finds nothing to do.
		l.params.Files[3].SHA256 = strings.Repeat("0", 64)
		l.server.Break(nil)
		if res, err = l.publish(); err != nil || !res.Kept || len(res.Uploaded)+len(res.Replaced) != 0 {
			t.Errorf("%s again: %+v, %v", name, res, err)
		}
		if n := l.server.Requests(); n > 12 {
			t.Errorf("%d requests to see that nothing is to be done", n)
		}
		l.wantRelease("again", 0)
	}
}

// TestPublishedIsKept refuses another release of a tag, and touches nothing.
func TestPublishedIsKept(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(l *lab)
		want   string
	}{
		"another file":     {func(l *lab) { l.params.Files[1].SHA256 = strings.Repeat("0", 64) }, "file-1.tar.zst is another one"},
		"another size":     {func(l *lab) { l.params.Files[1].Size++ }, "file-1.tar.zst is another one"},
		"a file more":      {func(l *lab) { l.add("more", "x", false) }, "more is not there"},
		"a file less":      {func(l *lab) { l.params.Files = l.params.Files[1:] }, "file-0.tar.zst is none of ours"},
		"another commit":   {func(l *lab) { l.params.Commit = strings.Repeat("f", 40) }, "its tag is commit 0123456789"},
		"no run's file":    {func(l *lab) { l.add("SHA256SUMS.sig", "x", true) }, "SHA256SUMS.sig is not there"},
		"the tag is moved": {func(l *lab) { l.server.Tags[tag] = strings.Repeat("e", 40) }, "its tag is commit eeee"},
		"a way that lies":  {func(l *lab) { l.server.Spoil("file-2.tar.zst") }, "file-2.tar.zst is another one"},
	} {
		l := newLab(t)
		if _, err := l.publish(); err != nil {
			t.Fatal(err)
		}
		before := l.server.State().Releases
		tt.change(l)
		l.server.Expected = nil
		_, err := l.publish()
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "another release of tag "+tag) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(fault.HintOf(err), "new tag") {
			t.Errorf("%s: %v", name, err)
		}
		after := l.server.State().Releases
		if len(after) != 1 || len(after[0].Files) != len(before[0].Files) || len(l.server.Broken()) > 0 {
			t.Errorf("%s: it was touched: %v", name, l.server.Broken())
		}
	}
}

// TestWaySpoils does not call a published release another one because of one
// bad download.
func TestWaySpoils(t *testing.T) {
	l := newLab(t)
	if _, err := l.publish(); err != nil {
		t.Fatal(err)
	}
	spoilt := 0
	l.server.Break(func(_ int, r *http.Request) testhost.Mode {
		if r.URL.Query().Has("signature") && spoilt == 0 {
			spoilt++
			return testhost.Spoilt
		}
		return testhost.Answer
	})
	if res, err := l.publish(); err != nil || !res.Kept || spoilt == 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestDraftIsFinished goes on with what an earlier run left: right, cut short,
// of another size, other bytes, not ours; and leaves a younger draft alone.
func TestDraftIsFinished(t *testing.T) {
	l := newLab(t)
	l.add("file-4", "one more", false)
	same := slices.Clone(l.body(2))
	same[0] ^= 1
	l.server.Put(testhost.Release{Tag: "v5", Draft: true})
	l.server.Put(testhost.Release{Tag: tag, Draft: true, Body: "old notes", Assets: []*testhost.Asset{
		{Name: "file-0.tar.zst", State: "uploaded", Body: l.body(0)},
		{Name: "file-1.tar.zst", State: "starter", Body: l.body(1)},
		{Name: "file-2.tar.zst", State: "uploaded", Body: same},
		{Name: "SHA256SUMS.asc", State: "uploaded", Body: l.body(3)[1:]},
		{Name: "old.deb", State: "uploaded", Body: []byte("x")},
	}})
	l.server.Put(testhost.Release{Tag: tag, Draft: true})
	for i := range 5 {
		l.server.Put(testhost.Release{Tag: "v" + strings.Repeat("1", i+1), Draft: true}) // a second page
	}
	res, err := l.publish()
	if err != nil || len(res.Uploaded) != 4 || !slices.Equal(res.Reused, []string{"file-0.tar.zst"}) || len(res.Replaced) != 4 {
		t.Errorf("%+v, %v", res, err)
	}
	l.wantRelease("a draft", 7)
}

// TestBothAtOnce publishes twice at the same time: one release comes of it.
func TestBothAtOnce(t *testing.T) {
	for range 5 {
		l := newLab(t)
		var g sync.WaitGroup
		for range 2 {
			g.Go(func() {
				if _, err := publish.Publish(t.Context(), l.connect(l.server.Token), l.params); err != nil {
					t.Error(err)
				}
			})
		}
		g.Wait()
		l.wantRelease("both", len(l.server.Releases())-1)
	}
}

// TestRemoveOfPublished takes nothing away from what somebody has published
// since it was looked at.
func TestRemoveOfPublished(t *testing.T) {
	l := newLab(t)
	l.server.Expected = nil
	l.server.Put(testhost.Release{Tag: tag, Draft: true, Assets: []*testhost.Asset{{Name: "a", State: "uploaded", Body: []byte("x")}}})
	r, err := l.host.Find(t.Context(), tag)
	if err != nil || len(r.Assets) != 1 {
		t.Fatal(r, err)
	}
	if _, err := l.host.Publish(t.Context(), r, l.params.Description); err != nil {
		t.Fatal(err)
	}
	err = l.host.Remove(t.Context(), r, r.Assets[0])
	var temporary *publish.Temporary
	if !errors.As(err, &temporary) || len(l.server.Releases()[0].Assets) != 1 {
		t.Errorf("%v", err)
	}
}

// TestLag makes one draft, though the list does not show it at first.
func TestLag(t *testing.T) {
	l := newLab(t)
	l.server.Lag = 1000
	if _, err := l.publish(); err != nil {
		t.Error(err)
	}
	l.wantRelease("lag", 0)
}

// TestLimits refuses what no host takes before it makes anything.
func TestLimits(t *testing.T) {
	for want, change := range map[string]func(*publish.Params){
		"has 2147483648 bytes":     func(p *publish.Params) { p.Files[0].Size = 2 << 30 },
		"has 0 bytes":              func(p *publish.Params) { p.Files[0].Size = 0 },
		"1 to 1000 files, not 0":   func(p *publish.Params) { p.Files = nil },
		"1 to 1000 files, not 100": func(p *publish.Params) { p.Files = make([]publish.File, 1001) },
		"under another name":       func(p *publish.Params) { p.Files[0].Name = "linux_6.2~rc1.deb" },
		"twice":                    func(p *publish.Params) { p.Files[0].Name = p.Files[1].Name },
	} {
		l := newLab(t)
		change(&l.params)
		if _, err := l.publish(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if l.server.Requests() != 0 {
			t.Errorf("%s: the host was asked", want)
		}
	}
}

// TestRenamed ends at once where the host gives a file another name: it would
// be sent for ever.
func TestRenamed(t *testing.T) {
	l := newLab(t)
	l.server.Mangle = func(name string) string { return "\x1b[31m" + name }
	_, err := l.publish()
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `as "\x1b[31m`) || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%v", err)
	}
}

// TestChangedFile notices a file that is written to while it is published.
func TestChangedFile(t *testing.T) {
	l := newLab(t)
	if err := os.WriteFile(filepath.Join(l.params.Dir, "file-1.tar.zst"), []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := l.publish(); err == nil || !strings.Contains(err.Error(), "was changed") {
		t.Error(err)
	}
	// It is sent as it was, and changed in place before it is read again.
	l = newLab(t)
	body := bytes.ToUpper(l.body(1))
	l.params.Parallel = 1
	l.host = l.connect(l.server.Token, func(p *publish.GitHubParams) {})
	l.server.Break(func(_ int, r *http.Request) testhost.Mode {
		if r.URL.Query().Get("name") == "file-1.tar.zst" {
			if err := os.WriteFile(filepath.Join(l.params.Dir, "file-1.tar.zst"), body, 0o644); err != nil {
				t.Error(err)
			}
			return testhost.Error500 // the next sending is of other bytes
		}
		return testhost.Answer
	})
	if _, err := l.publish(); fault.KindOf(err) != fault.Machine || !strings.Contains(err.Error(), "was changed") || !l.server.Releases()[0].Draft {
		t.Error(err)
	}
}

// TestOtherBytesBack ends in an error when what comes back is never what was
// sent, and shows nothing.
func TestOtherBytesBack(t *testing.T) {
	l := newLab(t)
	l.server.Spoil("file-1.tar.zst")
	_, err := l.publish()
	if fault.KindOf(err) != fault.Machine || !strings.Contains(err.Error(), "file-1.tar.zst was sent 4 times, and other bytes came back") {
		t.Errorf("%v", err)
	}
	if all := l.server.Releases(); len(all) != 1 || !all[0].Draft {
		t.Errorf("%+v", all)
	}
}

// TestTagMovesMeanwhile does not publish when the tag is another commit at the
// last moment, or gone: GitHub would make one.
func TestTagMovesMeanwhile(t *testing.T) {
	for _, now := range []string{"", strings.Repeat("e", 40)} {
		l := newLab(t)
		l.server.Tags[tag] = now
		_, err := l.publish()
		if all := l.server.Releases(); fault.KindOf(err) != fault.Usage || len(all) != 1 || !all[0].Draft || len(l.server.Broken()) > 0 {
			t.Errorf("%q: %v, %v", now, err, l.server.Broken())
		}
	}
}

// TestImmutable publishes where nothing can be changed afterwards.
func TestImmutable(t *testing.T) {
	l := newLab(t)
	l.server.Immutable = true
	for range 2 {
		if _, err := l.publish(); err != nil {
			t.Error(err)
		}
		l.wantRelease("immutable", 0)
	}
}

// TestLongNotes cuts notes that GitHub would refuse.
func TestLongNotes(t *testing.T) {
	l := newLab(t)
	l.params.Notes = strings.Repeat("a line of ä\n", 20000)
	if _, err := l.publish(); err != nil {
		t.Fatal(err)
	}
	body := l.server.Releases()[0].Body
	if n := len([]rune(body)); n > 125000 || n < 124900 || !strings.HasSuffix(body, "of ä\n\nThe rest is left out: it is too long.\n") {
		t.Errorf("%d characters: %q", n, body[max(0, len(body)-100):])
	}
}

// TestSaid tells of drafts and what is removed, without what drives terminals.
func TestSaid(t *testing.T) {
	l := newLab(t)
	l.server.Put(testhost.Release{Tag: tag, Draft: true, Assets: []*testhost.Asset{{Name: "a\x1b[31m\nb", State: "uploaded"}}})
	var out bytes.Buffer
	l.params.Log = logrus.New()
	l.params.Log.SetOutput(&out)
	l.params.Log.SetFormatter(&logrus.JSONFormatter{})
	if _, err := l.publish(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "removing a b, which") {
		t.Error(out.String())
	}
}
