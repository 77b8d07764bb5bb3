package fetch

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// mirror is a real server of one file. Its acts are played in turn, one for
// each GET; after the last it serves the file as a good server does. Paths
// that end in 404 are not found.
type mirror struct {
	*httptest.Server
	body []byte
	etag string

	mu   sync.Mutex
	seen []http.Header
	acts []act
}

// act answers one request.
type act func(m *mirror, w http.ResponseWriter, r *http.Request)

func newMirror(t *testing.T, body []byte, acts ...act) *mirror {
	t.Helper()
	m := &mirror{body: body, etag: `"one"`, acts: acts}
	m.Server = newServer(t, httptest.NewServer(m))
	return m
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "404") {
		http.NotFound(w, r)
		return
	}
	play := serve
	if r.Method == http.MethodGet {
		m.mu.Lock()
		m.seen = append(m.seen, r.Header.Clone())
		if len(m.acts) > 0 {
			play, m.acts = m.acts[0], m.acts[1:]
		}
		m.mu.Unlock()
	}
	play(m, w, r)
}

// gets returns the headers of the GET requests so far.
func (m *mirror) gets() []http.Header {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seen)
}

// serve answers well, ranges included.
func serve(m *mirror, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", m.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(m.body))
}

// begin sends the head of a whole answer and half of the bytes.
func begin(m *mirror, w http.ResponseWriter) {
	w.Header().Set("ETag", m.etag)
	w.Header().Set("Content-Length", strconv.Itoa(len(m.body)))
	_, _ = w.Write(m.body[:len(m.body)/2])
	_ = http.NewResponseController(w).Flush()
}

// truncate ends the connection after half of the bytes.
func truncate(m *mirror, w http.ResponseWriter, r *http.Request) {
	begin(m, w)
	panic(http.ErrAbortHandler)
}

// reset breaks the connection with a TCP reset after half of the bytes.
func reset(m *mirror, w http.ResponseWriter, r *http.Request) {
	begin(m, w)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

// stall sends half of the bytes and then nothing.
func stall(m *mirror, w http.ResponseWriter, r *http.Request) {
	begin(m, w)
	<-r.Context().Done()
}

// mute sends not even a head.
func mute(_ *mirror, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// otherBytes returns as many bytes, none of them the same.
func otherBytes(b []byte) []byte {
	other := make([]byte, len(b))
	for i, c := range b {
		other[i] = ^c
	}
	return other
}

// wrongBytes sends a whole answer of other bytes.
func wrongBytes(m *mirror, w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write(otherBytes(m.body))
}

// whole ignores Range.
func whole(m *mirror, w http.ResponseWriter, r *http.Request) { _, _ = w.Write(m.body) }

// renew serves the file under a new ETag from now on.
func renew(m *mirror, w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.etag = `"two"`
	m.mu.Unlock()
	serve(m, w, r)
}

// wrongRange answers a Range request with bytes from elsewhere.
func wrongRange(m *mirror, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", m.etag)
	w.Header().Set("Content-Range", "bytes 1-9/10")
	w.WriteHeader(http.StatusPartialContent)
}

// foreignRange continues properly, but with another file's ETag.
func foreignRange(m *mirror, w http.ResponseWriter, r *http.Request) {
	r.Header.Del("If-Range")
	w.Header().Set("ETag", `"foreign"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(otherBytes(m.body)))
}

// status answers with a code and a Retry-After.
func status(code int, retryAfter string) act {
	return func(_ *mirror, w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(code)
	}
}

// cancelHalfway returns a progress function that cancels once it sees bytes.
func cancelHalfway(cancel context.CancelFunc) func(int64, int64) {
	return func(done, _ int64) {
		if done > 0 {
			cancel()
		}
	}
}
