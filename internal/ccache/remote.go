package ccache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// RemoteValues says what [ParseRemote] takes.
const RemoteValues = "redis://host:port or http://host:port/path"

// reach is how long a remote cache may take to answer. One that is slower
// than that costs more than it gives.
const reach = 2 * time.Second

// Remote is a cache shared by machines. Its methods never show a password.
type Remote struct {
	url string // as ccache takes it; empty: none
	at  url.URL
}

// ParseRemote reads the URL of a Redis or of a server that takes GET, PUT and
// DELETE; an empty one is none. ccache speaks no TLS. The error does not hold
// the URL.
func ParseRemote(value string) (Remote, error) {
	if value == "" {
		return Remote{}, nil
	}
	// ccache splits at blanks, and takes what is behind a "|" for options.
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || r == '|' || r == '\\' }) {
		return Remote{}, errors.New("it holds a character that has no place in it")
	}
	u, err := url.Parse(value)
	if err != nil {
		return Remote{}, errors.New("it is no URL") // the error of Parse quotes it
	}
	switch {
	case u.Scheme != "redis" && u.Scheme != "http":
		return Remote{}, errors.New("it is neither redis:// nor http://")
	case u.Hostname() == "":
		return Remote{}, errors.New("it names no host")
	case u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return Remote{}, errors.New("it has more than a host, a port and a path")
	case u.Scheme == "redis" && strings.Trim(u.Path, "/0123456789") != "":
		return Remote{}, errors.New("the path of a Redis is the number of a database")
	}
	if _, ok := u.User.Password(); ok && u.User.Username() == "" {
		return Remote{}, errors.New("a password without a name is written without the colon: redis://password@host")
	}
	return Remote{value, *u}, nil
}

// Set says whether there is one.
func (r Remote) Set() bool { return r.url != "" }

// String returns the URL without who logs in and the password: in ccache's
// form redis://password@host the one looks like the other.
func (r Remote) String() string {
	if !r.Set() {
		return ""
	}
	shown := r.at
	shown.User = nil
	return shown.String()
}

// GoString keeps the password out of %#v, too.
func (r Remote) GoString() string { return r.String() }

// Reach asks the cache for a sign of life.
func (r Remote) Reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reach)
	defer cancel()
	err := r.ping(ctx)
	var in *url.Error // it quotes the URL
	if errors.As(err, &in) {
		err = in.Err
	}
	if err != nil {
		return fmt.Errorf("the remote cache %s: %w", r, err)
	}
	return nil
}

func (r Remote) ping(ctx context.Context) error {
	if r.at.Scheme == "redis" {
		return r.redis(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy: ccache knows none
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// What is not there yet is no reason to complain, nor is a list refused.
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusUnauthorized {
		return errors.New(resp.Status)
	}
	return nil
}

// redis logs in as ccache does, and pings (Redis' protocol, RESP2).
func (r Remote) redis(ctx context.Context) error {
	port := r.at.Port()
	if port == "" {
		port = "6379"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(r.at.Hostname(), port))
	if err != nil {
		return err
	}
	defer conn.Close()
	if t, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(t); err != nil {
			return err
		}
	}
	in := bufio.NewReader(io.LimitReader(conn, 4096))
	if u := r.at.User; u != nil {
		words := []string{"AUTH", u.Username()} // which is the password if there is no name
		if password, ok := u.Password(); ok {
			words = append(words, password)
		}
		if err := command(conn, in, "+OK", words...); err != nil {
			return err
		}
	}
	return command(conn, in, "+PONG", "PING")
}

func command(conn net.Conn, in *bufio.Reader, want string, words ...string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return err
	}
	answer, err := in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("%s is not answered: %w", words[0], err)
	}
	if answer = strings.TrimSpace(answer); answer != want {
		return fmt.Errorf("%s is answered by %q", words[0], answer)
	}
	return nil
}
