package pipeline

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
	"bzmage/internal/testkeys"
	"bzmage/internal/ui"
)

// tinyTar is a tar that unpacks as a kernel.
func tinyTar(t *testing.T, release string) []byte {
	t.Helper()
	part := strings.Split(release, ".")
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range [][2]string{
		{"Makefile", fmt.Sprintf("VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = %s\nEXTRAVERSION =\n", part[0], part[1], part[2])},
		{"arch/arm64/x", ""}, {"arch/x86/x", ""}, {"scripts/checkpatch.pl", "#!/usr/bin/perl\n"},
	} {
		h := &tar.Header{Name: "linux-" + release + "/" + f[0], Mode: 0o644, Size: int64(len(f[1])), ModTime: time.Unix(1e9, 0), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(f[1]))
	}
	_ = w.Close()
	return b.Bytes()
}

// packed is a tar as a file that any source may deliver: its format is told
// by its first bytes, not by its name.
func packed(tar []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(tar)
	_ = w.Close()
	return b.Bytes()
}

func sumOf(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// upstream is a project, the kernel.org it knows, and the keys of both.
type upstream struct {
	Project
	files     map[string][]byte
	dev, sums testkeys.Signer
	mu        sync.Mutex
	asked     []string
}

const upstreamToml = `# a comment
[[line]]
name = "5.4"
release = "5.4.1" # the last
sha256 = "%s"
sources = ["cache", "org"]
patches = "patches/5.4"
base = "tinyconfig"
eol = "2025-12-03"

[[line]]
name = "6.1"
release = "6.1.1"
sha256 = "%[1]s"
sources = ["cache", "org"]
patches = "patches/6.1"
base = "tinyconfig"

[flavour.release]
[source.cache]
kind = "cache"
[source.org]
kind = "http"
urls = ["%s/v{major}.x/linux-{release}.tar.xz"]
releases = "%[2]s/releases.json"
`

// newUpstream has linux 5.4.1, 5.4.2 and 6.1.2 on its kernel.org. Line 5.4 is
// in no releases.json.
func newUpstream(t *testing.T, withSumsKey bool) *upstream {
	t.Helper()
	u := &upstream{files: map[string][]byte{}, dev: testkeys.New(t, "dev", 0), sums: testkeys.New(t, "sums", 0)}
	lists := map[string]string{}
	for _, release := range []string{"5.4.1", "5.4.2", "6.1.2"} {
		raw := tinyTar(t, release)
		dir := "/v" + release[:1] + ".x/"
		u.files[dir+"linux-"+release+".tar.xz"] = packed(raw)
		u.files[dir+"linux-"+release+".tar.sign"] = u.dev.Detached(t, raw)
		lists[dir] += sumOf(packed(raw)) + "  linux-" + release + ".tar.xz\n"
	}
	for dir, text := range lists {
		u.files[dir+"sha256sums.asc"] = u.sums.Clearsigned(t, text)
	}
	u.files["/releases.json"] = []byte(`{"releases":[{"version":"6.1.2","iseol":false}]}`)
	server := httptest.NewServer(u)
	t.Cleanup(server.Close)
	quiet, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { quiet.Close() })
	out, err := ui.New(ui.Options{Out: quiet, CI: true})
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	var sums []testkeys.Signer
	if withSumsKey {
		sums = append(sums, u.sums)
	}
	testkeys.Write(t, filepath.Join(root, "configs", "keys"), []testkeys.Signer{u.dev}, sums)
	u.write(t, root, fmt.Sprintf(upstreamToml, sumOf(u.files["/v5.x/linux-5.4.1.tar.xz"]), server.URL))
	u.Project, err = Open(root, func(name string) string { return map[string]string{"XDG_CACHE_HOME": root + "/cache"}[name] })
	if err != nil {
		t.Fatal(err)
	}
	u.UI = out
	return u
}

func (u *upstream) write(t *testing.T, root, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, "configs", "kernels.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, r.URL.Path)
	if b, ok := u.files[r.URL.Path]; ok {
		_, _ = w.Write(b)
		return
	}
	http.NotFound(w, r)
}

func (u *upstream) toml(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(u.path("configs", "kernels.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKernelsPin(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		noSumsKey  bool
		change     func(u *upstream)
		release    string // which is pinned; empty: an error
		text       string // of the output or the error
	}{
		{name: "a release", want: "5.4.2", release: "5.4.2", text: "pinned, sums-signed, tar-signed"},
		{name: "without the sums' key", want: "5.4.2", noSumsKey: true, release: "5.4.2", text: "(pinned, tar-signed)"},
		{name: "constraint in releases.json", want: "~> 6.1.0", release: "6.1.2", text: "line 6.1"},
		{name: "constraint in the list", want: "~> 5.4.0", release: "5.4.2", text: "line 5.4"},
		{name: "constraint in no list", want: "~> 5.4.0", noSumsKey: true, text: "no key of \"sums\""},
		{name: "nothing allowed", want: "> 9", text: "no release of lines"},
		{name: "no constraint", want: "latest", text: "neither a release nor a constraint"},
		{name: "unknown line", want: "5.10.3", text: "belongs to no line"},
		{name: "no such release", want: "5.4.9", text: "no linux-5.4.9.tar.xz"},
		{name: "no such release, no list", want: "5.4.9", noSumsKey: true, text: "404"},
		{name: "no signature", want: "5.4.2", change: func(u *upstream) { delete(u.files, "/v5.x/linux-5.4.2.tar.sign") }, text: "no mirror has a signature"},
		{name: "signed by the sums' key", want: "5.4.2", noSumsKey: true, change: func(u *upstream) {
			u.files["/v5.x/linux-5.4.2.tar.sign"] = u.sums.Detached(t, tinyTar(t, "5.4.2"))
		}, text: "not in the ring"},
		{name: "signature of another tar", want: "5.4.2", noSumsKey: true, change: func(u *upstream) {
			u.files["/v5.x/linux-5.4.2.tar.sign"] = u.dev.Detached(t, tinyTar(t, "5.4.1"))
		}, text: "not what was signed"},
		{name: "file is not the listed one", want: "5.4.2", change: func(u *upstream) {
			u.files["/v5.x/linux-5.4.2.tar.xz"] = packed(tinyTar(t, "5.4.1"))
		}, text: "its sha256 is"},
		{name: "list signed by a developer", want: "5.4.2", change: func(u *upstream) {
			u.files["/v5.x/sha256sums.asc"] = u.dev.Clearsigned(t, sumOf(u.files["/v5.x/linux-5.4.2.tar.xz"])+"  linux-5.4.2.tar.xz\n")
		}, text: "not in the ring"},
		{name: "offline", want: "5.4.2", change: func(u *upstream) { u.Settings.Offline = true }, text: "kernel.org was asked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstream(t, !tt.noSumsKey)
			if tt.change != nil {
				tt.change(u)
			}
			before := u.toml(t)
			var out bytes.Buffer
			err := u.KernelsPin(t.Context(), tt.want, &out)
			if tt.release == "" {
				if err == nil || !strings.Contains(err.Error(), tt.text) || u.toml(t) != before {
					t.Errorf("got %v, want %q; the file changed: %v", err, tt.text, u.toml(t) != before)
				}
				if k := fault.KindOf(err); k != fault.Usage && k != fault.Source {
					t.Errorf("kind %v", k)
				}
				return
			}
			if err != nil || !strings.Contains(out.String(), tt.text) {
				t.Fatalf("got %q, %v", out.String(), err)
			}
			file, err := kernels.Parse(u.toml(t))
			if err != nil {
				t.Fatal(err)
			}
			name := tt.release[:3]
			sum := sumOf(u.files["/v"+name[:1]+".x/linux-"+tt.release+".tar.xz"])
			if l, _ := file.Line(name); l.Release != tt.release || l.SHA256 != sum {
				t.Errorf("got %+v", l)
			}
			old, _ := u.File.Line(name)
			if back, err := kernels.Pin(u.toml(t), name, old.Release, old.SHA256); err != nil || back != before {
				t.Errorf("more than the two values changed: %v", err)
			}
		})
	}
}

// An unknown line's error shows the block to add.
func TestPinShowsTheBlock(t *testing.T) {
	u := newUpstream(t, true)
	err := u.KernelsPin(t.Context(), "5.10.3", io.Discard)
	if hint := fault.HintOf(err); !strings.Contains(hint, "[[line]]\nname = \"5.10\"\nrelease = \"5.10.3\"") {
		t.Errorf("hint %q", hint)
	}
}

// From kernel.org to a tree with three proofs; then the same without asking
// anybody, also OFFLINE.
func TestFetchProves(t *testing.T) {
	u := newUpstream(t, true)
	u.Settings.Kernel = "5.4"
	want := []string{fetch.Pinned, fetch.SumsSigned, fetch.TarSigned}
	for run := range 3 {
		u.Settings.Offline = run == 2
		src, err := u.Fetch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := src.Tree.Archive; !slices.Equal(got.Proofs, want) || got.SignedBy != u.dev.Fingerprint() {
			t.Errorf("run %d: got %+v", run, got)
		}
		if run > 0 && len(u.asked) > 0 {
			t.Errorf("run %d asked for %q", run, u.asked)
		}
		u.asked = nil
	}
	u.Settings.Offline = false
	var out bytes.Buffer
	if err := u.KernelsList(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"5.4.1", "not listed", "2025-12-03", "5.4.1: pinned, sums-signed, tar-signed", "6.1.2", "not unpacked yet", u.dev.Fingerprint() + "  good"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the list lacks %q:\n%s", want, &out)
		}
	}
}

// A tar that the developer did not sign leaves no tree.
func TestFetchRefusesTheTar(t *testing.T) {
	u := newUpstream(t, true)
	u.Settings.Kernel = "5.4"
	u.files["/v5.x/linux-5.4.1.tar.sign"] = u.dev.Detached(t, []byte("other"))
	if _, err := u.Fetch(t.Context()); fault.KindOf(err) != fault.Source || !strings.Contains(err.Error(), "not what was signed") {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(u.build("tree", "5.4")); err != nil || len(left) != 1 || left[0].Name() != ".lock" {
		t.Errorf("left %v, %v", left, err)
	}
}
