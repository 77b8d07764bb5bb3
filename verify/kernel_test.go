package verify

import (
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/go-version"
	"golang.org/x/sys/unix"
)

// config returns the lines of the kernel's config. A kernel that does not show
// it has none.
func config(t *testing.T) map[string]bool {
	t.Helper()
	f, err := os.Open("/proc/config.gz")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		lines[strings.TrimSpace(line)] = true
	}
	return lines
}

// hasOption says whether the kernel was built with that line in its config.
func hasOption(t *testing.T, line string) bool {
	t.Helper()
	return config(t)[line]
}

// slowness returns by how much a kernel with debugging options is slower than
// one without: what a check does many times it does so many times less often.
func slowness(t *testing.T) int {
	t.Helper()
	has, slow := config(t), 1
	for option, factor := range map[string]int{
		"CONFIG_KASAN=y": 4, "CONFIG_PROVE_LOCKING=y": 4, "CONFIG_DEBUG_KMEMLEAK=y": 4, "CONFIG_KCSAN=y": 8,
	} {
		if has[option] {
			slow *= factor
		}
	}
	return min(slow, 32)
}

// release returns uname -r.
func release(t *testing.T) string {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	return unix.ByteSliceToString(u.Release[:])
}

// since says whether the kernel's release is at least first. Checks of what
// releases do differently say which does what.
func since(t *testing.T, first string) bool {
	t.Helper()
	number, _, _ := strings.Cut(release(t), "-")
	v, err := version.NewVersion(number)
	if err != nil {
		t.Fatal(err)
	}
	return v.GreaterThanOrEqual(version.Must(version.NewVersion(first)))
}
