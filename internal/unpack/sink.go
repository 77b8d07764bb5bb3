package unpack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"bzmage/internal/fetch"
)

const (
	workers   = 2         // that hash and write; the reader is one more
	blockSize = 128 << 10 // of what goes from the reader to a worker
	blocks    = 96        // at once: 12 MiB, however large the archive is
	queue     = 64        // files
)

// sink writes a tree below one folder. Its one producer calls file, link,
// copy and so on in the archive's order; a few workers hash and write.
type sink struct {
	lim   limits
	root  *os.Root
	names *names

	jobs     [workers]chan job // by folder: two who make files in one wait for each other
	free     chan []byte
	progress func(written int64) // may be nil
	written  atomic.Int64

	hard []hardLink

	mu      sync.Mutex
	entries []Entry
}

// job is one file to write. Its content is first and then what comes from
// rest, unless from is set.
type job struct {
	entry Entry
	first []byte
	rest  chan []byte
	from  *os.File
}

// hardLink is a name that shares the content of an earlier one.
type hardLink struct{ name, target string }

func newSink(dir string, l limits) (*sink, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	s := &sink{lim: l, root: root, names: newNames(l), free: make(chan []byte, blocks)}
	for i := range s.jobs {
		s.jobs[i] = make(chan job, queue)
	}
	for range blocks {
		s.free <- nil // allocated when first used
	}
	return s, root.Chmod(".", 0o755)
}

func (s *sink) close() { _ = s.root.Close() }

// run lets produce fill the sink and returns when all is written.
func (s *sink) run(ctx context.Context, produce func(context.Context) error) error {
	g, inner := errgroup.WithContext(ctx)
	for _, jobs := range s.jobs {
		g.Go(func() error {
			at := writer{sink: s, hash: sha256.New()}
			defer at.leave()
			for j := range jobs {
				if err := at.write(inner, j); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer func() {
			for _, jobs := range s.jobs {
				close(jobs)
			}
		}()
		return produce(inner)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := s.names.checkLinks(); err != nil {
		return err
	}
	return s.copyHardLinks(ctx)
}

// folder makes a folder and those above it.
func (s *sink) folder(name string) error {
	return s.mkdir(s.names.add(name, folder))
}

func (s *sink) mkdir(folders []string, err error) error {
	if err != nil {
		return err
	}
	for _, f := range folders {
		// Chmod: the umask must not decide who may read a tree.
		if err := errors.Join(s.root.Mkdir(f, 0o755), s.root.Chmod(f, 0o755)); err != nil {
			return err
		}
	}
	return nil
}

// file reads the e.Size bytes of a file from r and hands them to a worker.
func (s *sink) file(ctx context.Context, e Entry, r io.Reader) error {
	if err := s.mkdir(s.names.add(e.Path, file)); err != nil {
		return err
	}
	j := job{entry: e}
	left := e.Size
	first, err := s.block(ctx, r, &left)
	if err != nil {
		return err
	}
	j.first = first
	if left > 0 {
		j.rest = make(chan []byte, 4)
	}
	if err := send(ctx, s.queue(e), j); err != nil {
		return err
	}
	for left > 0 {
		b, err := s.block(ctx, r, &left)
		if err != nil {
			return err
		}
		if err := send(ctx, j.rest, b); err != nil {
			return err
		}
	}
	if j.rest != nil {
		close(j.rest)
	}
	return nil
}

// block reads the next bytes of a file of which left bytes are missing.
func (s *sink) block(ctx context.Context, r io.Reader, left *int64) ([]byte, error) {
	var b []byte
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case b = <-s.free:
	}
	if b == nil {
		b = make([]byte, blockSize)
	}
	b = b[:min(*left, blockSize)]
	_, err := io.ReadFull(r, b)
	*left -= int64(len(b))
	return b, err
}

func send[T any](ctx context.Context, c chan<- T, v T) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case c <- v:
		return nil
	}
}

// copy hands an open file of the e.Size bytes to a worker, who closes it.
func (s *sink) copy(ctx context.Context, e Entry, from *os.File) error {
	err := s.mkdir(s.names.add(e.Path, file))
	if err == nil {
		err = send(ctx, s.queue(e), job{entry: e, from: from})
	}
	if err != nil {
		return errors.Join(err, from.Close())
	}
	return nil
}

// link makes a symbolic link.
func (s *sink) link(e Entry, target string) error {
	if err := s.mkdir(s.names.addLink(e.Path, target)); err != nil {
		return err
	}
	if err := s.root.Symlink(target, e.Path); err != nil {
		return err
	}
	dir, err := s.root.Open(path.Dir(e.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	times := timespecs(e.MTime)
	if err := unix.UtimesNanoAt(int(dir.Fd()), path.Base(e.Path), times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set the time of %s: %w", e.Path, err)
	}
	sum := sha256.Sum256([]byte(target))
	e.Mode, e.Size, e.SHA256 = fs.ModeSymlink, int64(len(target)), hex.EncodeToString(sum[:])
	s.done(e)
	return nil
}

// hardLinkTo notes a second name of a file; it is made when all files are
// written.
func (s *sink) hardLinkTo(name, target string) error {
	if s.names.kinds[target] != file {
		return bad("the hard link %q goes to %q, which is no file before it", name, target)
	}
	if err := s.mkdir(s.names.add(name, file)); err != nil {
		return err
	}
	s.hard = append(s.hard, hardLink{name, target})
	return nil
}

// copyHardLinks gives each hard link a file of its own: in a tree that is
// patched, a change of one name must not reach another.
func (s *sink) copyHardLinks(ctx context.Context) error {
	if len(s.hard) == 0 {
		return nil
	}
	byName := map[string]Entry{}
	for _, e := range s.entries {
		byName[e.Path] = e
	}
	at := writer{sink: s, hash: sha256.New()}
	defer at.leave()
	for _, l := range s.hard {
		e := byName[l.target] // of an earlier file or hard link
		if s.written.Load()+e.Size > s.lim.total {
			return tooLarge(s.lim.total)
		}
		from, err := s.root.Open(l.target)
		if err != nil {
			return err
		}
		e.Path = l.name
		byName[l.name] = e
		if err := at.write(ctx, job{entry: e, from: from}); err != nil {
			return err
		}
	}
	return nil
}

// write makes the file of a job.
func (w *writer) write(ctx context.Context, j job) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e, h := j.entry, w.hash
	out, err := w.create(e)
	if err != nil {
		return err
	}
	h.Reset()
	if j.from != nil {
		err = copyFile(out, j.from, e, h)
	} else {
		err = w.fill(ctx, out, j, h)
	}
	if err == nil {
		err = out.Chmod(e.Mode)
	}
	if err == nil {
		err = w.setTime(out, e)
	}
	// The close is checked: a network's file system may say only here that
	// its disk is full.
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	e.SHA256 = hex.EncodeToString(h.Sum(nil))
	w.done(e)
	return nil
}

// fill writes the blocks of a job, and gives them back.
func (s *sink) fill(ctx context.Context, out *os.File, j job, h hash.Hash) error {
	for b, more := j.first, true; more; {
		h.Write(b)
		if _, err := out.Write(b); err != nil {
			return err
		}
		s.free <- b[:cap(b)]
		if j.rest == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case b, more = <-j.rest:
		}
	}
	return nil
}

// copyFile copies with copy_file_range, which shares the blocks where the
// file system can, and hashes what has arrived.
func copyFile(out, from *os.File, e Entry, h hash.Hash) error {
	defer from.Close()
	n, err := io.Copy(out, io.LimitReader(from, e.Size+1))
	info, statErr := from.Stat()
	if statErr != nil {
		return statErr
	}
	if !info.Mode().IsRegular() || err == nil && n != e.Size || info.Size() != e.Size || info.ModTime().UnixNano() != e.MTime {
		return bad("%s changed while it was copied", e.Path)
	}
	if err != nil {
		return err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(h, out)
	return err
}

// setTime gives an open file its time.
func (s *sink) setTime(f *os.File, e Entry) error {
	err := unix.UtimesNanoAt(int(f.Fd()), "", timespecs(e.MTime), unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		// Linux before 5.8 does not know AT_EMPTY_PATH here.
		t := time.Unix(0, e.MTime)
		err = s.root.Chtimes(e.Path, t, t)
	}
	if err != nil {
		return fmt.Errorf("set the time of %s: %w", e.Path, err)
	}
	return nil
}

func timespecs(ns int64) []unix.Timespec {
	t := unix.NsecToTimespec(ns)
	return []unix.Timespec{t, t}
}

// done enters what was written.
func (s *sink) done(e Entry) {
	n := s.written.Add(e.Size)
	if s.progress != nil {
		s.progress(n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e)
}

// checkKernel says whether what was written is a kernel's source, and
// returns its release.
func (s *sink) checkKernel() (string, error) {
	for name, want := range map[string]kind{"Makefile": file, "scripts/checkpatch.pl": file, "arch/x86": folder, "arch/arm64": folder} {
		if s.names.kinds[name] != want {
			return "", bad("it is no kernel: it has no %s", name)
		}
	}
	makefile, err := s.root.Open("Makefile")
	if err != nil {
		return "", err
	}
	defer makefile.Close()
	release, err := fetch.ReadRelease(makefile)
	if err != nil {
		return "", bad("it is no kernel: %w", err)
	}
	return release, nil
}
