// Package initramfs builds what the guest boots into. In go the checks
// (package verify), cmd/procrand and Go's own cmd/test2json; out comes an
// uncompressed cpio archive, initramfs-<arch>.cpio, whose /init is the test
// binary of the checks, and beside it initramfs-<arch>.json, the [Result].
//
// The bytes of the archive depend on the sources and the Go toolchain alone:
// not on the folder, the user, the umask or the time.
package initramfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
	"bzmage/internal/guest"
	"bzmage/internal/key"
)

// Params says what to build.
type Params struct {
	Arch         string // as Go names it: amd64 or arm64
	Dir          string // where the archive goes; made if needed
	Module       string // the root folder of bzmage's Go module
	CheckPackage string // the package of the checks; empty: ./verify
	Extra        []Extra
	Shell        bool        // put a shell in, for a person
	Hashes       *key.Hashes // of files read before; nil: none
	Log          *logrus.Logger
}

// Result is an archive that was built.
type Result struct {
	Path     string   `json:"path"`
	Arch     string   `json:"arch"`
	SHA256   string   `json:"sha256"` // of the archive
	Size     int64    `json:"size"`
	Verifier string   `json:"verifier"` // sha256 of /init
	Checks   []string `json:"checks"`   // names of the checks in it, which a boot has to report
	Go       string   `json:"go"`       // version of the toolchain
	Files    []File   `json:"files"`    // in the archive's order

	Inputs key.Inputs `json:"inputs"` // what went in
	Key    string     `json:"key"`    // hash of the inputs
	Kept   bool       `json:"-"`      // nothing had to be done
}

// File is a regular file in the archive.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// folders are the mount points of the guest and the folder it runs checks in.
func folders() []string { return []string{"bin", "dev", "etc", "proc", "sys", "tmp", "verify"} }

// Build builds the programs and packs them, or keeps the archive that is there
// when nothing that goes in has changed. Until all is done, an archive of an
// earlier run stays as it is.
func Build(ctx context.Context, p Params) (Result, error) {
	p = p.complete()
	if err := os.MkdirAll(p.Dir, 0o755); err != nil {
		return Result{}, machine(err)
	}
	var err error
	if p.Dir, err = filepath.Abs(p.Dir); err != nil { // go runs in another folder
		return Result{}, machine(err)
	}
	lock := flock.New(filepath.Join(p.Dir, ".initramfs-"+p.Arch+".lock"))
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return Result{}, machine(err)
	}
	defer lock.Close() // nothing to be done about an error
	old, why, err := p.look()
	if err != nil || len(why) == 0 {
		return old, err
	}
	return p.build(ctx, old.Inputs)
}

// complete fills in what was left out.
func (p Params) complete() Params {
	if p.CheckPackage == "" {
		p.CheckPackage = "./verify"
	}
	if p.Log == nil {
		p.Log = logrus.New()
		p.Log.SetOutput(io.Discard)
	}
	return p
}

// build is Build under its lock.
func (p Params) build(ctx context.Context, in key.Inputs) (Result, error) {
	// A run that was killed may have left it; nobody else uses it now.
	scratch := filepath.Join(p.Dir, ".initramfs-"+p.Arch)
	if err := errors.Join(os.RemoveAll(scratch), os.Mkdir(scratch, 0o755)); err != nil {
		return Result{}, machine(err)
	}
	defer os.RemoveAll(scratch) // or the next run does it

	b, err := newBuilder(ctx, p, scratch)
	if err != nil {
		return Result{}, err
	}
	res := Result{Path: p.archive(), Arch: p.Arch, Go: b.version, Inputs: in, Key: in.Sum(stage)}
	entries, err := b.programs(ctx)
	if err != nil {
		return Result{}, err
	}
	if res.Checks, err = b.checks(ctx); err != nil {
		return Result{}, err
	}
	data, err := testdata(filepath.Join(p.Module, p.CheckPackage, "testdata"), "verify/testdata")
	if err != nil {
		return Result{}, machine(err)
	}
	more, err := extra(p.Extra, append(entries, data...))
	if err != nil {
		return Result{}, err
	}
	// What was edited meanwhile may be in it, or not.
	if now, err := p.inputs(); err != nil || len(now.Since(in)) > 0 {
		res.Key = ""
	}
	if err := res.write(slices.Concat(entries, data, more)); err != nil {
		return Result{}, machine(err)
	}
	p.Log.WithFields(logrus.Fields{"arch": p.Arch, "bytes": res.Size, "checks": len(res.Checks)}).Debug("initramfs written")
	return res, nil
}

// Load returns the Result that stands beside an archive.
func Load(archive string) (Result, error) {
	text, err := os.ReadFile(jsonPath(archive))
	if err != nil {
		return Result{}, err
	}
	var res Result
	if err := json.Unmarshal(text, &res); err != nil {
		return Result{}, fmt.Errorf("read %s: %w", jsonPath(archive), err)
	}
	return res, nil
}

func jsonPath(archive string) string {
	return archive[:len(archive)-len(filepath.Ext(archive))] + ".json"
}

// write writes the archive, and then its description.
func (r *Result) write(entries []entry) error {
	f, err := renameio.NewPendingFile(r.Path, renameio.WithPermissions(0o644), renameio.IgnoreUmask())
	if err != nil {
		return err
	}
	defer f.Cleanup() // does nothing after the rename
	if err := r.pack(f, entries); err != nil {
		return fmt.Errorf("write %s: %w", r.Path, err)
	}
	// The old description would speak of other bytes.
	if err := os.Remove(jsonPath(r.Path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(jsonPath(r.Path), append(text, '\n'), 0o644, renameio.IgnoreUmask())
}

// machine classifies an error of the file system.
func machine(err error) error {
	return fault.New(fault.Machine, "", "build the initramfs: %w", err)
}

// recipes are the programs of the archive. The first is the one with the checks.
func (b *builder) recipes() []recipe {
	all := []recipe{
		{name: guest.InitPath[1:], args: []string{"test", "-c"}, pkg: b.CheckPackage},
		{name: guest.ProcrandPath[1:], args: []string{"build"}, pkg: "./cmd/procrand"},
		{name: guest.Test2JSON[1:], args: []string{"build"}, pkg: "cmd/test2json"},
	}
	if b.Shell {
		all = append(all, recipe{name: guest.ShellPath[1:], args: []string{"build"}, pkg: "./cmd/guestsh"})
	}
	return all
}
