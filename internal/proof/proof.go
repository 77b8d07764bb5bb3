// Package proof makes and checks what convinces others of a release: sums of
// all its files with a signature, a bill of materials, and the provenance.
//
// In goes a folder with a release.json; out come SHA256SUMS, its signature,
// sbom.cdx.json and provenance.intoto.json beside it. [Check] is the other
// side: what whoever downloads the folder can know of it.
package proof

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"bzmage/internal/fault"
	"bzmage/internal/release"
	"bzmage/internal/sign"
)

// The names of the files.
const (
	Sums       = "SHA256SUMS"
	SBOM       = "sbom.cdx.json"
	Provenance = "provenance.intoto.json"
)

// Params is what the proofs say that release.json does not.
type Params struct {
	Key        *sign.Key         // nil: nothing is signed
	Parameters map[string]string // what the user set: KERNEL, ARCH, ...
	Inputs     []Input           // what went in beside source, series and packages: fragments, bzmage's own program
	Repository string            // address of the checkout's repository; may be empty
	Builder    string            // bzmage's version
}

// Input is a file that went into the release.
type Input struct {
	Name   string
	SHA256 string
}

// Write writes the proofs of the release in the folder dir, which must hold the
// files that its release.json names, and no others.
func Write(ctx context.Context, dir string, p Params) error {
	rel, err := release.Load(dir)
	if err != nil {
		return fault.New(fault.Internal, "", "%w", err)
	}
	if err := whole(ctx, dir, rel); err != nil {
		return err
	}
	bom, err := sbom(rel, p)
	if err == nil {
		err = put(dir, SBOM, bom)
	}
	if err != nil {
		return err
	}
	envelope, err := provenance(dir, rel, p)
	if err == nil {
		err = put(dir, Provenance, envelope)
	}
	if err != nil {
		return err
	}
	sums, err := sumsOf(ctx, dir)
	if err == nil {
		err = put(dir, Sums, sums)
	}
	if err != nil || p.Key == nil {
		return err
	}
	sig, err := p.Key.Sign(sums)
	if err != nil {
		return err
	}
	return put(dir, Sums+p.Key.Suffix(), sig)
}

func put(dir, name string, text []byte) error {
	if err := renameio.WriteFile(filepath.Join(dir, name), text, 0o644, renameio.IgnoreUmask()); err != nil {
		return fault.New(fault.Machine, "free some disk space", "write %s: %w", name, err)
	}
	return nil
}

// whole makes sure that a folder holds the files of its release.json.
func whole(ctx context.Context, dir string, rel release.Release) error {
	left := map[string]bool{release.FileName: true}
	for _, f := range rel.Files {
		left[f.Name] = true
		sum, size, err := hashFile(ctx, filepath.Join(dir, f.Name))
		if err != nil {
			return fault.New(fault.Machine, "run the same again", "prove a release: %w", err)
		}
		if sum != f.SHA256 || size != f.Size {
			return fault.New(fault.Machine, "run the same again, and let nothing else write there", "%s in %s is not what was packed", f.Name, dir)
		}
	}
	names, err := list(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !left[name] {
			return fault.New(fault.Machine, "rm "+filepath.Join(dir, name), "%s is no file of the release", name)
		}
	}
	return nil
}

// list returns the names of what lies in a folder.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fault.New(fault.Usage, "give the folder of a release", "read a release: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// hashFile returns the sha256 and the size of a file that is nothing else: a
// link could lead anywhere.
func hashFile(ctx context.Context, path string) (string, int64, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		return "", 0, fmt.Errorf("%s is no file", filepath.Base(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close() // only read
	h := sha256.New()
	n, err := io.Copy(h, reader{ctx, f})
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// reader ends when ctx does.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// maxText bounds the documents that are read whole.
const maxText = 64 << 20

// readText reads one of the documents of a release.
func readText(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	info, err := os.Lstat(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is not there: %w", name, os.ErrNotExist)
		}
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxText {
		return nil, fmt.Errorf("%s is no file, or has more than %d bytes", name, maxText)
	}
	return os.ReadFile(path)
}

func marshal(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return []byte(b.String()), err
}
