package patch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"bzmage/internal/fault"
	"bzmage/internal/unpack"
)

// Names below Tree.Root. They are relative, for [os.Root].
const (
	srcDir      = "src"
	objectsDir  = "objects"
	newDir      = "new"
	oldDir      = "old"
	stateFile   = "series.json"
	journalFile = "journal.json"
)

// version is what a file holds: nil is a file that is not there.
type version struct {
	SHA256 string      `json:"sha256"` // of the content, or of a link's target
	Mode   fs.FileMode `json:"mode"`   // 0644, 0755 or ModeSymlink
}

// stamp is a version as it lies on the disk.
type stamp struct {
	version
	Size  int64 `json:"size"`
	MTime int64 `json:"mtime"` // in nanoseconds
}

// record is what is known of a file that a series ever touched.
type record struct {
	Pristine *version `json:"pristine"` // as it was unpacked
	Applied  *stamp   `json:"applied"`  // as the last run left it
}

// state is series.json.
type state struct {
	Engine int               `json:"engine"`
	Result Result            `json:"result"`
	Files  map[string]record `json:"files"`
}

// journal is journal.json: what the files of an unfinished change may hold,
// beside what the state says of them.
type journal struct {
	Files map[string][]*version `json:"files"`
}

// store is the tree on the disk with what the package keeps beside it.
type store struct {
	tree     unpack.Tree
	root     *os.Root // Tree.Root
	state    state
	journal  *journal // nil: the last change was finished
	manifest []unpack.Entry
}

func openStore(t unpack.Tree) (*store, error) {
	root, err := os.OpenRoot(t.Root)
	if err != nil {
		return nil, machine(err, "open the tree")
	}
	s := &store{tree: t, root: root, journal: &journal{}}
	if err := s.load(stateFile, &s.state); err != nil {
		root.Close()
		return nil, err
	}
	if err := s.load(journalFile, s.journal); err != nil {
		root.Close()
		return nil, err
	}
	if s.journal.Files == nil {
		s.journal = nil
	}
	if s.state.Files == nil {
		s.state.Files = map[string]record{}
	}
	return s, nil
}

func (s *store) close() { _ = s.root.Close() }

// load reads one of the two JSON files, if it is there. They decide what may
// be overwritten, so a damaged one is an error.
func (s *store) load(name string, v any) error {
	text, err := s.root.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err == nil {
		err = s.checkNames()
	}
	if err != nil {
		return fault.New(fault.Machine, "move your edits out of the tree and remove "+s.tree.Root+"; it is unpacked anew",
			"read %s: %w", filepath.Join(s.tree.Root, name), err)
	}
	return nil
}

func (s *store) checkNames() error {
	for n := range s.state.Files {
		if err := checkPath(n); err != nil {
			return err
		}
	}
	for n := range s.journal.Files {
		if err := checkPath(n); err != nil {
			return err
		}
	}
	return nil
}

// save writes v as JSON, whole or not at all.
func (s *store) save(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	return s.write(name, append(text, '\n'))
}

// write puts a file into Tree.Root, whole or not at all. What a killed run
// leaves of it lies in new/, which the next change empties.
func (s *store) write(name string, text []byte) error {
	tmp := filepath.Join(s.tree.Root, newDir)
	return renameio.WriteFile(filepath.Join(s.tree.Root, name), text, 0o644, renameio.WithTempDir(tmp))
}

func (s *store) readManifest() error {
	entries, err := unpack.ReadManifest(s.tree.Manifest())
	if err != nil {
		return machine(err, "read the manifest of the tree")
	}
	byPath := func(a, b unpack.Entry) int { return strings.Compare(a.Path, b.Path) }
	if !slices.IsSortedFunc(entries, byPath) {
		slices.SortFunc(entries, byPath)
	}
	s.manifest = entries
	return nil
}

func (s *store) entries() []unpack.Entry { return s.manifest }

// settled says whether a series of that digest is applied and nothing is left
// to do. Files a person edited are left alone, files a person deleted are not.
func (s *store) settled(digest string) bool {
	if s.journal != nil || s.state.Engine != engine || s.state.Result.Digest != digest {
		return false
	}
	if _, err := s.root.Lstat(newDir); err == nil {
		return false // a killed run did not get far, but left files
	}
	for name, r := range s.state.Files {
		_, err := s.root.Lstat(src(name))
		if gone := missing(err); err != nil && !gone || gone && r.Applied != nil {
			return false
		}
	}
	s.state.Result.Changed = []string{}
	return true
}

// expected returns what name should hold, as the last run left it or as it was
// unpacked, and its size and mtime at that time.
func (s *store) expected(name string) *stamp {
	if r, ok := s.state.Files[name]; ok {
		return r.Applied
	}
	if e, ok := lookup(s.manifest, name); ok {
		return entryStamp(e)
	}
	return nil
}

// pristine returns what name held when it was unpacked.
func (s *store) pristine(name string) *version {
	if e, ok := lookup(s.manifest, name); ok {
		return &version{SHA256: e.SHA256, Mode: e.Mode}
	}
	return nil
}

// known returns all that name may hold without a person's doing.
func (s *store) known(name string) []*version {
	var v []*version
	if e := s.expected(name); e != nil {
		v = append(v, &e.version)
	} else {
		v = append(v, nil)
	}
	if s.journal != nil {
		v = append(v, s.journal.Files[name]...)
	}
	return v
}

func entryStamp(e unpack.Entry) *stamp {
	return &stamp{version: version{SHA256: e.SHA256, Mode: e.Mode}, Size: e.Size, MTime: e.MTime}
}

func (v *version) equal(w *version) bool {
	return v == w || v != nil && w != nil && *v == *w
}

func contains(list []*version, v *version) bool {
	return slices.ContainsFunc(list, v.equal)
}

// src returns the name below Tree.Root of a file of the tree.
func src(name string) string { return filepath.Join(srcDir, filepath.FromSlash(name)) }

// path returns the name of a file of the tree for a person.
func (s *store) path(name string) string {
	return filepath.Join(s.tree.Src(), filepath.FromSlash(name))
}

// object returns the name below Tree.Root of the copy of a content.
func object(sha256 string) string { return filepath.Join(objectsDir, sha256) }

// hasObject says whether there is a copy of a content of that size.
func (s *store) hasObject(sha256 string, size int64) bool {
	fi, err := s.root.Lstat(object(sha256))
	return err == nil && fi.Mode().IsRegular() && fi.Size() == size
}

// saveObject keeps a copy of a content, if there is none yet.
func (s *store) saveObject(text string) error {
	sha256 := sum(text)
	if s.hasObject(sha256, int64(len(text))) {
		return nil
	}
	return s.write(object(sha256), []byte(text))
}

// readObject returns the kept copy of a content.
func (s *store) readObject(sha256 string) (string, error) {
	text, err := s.root.ReadFile(object(sha256))
	if err != nil {
		return "", err
	}
	if got := sum(string(text)); got != sha256 {
		return "", fmt.Errorf("%s holds %s", filepath.Join(s.tree.Root, object(sha256)), got)
	}
	return string(text), nil
}

// prune removes the copies that the state does not name.
func (s *store) prune() error {
	used := map[string]bool{}
	for _, r := range s.state.Files {
		if r.Pristine != nil {
			used[r.Pristine.SHA256] = true
		}
		if r.Applied != nil {
			used[r.Applied.SHA256] = true
		}
	}
	list, err := os.ReadDir(filepath.Join(s.tree.Root, objectsDir))
	if err != nil {
		return err
	}
	for _, d := range list {
		if !used[d.Name()] {
			if err := s.root.Remove(object(d.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
