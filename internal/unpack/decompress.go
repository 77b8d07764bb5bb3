package unpack

import (
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/fetch/pipe"
	"bzmage/internal/run"
)

// What a decompressor may use. The largest window that the formats' own
// programs make by default is 64 MiB for xz -9 and 8 MiB for zstd -19.
const (
	xzMemory   = "1GiB"
	zstdMemory = 256 << 20
	zstdWindow = 128 << 20
)

// decompress calls use with the tar stream that in holds.
func decompress(ctx context.Context, in io.Reader, f fetch.Format, trusted bool, use func(io.Reader) error) error {
	switch f {
	case fetch.Gzip:
		r, err := gzip.NewReader(in)
		if err != nil {
			return bad("read it: %w", err)
		}
		return use(r)
	case fetch.Bzip2:
		return use(bzip2.NewReader(in))
	case fetch.Zstd:
		r, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(zstdMemory), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return bad("read it: %w", err)
		}
		defer r.Close()
		return use(r)
	case fetch.XZ:
		return xzError(pipe.Read(ctx, run.Cmd{Argv: xzArgv(trusted), Stdin: in, Env: run.Env()}, use))
	}
	return use(in)
}

// xzArgv returns the command line of xz, which is faster than any reader of
// its format in Go and has a core for itself. It may use more cores on an
// archive of several blocks, as Debian's is, but only when somebody vouches
// for the archive: its decoder with threads was once open to attack
// (CVE-2025-31115), the one without was not.
func xzArgv(trusted bool) []string {
	threads := "--threads=1"
	if trusted {
		threads = "--threads=0"
	}
	return []string{"xz", "--decompress", "--stdout", threads, "--memlimit-decompress=" + xzMemory}
}

func xzError(err error) error {
	var failed *pipe.Error
	var exit *run.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fault.New(fault.Machine, "sudo apt-get install xz-utils, or go tool mage setup", "unpack with xz: %w", err)
	case errors.As(err, &failed) && errors.As(err, &exit) && exit.Signal != 0:
		return fault.New(fault.Machine, "see whether memory is short (free -h), then run the same again", "xz was ended by %s", unix.SignalName(exit.Signal))
	case errors.As(err, &failed):
		return bad("read it: %w", err)
	case err != nil:
		return fmt.Errorf("unpack with xz: %w", err)
	}
	return nil
}
