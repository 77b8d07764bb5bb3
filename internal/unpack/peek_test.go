package unpack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
)

func TestRelease(t *testing.T) {
	archive := makeTar(t, kernel(plain("linux-5.4.302/zzz", strings.Repeat("behind the Makefile ", 500_000))))
	for _, f := range []fetch.Format{fetch.Tar, fetch.Gzip, fetch.Bzip2, fetch.Zstd, fetch.XZ} {
		t.Run(string(f), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kernel")
			if err := os.WriteFile(path, pack(t, f, archive), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, err := Release(t.Context(), path); err != nil || got != "5.4.302" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	t.Run("folder", func(t *testing.T) {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "Makefile"), []byte(makefile), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Release(t.Context(), folder); err != nil || got != "5.4.302" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestReleaseOfNoKernel(t *testing.T) {
	for name, content := range map[string][]byte{
		"no Makefile":     makeTar(t, []item{dir("linux"), plain("linux/README", "x"), plain("linux/kernel/Makefile", makefile)}),
		"no release":      makeTar(t, []item{plain("linux/Makefile", "all:\n")}),
		"a cut archive":   pack(t, fetch.Gzip, makeTar(t, kernel()))[:200],
		"not an archive":  []byte("hello"),
		"an empty folder": nil,
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			if content != nil {
				path = filepath.Join(path, "kernel")
				if err := os.WriteFile(path, content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := Release(t.Context(), path); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
