// Package patch applies a series of patches to an unpacked kernel tree.
//
// In go the tree of package unpack and a folder with a file `series` (as quilt
// has it) and the patches it names. Out comes the tree with the series
// applied, and a [Result]. Patches are read with go-gitdiff and applied in
// memory by a strict applier: every line of context must match, offsets are
// allowed and reported. Only when the whole series applies is the tree
// touched, and then only the files whose content differs, so that make
// rebuilds just what the series reaches.
//
// Beside the tree, in Tree.Root, the package keeps:
//
//	series.json   what was applied last, and what each file ever touched holds
//	objects/      pristine and applied contents of these files, named by sha256
//	journal.json  there while the tree is being changed: what files may hold
//	new/, old/    scratch of the change under way
//	.lock         held during Apply
//
// What a person edited in the tree is never thrown away: [Apply] stops where
// an edit stands in its way, and [Edits] lists all of them.
//
// [Try] says what would become of each patch, by the same mechanism, and leaves
// the tree alone.
package patch

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
	"bzmage/internal/unpack"
)

// engine is raised when the applier would make other bytes of the same series.
const engine = 1

// Params is what [Apply] needs.
type Params struct {
	Tree   unpack.Tree
	Series string // the folder with the file `series` and the patches
	Log    *logrus.Logger

	// Visit, when set, is called by [Try] with each patch that applies, and
	// the files it touches as they were before it and as it makes them.
	Visit func(s Status, before, after map[string]File) error

	// step, when set, is called at each point of a change where a kill or an
	// error would find the tree half changed. Tests stop there.
	step func(point string) error
}

// Result is what [Apply] did.
type Result struct {
	Digest  string    `json:"digest"`  // sha256 over the series: names and contents, in order
	Patches []Applied `json:"patches"` // in the order of the series
	Changed []string  `json:"changed"` // tree files this run rewrote, created or removed, sorted

	// Contents is what the series makes of the files that it changes, whatever
	// patches do it: by path the sha256 and the mode, behind [Added] if it was
	// not there, or [Removed].
	Contents map[string]string `json:"-"`
}

// Applied is one patch of an applied series.
type Applied struct {
	Name    string    `json:"name"`
	SHA256  string    `json:"sha256"`
	Subject string    `json:"subject"`
	Date    time.Time `json:"date"`   // of the mail; zero without one
	Files   []string  `json:"files"`  // the tree files it touches, sorted
	Offset  int       `json:"offset"` // the farthest a hunk had to be moved, in lines; 0 is clean
}

// Apply brings the tree to the state the series describes, whatever series was
// applied before, and returns what it did. When nothing is to be done it
// writes nothing. When a patch does not apply, or an edit of a person's stands
// in the way, the tree stays as it was.
//
// A killed run is followed by one that needs no cleaning.
func Apply(ctx context.Context, p Params) (Result, error) {
	if p.Log == nil {
		p.Log = discard()
	}
	series, err := load(p.Series)
	if err != nil {
		return Result{}, err
	}
	unlock, err := lock(ctx, p.Tree, p.Log)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	s, err := openStore(p.Tree)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	if s.settled(digest(series)) {
		return s.result(), nil
	}
	return apply(ctx, p, s, series)
}

func apply(ctx context.Context, p Params, s *store, series []patchFile) (Result, error) {
	if err := s.readManifest(); err != nil {
		return Result{}, err
	}
	d := newDraft(s)
	list, err := replay(ctx, d, parseAll(series), nil)
	if err != nil {
		return Result{}, err
	}
	report := Report{Digest: digest(series), Patches: list}
	if err := report.Err(); err != nil {
		return Result{}, err
	}
	report.log(p.Log)
	pl, err := makePlan(ctx, s, d)
	if err != nil {
		return Result{}, err
	}
	res := Result{Digest: report.Digest, Patches: report.applied(), Changed: pl.paths()}
	if err := commit(ctx, p, s, pl, res); err != nil {
		return res, err
	}
	return s.result(), nil
}

// Try tries the series on the pristine tree, in memory: the tree and what is
// applied in it are left alone. A series that does not apply is no error.
func Try(ctx context.Context, p Params) (Report, error) {
	series, err := load(p.Series)
	if err != nil {
		return Report{}, err
	}
	s, done, err := open(ctx, p.Tree)
	if err != nil {
		return Report{}, err
	}
	defer done()
	list, err := replay(ctx, newDraft(s), parseAll(series), p.Visit)
	return Report{Digest: digest(series), Patches: list}, err
}

// log names what a person should know though the series applies.
func (r Report) log(log *logrus.Logger) {
	for _, s := range r.Patches {
		if s.Offset != 0 {
			log.WithFields(logrus.Fields{"patch": s.Name, "offset": s.Offset}).
				Info("patch applies with an offset; refresh it to silence this")
		}
		for _, note := range s.Notes {
			log.WithField("patch", s.Name).Warn(note)
		}
	}
}

func (r Report) applied() []Applied {
	list := make([]Applied, 0, len(r.Patches))
	for _, s := range r.Patches {
		list = append(list, Applied{Name: s.Name, SHA256: s.SHA256, Subject: s.Subject, Date: s.Date, Files: s.Files, Offset: s.Offset})
	}
	return list
}

// lock waits for the tree's lock and returns what gives it back.
func lock(ctx context.Context, t unpack.Tree, log *logrus.Logger) (func(), error) {
	l := flock.New(filepath.Join(t.Root, ".lock"))
	ok, err := l.TryLock()
	if err == nil && !ok {
		log.WithField("tree", t.Root).Info("another run changes the tree; waiting for it")
		_, err = l.TryLockContext(ctx, 50*time.Millisecond)
	}
	if err != nil {
		return nil, machine(err, "lock the tree "+t.Root)
	}
	return func() { _ = l.Unlock() }, nil
}

// machine classifies an error of the file system, unless it has been already.
func machine(err error, doing string) error {
	var e *fault.Error
	if errors.As(err, &e) || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.New(fault.Machine, "see that the disk has room and that the build folder is yours", "%s: %w", doing, err)
}

func discard() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}
