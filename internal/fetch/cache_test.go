package fetch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
)

// seed puts a file into the cache as a person would.
func seed(t *testing.T, f *fetcher, sum string, content []byte) string {
	t.Helper()
	path := filepath.Join(f.Cache, "sha256", sum, "linux.tar.xz")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCacheDelivers(t *testing.T) {
	body := payload(1000)
	f, _ := testFetcher(t, body, cacheOnly, "cache")
	path := seed(t, f, hexOf(body), body)
	if name, err := f.available(t.Context()); err != nil || name != "cache" {
		t.Error(name, err)
	}
	a, err := f.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(a.Origin, f.store.dir) || !strings.Contains(a.Origin, hexOf(body)) {
		t.Errorf("where nobody knows where it came from, a report says %s", a.Origin)
	}
	if a.Path != path || !a.Verified() || a.Source != "cache" || a.SHA256 != hexOf(body) {
		t.Errorf("got %+v", a)
	}
}

func TestCacheDamaged(t *testing.T) {
	body := payload(1000)
	m := newMirror(t, body)
	f, book := testFetcher(t, body, map[string]kernels.Source{
		"cache": {Kind: "cache"}, "kernel.org": {Kind: "http", URLs: []string{m.URL}},
	}, "cache", "kernel.org")
	path := seed(t, f, hexOf(body), body[:999])
	a, err := f.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.Source != "kernel.org" {
		t.Errorf("source %s", a.Source)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the damaged file is still there: %v", err)
	}
	if !strings.Contains(book.String(), path+" was damaged") {
		t.Errorf("the log does not name it:\n%s", book)
	}
	if a, err = f.fetch(t.Context()); err != nil || a.Source != "cache" || a.Origin != m.URL {
		t.Errorf("the download is not in the cache: %+v, %v", a, err)
	}
}

func TestCacheNotWritable(t *testing.T) {
	body := payload(10)
	m := newMirror(t, body)
	f, _ := httpFetcher(t, body, m)
	// A file where the cache folder should be, which stops root as well.
	if err := os.WriteFile(f.Cache, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("got %v", err)
	}
	if os.Geteuid() == 0 {
		return
	}
	f.store.dir = filepath.Join(t.TempDir(), "locked", "cache")
	if err := os.Mkdir(filepath.Dir(f.store.dir), 0o555); err != nil {
		t.Fatal(err)
	}
	if _, err := f.fetch(t.Context()); fault.KindOf(err) != fault.Machine {
		t.Errorf("got %v", err)
	}
}

func TestSafeName(t *testing.T) {
	seen := map[string]string{}
	for _, key := range []string{"a/b", "a_b", "../../etc", ".hidden", "", "a\x00b", strings.Repeat("x", 1000), strings.Repeat("x", 1001)} {
		name := safeName(key)
		if strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") || len(name) > 150 {
			t.Errorf("%q gives %q", key, name)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%q and %q are both %q", key, other, name)
		}
		seen[name] = key
	}
}
