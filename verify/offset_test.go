package verify

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// rereadRand returns what the file gives from its beginning.
func rereadRand(t *testing.T, f *os.File) int32 {
	t.Helper()
	buf := make([]byte, 64)
	n, err := unix.Pread(int(f.Fd()), buf, 0)
	if err != nil {
		t.Fatal(err)
	}
	v, err := parseRand(string(buf[:n]))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A read at an offset gives the rest of a text from there on, as long as it
// should be, and leaves the file's own position alone.
func TestRandOffsets(t *testing.T) {
	f := openRand(t, selfRand, os.O_RDONLY)
	for offset := range size + 3 {
		buf := make([]byte, 64)
		n, err := unix.Pread(int(f.Fd()), buf, int64(offset))
		if want := max(size-offset, 0); n != want || err != nil {
			t.Errorf("at %d: %d bytes, %v, want %d", offset, n, err, want)
			continue
		}
		if n > 0 && buf[n-1] != '\n' {
			t.Errorf("at %d: %q does not end the line", offset, buf[:n])
		}
		if offset > len("-2147483648") && n > 0 && strings.TrimLeft(string(buf[:n]), " ") != "\n" {
			t.Errorf("at %d: %q, want spaces", offset, buf[:n])
		}
	}
	for _, offset := range []int64{4096, 1 << 32, 1 << 62} {
		if n, err := unix.Pread(int(f.Fd()), make([]byte, 64), offset); n != 0 || err != nil {
			t.Errorf("at %d: %d bytes, %v, want the end of the file", offset, n, err)
		}
	}
	if n, err := unix.Pread(int(f.Fd()), make([]byte, 64), -1); !errors.Is(err, unix.EINVAL) {
		t.Errorf("at -1: %d bytes, %v, want %v", n, err, unix.EINVAL)
	}
	if at, err := f.Seek(0, io.SeekCurrent); at != 0 || err != nil {
		t.Errorf("the file's position is %d, %v, want 0", at, err)
	}
	rereadRand(t, f)
}

// The file can be sought in by bytes; it has no end to count from. Beyond the
// text there is nothing, and coming back is a rewind.
func TestRandSeek(t *testing.T) {
	f := openRand(t, selfRand, os.O_RDONLY)
	for _, tt := range []struct {
		offset int64
		whence int
		want   int64
		err    error
		read   int
	}{
		{10, io.SeekStart, 10, nil, 12},
		{-5, io.SeekCurrent, 17, nil, 5},
		{size, io.SeekStart, size, nil, 0},
		{size - 1, io.SeekStart, size - 1, nil, 1},
		{1 << 40, io.SeekStart, 1 << 40, nil, 0},
		{-1, io.SeekStart, 0, unix.EINVAL, 0},
		{0, io.SeekEnd, 0, unix.EINVAL, 0},
		{0, unix.SEEK_DATA, 0, unix.EINVAL, 0},
		{0, unix.SEEK_HOLE, 0, unix.EINVAL, 0},
		{0, io.SeekStart, 0, nil, size},
	} {
		at, err := unix.Seek(int(f.Fd()), tt.offset, tt.whence)
		if !errors.Is(err, tt.err) || tt.err == nil && at != tt.want {
			t.Errorf("seek to %d from %d: %d, %v, want %d, %v", tt.offset, tt.whence, at, err, tt.want, tt.err)
			continue
		}
		if tt.err != nil {
			continue
		}
		if n, err := unix.Read(int(f.Fd()), make([]byte, 64)); n != tt.read || err != nil {
			t.Errorf("after a seek to %d from %d: %d bytes, %v, want %d", tt.offset, tt.whence, n, err, tt.read)
		}
	}
}

// A read of nothing gives nothing and costs no number: what is read in pieces
// is still one text.
func TestRandNothing(t *testing.T) {
	f := openRand(t, selfRand, os.O_RDONLY)
	var text []byte
	for len(text) < size {
		if n, err := unix.Read(int(f.Fd()), nil); n != 0 || err != nil {
			t.Fatalf("after %d bytes, read of nothing: %d, %v", len(text), n, err)
		}
		buf := make([]byte, 5)
		n, err := unix.Read(int(f.Fd()), buf)
		if n == 0 || err != nil {
			t.Fatalf("after %d bytes: %d, %v", len(text), n, err)
		}
		text = append(text, buf[:n]...)
	}
	if _, err := parseRand(string(text)); err != nil {
		t.Error(err)
	}
}

// A buffer may be as large as it likes, or be many: the rest of it is left
// alone.
func TestRandHugeBuffers(t *testing.T) {
	f := openRand(t, selfRand, os.O_RDONLY)
	huge := slices.Repeat([]byte{0xa5}, 8<<20)
	n, err := unix.Pread(int(f.Fd()), huge, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseRand(string(huge[:n])); err != nil {
		t.Error(err)
	}
	if i := slices.IndexFunc(huge[n:], func(b byte) bool { return b != 0xa5 }); i >= 0 {
		t.Errorf("byte %d behind the text was written", i)
	}
	parts := make([][]byte, 11)
	for i := range parts {
		parts[i] = make([]byte, 2)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Readv(int(f.Fd()), parts); n != size || err != nil {
		t.Errorf("readv: %d, %v, want %d", n, err, size)
	}
	if _, err := parseRand(string(slices.Concat(parts...))); err != nil {
		t.Errorf("readv: %v", err)
	}
}

// A buffer that is not there is an error, not a crash, and the file still
// works.
func TestRandBadBuffer(t *testing.T) {
	f := openRand(t, selfRand, os.O_RDONLY)
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(page)
	if n, err := unix.Read(int(f.Fd()), page); !errors.Is(err, unix.EFAULT) {
		t.Errorf("read: %d, %v, want %v", n, err, unix.EFAULT)
	}
	rereadRand(t, f)
}

// Who shares a file shares its position; who opens it again does not.
func TestRandSharedFile(t *testing.T) {
	f, other := openRand(t, selfRand, os.O_RDONLY), openRand(t, selfRand, os.O_RDONLY)
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 64)
	n, err := unix.Read(int(f.Fd()), buf[:9])
	if err != nil {
		t.Fatal(err)
	}
	m, err := unix.Read(fd, buf[n:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseRand(string(buf[:n+m])); err != nil {
		t.Error(err)
	}
	if n, err := unix.Read(int(other.Fd()), buf); n != size || err != nil {
		t.Errorf("opened again: %d, %v, want %d", n, err, size)
	}
}
