package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/hashicorp/go-version"
	"github.com/sirupsen/logrus"

	"bzmage/internal/kernels"
)

// partialAge is how old an unfinished download is before it is given up.
const partialAge = 24 * time.Hour

// damagedFolder of the store takes what was found to be damaged.
const damagedFolder = "damaged"

// Item is a file of the cache, or a download that was cut short.
type Item struct {
	Path   string
	Name   string // below the cache folder's sha256/<hex>/, or with its folder
	SHA256 string // as its place promises; empty: unfinished or damaged
	Size   int64  // bytes
	Origin string // an address, package=version, or unknown
	Proofs []string
	Used   time.Time
	Keep   string // why Prune keeps it; empty: it removes it
}

// Inventory returns what the cache folder holds. The files that the lines can
// use today are kept: the pinned ones, the archive GitHub made of a pinned
// release, and the newest accepted release of the distribution's package.
func Inventory(dir string, file kernels.File) ([]Item, error) {
	s := store{dir: dir, log: logrus.New()}
	keep, origins := s.keepers(file), s.origins()
	items, err := s.eachFile(func(sum, path string, info fs.FileInfo) Item {
		i := Item{Path: path, Name: filepath.Base(path), SHA256: sum, Size: info.Size(), Used: info.ModTime(), Origin: "unknown"}
		if d, err := os.Stat(filepath.Dir(path)); err == nil {
			i.Used = d.ModTime()
		}
		if o, ok := origins[sum]; ok {
			i.Origin = o
		}
		i.Keep = keep[sum]
		i.Proofs = s.kept(sum, i.Keep)
		return i
	})
	if err != nil {
		return nil, err
	}
	rest, err := s.unfinished(time.Now())
	return append(items, rest...), err
}

// eachFile describes the files of the store in the order of their sums.
func (s store) eachFile(describe func(sum, path string, info fs.FileInfo) Item) ([]Item, error) {
	paths, err := filepath.Glob(filepath.Join(s.dir, "sha256", "*", "*"))
	if err != nil {
		return nil, err
	}
	var items []Item
	for _, path := range paths {
		sum := filepath.Base(filepath.Dir(path))
		info, err := os.Lstat(path)
		if err == nil && info.Mode().IsRegular() && reSum.MatchString(sum) {
			items = append(items, describe(sum, path, info))
		}
	}
	return items, nil
}

// kept names the proofs of a file that lie in the cache.
func (s store) kept(sum, keep string) []string {
	var proofs []string
	if strings.HasPrefix(keep, pinnedBy) {
		proofs = append(proofs, Pinned)
	}
	for _, e := range []struct{ file, proof string }{{sumsName, SumsSigned}, {signatureName, TarSigned}} {
		if _, err := os.Stat(s.evidence(sum, e.file)); err == nil {
			proofs = append(proofs, e.proof)
		}
	}
	return proofs
}

// records returns the records of an index.
func (s store) records(kind string) []record {
	var list []record
	paths, _ := filepath.Glob(filepath.Join(s.dir, "index", kind, "*.json"))
	for _, path := range paths {
		var r record
		if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &r) == nil && reSum.MatchString(r.SHA256) {
			list = append(list, r)
		}
	}
	return list
}

func (s store) origins() map[string]string {
	m := map[string]string{}
	for _, kind := range []string{originIndex, packageIndex, commitIndex, tagIndex} {
		for _, r := range s.records(kind) {
			m[r.SHA256] = r.Origin
		}
	}
	return m
}

const pinnedBy = "pinned by line "

// keepers says of each sha256 that a line can use why.
func (s store) keepers(file kernels.File) map[string]string {
	keep := map[string]string{}
	for _, l := range file.Lines {
		if r, ok := s.newestPackage(l); ok {
			keep[r.SHA256] = "package of line " + l.Name
		}
		for _, name := range l.Sources {
			src := file.Sources[name]
			if src.Kind != "github" {
				continue
			}
			g := githubSource{fetcher: &fetcher{Params: Params{Line: l}}, repository: src.Repository, api: src.API}
			if r, ok := s.lookup(tagIndex, g.key(g.tag())); ok {
				keep[r.SHA256] = "tag of line " + l.Name
			}
		}
		keep[l.SHA256] = pinnedBy + l.Name
	}
	return keep
}

// newestPackage returns the newest release of the line's package that lies in
// the store and that the line takes.
func (s store) newestPackage(l kernels.Line) (newest record, ok bool) {
	var best *version.Version
	for _, r := range s.records(packageIndex) {
		name, v, _ := strings.Cut(r.Origin, "=")
		release, err := upstream(v)
		if name != l.Package || err != nil || l.Accepts(release) != nil {
			continue
		}
		if _, err := s.find(r.SHA256); err != nil {
			continue
		}
		if parsed, err := version.NewVersion(release); err == nil && (best == nil || parsed.GreaterThan(best)) {
			best, newest, ok = parsed, r, true
		}
	}
	return newest, ok
}

// unfinished returns the downloads that were cut short, and what was set aside
// as damaged.
func (s store) unfinished(now time.Time) ([]Item, error) {
	var items []Item
	for _, folder := range []string{"partial", damagedFolder} {
		list, err := os.ReadDir(filepath.Join(s.dir, folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range list {
			info, err := e.Info()
			if err != nil || strings.HasSuffix(e.Name(), ".lock") || strings.HasSuffix(e.Name(), ".json") {
				continue
			}
			i := Item{Path: filepath.Join(s.dir, folder, e.Name()), Name: filepath.Join(folder, e.Name()), Size: size(info, s.dir, folder), Used: info.ModTime(), Origin: "unfinished"}
			if folder == damagedFolder {
				i.Origin = "damaged"
			} else if now.Sub(i.Used) < partialAge {
				i.Keep = "younger than a day"
			}
			items = append(items, i)
		}
	}
	return items, nil
}

// size is that of a file, or of all files in a folder of apt's.
func size(info fs.FileInfo, dir ...string) (n int64) {
	if !info.IsDir() {
		return info.Size()
	}
	paths, _ := filepath.Glob(filepath.Join(append(dir, info.Name(), "*")...))
	for _, path := range paths {
		if i, err := os.Lstat(path); err == nil {
			n += i.Size()
		}
	}
	return n
}

// Check hashes every file of the cache and moves the damaged ones to its
// folder damaged/, where nothing looks for them. It returns how many files are
// good, and the new places of the others.
func Check(ctx context.Context, dir string, progress func(done, total int64)) (good int, aside []string, err error) {
	s := store{dir: dir, log: logrus.New()}
	progress = Throttle(progress)
	var total, done int64
	items, err := s.eachFile(func(sum, path string, info fs.FileInfo) Item {
		total += info.Size()
		return Item{Path: path, Name: filepath.Base(path), SHA256: sum, Size: info.Size()}
	})
	if err != nil {
		return 0, nil, err
	}
	for _, i := range items {
		h := sha256.New()
		if err := readAll(ctx, i.Path, h); err != nil {
			return good, aside, err
		}
		done += i.Size
		progress(done, total)
		if hexSum(h) == i.SHA256 {
			good++
			continue
		}
		to := filepath.Join(dir, damagedFolder, i.SHA256[:16]+"-"+i.Name)
		if err := errors.Join(s.mkdir(filepath.Dir(to)), os.Rename(i.Path, to)); err != nil {
			return good, aside, err
		}
		aside = append(aside, to)
	}
	return good, aside, nil
}

// Prune removes what [Inventory] does not keep, and returns it. What another
// process downloads is never touched.
func Prune(dir string, file kernels.File) (removed []Item, err error) {
	items, err := Inventory(dir, file)
	if err != nil {
		return nil, err
	}
	s := store{dir: dir}
	for _, i := range items {
		if i.Keep != "" {
			continue
		}
		key := i.SHA256
		if key == "" {
			key = strings.TrimSuffix(filepath.Base(i.Path), ".apt")
		}
		ok, err := s.remove(i, key)
		if err != nil {
			return removed, err
		}
		if ok {
			removed = append(removed, i)
		}
	}
	return removed, nil
}

// remove removes an item and what belongs to it, unless key is locked.
func (s store) remove(i Item, key string) (bool, error) {
	if err := s.mkdir(filepath.Join(s.dir, "partial")); err != nil {
		return false, err
	}
	path := filepath.Join(s.dir, "partial", key+".lock")
	_, err := os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	lock := flock.New(path, flock.SetPermissions(0o644))
	ok, err := lock.TryLock()
	if err != nil || !ok {
		return false, err
	}
	defer lock.Close()
	what := []string{i.Path, i.Path + ".json"}
	if i.SHA256 != "" {
		what = []string{filepath.Dir(i.Path), filepath.Join(s.dir, "proof", i.SHA256), s.recordPath(originIndex, i.SHA256)}
	}
	if isNew {
		what = append(what, path) // nobody can wait for it yet
	}
	for _, w := range what {
		if err := os.RemoveAll(w); err != nil {
			return false, err
		}
	}
	return true, nil
}
