// Package unpack turns a kernel's archive or folder into a pristine tree.
//
// In goes what package fetch delivered. Out comes Dir/<id>/ with
//
//	src/       the kernel's source tree
//	manifest   what the tree holds: see [ReadManifest]
//	tree.json  the [Tree]; written last, it says that the rest is whole
//
// The archive is taken as hostile: every name, link and size is checked
// before anything is written, and nothing is written outside src. A run that
// is killed leaves only Dir/.partial-*, which the next run removes under the
// lock Dir/.lock; one that comes to its end leaves a whole tree or nothing.
package unpack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/fetch/disk"
	"bzmage/internal/jobserver"
	"bzmage/internal/kernels"
	"bzmage/internal/keyring"
)

// Params is what [Unpack] needs to know.
type Params struct {
	Archive  fetch.Archive
	Line     kernels.Line
	Dir      string                  // such as build/tree/5.4; the tree becomes Dir/<id>
	Keys     keyring.Ring            // the developers', for Archive.Signature
	Jobs     *jobserver.Server       // xz takes a slot, and as many threads as there are; nil: one thread
	Log      *logrus.Logger          // nil: silent
	Progress func(done, total int64) // bytes of the archive or folder; may be nil
}

// Tree is a kernel source tree as it was unpacked.
type Tree struct {
	Root    string        `json:"-"`       // Dir/<id>
	ID      string        `json:"id"`      // first 16 hex digits of the archive's sha256, or of the digest of a folder
	Release string        `json:"release"` // from the tree's Makefile, such as 5.4.302
	Archive fetch.Archive `json:"archive"`
}

// Src returns the folder of the kernel's source.
func (t Tree) Src() string { return filepath.Join(t.Root, "src") }

// Manifest returns the file that lists what the pristine tree holds.
func (t Tree) Manifest() string { return filepath.Join(t.Root, "manifest") }

const (
	marker      = "tree.json" // of a whole tree
	markerMax   = 1 << 20
	idLength    = 16
	leftovers   = ".partial-" // beginning of the name of an unfinished tree
	memory      = ".folders"  // what earlier runs saw in folders
	lockPoll    = 100 * time.Millisecond
	waitMessage = "waiting for another bzmage that unpacks into %s"
)

var reID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// Unpack returns the tree of p.Archive. If it stands there whole, that takes
// milliseconds.
func Unpack(ctx context.Context, p Params) (Tree, error) {
	u := newUnpacker(p)
	t, err := u.unpack(ctx)
	if err != nil && ctx.Err() != nil {
		return Tree{}, fmt.Errorf("unpack %s: %w", p.Archive.Path, context.Cause(ctx))
	}
	if err != nil {
		return Tree{}, u.blame(err)
	}
	return t, nil
}

// unpacker is a call of Unpack: its parameters, and what tests set
// differently.
type unpacker struct {
	Params
	lim    limits
	bootID string // the file that says which boot this is
}

func newUnpacker(p Params) *unpacker {
	if p.Log == nil {
		p.Log = logrus.New()
		p.Log.SetOutput(io.Discard)
	}
	p.Progress = fetch.Throttle(p.Progress)
	return &unpacker{Params: p, lim: defaultLimits(), bootID: bootID}
}

// blame says whose fault err is: this machine's, the user's, who named the
// archive or folder with KERNEL_SOURCE, or the source's.
func (u *unpacker) blame(err error) error {
	a := u.Archive
	err = disk.Classify(err, u.Dir)
	if k := fault.KindOf(err); k != fault.Internal {
		return err
	}
	var bad *badArchive
	switch {
	case !errors.As(err, &bad) && errors.Is(err, os.ErrPermission):
		return fault.New(fault.Machine, "make "+u.Dir+" and what is in it yours", "unpack %s: %w", a.Path, err)
	case !errors.As(err, &bad) && isSystem(err):
		return fault.New(fault.Machine, "", "unpack %s: %w", a.Path, err)
	case !errors.As(err, &bad):
		return fmt.Errorf("unpack %s: %w", a.Path, err)
	case a.Source == fetch.OverrideName:
		return fault.New(fault.Usage, "set "+fetch.OverrideName+" to a kernel's tarball or to a clean folder with its source", "%s %s: %w", a.Source, a.Path, err)
	case strings.HasPrefix(a.Origin, u.Line.Package+"="):
		return fault.New(fault.Source, "sudo apt-get install --reinstall "+u.Line.Package+", or remove "+a.Path+" if it is in the cache", "unpack %s: %w", a.Path, err)
	}
	return fault.New(fault.Source, "remove "+a.Path+", so that it is fetched anew", "unpack %s: %w", a.Path, err)
}

// badArchive is an error in what the archive or folder holds.
type badArchive struct{ err error }

func (e *badArchive) Error() string { return e.err.Error() }
func (e *badArchive) Unwrap() error { return e.err }

// bad makes an error about what the archive or folder holds.
func bad(format string, args ...any) error { return &badArchive{fmt.Errorf(format, args...)} }

func (u *unpacker) unpack(ctx context.Context) (Tree, error) {
	if u.Archive.Folder {
		return u.unpackFolder(ctx)
	}
	if !isSum(u.Archive.SHA256) {
		return Tree{}, fmt.Errorf("the archive's sha256 is %q", u.Archive.SHA256)
	}
	id := u.Archive.SHA256[:idLength]
	if t, err := u.whole(id); err == nil {
		return u.accept(ctx, t)
	}
	unlock, err := u.lock(ctx)
	if err != nil {
		return Tree{}, err
	}
	defer unlock()
	// The one who held the lock may have unpacked it.
	if t, err := u.whole(id); err == nil {
		return u.accept(ctx, t)
	}
	return u.build(ctx, func(ctx context.Context, s *sink) (string, error) {
		return id, u.readArchive(ctx, s)
	})
}

// errNoTree says that no tree of an id was unpacked.
var errNoTree = errors.New("not unpacked yet")

// whole returns the tree of an id if it was unpacked to its end.
func (u *unpacker) whole(id string) (Tree, error) {
	root := filepath.Join(u.Dir, id)
	if _, err := os.Lstat(root); errors.Is(err, os.ErrNotExist) {
		return Tree{}, errNoTree
	}
	file, err := os.Open(filepath.Join(root, marker))
	if err != nil {
		return Tree{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, markerMax))
	if err != nil {
		return Tree{}, err
	}
	t := Tree{Root: root}
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&t); err != nil {
		return Tree{}, fmt.Errorf("read %s: %w", marker, err)
	}
	if t.ID != id || t.Release == "" || t.Archive.Folder != u.Archive.Folder || !t.Archive.Folder && t.Archive.SHA256 != u.Archive.SHA256 {
		return Tree{}, fmt.Errorf("%s is about another tree", marker)
	}
	src, err := os.Stat(t.Src())
	if err != nil || !src.IsDir() {
		return Tree{}, fmt.Errorf("%s is not there", t.Src())
	}
	manifest, err := os.Stat(t.Manifest())
	if err != nil || manifest.Size() == 0 {
		return Tree{}, fmt.Errorf("%s is not there", t.Manifest())
	}
	return t, u.onDisk(t)
}

// accept returns a tree that an earlier run unpacked, as that of this run's
// archive: the same bytes may now come with other proofs. A signature that was
// good then counts as long as its key does; one that is new is checked now.
func (u *unpacker) accept(ctx context.Context, t Tree) (Tree, error) {
	old := t.Archive
	switch {
	case u.Archive.Has(fetch.TarSigned) || u.Archive.Source == fetch.OverrideName:
	case old.Has(fetch.TarSigned) && u.Keys.Has(old.SignedBy):
		u.signedBy(old.SignedBy)
	case u.Archive.Signature != "":
		if err := u.checkSignature(ctx); err != nil {
			return Tree{}, err
		}
	}
	t.Archive = u.Archive
	if err := errors.Join(u.checkRelease(t.Release), t.settleOld()); err != nil {
		return Tree{}, err
	}
	if t.Archive.SignedBy == "" || t.Archive.SignedBy == old.SignedBy {
		return t, nil
	}
	return t, t.mark()
}

// setAside moves what stands in the place of the tree away; why is what is
// wrong with it. It is not removed: somebody may have worked in it.
func (u *unpacker) setAside(id string, why error) error {
	if errors.Is(why, errNoTree) {
		return nil
	}
	root := filepath.Join(u.Dir, id)
	for n := 1; ; n++ {
		to := fmt.Sprintf("%s.damaged-%d", root, n)
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		u.Log.Warnf("the tree %s is damaged (%v) and set aside as %s; remove that if nothing in it is wanted", root, why, to)
		return os.Rename(root, to)
	}
}

// lock keeps other processes from unpacking into Dir until unlock.
func (u *unpacker) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(u.Dir, 0o755); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(u.Dir, ".lock"), flock.SetPermissions(0o644))
	ok, err := lock.TryLock()
	if err == nil && !ok {
		u.Log.Infof(waitMessage, u.Dir)
		_, err = lock.TryLockContext(ctx, lockPoll)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	return func() { _ = lock.Close() }, nil
}

// build makes a tree: fill puts the files into the sink and returns the id.
// The caller holds the lock.
func (u *unpacker) build(ctx context.Context, fill func(context.Context, *sink) (string, error)) (Tree, error) {
	if err := u.removeLeftovers(); err != nil {
		return Tree{}, err
	}
	partial, err := os.MkdirTemp(u.Dir, leftovers)
	if err != nil {
		return Tree{}, err
	}
	defer os.RemoveAll(partial)
	s, err := newSink(filepath.Join(partial, "src"), u.lim)
	if err != nil {
		return Tree{}, err
	}
	defer s.close()
	id, err := fill(ctx, s)
	if err != nil {
		return Tree{}, err
	}
	// A folder's id is known only now, and its tree may be there already.
	t, err := u.whole(id)
	if err == nil {
		return u.accept(ctx, t)
	}
	if err := u.setAside(id, err); err != nil {
		return Tree{}, err
	}
	release, err := s.checkKernel()
	if err != nil {
		return Tree{}, err
	}
	if err := u.checkRelease(release); err != nil {
		return Tree{}, err
	}
	return u.publish(partial, Tree{ID: id, Release: release, Archive: u.Archive}, s.entries)
}

// publish writes the manifest and the marker and moves the tree to its place.
func (u *unpacker) publish(partial string, t Tree, entries []Entry) (Tree, error) {
	t.Root = partial
	if err := writeManifest(t.Manifest(), entries); err != nil {
		return Tree{}, err
	}
	// After a power cut there must be no marker that is believed beside empty
	// files, so the note comes first, and is on the disk before the marker.
	if err := errors.Join(u.unsettle(t), syncFolder(partial)); err != nil {
		return Tree{}, err
	}
	if err := t.mark(); err != nil {
		return Tree{}, err
	}
	if err := os.Chmod(partial, 0o755); err != nil { // MkdirTemp makes it 0700
		return Tree{}, err
	}
	t.Root = filepath.Join(u.Dir, t.ID)
	if err := os.Rename(partial, t.Root); err != nil {
		return Tree{}, err
	}
	return t, syncFolder(u.Dir)
}

// mark writes the marker of a whole tree.
func (t Tree) mark() error {
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(t.Root, marker), append(text, '\n'), 0o644)
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// removeLeftovers removes what killed runs left.
func (u *unpacker) removeLeftovers() error {
	list, err := os.ReadDir(u.Dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), leftovers) {
			continue
		}
		u.Log.Infof("removing %s in %s, which a stopped run left", e.Name(), u.Dir)
		if err := os.RemoveAll(filepath.Join(u.Dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Trees returns the whole trees below a folder that [Unpack] was given, as far
// as they can be read.
func Trees(dir string) []Tree {
	markers, _ := filepath.Glob(filepath.Join(dir, strings.Repeat("[0-9a-f]", idLength), marker))
	var all []Tree
	for _, path := range markers {
		text, err := os.ReadFile(path)
		t := Tree{Root: filepath.Dir(path)}
		if err == nil && json.Unmarshal(text, &t) == nil && t.ID == filepath.Base(t.Root) {
			all = append(all, t)
		}
	}
	return all
}
