package notes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bzmage/internal/boot"
	"bzmage/internal/notes"
	"bzmage/internal/release"
)

func made(t *testing.T, p notes.Params) string {
	t.Helper()
	var b strings.Builder
	if err := notes.Write(&b, p); err != nil {
		t.Fatal(err)
	}
	if b.Len() > notes.Most {
		t.Errorf("%d bytes of notes, more than %d", b.Len(), notes.Most)
	}
	return b.String()
}

func theRelease(base, tag string, grown int64) release.Release {
	name := base + "-bzmage"
	sum := func(c string) string { return strings.Repeat(c, 64) }
	return release.Release{
		Tag: tag, Line: "5.4", Base: base, Name: name, Commit: strings.Repeat("c", 40), Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Source: release.Source{Release: base, SHA256: sum("5"), From: "kernel.org", Origin: "https://cdn.kernel.org/pub/linux/kernel/v5.x/linux-" + base + ".tar.xz",
			Proofs: []string{"pinned", "tar-signed"}, SignedBy: "647F28654894E3BD457199BE38DBBDC86092693E"},
		Targets: []release.Target{
			{Arch: "x86_64", Flavour: "release", Toolchain: "gcc", SHA256: sum("a"), Compiler: "gcc 12.2.0", Linker: "GNU ld 2.40", Verdict: "pass", Checks: 17},
			{Arch: "arm64", Flavour: "release", Toolchain: "gcc", SHA256: sum("b"), Compiler: "gcc 12.2.0", Linker: "GNU ld 2.40", Verdict: "pass", Checks: 16},
		},
		Files: []release.File{
			{Name: "bzImage-" + name + "-x86_64", Size: 1_000_000 + grown, Kind: release.Image, Arch: "x86_64"},
			{Name: "patches-" + tag + ".tar.zst", Size: 5000, Kind: release.Patches},
		},
	}
}

func whole(t *testing.T) notes.Params {
	before, now := sevenKinds(t)
	old := theRelease("5.4.301", "v5.4.301-1", 0)
	p := notes.Params{
		Now: theRelease("5.4.302", "v5.4.302-1", 2500), Patches: now,
		Configs: map[string][]byte{"x86_64": []byte("CONFIG_A=y\nCONFIG_B=\"new|`x`\"\nCONFIG_C=m\n"), "arm64": []byte("CONFIG_A=y\n"), "riscv": nil},
		Verdicts: []boot.Verdict{
			{Arch: "x86_64", Flavour: "release", SHA256: map[string]string{"image": strings.Repeat("a", 64)}, BootSeconds: 1.26},
			{Arch: "arm64", Flavour: "release", SHA256: map[string]string{"image": "of another image"}, BootSeconds: 9},
		},
		Before: &notes.Before{Tag: "v5.4.301-1", BaseRelease: "5.4.301", Patches: before, Release: &old,
			Configs: map[string][]byte{"x86_64": []byte("CONFIG_B=\"old\"\nCONFIG_C=y\nCONFIG_D=y\n"), "arm64": []byte("CONFIG_A=y\n")},
			Landed:  map[string]string{"0002-dropped-not-needed.patch": "the tree has the whole change already"}},
		Verify: notes.Verify{Kind: "OpenPGP", Keys: []string{"ABCD EF"}, Signature: "SHA256SUMS.asc", Public: "configs/keys/release/release-ABCD.asc", Address: "https://example.com/o/r"},
	}
	p.Now.Files = append(p.Now.Files, release.File{Name: "linux-image.deb", Size: 77, Kind: release.PackageFile, Arch: "arm64"})
	return p
}

func TestNotes(t *testing.T) {
	p := whole(t)
	text := made(t, p)
	golden(t, "whole.md", text)
	for range 5 {
		if made(t, p) != text {
			t.Fatal("the same input gives other bytes")
		}
	}
}

func TestNotesOfTheFirstRelease(t *testing.T) {
	p := whole(t)
	p.Before = nil
	p.Verify = notes.Verify{Kind: "minisign", Keys: []string{"RWQ"}, Signature: "SHA256SUMS.minisig", Public: "k.minisign"}
	golden(t, "first.md", made(t, p))
}

func TestNotesOfASnapshotOfNothing(t *testing.T) {
	golden(t, "nothing.md", made(t, notes.Params{Before: &notes.Before{Tag: "v1"}, Verify: notes.Verify{Kind: "SSH", Keys: []string{"SHA256:x"}, Signer: "it's me",
		Signature: "SHA256SUMS.sig", Public: "k.pub"}}))
}

// outside returns text without its code: what Markdown is looked for in. It
// reads code spans as CommonMark does: a run of backticks up to the next run
// that is as long.
func outside(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	inBlock := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			inBlock = !inBlock
			continue
		}
		for !inBlock && line != "" {
			n := strings.IndexByte(line, '`')
			if n < 0 {
				b.WriteString(line)
				break
			}
			b.WriteString(line[:n])
			line = line[n:]
			run := len(line) - len(strings.TrimLeft(line, "`"))
			end := -1
			for at := run; at < len(line); at++ {
				if line[at] != '`' {
					continue
				}
				k := at
				for k < len(line) && line[k] == '`' {
					k++
				}
				if k-at == run {
					end = k
					break
				}
				at = k
			}
			if end < 0 {
				t.Fatalf("a code span is not closed: %s", line)
			}
			line = line[end:]
		}
	}
	return b.String()
}

func TestHostileTexts(t *testing.T) {
	bad := []string{"@torvalds", "#123", "GH-1", "fixes o/r#4", "<img src=x onerror=y>", "`code`", "``two``", "``` three", "`", "a|b", "a\\|b\\", "[l](http://evil)",
		"http://evil", "\u202egnp.exe", "a\nb\r\n# title", "\x1b[31mred\x07", "&lt;b&gt;", "*b* _i_ ~s~", "$x$", "| - | -", "```sh\nrm -rf ~", "![p](http://evil)", ":smile:", strings.Repeat("x`", 500)}
	usual := whole(t)
	for _, hostile := range bad {
		p, before := usual, *usual.Before
		p.Before, p.Now.Targets, p.Now.Files = &before, slices.Clone(p.Now.Targets), slices.Clone(p.Now.Files)
		p.Patches, p.Before.Patches = one(hostile, diff(hostile, "@@ -5,2 +5,3 @@", " a\n+x\n b\n")), one("z"+hostile, diff("was "+hostile, "@@ -5,2 +5,3 @@", " a\n+y\n b\n"))
		p.Before.Landed = map[string]string{"z" + hostile: hostile}
		p.Before.Tag, p.Before.BaseRelease, p.Now.Base, p.Now.Name, p.Now.Commit = hostile, hostile, hostile+"2", hostile, hostile
		p.Now.Source = release.Source{SHA256: hostile, From: hostile, Origin: hostile, Proofs: []string{hostile}, SignedBy: hostile}
		for i := range p.Now.Targets {
			x := &p.Now.Targets[i]
			x.Arch, x.Compiler, x.Linker, x.Verdict, x.Toolchain = hostile, hostile, hostile, hostile, hostile
		}
		p.Now.Files[0].Name = hostile
		p.Configs = map[string][]byte{hostile: []byte("CONFIG_X=\"" + strings.ReplaceAll(hostile, "\n", " ") + "\"\n")}
		p.Before.Configs = map[string][]byte{hostile: nil}
		p.Verify = notes.Verify{Keys: []string{hostile}, Kind: hostile, Address: hostile, Public: hostile}
		text := made(t, p)
		plain := outside(t, text)
		for _, mark := range []string{"@", "#1", "#4", "GH-", "<", "evil", "](", "\\", "*", "~", "$", ":smile", "&", "red", "xx", "\u202e", "title"} {
			if strings.Contains(plain, mark) {
				t.Errorf("%q: %q stands outside of code:\n%s", hostile, mark, plain)
			}
		}
		if strings.ContainsAny(text, "\u202e\x1b\x07\r") {
			t.Errorf("%q: control characters are in the notes", hostile)
		}
		for line := range strings.Lines(text) {
			if n := strings.Count(line, "|"); strings.HasPrefix(line, "|") && n != 8 && n != 4 {
				t.Errorf("%q: a row of %d bars: %s", hostile, n, line)
			}
		}
	}
}

func TestNotesAreBounded(t *testing.T) {
	p := whole(t)
	long := strings.Repeat("`", 150)
	for i := range 3000 {
		name := fmt.Sprint(i, long)
		p.Patches = append(p.Patches, one(name, diff(name, "@@ -5,2 +5,3 @@", fmt.Sprintf(" a\n+line %d\n b\n", i)))...)
		p.Now.Files = append(p.Now.Files, release.File{Name: name, Size: 1})
		p.Now.Targets = append(p.Now.Targets, release.Target{Arch: name})
		p.Configs["x86_64"] = append(p.Configs["x86_64"], fmt.Sprintf("CONFIG_Y%d=y\n", i)...)
		p.Configs[name] = p.Configs["arm64"]
		p.Verify.Keys = append(p.Verify.Keys, long)
	}
	p.Now.Source.Origin, p.Now.Name = long+long+long, long
	text := made(t, p)
	for _, want := range []string{"more lines are cut here", "gpgv --keyring", "release:check v5.4.302-1", "## Sizes", "## Verdicts", "## Config\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the notes", want)
		}
	}
	if n := strings.Count(text, "more lines are cut here"); n < 3 {
		t.Errorf("%d sections say that they are cut", n)
	}
}
