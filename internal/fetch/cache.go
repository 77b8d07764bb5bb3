package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
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
	"bzmage/internal/fetch/disk"
	"bzmage/internal/key"
)

var reSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// errNotCached says that the store has no file of a sha256.
var errNotCached = errors.New("not in the cache")

// cacheSource delivers the file whose sha256 kernels.toml pins, if an
// earlier run or a person put it into the cache.
type cacheSource struct {
	*fetcher
	name string
}

func (s *cacheSource) available(context.Context) error {
	_, err := s.store.find(s.Line.SHA256)
	return err
}

func (s *cacheSource) fetch(ctx context.Context) (Archive, error) {
	path, err := s.store.verified(ctx, s.Line.SHA256)
	if err != nil {
		return Archive{}, err
	}
	return s.prove(ctx, s.pinned(path, s.name, s.store.origin(s.Line.SHA256)), false)
}

// origin says where the file of a sha256 came from, as far as it was noted.
// Its path would say where this machine keeps its downloads, and reports and
// releases are for others.
func (s store) origin(sum string) string {
	if r, ok := s.lookup(originIndex, sum); ok {
		return r.Origin
	}
	return "a file of sha256 " + sum
}

// pinned describes a file whose sha256 is the line's.
func (f *fetcher) pinned(path, source, origin string) Archive {
	return Archive{
		Path: path, Release: f.Line.Release, SHA256: f.Line.SHA256,
		Source: source, Origin: origin, Proofs: []string{Pinned},
	}
}

// store is the cache folder: files under their sha256, which makes every
// name in it a promise that can be checked.
type store struct {
	dir    string
	log    *logrus.Logger
	look   bool        // nothing is written
	hashes *key.Hashes // of files read before
}

func (s store) folder(sum string) string { return filepath.Join(s.dir, "sha256", sum) }

// find returns the file of a sha256 without looking into it.
func (s store) find(sum string) (string, error) {
	if sum == "" {
		return "", errNotCached
	}
	list, err := os.ReadDir(s.folder(sum))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	for _, e := range list {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			return filepath.Join(s.folder(sum), e.Name()), nil
		}
	}
	return "", errNotCached
}

// verified returns the file of a sha256 after reading all of it, unless it was
// read before and not touched since. A damaged one is named and removed, so
// that it is fetched anew.
func (s store) verified(ctx context.Context, sum string) (string, error) {
	path, err := s.find(sum)
	if err != nil {
		return "", err
	}
	got, err := s.hashes.SumContext(ctx, path)
	if err != nil {
		return "", err
	}
	if got != sum && s.look {
		return "", fmt.Errorf("%s is damaged: %w", path, errNotCached)
	}
	if got != sum {
		s.log.Warnf("%s was damaged (its sha256 is %s) and is removed", path, got)
		if err := os.Remove(path); err != nil {
			return "", err
		}
		return "", fmt.Errorf("%s was damaged: %w", path, errNotCached)
	}
	if !s.look {
		s.used(sum)
	}
	return path, nil
}

// used notes that a file was used now, in the time of its folder: a file's
// time of access changes with every backup.
func (s store) used(sum string) {
	if err := os.Chtimes(s.folder(sum), time.Now(), time.Now()); err != nil {
		s.log.Debugf("note the use of %s: %v", sum, err) // it may be another user's
	}
}

// put moves a finished file, whose sha256 is known to be sum, into the
// store. It must lie on the store's file system.
func (s store) put(from, sum, name string) (string, error) {
	dir := s.folder(sum)
	if err := s.mkdir(dir); err != nil {
		return "", err
	}
	to := filepath.Join(dir, name)
	if err := errors.Join(os.Chmod(from, 0o644), flush(from)); err != nil {
		return "", disk.Classify(err, s.dir)
	}
	if err := os.Rename(from, to); err != nil {
		return "", disk.Classify(err, s.dir)
	}
	// The rename itself must survive a power cut, too.
	return to, errors.Join(flush(dir), flush(filepath.Dir(dir)))
}

// mkdir makes a folder of the store.
func (s store) mkdir(dir string) error {
	err := os.MkdirAll(dir, 0o755)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission):
		return fault.New(fault.Machine, "make "+s.dir+" yours, or choose another cache folder", "write the cache: %w", err)
	default:
		return disk.Classify(err, s.dir)
	}
}

// lock keeps other processes from the download called key until unlock.
func (s store) lock(ctx context.Context, key string, l limits) (unlock func(), err error) {
	dir := filepath.Join(s.dir, "partial")
	if err := s.mkdir(dir); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, key+".lock"), flock.SetPermissions(0o644))
	ok, err := lock.TryLock()
	if err == nil && !ok {
		s.log.Infof("waiting for another bzmage that downloads the same (%s)", lock.Path())
		_, err = lock.TryLockContext(ctx, l.poll)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	return func() { _ = lock.Close() }, nil
}

// record says which file of the store something unpinned was: a commit's
// archive or a package version's.
type record struct {
	SHA256 string `json:"sha256"`
	Origin string `json:"origin"`
}

func (s store) recordPath(kind, key string) string {
	return filepath.Join(s.dir, "index", kind, safeName(key)+".json")
}

// lookup returns the record of key.
func (s store) lookup(kind, key string) (record, bool) {
	var r record
	text, err := os.ReadFile(s.recordPath(kind, key))
	if err != nil || json.Unmarshal(text, &r) != nil {
		return r, false
	}
	return r, reSum.MatchString(r.SHA256)
}

// recall returns the record of key and its file, verified.
func (s store) recall(ctx context.Context, kind, key string) (record, string, error) {
	r, ok := s.lookup(kind, key)
	if !ok {
		return r, "", errNotCached
	}
	path, err := s.verified(ctx, r.SHA256)
	return r, path, err
}

// remember writes the record of key.
func (s store) remember(kind, key string, r record) error {
	path := s.recordPath(kind, key)
	if err := s.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return disk.Classify(renameio.WriteFile(path, text, 0o644), s.dir)
}

// safeName turns a key into a file name; different keys give different names.
func safeName(key string) string {
	sum := sha256.Sum256([]byte(key))
	plain := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+~=-", r) {
			return r
		}
		return '_'
	}, key)
	return fmt.Sprintf("%.100s-%x", strings.TrimLeft(plain, "."), sum[:4])
}

// readAll feeds the file at path to w, until ctx ends.
func readAll(ctx context.Context, path string, w io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, ctxReader{ctx, f}, make([]byte, 1<<20)); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// ctxReader ends with ctx's cause when ctx ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// flush makes a file or folder survive a power cut.
func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
