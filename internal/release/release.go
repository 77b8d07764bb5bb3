// Package release says what a release is: release.json, which lists what was
// built of what, and every file that is published by hash. In go the results
// of the stages; out comes a document that survives the round trip.
package release

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"bzmage/internal/fault"
)

// FileName is the name of the document in the folder of a release.
const FileName = "release.json"

// Version is raised when a reader of the older document would misread it.
const Version = 1

// Release is release.json.
type Release struct {
	Version int       `json:"version"`       // of this document
	Tag     string    `json:"tag,omitempty"` // of git; empty: a snapshot, which is no release
	Line    string    `json:"line"`          // 5.4
	Base    string    `json:"base"`          // the kernel release below the series, 5.4.302
	Name    string    `json:"name"`          // uname -r of the kernels, 5.4.302-bzmage
	Commit  string    `json:"commit"`        // of the checkout it was made of
	Time    time.Time `json:"time"`          // what the files are dated: the newest patch's, or SOURCE_DATE_EPOCH
	Source  Source    `json:"source"`
	Series  string    `json:"series"` // digest of the series, as in the verdicts
	Patches []Patch   `json:"patches"`
	Targets []Target  `json:"targets"`
	Files   []File    `json:"files"` // sorted by name; not this document, nor what is about it (sums, signatures, SBOM, provenance)
}

// Source is where the kernel's source came from and what was proved of it.
type Source struct {
	Release  string   `json:"release"`
	SHA256   string   `json:"sha256"`
	From     string   `json:"from"`   // the source's name in kernels.toml
	Origin   string   `json:"origin"` // an address, or package=version; never a path of a machine
	Proofs   []string `json:"proofs"`
	SignedBy string   `json:"signed_by,omitempty"` // fingerprint of the developer's key
}

// Patch is one patch of the series, in its order.
type Patch struct {
	Name     string   `json:"name"`
	SHA256   string   `json:"sha256"`
	Subject  string   `json:"subject"`
	Author   string   `json:"author,omitempty"`
	Upstream []string `json:"upstream,omitempty"` // commits of Linux that its message names as its origin
	State    string   `json:"state"`              // clean or offset, as series:status says
	Files    []string `json:"files"`              // of the tree, that it touches
}

// Target is one kernel of the release.
type Target struct {
	Arch      string    `json:"arch"`
	Flavour   string    `json:"flavour"`
	Toolchain string    `json:"toolchain"` // as TOOLCHAIN has it
	Image     string    `json:"image"`     // the file that was booted, bzImage
	SHA256    string    `json:"sha256"`    // of that image; the verdict is about it
	Config    string    `json:"config"`    // sha256 of the config
	BuildID   string    `json:"build_id,omitempty"`
	Compiler  string    `json:"compiler"`
	Linker    string    `json:"linker"`
	Packages  []Package `json:"packages,omitempty"` // the distribution's, that the tools belong to
	Verdict   string    `json:"verdict"`
	Checks    int       `json:"checks"` // that passed
}

// Package is a package of the distribution that a tool of the build belongs to.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch,omitempty"`
	Distro  string `json:"distro"` // ID of os-release, debian
	Release string `json:"distro_release,omitempty"`
}

// Kinds of files.
const (
	Image       = "image"   // what boots, as make left it
	Archive     = "archive" // .tar.zst to unpack over /
	Debug       = "debug"   // vmlinux with its debug info
	PackageFile = "package" // deb or rpm
	Config      = "config"
	Patches     = "patches" // the series and its status
	Manifest    = "source"  // the manifest of the source
	Report      = "report"  // about this very run: verdicts; another run writes other times
)

// File is one file of a release.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Kind   string `json:"kind"`
	Arch   string `json:"arch,omitempty"` // whose it is; empty: of the release
}

// File returns the file of that name.
func (r Release) File(name string) (File, bool) {
	i := slices.IndexFunc(r.Files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return File{}, false
	}
	return r.Files[i], true
}

// Write writes the document into the folder dir, whole or not at all.
func (r Release) Write(dir string) error {
	r.Version = Version
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = renameio.WriteFile(filepath.Join(dir, FileName), append(text, '\n'), 0o644, renameio.IgnoreUmask())
	}
	if err != nil {
		return fault.New(fault.Machine, "free some disk space", "write %s: %w", FileName, err)
	}
	return nil
}

// Load reads the document of the folder dir.
func Load(dir string) (Release, error) {
	text, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		return Release{}, fmt.Errorf("read a release: %w", err)
	}
	return Parse(text)
}

// Parse reads a document, which may come from anybody.
func Parse(text []byte) (Release, error) {
	var r Release
	if err := json.Unmarshal(text, &r); err != nil {
		return Release{}, fmt.Errorf("%s: %w", FileName, err)
	}
	if r.Version != Version {
		return Release{}, fmt.Errorf("%s is of version %d; this bzmage reads version %d", FileName, r.Version, Version)
	}
	for _, f := range r.Files {
		if f.Name != filepath.Base(f.Name) || !filepath.IsLocal(f.Name) || f.Name == "." {
			return Release{}, fmt.Errorf("%s: %q is not the name of a file", FileName, f.Name)
		}
	}
	return r, nil
}
