package ccache

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestParseRemote(t *testing.T) {
	for value, want := range map[string]string{
		"":                               "",
		"redis://cache.example":          "redis://cache.example",
		"redis://10.0.0.1:6379/2":        "redis://10.0.0.1:6379/2",
		"redis://secret@h:1":             "redis://h:1",
		"redis://me:secret@h:1":          "redis://h:1",
		"http://cache.example:8080/a/b/": "http://cache.example:8080/a/b/",
		"http://me:secret@h/p":           "http://h/p",
	} {
		r, err := ParseRemote(value)
		if err != nil || r.String() != want || r.url != value || r.Set() == (value == "") {
			t.Errorf("%s: %v, %v", value, r, err)
		}
		for _, shown := range []string{fmt.Sprint(r), fmt.Sprintf("%+v %#v %s", r, r, r)} {
			if strings.Contains(shown, "secret") {
				t.Errorf("shows the password: %s", shown)
			}
		}
	}
	for _, bad := range []string{
		"secret", "redis:secret", "redis://", "redis://:6379", "https://secret@h", "file:/secret", "rediss://h", "redis+unix:///s", "REDIS",
		"redis://:secret@h", "redis://h|read-only=true", "redis://secret@h http://h", "http://h/a?secret", "http://h/#secret", "redis://h/secret",
		"http://secret@h:port/", "http://h/\n", "http://h/\x7f", "http://[secret", "redis://h/%secret", "http://ü/",
	} {
		if r, err := ParseRemote(bad); err == nil {
			t.Errorf("%q was taken for %v", bad, r)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows it: %v", bad, err)
		}
	}
}

func FuzzParseRemote(f *testing.F) {
	f.Add("redis://u:p@h:1/2")
	f.Add("http://h/p|layout=flat")
	f.Fuzz(func(t *testing.T, value string) {
		r, err := ParseRemote(value)
		if err == nil && strings.ContainsAny(r.url, " |\n\r\t\x00") {
			t.Errorf("%q is more than a URL for ccache", value)
		}
	})
}

func FuzzReadLog(f *testing.F) {
	f.Add("# a\ncache_miss\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := t.TempDir() + "/log"
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := ReadLog(path)
		if n := strings.Count(text, "\n") + 1; s.Hits+s.Misses+s.Passed > n || s.Rate() < 0 || s.Rate() > 100 {
			t.Errorf("%+v, %v of %d lines", s, err, n)
		}
	})
}

// redis starts a Redis that keeps nothing, and ends it with the test.
func redis(t *testing.T, args ...string) string {
	t.Helper()
	path := program(t, "redis-server")
	for range 5 { // another program may take the port between the two
		port := freePort(t)
		cmd := exec.Command(path, append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()}, args...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
		if listens(ended, port) {
			return "127.0.0.1:" + port
		}
	}
	t.Fatal("redis-server does not start")
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// listens waits until a program that was started listens, or has ended.
func listens(ended <-chan struct{}, port string) bool {
	deadline := time.After(20 * time.Second)
	for {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			conn.Close()
			select {
			case <-ended:
				return false
			default:
				return true
			}
		}
		select {
		case <-ended:
			return false
		case <-deadline:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func remote(t *testing.T, value string) Remote {
	t.Helper()
	r, err := ParseRemote(value)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Two machines, each with an empty cache of its own: the second has from Redis
// what the first compiled.
func TestRedis(t *testing.T) { shared(t, "redis://pass@"+redis(t, "--requirepass", "pass")) }

// The same by HTTP: GET and PUT are all that ccache takes.
func TestHTTP(t *testing.T) {
	var files sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPut:
			text, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			files.Store(r.URL.Path, text)
		default:
			text, ok := files.Load(r.URL.Path)
			if !ok {
				http.NotFound(w, r)
				return
			}
			_, _ = w.Write(text.([]byte))
		}
	}))
	t.Cleanup(server.Close)
	shared(t, server.URL+"/ccache")
}

func shared(t *testing.T, url string) {
	t.Helper()
	one, two := newPlace(t, t.TempDir(), "gcc"), newPlace(t, t.TempDir(), "gcc")
	one.s.Remote, two.s.Remote = remote(t, url), remote(t, url)
	if err := one.s.Remote.Reach(t.Context()); err != nil {
		t.Fatal(err)
	}
	plain, _ := two.compile(t, Off(), "gcc", "-g")
	if _, stats := one.compile(t, nil, "gcc", "-g"); stats.Misses != 1 || stats.Failed != 0 {
		t.Errorf("the first machine: %+v", stats)
	}
	object, stats := two.compile(t, nil, "gcc", "-g")
	if stats != (Stats{Hits: 1, Remote: 1}) {
		t.Errorf("the second machine: %+v", stats)
	}
	if string(object) != string(plain) {
		t.Error("other bytes than those the compiler makes")
	}
}

// A cache that is not there is told in time, without its password, and the
// compiler does its work.
func TestOutOfReach(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(server.Close)
	closed := "127.0.0.1:" + freePort(t)
	for name, url := range map[string]string{
		"no redis":       "redis://me:secret@" + closed,
		"no server":      "http://me:secret@" + closed + "/x",
		"a broken one":   server.URL,
		"http, no redis": "redis://" + strings.TrimPrefix(server.URL, "http://"),
		"wrong password": "redis://secret@" + redis(t, "--requirepass", "other"),
		"no password":    "redis://" + redis(t, "--requirepass", "other"),
	} {
		err := remote(t, url).Reach(t.Context())
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := newPlace(t, t.TempDir(), "gcc")
	p.s.Remote = remote(t, "redis://"+closed)
	if _, stats := p.compile(t, nil, "gcc"); stats.Misses != 1 || stats.Failed == 0 {
		t.Errorf("the remote cache went away during the build: %+v", stats)
	}
}
