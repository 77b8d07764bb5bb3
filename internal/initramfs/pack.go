package initramfs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// entry is a file for the archive.
type entry struct {
	name string // path in the archive, without a leading slash
	mode cpio.FileMode
	file string // where its content is; empty: a folder
}

// pack writes the archive to w: folders before what is in them, sorted by
// name, all owned by root, without times. The kernel unpacks it over its own
// built-in one, which has /dev/console.
func (r *Result) pack(w io.Writer, entries []entry) error {
	entries = append([]entry(nil), entries...)
	for _, dir := range folders() {
		entries = append(entries, entry{name: dir, mode: cpio.TypeDir | 0o755})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })

	sum, size := sha256.New(), &counter{}
	archive := cpio.NewWriter(io.MultiWriter(w, sum, size))
	isFolder := map[string]bool{".": true}
	for i, e := range entries {
		if _, twice := isFolder[e.name]; twice || !isFolder[path.Dir(e.name)] {
			return fmt.Errorf("%s stands there twice, or its folder does not", e.name)
		}
		isFolder[e.name] = e.file == ""
		// Left to itself the library numbers inodes, too; saying so keeps the
		// bytes ours.
		h := &cpio.Header{Name: e.name, Mode: e.mode, Links: 1, Inode: int64(i + 1)}
		if e.file == "" {
			h.Links = 2
		}
		content, err := r.add(archive, h, e)
		if err != nil {
			return err
		}
		if content != nil {
			r.Files = append(r.Files, File{Name: e.name, Size: h.Size, SHA256: hexSum(content)})
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	r.SHA256, r.Size = hexSum(sum), size.n
	for _, f := range r.Files {
		if f.Name == "init" {
			r.Verifier = f.SHA256
		}
	}
	return nil
}

// add writes one entry and returns the hash of its content, nil for a folder.
func (r *Result) add(archive *cpio.Writer, h *cpio.Header, e entry) (hash.Hash, error) {
	if e.file == "" {
		return nil, archive.WriteHeader(h)
	}
	f, err := os.Open(e.file)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	h.Size = info.Size()
	if err := archive.WriteHeader(h); err != nil {
		return nil, err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(archive, sum), f); err != nil {
		return nil, fmt.Errorf("pack %s: %w", e.name, err)
	}
	return sum, nil
}

// testdata returns the entries for the files below dir, if there is such a
// folder. The checks find them where `go test` would have them.
func testdata(dir, name string) ([]entry, error) {
	var entries []entry
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		e := entry{name: path.Join(name, filepath.ToSlash(rel)), mode: cpio.TypeReg | 0o644, file: p}
		switch {
		case d.IsDir():
			e.mode, e.file = cpio.TypeDir|0o755, ""
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is neither a file nor a folder", p)
		}
		if info, err := d.Info(); err == nil && e.file != "" && info.Mode()&0o100 != 0 {
			e.mode |= 0o111
		}
		entries = append(entries, e)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) && len(entries) == 0 {
		return nil, nil
	}
	return entries, err
}

// counter counts bytes.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
