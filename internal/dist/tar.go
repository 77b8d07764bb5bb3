package dist

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// writeTar writes a tar.zst: sorted, of root, all of one date, so that the same
// files give the same bytes. The encoder has one thread, or how it splits its
// work would show.
func writeTar(w io.Writer, list []entry, date time.Time) error {
	z, err := newZstd(w)
	if err != nil {
		return err
	}
	return errors.Join(plainTar(z, "", list, date), z.Close())
}

func newZstd(w io.Writer) (*zstd.Encoder, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(8<<20))
}

// plainTar writes the entries and their folders, each behind prefix.
func plainTar(w io.Writer, prefix string, list []entry, date time.Time) error {
	list = slices.SortedFunc(slices.Values(list), func(a, b entry) int { return strings.Compare(a.Path, b.Path) })
	t := tar.NewWriter(w)
	header := func(name string, kind byte, mode int64) *tar.Header {
		return &tar.Header{Name: prefix + name, Typeflag: kind, Mode: mode, ModTime: date.Truncate(time.Second), Uname: "root", Gname: "root"}
	}
	for _, dir := range folders(list) {
		if err := t.WriteHeader(header(dir+"/", tar.TypeDir, 0o755)); err != nil {
			return err
		}
	}
	for _, e := range list {
		h := header(e.Path, tar.TypeReg, int64(e.Mode))
		if e.Link != "" {
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.Link, 0o777
		}
		if err := addFile(t, h, e); err != nil {
			return err
		}
	}
	return t.Close()
}

func addFile(t *tar.Writer, h *tar.Header, e entry) error {
	if e.Link != "" {
		return t.WriteHeader(h)
	}
	if e.From == "" {
		h.Size = int64(len(e.Text))
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err := t.Write(e.Text)
		return err
	}
	f, err := os.Open(e.From)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h.Size = info.Size()
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}
