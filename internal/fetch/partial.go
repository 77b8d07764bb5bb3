package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"bzmage/internal/fetch/disk"
)

// partial is a download in the making: a file, and beside it what is needed
// to go on with it. Its sha256 is computed as it grows.
type partial struct {
	file *os.File
	path string
	meta meta
	hash hash.Hash
	size int64
}

// meta says where the bytes of a partial download came from.
type meta struct {
	URL          string `json:"url"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// validator is what If-Range may carry; without one, bytes of two answers
// must not be joined. A weak ETag does not promise equal bytes (RFC 9110,
// section 13.1.5).
func (m meta) validator() string {
	if m.ETag != "" && !strings.HasPrefix(m.ETag, "W/") {
		return m.ETag
	}
	return m.LastModified
}

// openPartial opens the partial download called key, with the bytes that an
// earlier run left. The caller holds the lock of key.
func openPartial(ctx context.Context, s store, key string) (*partial, error) {
	path := filepath.Join(s.dir, "partial", key)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, disk.Classify(err, s.dir)
	}
	p := &partial{file: file, path: path, hash: sha256.New()}
	if text, err := os.ReadFile(p.metaPath()); err == nil {
		if json.Unmarshal(text, &p.meta) != nil {
			p.meta = meta{}
		}
	}
	p.size, err = io.CopyBuffer(struct{ io.Writer }{p.hash}, ctxReader{ctx, file}, make([]byte, 1<<20))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return p, nil
}

func (p *partial) metaPath() string { return p.path + ".json" }

func (p *partial) sum() string { return hexSum(p.hash) }

// restart throws the bytes away; those that come next are of m.
func (p *partial) restart(m meta) error {
	p.meta, p.size = m, 0
	p.hash.Reset()
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return renameio.WriteFile(p.metaPath(), text, 0o644)
}

// Write appends to the file.
func (p *partial) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.hash.Write(b[:n])
	p.size += int64(n)
	return n, err
}

// close leaves the bytes, if there are any, for the next run.
func (p *partial) close() error {
	if info, err := os.Stat(p.path); err == nil && info.Size() == 0 {
		_ = os.Remove(p.path)
		p.done()
	}
	return p.file.Close()
}

// done removes what only an unfinished download needs.
func (p *partial) done() { _ = os.Remove(p.metaPath()) }
