package publish

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestGuard sends the token to the servers that were set, and nothing to
// others: another port or scheme is another server.
func TestGuard(t *testing.T) {
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.Host+" "+r.Header.Get("Authorization"))
	}))
	defer s.Close()
	other := httptest.NewServer(s.Config.Handler)
	defer other.Close()
	g := &guard{to: newTransport(time.Second), hosts: []string{s.URL}, token: "s3cret", now: time.Now}
	for _, at := range []string{s.URL + "/x", other.URL + "/x", strings.Replace(s.URL, "http:", "https:", 1), "http://user@" + strings.TrimPrefix(other.URL, "http://")} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := g.RoundTrip(r)
		if (err == nil) != strings.HasPrefix(at, s.URL) {
			t.Errorf("%s: %v", at, err)
		}
		if err == nil {
			_ = resp.Body.Close() // it is empty
		}
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s: the caller's request has the token", at)
		}
	}
	if len(got) != 1 || got[0] != strings.TrimPrefix(s.URL, "http://")+" Bearer s3cret" {
		t.Errorf("%q", got)
	}
}
