package testhost_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bzmage/internal/testhost"
)

const repo = "/repos/owner/name"

// asker asks a server as curl would.
type asker struct {
	t *testing.T
	*testhost.GitHub
	client *http.Client
}

func newAsker(t *testing.T) *asker {
	g := testhost.NewGitHub()
	t.Cleanup(g.Close)
	noFollow := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &asker{t, g, &http.Client{Timeout: 10 * time.Second, CheckRedirect: noFollow}}
}

// ask returns the status, and what was answered; 0: the connection ended.
func (a *asker) ask(token, method, at, body string) (int, string) {
	a.t.Helper()
	if strings.HasPrefix(at, "/") {
		at = a.API() + at
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, at, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if method == "FILE" {
		r.Method = http.MethodGet
		r.Header.Set("Accept", "application/octet-stream")
	}
	resp, err := a.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	if to := resp.Header.Get("Location"); to != "" {
		return resp.StatusCode, to
	}
	return resp.StatusCode, string(text)
}

// want asks as somebody who may push.
func (a *asker) want(code int, has, method, at, body string) string {
	a.t.Helper()
	got, text := a.ask(a.Token, method, at, body)
	if got != code || !strings.Contains(text, has) {
		a.t.Errorf("%s %s: %d %s", method, at, got, text)
	}
	return text
}

// draft makes a draft of v1 with a file "a", and returns its path.
func (a *asker) draft() string {
	a.t.Helper()
	a.Tags["v1"] = strings.Repeat("1", 40)
	text := a.want(201, `"draft":true`, "POST", repo+"/releases", `{"tag_name":"v1","draft":true,"name":"n","body":"b"}`)
	var r struct{ ID json.Number }
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		a.t.Fatal(err)
	}
	at := repo + "/releases/" + r.ID.String()
	a.want(201, `"state":"uploaded"`, "POST", a.Uploads()+at+"/assets?name=a", "body of a")
	return at
}

func TestDrafts(t *testing.T) {
	a := newAsker(t)
	at := a.draft()
	a.want(404, "Not Found", "GET", repo+"/releases/tags/v1", "")
	a.want(200, `"tag_name":"v1"`, "GET", repo+"/releases", "")
	for _, token := range []string{"", a.Reader} {
		if code, text := a.ask(token, "GET", repo+"/releases", ""); code != 200 || text != "[]\n" {
			t.Errorf("a draft is seen: %d %s", code, text)
		}
		for _, path := range []string{at, at + "/assets"} {
			if code, _ := a.ask(token, "GET", path, ""); code != 404 {
				t.Errorf("%s: %d", path, code)
			}
		}
		if code, _ := a.ask(token, "PATCH", at, `{"draft":false}`); code != 403 {
			t.Errorf("published by %q: %d", token, code)
		}
	}
	if code, _ := a.ask("ghp_other", "GET", repo, ""); code != 401 {
		t.Errorf("any token: %d", code)
	}
	a.want(200, `"draft":false`, "PATCH", at, `{"tag_name":"v1","draft":false}`)
	a.want(200, `"draft":false`, "GET", repo+"/releases/tags/v1", "")
	// A second release of the tag may be drafted, and not be published.
	a.want(201, "", "POST", repo+"/releases", `{"tag_name":"v1","draft":true}`)
	a.want(422, "already_exists", "POST", repo+"/releases", `{"tag_name":"v1","draft":false}`)
	a.want(422, "too long", "POST", repo+"/releases", `{"tag_name":"v2","draft":true,"body":"`+strings.Repeat("x", 125001)+`"}`)
	if broken := a.Broken(); len(broken) > 0 {
		t.Errorf("%v", broken)
	}
}

func TestUploads(t *testing.T) {
	a := newAsker(t)
	at := a.draft()
	a.want(422, "already_exists", "POST", a.Uploads()+at+"/assets?name=a", "x")
	a.want(400, "Content-Length", "POST", a.Uploads()+at+"/assets?name=b", "")
	a.want(201, `"name":"b.1.rc.2"`, "POST", a.Uploads()+at+"/assets?name=.b+1~%20rc%282%29", "x")
	a.want(201, `"name":"b+c@d_e-f"`, "POST", a.Uploads()+at+"/assets?name=b%2Bc@d_e-f", "x")
	a.want(404, "", "POST", at+"/assets?name=c", "files do not go to the API")
	a.want(404, "", "GET", a.Uploads()+repo, "")
	a.want(404, "", "GET", a.Uploads()+at+"/assets", "")
	if code, _ := a.ask(a.Reader, "POST", a.Uploads()+at+"/assets?name=c", "x"); code != 404 {
		t.Errorf("a reader: %d", code)
	}
	enterprise := strings.TrimSuffix(a.API(), "/v3") + "/uploads" + at + "/assets?name="
	a.want(201, "", "POST", enterprise+"d", "x")
	a.Split = true
	a.want(404, "", "POST", enterprise+"e", "x")
	// What is cut keeps its name.
	a.Break(func(int, *http.Request) testhost.Mode { return testhost.Cut })
	a.want(0, "EOF", "POST", a.Uploads()+at+"/assets?name=cut", strings.Repeat("x", 1000))
	a.Break(nil)
	a.want(422, "already_exists", "POST", a.Uploads()+at+"/assets?name=cut", "x")
	text := a.want(200, `"state":"starter"`, "GET", at+"/assets?per_page=3&page=2", "")
	if !strings.Contains(text, `"name":"cut"`) {
		t.Error(text)
	}
}

func TestStorage(t *testing.T) {
	a := newAsker(t)
	at := a.draft()
	var all []struct{ ID json.Number }
	if err := json.Unmarshal([]byte(a.want(200, "", "GET", at+"/assets", "")), &all); err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	file := repo + "/releases/assets/" + all[0].ID.String()
	a.want(200, `"size":9`, "GET", file, "")
	to := a.want(302, "signature=", "FILE", file, "")
	if code, text := a.ask("", "GET", to, ""); code != 200 || text != "body of a" {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := a.ask("", "FILE", file, ""); code != 404 {
		t.Errorf("a draft's file without a token: %d", code)
	}
	bare, _, _ := strings.Cut(to, "?")
	if code, _ := a.ask("", "GET", bare, ""); code != 403 {
		t.Errorf("without its signature: %d", code)
	}
	a.want(400, "", "GET", to, "")
	if !slices.Contains(a.Broken(), "the token was sent to the storage") {
		t.Error("a token at the storage is not noticed")
	}
	a.want(204, "", "DELETE", file, "")
	a.want(404, "", "GET", file, "")
}

// TestWatch notices each rule of ours that is broken.
func TestWatch(t *testing.T) {
	for want, tt := range map[string]func(a *asker, at string){
		"v1 is published without b": func(a *asker, at string) {
			a.Expected = []string{"a", "b"}
			a.want(200, "", "PATCH", at, `{"tag_name":"v1","draft":false}`)
		},
		"v1 is published with another a": func(a *asker, at string) {
			a.Expected, a.Sums["a"] = []string{"a"}, strings.Repeat("0", 64)
			a.want(200, "", "PATCH", at, `{"tag_name":"v1","draft":false}`)
		},
		"v1 is published with more than belongs to it": func(a *asker, at string) {
			a.Expected = []string{"a"}
			a.want(201, "", "POST", a.Uploads()+at+"/assets?name=b", "x")
			a.want(200, "", "PATCH", at, `{"tag_name":"v1","draft":false}`)
		},
		"publishing made the tag v1": func(a *asker, at string) {
			delete(a.Tags, "v1")
			a.want(200, "", "PATCH", at, `{"tag_name":"v1","draft":false}`)
		},
		"the published release v1 was edited": func(a *asker, at string) {
			a.want(200, "", "PATCH", at, `{"tag_name":"v1","draft":false}`)
			a.want(200, "", "PATCH", at, `{"tag_name":"v1","name":"n"}`) // the same
			if len(a.Broken()) > 0 {
				a.t.Error(a.Broken())
			}
			a.want(200, "", "PATCH", at, `{"tag_name":"v1","name":"other"}`)
		},
		"b was added to a published release": func(a *asker, at string) {
			a.Immutable = true
			a.want(200, "", "PATCH", at, `{"tag_name":"v1","draft":false}`)
			a.want(422, "immutable", "POST", a.Uploads()+at+"/assets?name=b", "x")
		},
		"2 releases of v1 are published": func(a *asker, at string) {
			a.want(200, "", "PATCH", at, `{"tag_name":"v1","draft":false}`)
			a.Put(testhost.Release{Tag: "v1"})
			a.want(200, "", "GET", repo, "")
		},
	} {
		a := newAsker(t)
		tt(a, a.draft())
		if broken := a.Broken(); !slices.Equal(broken, []string{want}) {
			t.Errorf("%q: %q", want, broken)
		}
	}
}

// TestModes breaks a request that makes something: it is done or not, and
// answered or not.
func TestModes(t *testing.T) {
	for mode, want := range map[testhost.Mode]struct {
		code int
		has  string
		done bool
	}{
		testhost.Error500: {500, "Server Error", false},
		testhost.Error502: {502, "Bearer ghp_", false},
		testhost.Drop:     {0, "EOF", false},
		testhost.Cut:      {0, "EOF", false},
		testhost.Lost:     {0, "EOF", true},
		testhost.CutBack:  {0, "EOF", true},
		testhost.Limit:    {403, "secondary rate limit", false},
		testhost.TooMany:  {429, "secondary rate limit", false},
		testhost.Primary:  {403, "API rate limit exceeded", false},
		testhost.Hang:     {0, "deadline exceeded", false},
	} {
		a := newAsker(t)
		a.client.Timeout = time.Second
		a.Break(func(n int, _ *http.Request) testhost.Mode {
			if n == 2 {
				return mode
			}
			return testhost.Answer
		})
		a.want(200, "", "GET", repo, "")
		a.want(want.code, want.has, "POST", repo+"/releases", `{"tag_name":"v1","draft":true}`)
		if done := len(a.Releases()) == 1; done != want.done {
			t.Errorf("%s: done: %v", mode, done)
		}
		a.want(201, "", "POST", repo+"/releases", `{"tag_name":"v1","draft":true}`)
		if n := a.Requests(); n != 3 {
			t.Errorf("%d requests", n)
		}
	}
}

// TestServe is the server of a pipeline: it is asked for what it has, and
// ended.
func TestServe(t *testing.T) {
	a := newAsker(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Serve(ctx, address) }()
	at := "http://" + address
	for range 100 {
		if code, _ := a.ask("", "POST", at+"/testhost/tag?name=v1&commit=abc", ""); code == 204 {
			break
		}
		time.Sleep(20 * time.Millisecond) // until it listens
	}
	a.want(200, `"object-of-v1"`, "GET", at+"/api/v3"+repo+"/git/ref/tags/v1", "")
	a.want(200, `"sha":"abc"`, "GET", at+"/api/v3"+repo+"/git/tags/object-of-v1", "")
	a.want(201, "", "POST", at+"/api/v3"+repo+"/releases", `{"tag_name":"v1","draft":true}`)
	var s testhost.State
	if err := json.Unmarshal([]byte(a.want(200, "", "GET", at+"/testhost/state", "")), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Releases) != 1 || s.Releases[0].Tag != "v1" || !s.Releases[0].Draft || s.Requests != 3 {
		t.Errorf("%+v", s)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := a.Serve(t.Context(), "0.0.0.0:0"); err == nil {
		t.Error("others may ask it")
	}
}
