package fetch

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/kernels"
	"bzmage/internal/run"
)

// need ends the test when a tool is missing: a skip on a laptop, a failure
// in the pipeline.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing", tool)
			}
			t.Skipf("%s is missing", tool)
		}
	}
}

func command(t *testing.T, argv ...string) string {
	t.Helper()
	var all strings.Builder
	out, err := run.Output(t.Context(), run.Cmd{Argv: argv, Env: run.Env(), Stderr: &all})
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, &all)
	}
	return out
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// debian is a Debian of our own: a package, an apt repository that has it,
// and a dpkg database. The real dpkg and apt work on them.
type debian struct {
	f       *fetcher
	book    *logBook
	dir     string
	deb     string
	body    []byte
	tarball string // where the installed file is
}

const debianPackage = "linux-source-5.4"

func newDebian(t *testing.T, version string) *debian {
	t.Helper()
	need(t, "dpkg-query", "dpkg-deb", "apt-get", "apt-cache")
	d := &debian{dir: t.TempDir(), body: payload(300_000)}
	d.f, d.book = testFetcher(t, []byte("pinned, and elsewhere"), map[string]kernels.Source{
		"distribution": {Kind: "package"},
	}, "distribution")
	d.f.debian.apt = []string{
		"-o", "Dir::Etc=" + d.dir + "/etc", "-o", "Dir::State=" + d.dir + "/state", "-o", "Dir::Cache=" + d.dir + "/cache",
		"-o", "Dir::State::status=" + d.f.debian.admin + "/status",
	}
	for _, sub := range []string{"/etc/preferences.d", "/etc/apt.conf.d", "/state/lists/partial", "/cache/archives/partial"} {
		if err := os.MkdirAll(d.dir+sub, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, d.f.debian.admin+"/status", "")
	d.tarball = filepath.Join(d.f.debian.root, "usr/src", debianPackage+".tar.xz")
	d.build(t, version)
	d.publish(t)
	return d
}

// build makes the package.
func (d *debian) build(t *testing.T, version string) {
	tree := filepath.Join(d.dir, "tree")
	file := "usr/src/" + debianPackage + ".tar.xz"
	writeFile(t, filepath.Join(tree, file), string(d.body))
	writeFile(t, tree+"/usr/share/doc/readme", "other files come first\n")
	writeFile(t, tree+"/DEBIAN/md5sums", fmt.Sprintf("%x  %s\n", md5.Sum(d.body), file))
	writeFile(t, tree+"/DEBIAN/control", "Package: "+debianPackage+"\nVersion: "+version+
		"\nArchitecture: all\nMaintainer: t <t@example.org>\nDescription: test\n")
	d.deb = filepath.Join(d.dir, "repo", "p.deb")
	writeFile(t, d.deb, "")
	command(t, "dpkg-deb", "--root-owner-group", "--build", tree, d.deb)
}

// publish puts the package into an apt repository and reads its lists.
func (d *debian) publish(t *testing.T) {
	deb, err := os.ReadFile(d.deb)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, d.dir+"/repo/Packages", command(t, "dpkg-deb", "-f", d.deb)+
		fmt.Sprintf("\nFilename: ./p.deb\nSize: %d\nSHA256: %s\n", len(deb), hexOf(deb)))
	writeFile(t, d.dir+"/etc/sources.list", "deb [trusted=yes] file:"+d.dir+"/repo ./\n")
	argv := append([]string{"apt-get"}, d.f.debian.apt...)
	command(t, append(argv, "-o", "APT::Sandbox::User=root", "-q", "update")...)
}

// install does what dpkg -i does, which only root may.
func (d *debian) install(t *testing.T) {
	admin := d.f.debian.admin
	command(t, "dpkg-deb", "-x", d.deb, d.f.debian.root)
	writeFile(t, admin+"/info/"+debianPackage+".md5sums", command(t, "dpkg-deb", "-I", d.deb, "md5sums")+"\n")
	writeFile(t, admin+"/info/"+debianPackage+".list", "/.\n")
	writeFile(t, admin+"/status", command(t, "dpkg-deb", "-f", d.deb)+"\nStatus: install ok installed\n\n")
}

func (d *debian) want(path, version string) Archive {
	release, _, _ := strings.Cut(version, "-")
	return Archive{
		Path: path, Release: release, SHA256: hexOf(d.body), Source: "distribution",
		Origin: debianPackage + "=" + version, Proofs: []string{AptSigned},
	}
}

func (d *debian) cached(version string) string {
	return filepath.Join(d.f.Cache, "sha256", hexOf(d.body), debianPackage+"_"+version+".tar.xz")
}

func TestPackageInstalled(t *testing.T) {
	d := newDebian(t, "5.4.7-2")
	d.install(t)
	if name, err := d.f.available(t.Context()); err != nil || name != "distribution" {
		t.Fatal(name, err)
	}
	a, err := d.f.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.want(d.tarball, "5.4.7-2"), a); diff != "" {
		t.Error(diff)
	}
}

func TestPackageDownloaded(t *testing.T) {
	d := newDebian(t, "5.4.7-2")
	if name, err := d.f.available(t.Context()); err != nil || name != "distribution" {
		t.Fatal(name, err)
	}
	a, err := d.f.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.want(d.cached("5.4.7-2"), "5.4.7-2"), a); diff != "" {
		t.Error(diff)
	}
	if got, err := os.ReadFile(a.Path); err != nil || hexOf(got) != a.SHA256 {
		t.Errorf("the delivered file is another one: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(d.f.Cache, "partial", "*.apt")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	// The second time nothing is downloaded: the .deb is gone.
	if err := os.Remove(d.deb); err != nil {
		t.Fatal(err)
	}
	again, err := d.f.fetch(t.Context())
	if err != nil || !cmp.Equal(a, again) {
		t.Errorf("second fetch: %+v, %v", again, err)
	}
}

// What stands in /usr/src may have been edited; apt's copy is taken then.
func TestPackageDamaged(t *testing.T) {
	d := newDebian(t, "5.4.7-2")
	d.install(t)
	if err := os.WriteFile(d.tarball, d.body[1:], 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := d.f.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.want(d.cached("5.4.7-2"), "5.4.7-2"), a); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(d.book.String(), "has changed since it was installed") {
		t.Errorf("log:\n%s", d.book)
	}
}

func TestPackageRefused(t *testing.T) {
	for _, tt := range []struct{ name, version, want, hint string }{
		{"other line", "6.1.7-2", "6.1.7 is not a release of line 5.4", ""},
		{"candidate", "5.4~rc1-1", "names no kernel release", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDebian(t, tt.version)
			d.install(t)
			_, availErr := d.f.available(t.Context())
			_, err := d.f.fetch(t.Context())
			for _, err := range []error{err, availErr} {
				if fault.KindOf(err) != fault.Source || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

func TestPackageUnknown(t *testing.T) {
	d := newDebian(t, "5.4.7-2")
	d.f.Line.Package = "linux-source-5.99"
	for _, call := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := d.f.available(ctx); return err },
		func(ctx context.Context) error { _, err := d.f.fetch(ctx); return err },
	} {
		if err := call(t.Context()); !strings.Contains(err.Error(), "apt knows no package") || !strings.Contains(fault.HintOf(err), "sudo apt-get update") {
			t.Errorf("got %v", err)
		}
	}
	d.f.Line.Package = "--version"
	if _, err := d.f.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "not a package name") {
		t.Errorf("got %v", err)
	}
}

// A package that changed after apt read its signed lists is not taken.
func TestPackageTampered(t *testing.T) {
	d := newDebian(t, "5.4.7-2")
	deb, err := os.ReadFile(d.deb)
	if err != nil {
		t.Fatal(err)
	}
	deb[len(deb)/2] ^= 1
	if err := os.WriteFile(d.deb, deb, 0o644); err != nil {
		t.Fatal(err)
	}
	if a, err := d.f.fetch(t.Context()); fault.KindOf(err) != fault.Source || !strings.Contains(err.Error(), "download the package") {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestPackageNoRoom(t *testing.T) {
	d := newDebian(t, "5.4.7-2")
	d.f.lim.reserve = 1 << 60
	if _, err := d.f.fetch(t.Context()); fault.KindOf(err) != fault.Machine {
		t.Errorf("got %v", err)
	}
}

// The real thing: installed, or downloaded from the distribution.
func TestRealPackage(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 138 MB")
	}
	need(t, "dpkg-query")
	need(t, "apt-get")
	f, _ := testFetcher(t, nil, map[string]kernels.Source{"distribution": {Kind: "package"}}, "distribution")
	f.Line.Name, f.Line.Release, f.Line.Accept, f.Line.Package = "6.1", "6.1.159", "~> 6.1.0", "linux-source-6.1"
	f.debian = defaultDebianPaths()
	a, err := f.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(a.Release, "6.1.") || !strings.HasPrefix(a.Origin, "linux-source-6.1=6.1.") || !a.Verified() {
		t.Errorf("got %+v", a)
	}
}
