package key

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// tick is more than the step of file systems' clocks: a file changed less than
// a tick ago may change again without its times showing it.
const tick = 50 * time.Millisecond

// Hashes remembers the sha256 of files, so that one that was not touched is not
// read again.
//
// A file is taken for unchanged when device, inode, size, mtime and ctime are
// what they were. That trusts the kernel to set ctime with every change, which
// no program can avoid but by setting the machine's clock or writing to the
// disk below the file system; what a failing disk returns is not noticed
// either. Who wants to trust neither calls [Hashes.Distrust].
//
// A nil Hashes remembers nothing.
type Hashes struct {
	path string

	mu      sync.Mutex
	known   map[string]entry // nil: not read yet
	changed bool
}

// entry is what is remembered of a file.
type entry struct {
	Dev, Ino     uint64
	Size         int64
	MTime, CTime int64 // in nanoseconds
	SHA256       string
}

// NewHashes returns what earlier runs kept in the file at path; one that cannot
// be read is as good as none.
func NewHashes(path string) *Hashes { return &Hashes{path: path} }

// Distrust has every file read again once.
func (h *Hashes) Distrust() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known = map[string]entry{}
}

// Sum returns the sha256 of a file, in hex.
func (h *Hashes) Sum(path string) (string, error) { return h.SumContext(context.Background(), path) }

// SumContext is Sum that stops reading when ctx ends, for large files.
func (h *Hashes) SumContext(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // only read
	if h == nil {
		return read(ctx, f)
	}
	before, err := stat(f)
	if err != nil {
		return "", err
	}
	if sum, ok := h.lookup(path, before); ok {
		return sum, nil
	}
	start := time.Now()
	sum, err := read(ctx, f)
	if err != nil {
		return "", err
	}
	after, err := stat(f)
	if err == nil && after == before && max(after.MTime, after.CTime) < start.Add(-tick).UnixNano() {
		after.SHA256 = sum
		h.store(path, after)
	}
	return sum, err
}

func read(ctx context.Context, f *os.File) (string, error) {
	h := sha256.New()
	_, err := io.CopyBuffer(struct{ io.Writer }{h}, reader{ctx, f}, make([]byte, 256<<10))
	return hex.EncodeToString(h.Sum(nil)), err
}

// reader ends with ctx's cause when ctx ends.
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

func stat(f *os.File) (entry, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	return entry{Dev: st.Dev, Ino: st.Ino, Size: st.Size, MTime: st.Mtim.Nano(), CTime: st.Ctim.Nano()}, err
}

// lookup returns the sum of a file that looks like now as it did then.
func (h *Hashes) lookup(path string, now entry) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.load()
	old, ok := h.known[path]
	now.SHA256 = old.SHA256
	if !ok || old != now {
		return "", false
	}
	return old.SHA256, true
}

func (h *Hashes) store(path string, e entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known[path], h.changed = e, true
}

// load reads the file, once.
func (h *Hashes) load() {
	if h.known != nil {
		return
	}
	text, err := os.ReadFile(h.path)
	if err != nil || json.Unmarshal(text, &h.known) != nil || h.known == nil {
		h.known = map[string]entry{}
	}
}

// Save keeps what was learned for the next run. Files that are gone are
// forgotten. Two runs that save at once lose what one of them learned, and no
// more.
func (h *Hashes) Save() error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.changed {
		return nil
	}
	for path := range h.known {
		if _, err := os.Lstat(path); err != nil {
			delete(h.known, path)
		}
	}
	text, err := json.Marshal(h.known)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(h.path), 0o755); err != nil {
		return err
	}
	h.changed = false
	return renameio.WriteFile(h.path, text, 0o644)
}
