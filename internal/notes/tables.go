package notes

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"bzmage/internal/plain"
	"bzmage/internal/release"
	"bzmage/internal/run"
)

// targets is the table of the verdicts.
func targets(p Params) section {
	s := section{room: roomTargets, title: "Verdicts"}
	if len(p.Now.Targets) == 0 {
		return s
	}
	s.add("| target | verdict | checks passed | boot | image, sha256 | compiler | linker |")
	s.add("|---|---|--:|--:|---|---|---|")
	for _, t := range p.Now.Targets {
		boot := "-"
		for _, v := range p.Verdicts {
			// A verdict is about the bytes of an image, whatever it is called.
			if v.SHA256["image"] == t.SHA256 && v.Arch == t.Arch && v.Flavour == t.Flavour {
				boot = fmt.Sprintf("%.1f s", v.BootSeconds)
			}
		}
		name := strings.TrimSpace(t.Arch + " " + t.Flavour + " " + t.Toolchain)
		s.add("| %s | %s | %d | %s | %s | %s | %s |", cell(name), cell(t.Verdict), t.Checks, boot,
			cell(t.SHA256[:min(len(t.SHA256), 16)]), cell(t.Compiler), cell(t.Linker))
	}
	return s
}

// Size is a row of the table of sizes.
type Size struct {
	Name string `json:"name"`
	Now  int64  `json:"now"`           // bytes
	Was  int64  `json:"was,omitempty"` // of the file that had its place before; 0: there was none
}

// Sizes compares the files of a release with those of the one before, which may
// be nil. A file is known by its name without release and tag.
func Sizes(now release.Release, before *release.Release) []Size {
	was := map[string]int64{}
	if before != nil {
		for _, f := range before.Files {
			was[place(f, *before)] = f.Size
		}
	}
	var list []Size
	for _, f := range now.Files {
		if f.Kind == release.Report {
			continue // about one run of many
		}
		list = append(list, Size{Name: f.Name, Now: f.Size, Was: was[place(f, now)]})
	}
	return list
}

// place is what stays of a file's name from release to release.
func place(f release.File, r release.Release) string {
	name := f.Name
	for _, part := range []string{r.Name, r.Tag, r.Base} {
		if part != "" {
			name = strings.ReplaceAll(name, part, "*")
		}
	}
	if f.Kind == release.PackageFile {
		name = reRevision.ReplaceAllString(name, "*")
	}
	return f.Kind + " " + f.Arch + " " + name
}

// reRevision matches the revision of a package, which is a date.
var reRevision = regexp.MustCompile(`[0-9]{14}`)

func sizes(p Params) section {
	s := section{room: roomSizes, title: "Sizes"}
	if len(p.Now.Files) == 0 {
		return s
	}
	var before *release.Release
	if p.Before != nil {
		before = p.Before.Release
	}
	if before == nil {
		s.add("| file | bytes |")
		s.add("|---|--:|")
	} else {
		s.add("| file | bytes | since %s |", cell(p.Before.Tag))
		s.add("|---|--:|--:|")
	}
	for _, row := range Sizes(p.Now, before) {
		diff := " new |"
		switch {
		case before == nil:
			diff = ""
		case row.Was > 0:
			diff = fmt.Sprintf(" %+d (%+.1f %%) |", row.Now-row.Was, 100*float64(row.Now-row.Was)/float64(row.Was))
		}
		s.add("| %s | %d |%s", cell(row.Name), row.Now, diff)
	}
	return s
}

// verify tells how to check the release, with bzmage and without.
func verify(p Params) section {
	s, v := section{room: roomVerify, title: "How to check it"}, p.Verify
	if len(v.Keys) > 0 {
		const most = 10
		keys := make([]string, 0, most)
		for _, k := range v.Keys[:min(len(v.Keys), most)] {
			keys = append(keys, code(k, maxWord))
		}
		s.add("Signed with the %s key %s. Make sure that it is the one you know: whoever could change this page could change that line.",
			code(v.Kind, maxWord), strings.Join(keys, ", "))
		s.add("")
	}
	if v.Public != "" {
		s.add("With all files of the release in one folder, and with the key, %s of the repository:", code(v.Public, 200))
	} else {
		s.add("With all files of the release in one folder:")
	}
	s.add("")
	s.add("```sh")
	for _, l := range commands(v) {
		s.add("%s", l)
	}
	s.add("sha256sum --check --ignore-missing SHA256SUMS")
	s.add("```")
	if p.Now.Tag == "" {
		return s
	}
	s.add("")
	s.add("All of it, with provenance, bill of materials and verdicts, in a checkout%s:", of(v.Address))
	s.add("")
	s.add("```sh")
	s.add("go tool mage release:check %s", shell(p.Now.Tag))
	s.add("```")
	return s
}

// commands returns what checks the signature of SHA256SUMS.
func commands(v Verify) []string {
	sig, public := shell(v.Signature), shell(path.Base(v.Public))
	switch v.Kind {
	case "OpenPGP":
		return []string{"gpg --dearmor < " + public + " > key.gpg", "gpgv --keyring ./key.gpg " + sig + " SHA256SUMS"}
	case "minisign":
		return []string{"minisign -V -p " + public + " -x " + sig + " -m SHA256SUMS"}
	case "SSH":
		who := shell(v.Signer)
		return []string{"echo " + who + ` "$(cat ` + public + `)" > allowed`,
			"ssh-keygen -Y verify -f allowed -I " + who + " -n file -s " + sig + " < SHA256SUMS"}
	}
	return nil
}

func of(address string) string {
	if address == "" {
		return ""
	}
	return " of " + code(address, 200)
}

// shell returns a word of a shell for a block of code, which no word can end:
// it is one line, and the block ends at a line that begins with backticks.
func shell(s string) string { return run.Quote(plain.Line(s, 200)) }
