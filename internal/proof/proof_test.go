package proof

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"bzmage/internal/boot"
	"bzmage/internal/event"
	"bzmage/internal/fault"
	"bzmage/internal/release"
	"bzmage/internal/report"
	"bzmage/internal/sign"
)

func newKey(t testing.TB) *sign.Key {
	t.Helper()
	_, secret, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := secret.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	k, err := sign.Load(string(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func trust(t testing.TB, list ...*sign.Key) sign.Keys {
	t.Helper()
	dir := t.TempDir()
	for _, k := range list {
		if err := os.WriteFile(filepath.Join(dir, k.PublicName()), k.Public(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := sign.Trusted(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

func put2(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// sample is a release of two kernels, and the report about them.
func sample() (release.Release, report.Report) {
	const series = "5e51e5"
	rel := release.Release{
		Tag: "v6.1.192-bzmage", Line: "6.1", Base: "6.1.192", Name: "6.1.192-bzmage", Commit: strings.Repeat("c", 40), Time: time.Unix(1700000000, 0).UTC(),
		Source: release.Source{Release: "6.1.192", SHA256: sum("linux"), From: "kernel.org", Origin: "https://cdn.kernel.org/a b/linux-6.1.192.tar.xz", Proofs: []string{"pinned"}},
		Series: series,
		Patches: []release.Patch{
			{Name: "0001-own.patch", SHA256: sum("1"), Subject: "own", State: "clean", Files: []string{"a"}},
			{Name: "0002-back port.patch", SHA256: sum("2"), Subject: "back", State: "clean", Upstream: []string{strings.Repeat("a", 40)}, Files: []string{"b"}},
		},
	}
	rep := report.Report{Version: report.Version, Line: "6.1", Release: "6.1.192", Verified: true}
	for _, arch := range []string{"x86_64", "arm64"} {
		image, config := "image of "+arch, "config of "+arch
		rel.Files = append(rel.Files,
			release.File{Name: "config-" + arch, Size: int64(len(config)), SHA256: sum(config), Kind: release.Config, Arch: arch},
			release.File{Name: "image-" + arch, Size: int64(len(image)), SHA256: sum(image), Kind: release.Image, Arch: arch})
		rel.Targets = append(rel.Targets, release.Target{
			Arch: arch, Flavour: "release", Toolchain: "gcc", Image: "image", SHA256: sum(image), Config: sum(config), Verdict: boot.Pass, Checks: 2,
			Packages: []release.Package{{Name: "gcc-12", Version: "12.2.0-14+deb12u1", Arch: "amd64", Distro: "debian", Release: "12"}},
		})
		rep.Verdicts = append(rep.Verdicts, boot.Verdict{
			Line: "6.1", Arch: arch, Flavour: "release", Release: "6.1.192-bzmage", Verdict: boot.Pass,
			SHA256: map[string]string{"image": sum(image), "config": sum(config), "series": series},
			Checks: []event.Check{{Name: "TestA", Status: event.Pass}, {Name: "TestB", Status: event.Pass}},
		})
	}
	return rel, rep
}

// make writes a release into a new folder.
func makeRelease(t testing.TB, key *sign.Key, rel release.Release, rep report.Report) string {
	t.Helper()
	dir := t.TempDir()
	if err := report.Write(dir, rep); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"junit.xml", "verdict.ktap", "verdict.schema.json"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, VerdictFile))
	if err != nil {
		t.Fatal(err)
	}
	rel.Files = append(rel.Files, release.File{Name: VerdictFile, Size: int64(len(text)), SHA256: sum(string(text)), Kind: release.Report})
	for _, a := range []string{"x86_64", "arm64"} {
		put2(t, dir, "config-"+a, "config of "+a)
		put2(t, dir, "image-"+a, "image of "+a)
	}
	if err := rel.Write(dir); err != nil {
		t.Fatal(err)
	}
	err = Write(t.Context(), dir, Params{
		Key: key, Parameters: map[string]string{"KERNEL": "6.1"}, Builder: "v1",
		Inputs: []Input{{"configs/base.config", sum("base")}}, Repository: "https://example.org/repo",
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCheck(t *testing.T) {
	key := newKey(t)
	rel, rep := sample()
	dir := makeRelease(t, key, rel, rep)
	table, err := Check(t.Context(), dir, trust(t, newKey(t), key))
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Rows) != 7 || table.Tag != rel.Tag {
		t.Errorf("%+v", table)
	}
	for _, r := range table.Rows {
		if r.State != Proved || r.Text == "" {
			t.Errorf("%+v", r)
		}
	}
	again := makeRelease(t, key, rel, rep)
	for _, name := range []string{SBOM, release.FileName} {
		a, _ := os.ReadFile(filepath.Join(dir, name))
		b, _ := os.ReadFile(filepath.Join(again, name))
		if len(a) == 0 || string(a) != string(b) {
			t.Errorf("%s of the same release is another one", name)
		}
	}
}

// wantRow sees that the row of what is in the state, and the error says so.
func wantRow(t *testing.T, name string, table Table, err error, what, state string) {
	t.Helper()
	if fault.KindOf(err) != fault.Unproved {
		t.Errorf("%s: the error is %v", name, err)
	}
	for _, r := range table.Rows {
		if r.What == what && r.State != state {
			t.Errorf("%s: %s is %s: %s", name, what, r.State, r.Text)
		}
	}
}

// TestAltered alters what was signed: a bit of each file, and each file gone.
func TestAltered(t *testing.T) {
	key := newKey(t)
	rel, rep := sample()
	keys := trust(t, key)
	dir := makeRelease(t, key, rel, rep)
	names, err := list(dir)
	if err != nil || len(names) != 10 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := append([]byte(nil), text...)
		bad[len(bad)/3] ^= 1
		put2(t, dir, name, string(bad))
		row := "files"
		if strings.HasPrefix(name, Sums) {
			row = "signature"
		}
		table, err := Check(t.Context(), dir, keys)
		wantRow(t, "a bit of "+name, table, err, row, Wrong)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		table, err = Check(t.Context(), dir, keys)
		wantRow(t, "no "+name, table, err, row, Missing)
		if err := os.Symlink("/dev/zero", path); err != nil {
			t.Fatal(err)
		}
		table, err = Check(t.Context(), dir, keys)
		wantRow(t, "a link for "+name, table, err, row, Wrong)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		put2(t, dir, name, string(text))
	}
	put2(t, dir, "more", "x")
	table, err := Check(t.Context(), dir, keys)
	wantRow(t, "one file more", table, err, "files", Wrong)
	if err := os.Remove(filepath.Join(dir, "more")); err != nil {
		t.Fatal(err)
	}
	table, err = Check(t.Context(), dir, trust(t, newKey(t)))
	wantRow(t, "a key nobody trusts", table, err, "signature", Wrong)
	wantRow(t, "a key nobody trusts", table, err, "provenance", Wrong)
	table, err = Check(t.Context(), dir, sign.Keys{})
	wantRow(t, "no keys", table, err, "signature", Wrong)
	if _, err := Check(t.Context(), dir, keys); err != nil {
		t.Errorf("all is as it was, and %v", err)
	}
}

// TestSignedLies has who holds the key sign what is not so.
func TestSignedLies(t *testing.T) {
	key := newKey(t)
	other, _ := sample()
	other.Tag = "v6.1.191-bzmage"
	for name, tt := range map[string]struct {
		lie func(*release.Release, *report.Report)
		row string
	}{
		"a failed verdict":         {func(_ *release.Release, r *report.Report) { r.Verdicts[1].Verdict = boot.CheckFailed }, "verdicts"},
		"a failed check":           {func(_ *release.Release, r *report.Report) { r.Verdicts[1].Checks[0].Status = event.Fail }, "verdicts"},
		"fewer checks":             {func(_ *release.Release, r *report.Report) { r.Verdicts[1].Checks = r.Verdicts[1].Checks[1:] }, "verdicts"},
		"a check that did not run": {func(_ *release.Release, r *report.Report) { r.Verdicts[0].Missing = []string{"TestC"} }, "verdicts"},
		"some checks":              {func(_ *release.Release, r *report.Report) { r.Verdicts[0].Run = "TestA" }, "verdicts"},
		"no verdict of an arch":    {func(_ *release.Release, r *report.Report) { r.Verdicts = r.Verdicts[:1] }, "verdicts"},
		"one arch twice":           {func(_ *release.Release, r *report.Report) { r.Verdicts[1] = r.Verdicts[0] }, "verdicts"},
		"another image":            {func(_ *release.Release, r *report.Report) { r.Verdicts[0].SHA256["image"] = sum("x") }, "verdicts"},
		"another config":           {func(_ *release.Release, r *report.Report) { r.Verdicts[0].SHA256["config"] = sum("x") }, "verdicts"},
		"another series":           {func(_ *release.Release, r *report.Report) { r.Verdicts[0].SHA256["series"] = "x" }, "verdicts"},
		"an edited tree":           {func(_ *release.Release, r *report.Report) { r.Verdicts[0].SHA256["edits"] = "x" }, "verdicts"},
		"an unverified source":     {func(_ *release.Release, r *report.Report) { r.Verified = false }, "verdicts"},
		"another line":             {func(_ *release.Release, r *report.Report) { r.Line = "5.4" }, "verdicts"},
		"another kernel":           {func(_ *release.Release, r *report.Report) { r.Verdicts[0].Release = "6.1.192-other" }, "verdicts"},
		"an image of no verdict": {func(r *release.Release, rep *report.Report) {
			r.Targets[0].SHA256, rep.Verdicts[0].SHA256["image"] = sum("x"), sum("x")
		}, "verdicts"},
		"no proof of the source": {func(r *release.Release, _ *report.Report) { r.Source.Proofs = nil }, "source"},
		"another base":           {func(r *release.Release, _ *report.Report) { r.Source.Release = "6.1.1" }, "source"},
		"a snapshot":             {func(r *release.Release, _ *report.Report) { r.Tag = "" }, "release"},
		"no kernel":              {func(r *release.Release, _ *report.Report) { r.Targets = nil }, "release"},
	} {
		rel, rep := sample()
		tt.lie(&rel, &rep)
		table, err := Check(t.Context(), makeRelease(t, key, rel, rep), trust(t, key))
		wantRow(t, name, table, err, tt.row, Wrong)
	}
	rel, rep := sample()
	for _, name := range []string{SBOM, Provenance} {
		good, others := makeRelease(t, key, rel, rep), makeRelease(t, key, other, rep)
		text, err := os.ReadFile(filepath.Join(others, name))
		if err != nil {
			t.Fatal(err)
		}
		put2(t, good, name, string(text))
		resign(t, good, key)
		table, err := Check(t.Context(), good, trust(t, key))
		row := map[string]string{SBOM: "SBOM", Provenance: "provenance"}[name]
		wantRow(t, name+" of another release", table, err, row, Wrong)
	}
}

// resign makes the sums and the signature of a folder anew.
func resign(t *testing.T, dir string, key *sign.Key) {
	t.Helper()
	text, err := sumsOf(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	put2(t, dir, Sums, string(text))
	sig, err := key.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	put2(t, dir, Sums+key.Suffix(), string(sig))
}

// TestWriteRefuses proves no folder that is not what its release.json says.
func TestWriteRefuses(t *testing.T) {
	key := newKey(t)
	rel, rep := sample()
	dir := makeRelease(t, key, rel, rep)
	if err := Write(t.Context(), dir, Params{Key: key}); err == nil || !strings.Contains(err.Error(), "no file of the release") {
		t.Errorf("a folder with proofs in it: %v", err)
	}
	for _, name := range []string{Sums, Sums + key.Suffix(), SBOM, Provenance} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	put2(t, dir, "image-arm64", "another")
	if err := Write(t.Context(), dir, Params{Key: key}); err == nil || !strings.Contains(err.Error(), "image-arm64") {
		t.Errorf("another image: %v", err)
	}
}
