package unpack

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"bzmage/internal/fetch"
	"bzmage/internal/fetch/disk"
)

const (
	tarBlock = 512
	tarEnd   = 2 * tarBlock // of zeros, at the end of an archive
	maxTime  = 1 << 33      // seconds since 1970: the year 2242
)

// readArchive puts the archive's files into the sink. They count only if no
// error comes back: the sha256, and whether a developer signed the tar, are
// known at the end.
func (u *unpacker) readArchive(ctx context.Context, s *sink) error {
	in, err := u.open(ctx)
	if err != nil {
		return err
	}
	defer in.file.Close()
	if err := disk.Need(u.Dir, min(estimate(in.format, in.total), u.lim.total)+u.lim.reserve); err != nil {
		return err
	}
	u.Log.Infof("unpacking %s", u.Archive.Path)
	var proof proof
	err = s.run(ctx, func(ctx context.Context) error {
		return u.stream(ctx, in, &proof, func(r io.Reader) error { return readTar(ctx, s, r) })
	})
	if err != nil {
		return err
	}
	return u.conclude(in, proof)
}

// estimate returns about how many bytes a kernel's archive needs on the
// disk, rather too many: they differ by how well their format compresses.
func estimate(f fetch.Format, size int64) int64 {
	times := map[fetch.Format]int64{fetch.Gzip: 8, fetch.Zstd: 10, fetch.Bzip2: 11, fetch.XZ: 13}
	if n, ok := times[f]; ok {
		return n * size
	}
	return size + size/4
}

// counter counts what is read of the unpacked archive, up to a limit.
type counter struct {
	r        io.Reader
	n, limit int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n += int64(n); c.n > c.limit {
		return n, tooLarge(c.limit)
	}
	return n, err
}

func tooLarge(limit int64) error { return bad("it unpacks to more than %s", disk.Size(limit)) }

// readTar puts the files of a tar stream into the sink.
func readTar(ctx context.Context, s *sink, r io.Reader) error {
	c := &counter{r: bufio.NewReaderSize(r, 256<<10), limit: s.lim.total}
	files := tar.NewReader(c)
	t := tarReader{s: s, files: files}
	var end int64 // where the last entry ended
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = t.entry(ctx, h)
		}
		if err != nil {
			return tarError(ctx, err)
		}
		end = (c.n + tarBlock - 1) / tarBlock * tarBlock
	}
	// The reader of package tar takes a stream that just stops for whole.
	if c.n < end+tarEnd {
		return bad("it is cut short: its end mark is missing")
	}
	return tarError(ctx, onlyZeros(c))
}

// tarError says of an error that the archive is to blame, unless it was
// stopped or could not be written.
func tarError(ctx context.Context, err error) error {
	var b *badArchive
	if err == nil || errors.As(err, &b) || ctx.Err() != nil || isSystem(err) {
		return err
	}
	return bad("read it: %w", err)
}

// isSystem says that err came from a file system.
func isSystem(err error) bool {
	var p *os.PathError
	var l *os.LinkError
	return errors.As(err, &p) || errors.As(err, &l)
}

// onlyZeros reads to the end: tar fills its last record with zeros, and
// anything else there would be seen by nobody.
func onlyZeros(r io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return bad("something follows its end mark")
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// tarReader takes entries apart from the archive's top folder.
type tarReader struct {
	s       *sink
	files   *tar.Reader
	top     string
	headers int
	size    int64
}

func (t *tarReader) entry(ctx context.Context, h *tar.Header) error {
	if t.headers++; t.headers > t.s.lim.entries {
		return bad("it has more than %d entries", t.s.lim.entries)
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // git archive's comment: the commit
	}
	name, err := t.s.names.clean(h.Name)
	if err != nil {
		return err
	}
	if name, err = t.strip(name, h.Typeflag == tar.TypeDir); err != nil {
		return err
	}
	if seconds := h.ModTime.Unix(); seconds < 0 || seconds > maxTime {
		return bad("%q has the time %d", h.Name, seconds)
	}
	e := Entry{Path: name, Mode: 0o644, Size: h.Size, MTime: h.ModTime.UnixNano()}
	if h.Mode&0o111 != 0 {
		e.Mode = 0o755
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return t.s.folder(name)
	case tar.TypeReg:
		return t.regular(ctx, e)
	case tar.TypeSymlink:
		return t.s.link(e, h.Linkname)
	case tar.TypeLink:
		return t.hardLink(name, h.Linkname)
	}
	return bad("%q is of the type %q; a kernel has files, folders and links only", h.Name, h.Typeflag)
}

func (t *tarReader) regular(ctx context.Context, e Entry) error {
	if e.Size > t.s.lim.file {
		return bad("%q has %s, more than %s", e.Path, disk.Size(e.Size), disk.Size(t.s.lim.file))
	}
	// A sparse file is larger than what the archive holds of it.
	if t.size += e.Size; t.size > t.s.lim.total {
		return tooLarge(t.s.lim.total)
	}
	if err := t.s.file(ctx, e, t.files); err != nil {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	return nil
}

func (t *tarReader) hardLink(name, target string) error {
	target, err := t.s.names.clean(target)
	if err != nil {
		return fmt.Errorf("hard link %s: %w", name, err)
	}
	top, rest, _ := strings.Cut(target, "/")
	if top != t.top || rest == "" {
		return bad("the hard link %q leaves the tree: its target is %q", name, target)
	}
	return t.s.hardLinkTo(name, rest)
}

// strip removes the top folder, which all names must share; the folder
// itself becomes "".
func (t *tarReader) strip(name string, isFolder bool) (string, error) {
	top, rest, _ := strings.Cut(name, "/")
	if rest == "" && !isFolder {
		return "", bad("%q does not lie in a top folder, as all of a kernel's archive does", name)
	}
	if top == "" {
		return "", nil // "./"
	}
	if t.top == "" {
		t.top = top
	}
	if top != t.top {
		return "", bad("it has two top folders, %q and %q", t.top, top)
	}
	return rest, nil
}
