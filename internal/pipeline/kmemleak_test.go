package pipeline

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/build"
	"bzmage/internal/event"
)

func TestExpected(t *testing.T) {
	b := build.Result{Dist: t.TempDir()}
	if _, err := expected(b, nil); err == nil {
		t.Error("a build without a config has checks")
	}
	for text, want := range map[string][]string{
		"CONFIG_DEBUG_KMEMLEAK=y\n":             {"TestOne", event.Kmemleak},
		"# CONFIG_DEBUG_KMEMLEAK is not set\n":  {"TestOne"},
		"CONFIG_HAVE_DEBUG_KMEMLEAK=y\n":        {"TestOne"},
		"CONFIG_DEBUG_KMEMLEAK_DEFAULT_OFF=y\n": {"TestOne"},
	} {
		if err := os.WriteFile(filepath.Join(b.Dist, "config"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := expected(b, []string{"TestOne"})
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s%v %s", text, err, d)
		}
	}
}
