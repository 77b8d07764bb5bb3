// Package notes writes the notes of a release: what it is made of, what changed
// since the one before, what was verified, and how to check it.
//
// In go release.json, the series and the configs of this release and of the
// one before; out comes Markdown. The same input gives the same bytes.
//
// What patches, configs and servers say is hostile. It is shown as code only,
// where neither Markdown nor HTML nor @mentions nor #references are looked for
// (CommonMark 0.31, "code spans"), in one line and cut; each section has room of its
// own, so that none can push another out.
package notes

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"bzmage/internal/boot"
	"bzmage/internal/config"
	"bzmage/internal/plain"
	"bzmage/internal/release"
)

// Most is the size of the notes in bytes, at most. GitHub takes 125,000 characters.
const Most = 60_000

// What is shown of a text, and the room of each section, in bytes. The rooms
// are less than [Most] together.
const (
	maxSubject = 160
	maxWord    = 80

	roomTop     = 4_000
	roomSeries  = 22_000
	roomConfigs = 10_000
	roomTargets = 8_000
	roomSizes   = 8_000
	roomVerify  = 5_000
)

// Params is what the notes are made of.
type Params struct {
	Now      release.Release
	Patches  []Patch           // the series, in its order
	Configs  map[string][]byte // by target, "x86_64"; may be empty
	Verdicts []boot.Verdict    // of the targets; seconds are taken from those of the very images
	Before   *Before           // nil: the first release of the line
	Verify   Verify
}

// Before is the release before. Only Tag and Patches are needed.
type Before struct {
	Tag         string
	BaseRelease string // 5.4.301
	Patches     []Patch
	Configs     map[string][]byte
	Release     *release.Release  // its release.json; nil: it could not be had
	Landed      map[string]string // by name of a patch before: why the new base release needs it no more, as series:status tells
}

// Verify is what a person needs to check the release.
type Verify struct {
	Kind      string   // OpenPGP, minisign or SSH; empty: it is not signed
	Keys      []string // fingerprints or key IDs
	Signer    string   // SSH only: who, as it stands in the file of allowed signers
	Signature string   // the file with the signature of SHA256SUMS
	Public    string   // path of the public key in the repository
	Address   string   // of the repository, without secrets
}

// Write writes the notes.
func Write(w io.Writer, p Params) error {
	var text strings.Builder
	for _, s := range []section{top(p), series(p), configs(p), targets(p), sizes(p), verify(p)} {
		s.write(&text)
	}
	_, err := io.WriteString(w, text.String())
	if err != nil {
		return fmt.Errorf("write the notes: %w", err)
	}
	return nil
}

// section is a part of the notes that has room of its own.
type section struct {
	title string // empty: it has none
	lines []string
	room  int
}

func (s *section) add(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

// write writes the lines there is room for, and says how many there is none for.
func (s section) write(b *strings.Builder) {
	if len(s.lines) == 0 {
		return
	}
	if s.title != "" {
		fmt.Fprintf(b, "## %s\n\n", s.title)
	}
	left, cut, fence := s.room, 0, false
	for _, l := range s.lines {
		if left -= len(l) + 1; left < 0 {
			cut++
			continue
		}
		fence = fence != (l == "```" || l == "```sh")
		b.WriteString(l + "\n")
	}
	if fence {
		b.WriteString("```\n")
	}
	if cut > 0 {
		fmt.Fprintf(b, "\n%d more lines are cut here: the notes are bounded. release.json has all.\n", cut)
	}
	b.WriteString("\n")
}

// code returns hostile text as a code span of one line. A span's fence is a run
// of backticks that does not stand in the text.
func code(s string, n int) string {
	s = plain.Line(s, n)
	if s == "" {
		return "(nothing)"
	}
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// cell returns hostile text for a table: no code span hides a pipe there
// (GitHub Flavored Markdown, "tables"). The broken bar is like it.
func cell(s string) string { return strings.ReplaceAll(code(s, maxWord), "|", "¦") }

// top says what the release is.
func top(p Params) section {
	s, r := section{room: roomTop}, p.Now
	s.add("Linux %s with a series of %s, for %s.", code(r.Base, maxWord), plural(len(p.Patches), "patch", "patches"), archs(r.Targets))
	s.add("")
	s.add("- kernel release: %s", code(r.Name, maxWord))
	if b := p.Before; b != nil && b.BaseRelease != "" && b.BaseRelease != r.Base {
		s.add("- base release: %s before, %s now%s", code(b.BaseRelease, maxWord), code(r.Base, maxWord), changeLog(r.Base))
	} else {
		s.add("- base release: %s%s", code(r.Base, maxWord), changeLog(r.Base))
	}
	s.add("- source: %s, from %s, sha256 %s", code(r.Source.Origin, 200), code(r.Source.From, maxWord), code(r.Source.SHA256, maxWord))
	if len(r.Source.Proofs) > 0 {
		proof := "- proved: " + code(strings.Join(r.Source.Proofs, ", "), 200)
		if r.Source.SignedBy != "" {
			proof += ", signed by " + code(r.Source.SignedBy, maxWord)
		}
		s.add("%s", proof)
	} else {
		s.add("- proved of the source: nothing")
	}
	s.add("- made of commit %s, dated %s", code(r.Commit, maxWord), r.Time.UTC().Format("2006-01-02 15:04:05 UTC"))
	return s
}

// changeLog returns where kernel.org has what changed in a release.
func changeLog(base string) string {
	if strings.Trim(base, "0123456789.") != "" || len(base) > 20 || strings.Count(base, ".") != 2 {
		return "" // a release candidate, or no release at all
	}
	major, _, _ := strings.Cut(base, ".")
	return fmt.Sprintf("; what changed in it: https://cdn.kernel.org/pub/linux/kernel/v%s.x/ChangeLog-%s", major, base)
}

func archs(list []release.Target) string {
	var names []string
	for _, t := range list {
		if n := code(t.Arch, maxWord); !slices.Contains(names, n) && len(names) < 10 {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return "no arch"
	}
	return strings.Join(names, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// configs tells what differs in the config of each arch.
func configs(p Params) section {
	s := section{room: roomConfigs, title: "Config"}
	if p.Before == nil {
		return s
	}
	for _, name := range sorted(p.Configs) {
		was, ok := p.Before.Configs[name]
		if !ok {
			s.add("- %s: not known of %s", code(name, maxWord), code(p.Before.Tag, maxWord))
			continue
		}
		d := config.Diff(was, p.Configs[name])
		s.add("- %s: %s", code(name, maxWord), d.Count())
		const most = 60
		rows := 0
		for _, list := range [][]config.Change{d.Added, d.Removed, d.Changed} {
			for _, c := range list {
				if rows++; rows <= most {
					s.add("  - %s", code(fmt.Sprintf("%s: %s -> %s", c.Name, orNot(c.From), orNot(c.To)), maxSubject))
				}
			}
		}
		if rows > most {
			s.add("  - and %d more", rows-most)
		}
	}
	return s
}

func orNot(value string) string {
	if value == "" {
		return "not set"
	}
	return value
}
