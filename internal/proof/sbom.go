package proof

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"net/url"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"bzmage/internal/release"
)

// sbom writes the bill of materials, CycloneDX 1.6: the kernel, with the
// release of Linux it descends from and the patches that were laid over it as
// its pedigree; each file of the release; the packages that compiled it.
func sbom(rel release.Release, p Params) ([]byte, error) {
	bom := cdx.NewBOM()
	bom.SerialNumber = "urn:uuid:" + uuidOf(rel)
	kernel := kernelComponent(rel)
	bom.Metadata = &cdx.Metadata{
		Timestamp: rel.Time.UTC().Format(time.RFC3339),
		Component: &kernel,
		Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{
			{Type: cdx.ComponentTypeApplication, Name: "bzmage", Version: p.Builder},
		}},
	}
	var parts []cdx.Component
	for _, f := range rel.Files {
		if f.Kind == release.Report {
			continue // about one run of many: the bill is the same for all
		}
		parts = append(parts, cdx.Component{
			Type: cdx.ComponentTypeFile, BOMRef: "file:" + f.Name, Name: f.Name, Version: rel.Name, Hashes: sha256Of(f.SHA256),
			Properties: &[]cdx.Property{{Name: "bzmage:kind", Value: f.Kind}},
		})
	}
	parts = append(parts, packageComponents(rel)...)
	bom.Components = &parts
	bom.Dependencies = dependencies(kernel, parts)
	var b bytes.Buffer
	err := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6)
	return b.Bytes(), err
}

func sha256Of(sum string) *[]cdx.Hash {
	if sum == "" {
		return nil
	}
	return &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum}}
}

// uuidOf is a name-based UUID (RFC 9562, version 5's form) of what the release
// is, so that the same release has the same bill.
func uuidOf(rel release.Release) string {
	h := sha1.New()
	fmt.Fprintf(h, "bzmage\n%s\n%s\n%s\n%s\n", rel.Tag, rel.Commit, rel.Name, rel.Series)
	for _, f := range rel.Files {
		if f.Kind != release.Report {
			fmt.Fprintf(h, "%s %s\n", f.SHA256, f.Name)
		}
	}
	s := h.Sum(nil)[:16]
	s[6], s[8] = s[6]&0x0f|0x50, s[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[0:4], s[4:6], s[6:8], s[8:10], s[10:])
}

// purl names Linux as a package URL of type generic, which says where the
// archive is and what it is (github.com/package-url/purl-spec).
func purl(rel release.Release) string {
	q := "checksum=sha256:" + rel.Source.SHA256
	if strings.Contains(rel.Source.Origin, "://") {
		q += "&download_url=" + url.QueryEscape(rel.Source.Origin)
	}
	return "pkg:generic/linux@" + url.PathEscape(rel.Base) + "?" + q
}

// cpe is the name of Linux in the NVD (NISTIR 7695).
func cpe(rel release.Release) string {
	return "cpe:2.3:o:linux:linux_kernel:" + rel.Base + ":*:*:*:*:*:*:*"
}

func kernelComponent(rel release.Release) cdx.Component {
	base := cdx.Component{
		Type: cdx.ComponentTypeOS, BOMRef: "linux", Name: "linux", Version: rel.Base, CPE: cpe(rel), PackageURL: purl(rel), Hashes: sha256Of(rel.Source.SHA256),
		Licenses: &cdx.Licenses{{Expression: "GPL-2.0-only WITH Linux-syscall-note"}},
	}
	var patches []cdx.Patch
	var commits []cdx.Commit
	for _, p := range rel.Patches {
		patch := cdx.Patch{Type: cdx.PatchTypeUnofficial, Diff: &cdx.Diff{URL: "patches/" + url.PathEscape(p.Name) + "#sha256=" + p.SHA256}}
		for _, id := range p.Upstream {
			patch.Type = cdx.PatchTypeBackport
			commits = append(commits, cdx.Commit{UID: id, Message: p.Subject, URL: "https://git.kernel.org/linus/" + id})
		}
		patches = append(patches, patch)
	}
	k := cdx.Component{
		Type: cdx.ComponentTypeOS, BOMRef: "kernel", Name: "linux", Version: rel.Name, CPE: cpe(rel),
		Description: fmt.Sprintf("Linux %s with a series of %d patches", rel.Base, len(rel.Patches)),
		Licenses:    base.Licenses, Pedigree: &cdx.Pedigree{Ancestors: &[]cdx.Component{base}},
	}
	if len(patches) > 0 {
		k.Pedigree.Patches = &patches
	}
	if len(commits) > 0 {
		k.Pedigree.Commits = &commits
	}
	return k
}

// packageComponents are the packages that compiled the kernels: no part of
// them, so their scope is excluded.
func packageComponents(rel release.Release) []cdx.Component {
	var all []cdx.Component
	seen := map[string]bool{}
	for _, t := range rel.Targets {
		for _, p := range t.Packages {
			c := cdx.Component{Type: cdx.ComponentTypeApplication, Name: p.Name, Version: p.Version, Scope: cdx.ScopeExcluded, PackageURL: packageURL(p)}
			c.BOMRef = c.PackageURL
			if !seen[c.BOMRef] {
				seen[c.BOMRef] = true
				all = append(all, c)
			}
		}
	}
	return all
}

// packageURL is of type deb or rpm, as the purl spec has them.
func packageURL(p release.Package) string {
	kind := "rpm"
	if p.Distro == "debian" || p.Distro == "ubuntu" {
		kind = "deb"
	}
	q := url.Values{"arch": {p.Arch}, "distro": {strings.TrimSuffix(p.Distro+"-"+p.Release, "-")}}
	return fmt.Sprintf("pkg:%s/%s/%s@%s?%s", kind, p.Distro, url.PathEscape(p.Name), url.PathEscape(p.Version), q.Encode())
}

func dependencies(kernel cdx.Component, parts []cdx.Component) *[]cdx.Dependency {
	var files []string
	for _, c := range parts {
		if c.Type == cdx.ComponentTypeFile {
			files = append(files, c.BOMRef)
		}
	}
	return &[]cdx.Dependency{{Ref: kernel.BOMRef, Dependencies: &files}}
}
