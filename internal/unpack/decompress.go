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
	"bzmage/internal/jobserver"
	"bzmage/internal/run"
)

// What a decompressor may use. The largest window that the formats' own
// programs make by default is 64 MiB for xz -9 and 8 MiB for zstd -19.
const (
	xzMemory   = "1GiB"
	zstdMemory = 256 << 20
	zstdWindow = 128 << 20
)

// decompress calls use with the tar stream that in holds. Where it takes a
// program, that has a job slot and so many threads.
func decompress(ctx context.Context, in io.Reader, f fetch.Format, jobs *jobserver.Server, threads int, use func(io.Reader) error) error {
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
		return xzError(jobs.With(ctx, func(ctx context.Context) error {
			return pipe.Read(ctx, run.Cmd{Argv: xzArgv(threads), Stdin: in, Env: run.Env()}, use)
		}))
	}
	return use(in)
}

// xzArgv returns the command line of xz, which is faster than any reader of
// its format in Go and has a core for itself.
func xzArgv(threads int) []string {
	return []string{"xz", "--decompress", "--stdout", fmt.Sprintf("--threads=%d", threads), "--memlimit-decompress=" + xzMemory}
}

// threads is how many cores xz may use. More than one help with an archive of
// several blocks, as Debian's is (nothing else of a run works while its tree
// is unpacked), but only when somebody vouches for the archive: xz's decoder
// with threads was once open to attack (CVE-2025-31115), the one without was
// not.
func (u *unpacker) threads() int {
	if !u.Archive.Verified() {
		return 1
	}
	return u.Jobs.Jobs()
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
