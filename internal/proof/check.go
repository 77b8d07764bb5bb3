package proof

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bzmage/internal/fault"
	"bzmage/internal/release"
	"bzmage/internal/sign"
)

// The states of a row.
const (
	Proved  = "proved"
	Missing = "missing"
	Wrong   = "wrong"
)

// Row is one thing that was looked at.
type Row struct {
	What  string `json:"what"`
	State string `json:"state"`
	Text  string `json:"text"` // what was proved, or why not
}

// Table is what is known of a release.
type Table struct {
	Tag  string `json:"tag"`
	Name string `json:"name"`
	Rows []Row  `json:"rows"`
}

// checker looks at one folder; what one look found the next ones build on.
type checker struct {
	dir  string
	keys sign.Keys
	sums map[string]string
	rel  release.Release
}

// Check looks at a folder that was downloaded from anywhere. Each row stands on
// the ones before it: the signature on a key that is trusted, the files on the
// signed sums, all else on the files. The error is of kind [fault.Unproved] and
// names what is not proved.
func Check(ctx context.Context, dir string, keys sign.Keys) (Table, error) {
	c := &checker{dir: dir, keys: keys}
	var t Table
	var bad []string
	for _, look := range []struct {
		what string
		f    func(context.Context) (string, error)
	}{
		{"signature", c.signature}, {"files", c.files}, {"release", c.release}, {"source", c.source},
		{"verdicts", c.verdicts}, {"provenance", c.provenance}, {"SBOM", c.bom},
	} {
		text, err := look.f(ctx)
		if ctx.Err() != nil {
			return t, context.Cause(ctx)
		}
		row := Row{look.what, Proved, text}
		if err != nil {
			row.State, row.Text = Wrong, err.Error()
			if errors.Is(err, os.ErrNotExist) {
				row.State = Missing
			}
			bad = append(bad, look.what+": "+row.Text)
		}
		t.Rows = append(t.Rows, row)
	}
	t.Tag, t.Name = c.rel.Tag, c.rel.Name
	if len(bad) > 0 {
		return t, fault.New(fault.Unproved, "get the release again from where it was published; if it says the same, do not use it", "not proved: %s", strings.Join(bad, "; "))
	}
	return t, nil
}

// signature verifies the sums.
func (c *checker) signature(context.Context) (string, error) {
	text, err := readText(c.dir, Sums)
	if err != nil {
		return "", err
	}
	if c.sums, err = parseSums(text); err != nil {
		return "", err
	}
	err = fmt.Errorf("%s has no signature: %w", Sums, os.ErrNotExist)
	for _, suffix := range sign.Suffixes() {
		sig, readErr := readText(c.dir, Sums+suffix)
		if errors.Is(readErr, os.ErrNotExist) {
			continue
		}
		if readErr != nil {
			return "", readErr
		}
		if c.keys.Len() == 0 {
			return "", errors.New("there is a signature, and no key in configs/keys/release that could have made it")
		}
		who, verifyErr := c.keys.Verify(text, sig, suffix)
		if verifyErr != nil {
			return "", verifyErr
		}
		err = nil
		return fmt.Sprintf("%s is signed by %s", Sums, who), err
	}
	return "", err
}

// files holds each file against the sums: all that are named and no others.
func (c *checker) files(ctx context.Context) (string, error) {
	if c.sums == nil {
		return "", errors.New("without sums nothing is known of the files")
	}
	names, err := list(c.dir)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if _, ok := c.sums[name]; !ok && name != Sums && !isSignature(name) {
			return "", fmt.Errorf("%.100q is in no sum", name)
		}
	}
	for name, want := range c.sums {
		got, _, err := hashFile(ctx, filepath.Join(c.dir, name))
		if err != nil {
			return "", err
		}
		if got != want {
			return "", fmt.Errorf("%s has sha256 %s, and the sums say %s", name, got, want)
		}
	}
	return fmt.Sprintf("%d files are what the sums say", len(c.sums)), nil
}

// release reads what the release says it is, and holds it against the sums.
func (c *checker) release(context.Context) (string, error) {
	text, err := readText(c.dir, release.FileName)
	if err != nil {
		return "", err
	}
	if c.rel, err = release.Parse(text); err != nil {
		return "", err
	}
	left := map[string]bool{}
	for name := range c.sums {
		left[name] = true
	}
	for _, name := range []string{release.FileName, SBOM, Provenance} {
		delete(left, name)
	}
	for _, f := range c.rel.Files {
		if c.sums[f.Name] != f.SHA256 {
			return "", fmt.Errorf("%s says of %s what the sums do not", release.FileName, f.Name)
		}
		delete(left, f.Name)
	}
	for name := range left {
		return "", fmt.Errorf("%s does not name %s", release.FileName, name)
	}
	if len(c.rel.Targets) == 0 {
		return "", fmt.Errorf("%s has no kernel", release.FileName)
	}
	if c.rel.Tag == "" {
		return "", errors.New("it is a snapshot: it was made of no tag")
	}
	return fmt.Sprintf("%s: Linux %s, %d patches, commit %.12s", c.rel.Tag, c.rel.Name, len(c.rel.Patches), c.rel.Commit), nil
}

// source says what was proved of the kernel's source.
func (c *checker) source(context.Context) (string, error) {
	s := c.rel.Source
	if len(s.Proofs) == 0 || len(s.SHA256) != 64 || s.Release != c.rel.Base {
		return "", errors.New("the source is unverified")
	}
	return fmt.Sprintf("Linux %s, sha256 %.12s..., %s", s.Release, s.SHA256, strings.Join(s.Proofs, ", ")), nil
}

// provenance holds the statement against the files.
func (c *checker) provenance(context.Context) (string, error) {
	text, err := readText(c.dir, Provenance)
	if err != nil {
		return "", err
	}
	s, signed, sigs, err := openEnvelope(text)
	if err != nil {
		return "", err
	}
	who, err := c.signer(signed, sigs)
	if err != nil {
		return "", err
	}
	want, _, err := subjectsOf(c.dir, c.rel)
	if err != nil {
		return "", err
	}
	if !slices.EqualFunc(s.Subject, want, sameResource) {
		return "", errors.New("it is about other files")
	}
	inputs := s.Predicate.BuildDefinition.ResolvedDependencies
	for _, need := range inputsOf(release.Release{Base: c.rel.Base, Commit: c.rel.Commit, Source: c.rel.Source, Patches: c.rel.Patches}, Params{}) {
		if !slices.ContainsFunc(inputs, func(r resource) bool { return r.Name == need.Name && digest(r) == digest(need) }) {
			return "", fmt.Errorf("it does not name %s as an input", need.Name)
		}
	}
	if p := s.Predicate.BuildDefinition.ExternalParameters; p["tag"] != c.rel.Tag || p["line"] != c.rel.Line {
		return "", errors.New("it is about another tag or line")
	}
	return fmt.Sprintf("%d files of %d inputs, signed by %s", len(s.Subject), len(inputs), who), nil
}

// signer says who signed an envelope: one of its signatures must be by a key
// that is trusted.
func (c *checker) signer(signed []byte, sigs []dsseSignature) (sign.Identity, error) {
	err := fmt.Errorf("it has no signature: %w", os.ErrNotExist)
	for _, s := range sigs[:min(len(sigs), 10)] {
		sig, decodeErr := base64.StdEncoding.DecodeString(s.Sig)
		if decodeErr != nil {
			return sign.Identity{}, errors.New("a signature is not base64")
		}
		for _, suffix := range sign.Suffixes() {
			who, verifyErr := c.keys.Verify(signed, sig, suffix)
			if verifyErr == nil {
				return who, nil
			}
			err = verifyErr
		}
	}
	return sign.Identity{}, err
}

func digest(r resource) string { return r.Digest["sha256"] + r.Digest["gitCommit"] }

func sameResource(a, b resource) bool { return a.Name == b.Name && digest(a) == digest(b) }
