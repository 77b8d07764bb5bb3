package publish_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/publish"
	"bzmage/internal/testhost"
)

// TestDownload gets what is published, without a token too, whatever goes wrong
// once on the way.
func TestDownload(t *testing.T) {
	for _, mode := range append(testhost.Modes(), testhost.Answer) {
		for n := 1; n <= 10; n++ {
			l := newLab(t)
			if _, err := l.publish(); err != nil {
				t.Fatal(err)
			}
			l.server.Break(at(n, mode))
			dir := t.TempDir()
			if _, err := publish.Download(t.Context(), l.connect(""), tag, dir, nil); err != nil {
				t.Fatalf("%s at %d: %v", mode, n, err)
			}
			for i, f := range l.params.Files {
				got, err := os.ReadFile(filepath.Join(dir, f.Name))
				if mode == testhost.Spoilt {
					continue // proofs are the caller's
				}
				if err != nil || string(got) != string(l.body(i)) {
					t.Errorf("%s at %d: %s: %d bytes, %v", mode, n, f.Name, len(got), err)
				}
			}
			l.server.Close()
		}
	}
}

// TestDownloadHostile takes no draft, no file outside of the folder, and none
// twice.
func TestDownloadHostile(t *testing.T) {
	asset := func(names ...string) (all []*testhost.Asset) {
		for _, n := range names {
			all = append(all, &testhost.Asset{Name: n, State: "uploaded", Body: []byte("x")})
		}
		return all
	}
	for name, tt := range map[string]struct {
		release testhost.Release
		kind    fault.Kind
		want    string
	}{
		"another":      {testhost.Release{Tag: "v1"}, fault.Usage, "no release of tag"},
		"a draft":      {testhost.Release{Tag: tag, Draft: true}, fault.Usage, "no release of tag"},
		"a path":       {testhost.Release{Tag: tag, Assets: asset("../x")}, fault.Unproved, "has the name"},
		"a folder":     {testhost.Release{Tag: tag, Assets: asset("..")}, fault.Unproved, "has the name"},
		"a terminal's": {testhost.Release{Tag: tag, Assets: asset("a\x1b[31m")}, fault.Unproved, "has the name"},
		"twice":        {testhost.Release{Tag: tag, Assets: asset("a", "a")}, fault.Unproved, "two files a"},
		"cut":          {testhost.Release{Tag: tag, Assets: []*testhost.Asset{{Name: "a", State: "starter"}}}, fault.Unproved, "a is not whole"},
	} {
		l := newLab(t)
		l.server.Expected = nil
		l.server.Put(tt.release)
		dir := t.TempDir()
		_, err := publish.Download(t.Context(), l.host, tag, dir, nil)
		if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "..", "x")); err == nil {
			t.Errorf("%s: a file outside", name)
		}
	}
	l := newLab(t)
	l.server.Expected = nil
	l.server.Put(testhost.Release{Tag: tag, Assets: asset("a", "b")})
	dir := t.TempDir()
	if _, err := publish.Download(t.Context(), l.host, tag, dir, func(n string) bool { return n == "b" }); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 || list[0].Name() != "b" {
		t.Errorf("%v, %v", list, err)
	}
}
