package pipeline

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/kernels"
	"bzmage/internal/testhost"
	"bzmage/internal/unpack"
)

// TestRealRelease61 takes line 6.1 from its tag to a published release, on a
// server in the test, and checks that as a stranger would. The kernels are
// those that TestRealKernel61 left, or are made.
func TestRealRelease61(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and boots two kernels: 6 minutes on two cores")
	}
	releaseLine(t, testProject(t, "6.1", ""))
}

// TestRealRelease54 is the same for the 5.4 tree that KERNEL_SOURCE names: a
// server in the test has it as a tarball, which kernels.toml pins there.
func TestRealRelease54(t *testing.T) {
	source := os.Getenv("KERNEL_SOURCE")
	release, err := unpack.Release(t.Context(), source)
	if testing.Short() || source == "" || err != nil || !strings.HasPrefix(release, "5.4.") {
		t.Skip("KERNEL_SOURCE is no 5.4 tree")
	}
	p := testProject(t, "5.4", "")
	tarball := p.build("linux-" + release + ".tar.xz")
	if err := os.MkdirAll(p.build(), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tar", "-C", source, "--transform", "s,^[.],linux-"+release+",", "-I", "xz -0 -T0", "-cf", tarball, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sum, err := hashOf(tarball)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(p.build())))
	t.Cleanup(server.Close)
	path := p.path("configs", "kernels.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := kernels.Pin(string(text), "5.4", release, sum)
	if err != nil {
		t.Fatal(err)
	}
	pinned = strings.ReplaceAll(pinned, "https://cdn.kernel.org/pub/linux/kernel/v{major}.x/", server.URL+"/")
	pinned = strings.Replace(pinned, `patches = "patches/5.4"`, "patches = \"patches/5.4\"\ndemand = [\"pinned\"]", 1)
	if err := os.WriteFile(path, []byte(pinned), 0o644); err != nil {
		t.Fatal(err)
	}
	if p.File, err = kernels.Load(path); err != nil {
		t.Fatal(err)
	}
	releaseLine(t, p)
}

// shop is a checkout with a tag, a key and a server.
type shop struct {
	t      *testing.T
	p      Project
	env    map[string]string
	server *testhost.GitHub
	tag    string
}

func newShop(t *testing.T, p Project) *shop {
	t.Helper()
	s := &shop{t: t, p: p, server: testhost.NewGitHub()}
	t.Cleanup(s.server.Close)
	key := filepath.Join(t.TempDir(), "key")
	s.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "releaser", "-f", key)
	s.env = map[string]string{"SIGN_KEY": key, "PUBLISH_TO": "github:owner/name", "GITHUB_API_URL": s.server.API(), "GITHUB_TOKEN": s.server.Token}
	s.p.getenv = func(name string) string { return s.env[name] }
	t.Cleanup(func() { os.RemoveAll(s.p.path(".git")); os.Remove(s.p.path(".gitignore")) })
	if err := os.RemoveAll(s.p.path(".git")); err != nil {
		t.Fatal(err)
	}
	s.write(".gitignore", "/build/\n/.lock\n")
	s.git("init", "-q", "-b", "main")
	s.commit("the first")
	return s
}

func (s *shop) write(name, text string) {
	s.t.Helper()
	path := s.p.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) run(argv ...string) string {
	s.t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *shop) git(args ...string) string {
	s.t.Helper()
	return s.run(append([]string{"git", "-C", s.p.Root, "-c", "user.name=t", "-c", "user.email=t@localhost"}, args...)...)
}

func (s *shop) commit(message string) {
	s.t.Helper()
	s.git("add", "-A")
	s.git("commit", "-q", "-m", message)
}

// tagIt tags the commit, here and at the server.
func (s *shop) tagIt(tag string) {
	s.t.Helper()
	s.git("tag", "-a", "-m", tag, tag)
	s.tag, s.server.Tags[tag] = tag, s.git("rev-parse", "HEAD")
}

// preflight asks the gates and returns what they print.
func (s *shop) preflight(f func(*releasing) []gate) (string, error) {
	var b bytes.Buffer
	r := &releasing{p: s.p}
	err := r.open(s.t.Context(), f(r), &b)
	return b.String(), err
}

func releaseLine(t *testing.T, p Project) {
	s, line := newShop(t, p), p.Settings.Kernel
	t.Run("gates", func(t *testing.T) { s.t = t; wantGates(t, s, line) })
	s.t = t
	if t.Failed() {
		t.FailNow()
	}
	var out bytes.Buffer
	if err := s.p.ReleasePreflight(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if len(s.server.Releases()) != 0 {
		t.Error("a preflight made something")
	}
	res, err := s.p.Release(t.Context(), &out)
	t.Logf("%s\n%s", out.String(), res)
	if err != nil {
		t.Fatal(err)
	}
	dir := s.p.build("release", line, s.tag)
	t.Run("published", func(t *testing.T) { s.t = t; wantPublished(t, s, dir) })
	t.Run("installed", func(t *testing.T) { s.t = t; wantInstalled(t, s, dir) })
	t.Run("again", func(t *testing.T) {
		res, err := s.p.Release(t.Context(), &out)
		if err != nil || !res.Kept {
			t.Errorf("%+v, %v", res, err)
		}
	})
	t.Run("the next", func(t *testing.T) { s.t = t; wantNext(t, s, line) })
}

// wantGates shuts each gate in turn.
func wantGates(t *testing.T, s *shop, line string) {
	cheap := func(r *releasing) []gate { return r.cheapGates() }
	refused := func(what string, want ...string) {
		t.Helper()
		table, err := s.preflight(cheap)
		if err == nil {
			t.Errorf("%s: all gates are open\n%s", what, table)
			return
		}
		for _, w := range append(want, "shut") {
			if !strings.Contains(err.Error()+table+fault.HintOf(err), w) {
				t.Errorf("%s: nobody says %q: %v\nhint: %s\n%s", what, w, err, fault.HintOf(err), table)
			}
		}
	}
	refused("no tag, no public key", "has no tag", "git tag -a v", "is not in configs/keys/release", "release:key > configs/keys/release/")
	key, err := s.p.signKey()
	if err != nil {
		t.Fatal(err)
	}
	s.write("configs/keys/release/"+key.PublicName(), string(key.Public()))
	refused("a file that is not committed", "differs from its commit", key.PublicName())
	s.commit("the key")
	s.git("tag", "v"+otherLine(s.p, line)+".1")
	refused("another line's tag", "of other lines")
	s.git("tag", "-d", "v"+otherLine(s.p, line)+".1")
	s.tagIt("v" + line + "-test")
	if table, err := s.preflight(cheap); err != nil {
		t.Fatalf("all is there: %v\n%s", err, table)
	}
	p := s.p
	for what, f := range map[string]func() string{
		"KERNEL":        func() string { s.p.Settings.Kernel = ""; return "KERNEL is not set" },
		"KERNEL_SOURCE": func() string { s.p.Settings.KernelSource = "/x"; return "KERNEL_SOURCE is set" },
		"ARCH":          func() string { s.p.Settings.Archs = arch.All()[:1]; return "ARCH is set" },
		"FLAVOUR":       func() string { s.p.Settings.Flavour = "debug"; return "FLAVOUR=debug" },
		"VERIFY_RUN":    func() string { s.p.Settings.Checks.Run = "x"; return "VERIFY_RUN" },
	} {
		want := f()
		refused(what, want)
		s.p = p
	}
	for name, values := range map[string][2]string{
		"SIGN_KEY": {"", "SIGN_KEY is not set"}, "GITHUB_TOKEN": {s.server.Reader, "may not publish"}, "PUBLISH_TO": {"", "where to publish is not known"},
		"CI_COMMIT_TAG": {"v1-none", "the pipeline is for tag v1-none"},
	} {
		old := s.env[name]
		s.env[name] = values[0]
		refused(name, values[1])
		s.env[name] = old
	}
	s.server.Tags[s.tag] = strings.Repeat("f", 40)
	refused("the host's tag is another", "is commit ffff")
	s.server.Tags[s.tag] = s.git("rev-parse", "HEAD")
}

func otherLine(p Project, line string) string {
	names := slices.DeleteFunc(p.File.LineNames(), func(n string) bool { return n == line })
	return names[0]
}

// wantPublished checks what is published as a stranger would, and that a
// changed bit of it is noticed.
func wantPublished(t *testing.T, s *shop, dir string) {
	all := s.server.Releases()
	if len(all) != 1 || all[0].Draft || len(all[0].Assets) < 20 || len(s.server.Broken()) > 0 {
		t.Fatalf("%d releases, %v", len(all), s.server.Broken())
	}
	if !strings.Contains(all[0].Body, "release:check "+s.tag) {
		t.Errorf("the notes do not say how to check it:\n%s", all[0].Body)
	}
	t.Logf("%d files\n%s", len(all[0].Assets), all[0].Body)
	s.env["GITHUB_TOKEN"] = ""
	defer func() { s.env["GITHUB_TOKEN"] = s.server.Token }()
	for _, what := range []string{s.tag, dir} {
		var out bytes.Buffer
		if err := s.p.ReleaseCheck(t.Context(), what, false, &out); err != nil || strings.Count(out.String(), "proved") < 7 {
			t.Errorf("%s: %v\n%s", what, err, out.String())
		}
		t.Log(out.String())
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	image := mustGlob(t, copied, "bzImage-*")
	text, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(image, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.p.ReleaseCheck(t.Context(), copied, true, &bytes.Buffer{}); fault.KindOf(err) != fault.Unproved || !strings.Contains(err.Error(), filepath.Base(image)) {
		t.Errorf("a bit of the image: %v", err)
	}
}

func mustGlob(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

// wantInstalled unpacks the packages and the archive: the kernel in them is the
// one that was verified.
func wantInstalled(t *testing.T, s *shop, dir string) {
	for _, a := range arch.All() {
		image, err := hashOf(mustGlob(t, dir, a.BootImage().Name+"-*-"+a.Name))
		if err != nil {
			t.Fatal(err)
		}
		root := t.TempDir()
		s.run("dpkg-deb", "-x", mustGlob(t, dir, "*_"+a.GOARCH+".deb"), filepath.Join(root, "deb"))
		s.run("mkdir", filepath.Join(root, "tar"))
		s.run("tar", "--zstd", "-xf", mustGlob(t, dir, "linux-*-"+a.Name+".tar.zst"), "-C", filepath.Join(root, "tar"))
		rpm := map[string]string{"x86_64": "x86_64", "arm64": "aarch64"}[a.Name]
		s.run("rpm", "--root", filepath.Join(root, "rpm"), "--dbpath", filepath.Join(root, "db"), "-i", "--nodeps", "--noscripts", "--ignorearch", mustGlob(t, dir, "*."+rpm+".rpm"))
		for _, kind := range []string{"deb", "tar", "rpm"} {
			if sum, err := hashOf(mustGlob(t, filepath.Join(root, kind, "boot"), "vmlinuz-*")); err != nil || sum != image {
				t.Errorf("%s %s: the kernel in it is another: %v", a.Name, kind, err)
			}
		}
	}
}

// wantNext releases a second tag: its notes tell what changed since the first.
func wantNext(t *testing.T, s *shop, line string) {
	before := s.tag
	folder := filepath.Join("patches", line)
	names := readSeries(t, s.p.path(folder))
	path := s.p.path(folder, names[0])
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.write(filepath.Join(folder, names[0]), strings.Replace(string(text), "\n\n", "\n\nOther words first.\n\n", 1))
	s.commit("other words")
	s.tagIt("v" + line + "-test-2")
	var out bytes.Buffer
	res, err := s.p.Release(t.Context(), &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	all := s.server.Releases()
	if len(all) != 2 || !strings.Contains(all[1].Body, before) || !strings.Contains(all[1].Body, "reworded") {
		t.Errorf("%s: the notes:\n%s", res, all[len(all)-1].Body)
	}
	t.Logf("%s\n%s", res, all[1].Body)
}
