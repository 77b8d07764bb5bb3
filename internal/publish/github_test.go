package publish_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
	"bzmage/internal/publish"
	"bzmage/internal/testhost"
)

func TestPreflight(t *testing.T) {
	for name, tt := range map[string]struct {
		token  func(*lab) string
		change func(*lab)
		want   string // empty: all is well
	}{
		"all is well":   {nil, nil, ""},
		"a plain tag":   {nil, func(l *lab) { l.server.Lightweight = true }, ""},
		"once broken":   {nil, func(l *lab) { l.server.Break(at(2, testhost.Error502)) }, ""},
		"no token":      {func(*lab) string { return "" }, nil, "GITHUB_TOKEN is not set"},
		"a bad token":   {func(*lab) string { return "ghp_s3cretbad" }, nil, "does not accept"},
		"a reader":      {func(l *lab) string { return l.server.Reader }, nil, "may not publish"},
		"no tag":        {nil, func(l *lab) { delete(l.server.Tags, tag) }, "has no tag"},
		"another tag":   {nil, func(l *lab) { l.server.Tags[tag] = strings.Repeat("f", 40) }, "is commit ffffffffffff at GitHub owner/name, and 0123"},
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
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "s3cret") {
			t.Errorf("%s: the token is told: %v", name, err)
		}
	}
}

// echo is a server that answers everything with what it was sent.
func echo(t *testing.T, code int) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		auth := r.Header.Get("Authorization")
		fmt.Fprintf(w, `{"message":"\u001b[31m%[1]s","html_url":"https://x/%[1]s\u001b]0;x\u0007","login":"%[1]s","default_branch":"%[1]s","errors":[{"message":"%[1]s","code":"%[1]s"}],`+
			`"permissions":{"push":true},"object":{"type":"commit","sha":"%[1]s"},"tag_name":"%[1]s","draft":true,"id":1,"number":1,"name":"%[1]s"}`, auth)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestTokenIsNotTold has a server say the token back in every way: none of our
// words has it, and none drives a terminal.
func TestTokenIsNotTold(t *testing.T) {
	const token = "ghp_s3cret"
	for _, code := range []int{200, 201, 202, 301, 400, 401, 403, 404, 409, 418, 422, 429, 500, 503} {
		l := newLab(t)
		s := echo(t, code)
		h := l.connect(token, func(p *publish.GitHubParams) { p.API, p.Upload = s.URL, s.URL })
		var out bytes.Buffer
		l.params.Log = logrus.New()
		l.params.Log.SetOutput(&out)
		tell := func(v any, err error) { fmt.Fprintf(&out, "%v %+v %#v %v\n", v, err, err, fault.HintOf(err)) }
		ctx := t.Context()
		tell(nil, h.Preflight(ctx, tag, commit))
		r, err := h.Find(ctx, tag)
		tell(r, err)
		r, err = h.Create(ctx, l.params.Description)
		tell(r, err)
		tell(publish.Publish(ctx, h, l.params))
		tell(h.Publish(ctx, &publish.Release{ID: "1"}, publish.Description{Tag: tag, Commit: "Bearer " + token}))
		tell(h.Propose(ctx, publish.Proposal{Branch: "b", Title: "t"}))
		tell(h.Report(ctx, publish.Issue{Marker: "m", Title: "t"}))
		tell(nil, h.Settle(ctx, "m", "t"))
		tell(nil, h.Remove(ctx, &publish.Release{ID: "1"}, publish.Asset{ID: "1"}))
		if b, err := h.Download(ctx, nil, publish.Asset{ID: "1"}); err != nil {
			tell(nil, err)
		} else {
			_ = b.Close() // it is not read
		}
		if strings.Contains(out.String(), token) || strings.ContainsAny(out.String(), "\x1b\x07") || out.Len() < 500 {
			t.Errorf("%d: %s", code, out.String())
		}
	}
}

// TestTokenStaysAtHome sends it to the API and where files go, and to no server
// that these speak of.
func TestTokenStaysAtHome(t *testing.T) {
	var stolen []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		stolen = append(stolen, r.Header.Get("Authorization")+r.URL.String())
	}))
	defer thief.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		l := newLab(t)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", thief.URL+r.URL.Path)
			w.Header().Set("Link", "<"+thief.URL+`/next>; rel="next"`)
			w.WriteHeader(code)
		}))
		h := l.connect("ghp_s3cret", func(p *publish.GitHubParams) { p.API, p.Upload = s.URL, "" })
		if err := h.Preflight(t.Context(), tag, commit); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "has moved") {
			t.Errorf("%d: %v", code, err)
		}
		if _, err := publish.Publish(t.Context(), h, l.params); err == nil {
			t.Errorf("%d: published", code)
		}
		if len(stolen) > 0 {
			t.Errorf("%d: %v", code, stolen)
		}
		if b, err := h.Download(t.Context(), nil, publish.Asset{ID: "1"}); err == nil {
			_ = b.Close() // it is empty
		}
		if strings.Contains(strings.Join(stolen, " "), "s3cret") {
			t.Errorf("%d: %v", code, stolen)
		}
		stolen = nil
		s.Close()
	}
}

// TestNoEnd gives up on answers and lists that do not end.
func TestNoEnd(t *testing.T) {
	l := newLab(t)
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Link", fmt.Sprintf(`<http://%s/?page=%d>; rel="next"`, r.Host, n+1))
		if strings.Contains(r.URL.Path, "/tags/") {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, "[]")
	}))
	defer s.Close()
	h := l.connect("ghp_s3cret", func(p *publish.GitHubParams) { p.API, p.Upload = s.URL, s.URL })
	if _, err := h.Find(t.Context(), tag); fault.KindOf(err) != fault.Machine || !strings.Contains(err.Error(), "no end") || n > 40 {
		t.Errorf("%d requests: %v", n, err)
	}
	big := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"body":"`)
		_, _ = io.CopyN(w, zeros{}, 40<<20) // who asked goes away
		fmt.Fprint(w, `"}`)
	}))
	defer big.Close()
	h = l.connect("ghp_s3cret", func(p *publish.GitHubParams) { p.API, p.Upload = big.URL, big.URL })
	if _, err := h.Find(t.Context(), tag); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("%v", err)
	}
}

// TestLastOfTheHour asks on when a server says that this was the last request
// of the hour: its clock may be another one, and it refuses by itself.
func TestLastOfTheHour(t *testing.T) {
	l := newLab(t)
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.Header().Set("X-RateLimit-Limit", "60")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Now().Add(time.Hour).Unix()))
		w.WriteHeader(http.StatusNotFound)
	}))
	defer s.Close()
	h := l.connect("", func(p *publish.GitHubParams) { p.API, p.Upload = s.URL, s.URL })
	for range 3 {
		if r, err := h.Find(t.Context(), tag); r != nil || err != nil {
			t.Errorf("%v, %v", r, err)
		}
	}
	if n != 3 {
		t.Errorf("%d requests", n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

// TestSlow takes all the time it needs for a file that comes and goes slowly,
// and none for one that has stopped.
func TestSlow(t *testing.T) {
	l := newLab(t)
	const quiet = 400 * time.Millisecond
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		for i := range 10 {
			if i == 7 && strings.HasSuffix(r.URL.Path, "/13") {
				<-stop
			}
			fmt.Fprint(w, "x")
			_ = http.NewResponseController(w).Flush() // who asked may have gone
			select {
			case <-time.After(quiet / 6):
			case <-stop:
			}
		}
	}))
	defer s.Close()
	defer close(stop)
	h := l.connect("t", func(p *publish.GitHubParams) { p.API, p.Upload, p.Quiet = s.URL, s.URL, quiet })
	for id, want := range map[string]int{"12": 10, "13": 7} {
		b, err := h.Download(t.Context(), nil, publish.Asset{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		got, err := io.ReadAll(b)
		if len(got) != want || (err == nil) != (want == 10) {
			t.Errorf("%s: %d bytes, %v, after %s", id, len(got), err, time.Since(start))
		}
		_ = b.Close() // it was read
	}
}

func TestNewGitHub(t *testing.T) {
	for _, bad := range []publish.GitHubParams{
		{}, {Repository: "name"}, {Repository: "owner/"}, {Repository: "/name"}, {Repository: "a/b/c"}, {Repository: "../b"}, {Repository: "a/.."},
		{Repository: "a/."}, {Repository: "a/b?x"}, {Repository: "a/b%2f"}, {Repository: "a /b"},
		{Repository: "a/b", API: "http://example.org/api/v3"}, {Repository: "a/b", API: "ftp://example.org"}, {Repository: "a/b", API: "https://u:p@example.org"},
		{Repository: "a/b", API: "nothing"}, {Repository: "a/b", API: "https://h/?token=x"}, {Repository: "a/b", Upload: "http://example.org"},
	} {
		if _, err := publish.NewGitHub(bad); fault.KindOf(err) != fault.Usage {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, good := range []publish.GitHubParams{
		{Repository: "a/b"}, {Repository: "a-b/.github"}, {Repository: "a/b.c_d-e"}, {Repository: "a/b", API: "https://h/api/v3/"}, {Repository: "a/b", API: "http://[::1]:80"},
	} {
		if _, err := publish.NewGitHub(good); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
}
