package verify

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// There is no memory behind the file.
func TestRandMmap(t *testing.T) {
	f := openRand(t, selfRand, os.O_RDONLY)
	for _, flags := range []int{unix.MAP_PRIVATE, unix.MAP_SHARED} {
		m, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ, flags)
		if err == nil {
			unix.Munmap(m)
		}
		if !errors.Is(err, unix.ENODEV) {
			t.Errorf("mmap with flags %#x: %v, want %v", flags, err, unix.ENODEV)
		}
	}
	rereadRand(t, f)
}

// The file is always ready, like a regular one, so select and poll never wait
// for it, and epoll does not take it.
func TestRandPoll(t *testing.T) {
	f := openRand(t, selfRand, os.O_RDONLY)
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN | unix.POLLPRI}}
	for range 2 { // also at the end of the file
		if n, err := unix.Poll(fds, 10_000); n != 1 || err != nil || fds[0].Revents != unix.POLLIN {
			t.Errorf("poll: %d, %v, events %#x, want %#x at once", n, err, fds[0].Revents, unix.POLLIN)
		}
		if _, err := unix.Read(int(f.Fd()), make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ep)
	err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, int(f.Fd()), &unix.EpollEvent{Events: unix.EPOLLIN})
	if !errors.Is(err, unix.EPERM) {
		t.Errorf("epoll: %v, want %v", err, unix.EPERM)
	}
}

// Until 5.9 any file that can be read could be spliced from: the kernel read
// it into pages of its own (fs/splice.c, default_file_splice_read). 5.10 took
// that away together with set_fs(), and a file whose operations have no
// splice_read is refused, as those of this series; sendfile is a splice, too.
func TestRandSplice(t *testing.T) {
	f := openRand(t, selfRand, os.O_RDONLY)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	splice := func() (int64, error) { return unix.Splice(int(f.Fd()), nil, int(w.Fd()), nil, 64, 0) }
	sendfile := func() (int64, error) {
		n, err := unix.Sendfile(int(w.Fd()), int(f.Fd()), nil, 64)
		return int64(n), err
	}
	for name, call := range map[string]func() (int64, error){"splice": splice, "sendfile": sendfile} {
		if _, err := f.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		n, err := call()
		if since(t, "5.10") {
			if !errors.Is(err, unix.EINVAL) {
				t.Errorf("%s: %d, %v, want %v", name, n, err, unix.EINVAL)
			}
			continue
		}
		if n != size || err != nil {
			t.Errorf("%s: %d, %v, want %d", name, n, err, size)
			continue
		}
		buf := make([]byte, 64)
		got, err := r.Read(buf)
		if err == nil {
			_, err = parseRand(string(buf[:got]))
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	rereadRand(t, f)
}

// Nothing can be spliced into the file either, even by root: its operations
// have no splice_write. Until 5.9 the kernel made do with write.
func TestRandSpliceInto(t *testing.T) {
	needRoot(t)
	f := openRand(t, selfRand, os.O_RDWR)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := w.WriteString("12345\n"); err != nil {
		t.Fatal(err)
	}
	n, err := unix.Splice(int(r.Fd()), nil, int(f.Fd()), nil, 6, 0)
	if since(t, "5.10") {
		if !errors.Is(err, unix.EINVAL) {
			t.Errorf("%d, %v, want %v", n, err, unix.EINVAL)
		}
	} else if n != 6 || err != nil {
		t.Errorf("%d, %v, want 6", n, err)
	}
	rereadRand(t, f)
}

// What else can be asked of an open file, and is not there.
func TestRandOtherCalls(t *testing.T) {
	f := openRand(t, selfRand, os.O_RDONLY)
	fd := int(f.Fd())
	_, ioctl := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
	page := make([]byte, 16)
	_, nowait := unix.Preadv2(fd, [][]byte{page}, 0, unix.RWF_NOWAIT)
	_, direct := unix.Open(selfRand, unix.O_RDONLY|unix.O_DIRECT, 0)
	_, folder := unix.Open(selfRand, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	_, exclusive := unix.Open(selfRand, unix.O_RDONLY|unix.O_CREAT|unix.O_EXCL, 0)
	_, below := unix.Open(selfRand+"/x", unix.O_RDONLY, 0)
	for _, tt := range []struct {
		name      string
		got, want error
	}{
		{"ioctl", ioctl, unix.ENOTTY},
		{"fsync", unix.Fsync(fd), unix.EINVAL},
		{"fallocate", unix.Fallocate(fd, 0, 0, 4096), unix.EBADF}, // not open for writing
		{"a read that must not wait", nowait, unix.EOPNOTSUPP},
		{"open with O_DIRECT", direct, unix.EINVAL},
		{"open with O_DIRECTORY", folder, unix.ENOTDIR},
		{"open with O_EXCL", exclusive, unix.EEXIST},
		{"a path below it", below, unix.ENOTDIR},
		{"execve", unix.Exec(selfRand, []string{"rand"}, nil), unix.EACCES},
		{"a write", writeTo(fd), unix.EBADF}, // the same
	} {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	rereadRand(t, f)
}

func writeTo(fd int) error {
	_, err := unix.Write(fd, []byte("1\n"))
	return err
}

// Even root cannot make another file of it: procfs keeps names and modes.
func TestRandStaysWhatItIs(t *testing.T) {
	needRoot(t)
	readRand(t, selfRand)
	for _, tt := range []struct {
		name      string
		err, want error
	}{
		{"chmod", os.Chmod(selfRand, 0o666), unix.EPERM},
		{"remove", os.Remove(selfRand), unix.EPERM},
		{"rename", os.Rename(selfRand, "/proc/self/limits"), unix.EPERM},
		{"rename to a name that is not there", os.Rename(selfRand, "/proc/self/dice"), unix.ENOENT},
		{"link to a name that is not there", os.Link(selfRand, "/proc/self/dice"), unix.ENOENT},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.err, tt.want)
		}
	}
	if err := os.Truncate(selfRand, 4096); err != nil {
		t.Errorf("truncate: %v", err) // ignored, as by O_TRUNC
	}
	checkMode(t, selfRand)
	readRand(t, selfRand)
}
