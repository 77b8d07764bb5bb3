package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"bzmage/internal/boot"
	"bzmage/internal/release"
	"bzmage/internal/report"
)

type dsseSignature = dsse.Signature

// VerdictFile is the report of the verdicts, among the files of a release.
const VerdictFile = "verdict.json"

// verdicts holds the verdicts against the images: each kernel of the release
// passed all checks, with exactly the image, config and series that are here.
func (c *checker) verdicts(context.Context) (string, error) {
	text, err := readText(c.dir, VerdictFile)
	if err != nil {
		return "", err
	}
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		return "", fmt.Errorf("%s: %w", VerdictFile, err)
	}
	switch {
	case r.Version != report.Version:
		return "", fmt.Errorf("%s is of version %d", VerdictFile, r.Version)
	case !r.Verified || len(r.Edits) > 0:
		return "", errors.New("what was booted came from an unverified or edited source")
	case r.Line != c.rel.Line || r.Release != c.rel.Base:
		return "", errors.New("the verdicts are about another release")
	case len(r.Verdicts) != len(c.rel.Targets):
		return "", fmt.Errorf("%d verdicts, %d kernels", len(r.Verdicts), len(c.rel.Targets))
	}
	var passed []string
	for _, t := range c.rel.Targets {
		v, err := c.verdict(r, t)
		if err != nil {
			return "", fmt.Errorf("%s: %w", t.Arch, err)
		}
		pass, _, _ := v.Counts()
		passed = append(passed, fmt.Sprintf("%s %d checks", t.Arch, pass))
	}
	return "passed on the very images: " + strings.Join(passed, ", "), nil
}

// verdict returns the verdict of a target, if it is a pass about its files.
func (c *checker) verdict(r report.Report, t release.Target) (boot.Verdict, error) {
	for _, v := range r.Verdicts {
		if v.Arch != t.Arch {
			continue
		}
		pass, fail, _ := v.Counts()
		switch {
		case v.Verdict != boot.Pass || v.Run != "" || v.Flavour != t.Flavour || pass == 0 || fail > 0 || len(v.Missing) > 0 || pass != t.Checks:
			return v, errors.New("no pass of all checks")
		case v.SHA256["image"] != t.SHA256 || !c.has(release.Image, t.Arch, t.SHA256):
			return v, errors.New("the verdict is about another image")
		case v.SHA256["config"] != t.Config || !c.has(release.Config, t.Arch, t.Config):
			return v, errors.New("the verdict is about another config")
		case v.SHA256["series"] != c.rel.Series || v.SHA256["edits"] != "":
			return v, errors.New("the verdict is about another series")
		case v.Release != c.rel.Name:
			return v, errors.New("the verdict is about another kernel")
		}
		return v, nil
	}
	return boot.Verdict{}, errors.New("no verdict")
}

// has says whether the release has the one file of a kind and an arch, and it
// is of that sha256.
func (c *checker) has(kind, arch, sum string) bool {
	n := 0
	ok := false
	for _, f := range c.rel.Files {
		if f.Kind == kind && f.Arch == arch {
			n++
			ok = f.SHA256 == sum
		}
	}
	return n == 1 && ok
}

// bom holds the bill of materials against the release.
func (c *checker) bom(context.Context) (string, error) {
	text, err := readText(c.dir, SBOM)
	if err != nil {
		return "", err
	}
	var b cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&b); err != nil {
		return "", fmt.Errorf("%s: %w", SBOM, err)
	}
	want, err := sbom(c.rel, Params{Builder: builderOf(b)})
	if err != nil {
		return "", err
	}
	if !bytes.Equal(text, want) {
		return "", errors.New("it is not the bill of this release")
	}
	return fmt.Sprintf("CycloneDX 1.6: Linux %s (%s), %d patches, %d components", c.rel.Base, cpe(c.rel), len(c.rel.Patches), len(*b.Components)), nil
}

// builderOf is the one thing in a bill that release.json does not say.
func builderOf(b cdx.BOM) string {
	if b.Metadata != nil && b.Metadata.Tools != nil && b.Metadata.Tools.Components != nil {
		for _, tool := range *b.Metadata.Tools.Components {
			return tool.Version
		}
	}
	return ""
}
