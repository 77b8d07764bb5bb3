package dist

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// archiveTo writes a .tar.zst to be unpacked over /. Folders that others have
// files in are left out: tar would replace a link such as /lib by a folder.
func archiveTo(list []entry, date time.Time) func(io.Writer) error {
	return func(w io.Writer) error {
		// One thread: what several write could hang on their number.
		z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		return errors.Join(writeTar(z, "", list, date), z.Close())
	}
}

// writeTar writes entries as a tar archive in GNU's format, which dpkg reads
// too (deb(5)); each name gets the prefix.
func writeTar(w io.Writer, prefix string, list []entry, date time.Time) error {
	tw := tar.NewWriter(w)
	for _, e := range list {
		h := tar.Header{Name: prefix + e.name, Mode: 0o644, Uname: "root", Gname: "root", ModTime: date, Format: tar.FormatGNU, Typeflag: tar.TypeReg}
		var text []byte
		switch {
		case e.dir:
			h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, h.Name+"/"
		case e.link != "":
			h.Typeflag, h.Mode, h.Linkname = tar.TypeSymlink, 0o777, e.link
		default:
			var err error
			if text, err = e.read(); err != nil {
				return err
			}
			h.Size = int64(len(text))
		}
		if e.exec {
			h.Mode = 0o755
		}
		if err := tw.WriteHeader(&h); err != nil {
			return fmt.Errorf("pack %s: %w", e.name, err)
		}
		if _, err := tw.Write(text); err != nil {
			return fmt.Errorf("pack %s: %w", e.name, err)
		}
	}
	return tw.Close()
}
