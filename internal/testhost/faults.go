package testhost

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
)

// Mode is what becomes of one request.
type Mode int

// The modes.
const (
	Answer   Mode = iota // as it should be
	Error500             // refused before anything happened
	Error502             // the same by a proxy, with a page of HTML that repeats what was sent
	Drop                 // the connection ends before anything happened
	Cut                  // half of the request is read, and the connection ends
	Lost                 // it is done, and the answer is lost
	CutBack              // it is done, and half of the answer comes back
	Spoilt               // it is done, and a byte of a file that comes back is another one
	Limit                // the secondary rate limit: 403 and Retry-After
	TooMany              // the same as 429
	Primary              // 403, the hour's requests are used up
	Hang                 // nothing happens until who asked has gone
)

// Modes are those that go wrong, but for Hang, which takes its time.
func Modes() []Mode {
	return []Mode{Error500, Error502, Drop, Cut, Lost, CutBack, Spoilt, Limit, TooMany, Primary}
}

// String names the mode.
func (m Mode) String() string {
	return [...]string{"answer", "error 500", "error 502", "drop", "cut", "lost", "cut back", "spoilt", "limit", "too many", "primary", "hang"}[m]
}

// most bounds a request.
const most = 64 << 20

// broke has answer answer, or not, as [GitHub.Break] says.
func (g *GitHub) broke(answer func(w http.ResponseWriter, r *http.Request, body []byte)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mode, done := g.begin(r)
		defer done()
		if g.refuse(w, r, mode) {
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, most))
		if err != nil || r.ContentLength >= 0 && r.ContentLength != int64(len(body)) {
			g.cut(r)
			return
		}
		if mode == Answer {
			g.locked(func() { answer(w, r, body) })
			return
		}
		kept := httptest.NewRecorder()
		g.locked(func() { answer(kept, r, body) })
		g.giveBack(w, kept, mode)
	})
}

// begin counts a request, and says what becomes of it.
func (g *GitHub) begin(r *http.Request) (mode Mode, done func()) {
	if strings.HasPrefix(r.URL.Path, control) {
		return Answer, func() {}
	}
	g.mu.Lock()
	g.n++
	g.busy++
	n, fault := g.n, g.fault
	g.mu.Unlock()
	if fault != nil {
		mode = fault(n, r)
	}
	return mode, func() { g.mu.Lock(); defer g.mu.Unlock(); g.busy-- }
}

// locked does f alone, and looks at what all can see then.
func (g *GitHub) locked(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
	g.watch()
}

// refuse does the modes in which nothing is done; false: it is another one.
func (g *GitHub) refuse(w http.ResponseWriter, r *http.Request, mode Mode) bool {
	switch mode {
	case Error500:
		fail(w, http.StatusInternalServerError, "Server Error", "")
	case Error502:
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprintf(w, "<html><h1>Bad Gateway</h1> %s %s</html>", r.URL, r.Header)
	case Limit, TooMany:
		if g.After != "" {
			w.Header().Set("Retry-After", g.After)
		}
		code := http.StatusForbidden
		if mode == TooMany {
			code = http.StatusTooManyRequests
		}
		fail(w, code, "You have exceeded a secondary rate limit", "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits")
	case Primary:
		w.Header().Set("X-RateLimit-Limit", "5000")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", g.Reset)
		fail(w, http.StatusForbidden, "API rate limit exceeded for user", "")
	case Hang:
		_, _ = io.Copy(io.Discard, r.Body) // it is not looked at
		select {
		case <-r.Context().Done():
		case <-g.done:
		}
		panic(http.ErrAbortHandler)
	case Drop:
		panic(http.ErrAbortHandler)
	case Cut:
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2) // the end is what is tested
		g.cut(r)
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}

// giveBack sends an answer as a bad way does.
func (g *GitHub) giveBack(w http.ResponseWriter, kept *httptest.ResponseRecorder, mode Mode) {
	body := kept.Body.Bytes()
	if mode == Lost {
		panic(http.ErrAbortHandler)
	}
	for k, v := range kept.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(kept.Code)
	if mode == CutBack {
		_, _ = w.Write(body[:len(body)/2]) // who asked may have gone
		panic(http.ErrAbortHandler)
	}
	if len(body) > 0 && w.Header().Get("Content-Type") != jsonType {
		body = bytes.Clone(body)
		body[len(body)/2] ^= 1
	}
	_, _ = w.Write(body) // the same
}

// cut is what a request leaves that came in half: of a file, its name.
func (g *GitHub) cut(r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, ok := uploadTo(r)
	rel := g.release(id)
	if !ok || rel == nil || !g.may(r) {
		return
	}
	if name := g.mangled(r.URL.Query().Get("name")); rel.asset(name) == nil {
		rel.Assets = append(rel.Assets, &Asset{ID: g.id(), Name: name, State: "starter"})
	}
}
