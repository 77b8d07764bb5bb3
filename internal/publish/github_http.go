package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds of what a server says.
const (
	maxAnswer = 16 << 20 // bytes of an answer of the API; a page of a list has some 100 kB
	maxError  = 64 << 10 // bytes that are read of a refusal
)

// quiet is how long a server may say nothing and take nothing.
const quiet = 2 * time.Minute

// newTransport returns the way to a server, which may be as slow as it likes
// as long as bytes flow: a file of 2 GB has no deadline of its own.
func newTransport(quiet time.Duration) *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{Timeout: min(quiet, 30*time.Second)}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &lively{Conn: c, quiet: quiet}, nil
		},
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   min(quiet, 30*time.Second),
		ResponseHeaderTimeout: quiet,
		IdleConnTimeout:       quiet / 2,
		DisableCompression:    true, // a few kB could be said in many MB
	}
}

// lively is a connection that ends when nothing went either way for a while.
type lively struct {
	net.Conn
	quiet time.Duration
}

// Read implements [net.Conn].
func (l *lively) Read(b []byte) (int, error) { return l.moved(l.Conn.Read(b)) }

// Write implements [net.Conn].
func (l *lively) Write(b []byte) (int, error) { return l.moved(l.Conn.Write(b)) }

// moved puts both ends off: while a file is sent, nothing is to be read.
func (l *lively) moved(n int, err error) (int, error) {
	if n > 0 && err == nil {
		err = l.SetDeadline(time.Now().Add(l.quiet))
	}
	return n, err
}

// guard lets requests of the API through. The token goes to the servers that
// were set and to no other, whatever an answer names; answers are bounded; and
// a limit that the server speaks of becomes a [Temporary], which go-github
// knows of some only, and waits for by a clock of its own.
type guard struct {
	to    http.RoundTripper
	hosts []string // as in URLs
	token string
	agent string
	now   func() time.Time
}

// RoundTrip implements [http.RoundTripper].
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	known := false
	for _, h := range g.hosts {
		known = known || r.URL.Scheme+"://"+r.URL.Host == h
	}
	if !known {
		return nil, errors.New("a request to a server that nobody set")
	}
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", g.agent)
	if g.token != "" {
		r.Header.Set("Authorization", "Bearer "+g.token)
	}
	resp, err := g.to.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body := resp.Body
	switch {
	case resp.StatusCode >= 300:
		text, _ := io.ReadAll(io.LimitReader(body, maxError)) // a refusal is known by its code
		_ = body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(text))
		if wait, limited := limitOf(resp, string(text), g.now()); limited {
			return nil, &Temporary{Err: fmt.Errorf("%d: the server's rate limit is used up", resp.StatusCode), Wait: wait}
		}
	case r.Header.Get("Accept") != octets: // a file has the bounds of its size
		resp.Body = http.MaxBytesReader(nil, body, maxAnswer)
	}
	for _, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
		resp.Header.Del(name) // obeyed when the server refuses
	}
	return resp, nil
}

// unsaid is how long to wait where a limit does not say
// (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
const unsaid = time.Minute

// limitOf tells a rate limit from a missing right, both of which are 403, and
// returns when it ends.
func limitOf(r *http.Response, text string, now time.Time) (time.Duration, bool) {
	wait := retryAfter(r.Header, now)
	usedUp := r.Header.Get("X-Ratelimit-Remaining") == "0"
	said := strings.Contains(text, "secondary rate limit") || strings.Contains(text, "abuse detection")
	switch {
	case r.StatusCode == http.StatusTooManyRequests:
	case r.StatusCode == http.StatusForbidden && (wait > 0 || r.Header.Get("Retry-After") != "" || usedUp || said):
	default:
		return 0, false
	}
	if r.Header.Get("Retry-After") != "" {
		return wait, true
	}
	if reset, err := strconv.ParseInt(r.Header.Get("X-Ratelimit-Reset"), 10, 64); err == nil && usedUp {
		return max(0, time.Unix(reset, 0).Sub(now)+time.Second), true
	}
	return unsaid, true
}

// baseOf returns the address of a server, with the slash at its end that
// go-github asks for. A token goes over TLS only, but for this machine's tests.
func baseOf(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/") + "/")
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "":
		return nil, errors.New("that is no address of an API")
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return nil, errors.New("a token is sent over https only")
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
