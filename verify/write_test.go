package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// nobody is a user without any rights.
const nobody = 65534

// Root may override the mode. What it writes is accepted as a whole and
// changes nothing.
func TestRandWriteByRoot(t *testing.T) {
	needRoot(t)
	tests := []struct {
		name string
		flag int
		data string
	}{
		{"number", os.O_WRONLY, "12345\n"},
		{"a rand file's text", os.O_WRONLY, format(12345)},
		{"nothing", os.O_WRONLY, ""},
		{"words", os.O_WRONLY, "no number\x00\xff"},
		{"a megabyte", os.O_WRONLY, strings.Repeat("9", 1<<20)},
		{"as a shell does", os.O_WRONLY | os.O_CREATE | os.O_TRUNC, "12345\n"},
		{"append", os.O_WRONLY | os.O_APPEND, "12345\n"},
		{"and read", os.O_RDWR, "12345\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := openRand(t, selfRand, tt.flag)
			for range 3 {
				// The system call itself: os.File.Write would go on after a
				// short one.
				n, err := unix.Write(int(f.Fd()), []byte(tt.data))
				if n != len(tt.data) || err != nil {
					t.Fatalf("write of %d bytes: %d, %v", len(tt.data), n, err)
				}
			}
			if tt.flag&os.O_RDWR != 0 {
				buf := make([]byte, 64)
				n, err := f.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := parseRand(string(buf[:n])); err != nil {
					t.Error(err)
				}
			}
			checkMode(t, selfRand)
			var numbers []int32
			for range 4 {
				numbers = append(numbers, readRand(t, selfRand))
			}
			different(t, numbers)
		})
	}
}

// Others may read the file of any process, and write that of none, not even
// their own.
func TestRandWriteByOthers(t *testing.T) {
	uid := nobody
	if os.Getuid() != 0 {
		uid = os.Getuid()
	}
	cmd := helper(t, "nobody", uid)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("%v: %s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		t.Logf("uid %d: %s", uid, line)
	}
	if n := strings.Count(string(out), "\n"); n != 3 {
		t.Errorf("looked at %d files, want 3", n)
	}
}

// helperNobody looks at rand files as a user without rights. It prints a line
// for each that is as it should be.
func helperNobody() int {
	if os.Getuid() == 0 {
		fmt.Fprintln(os.Stderr, "runs as root")
		return 2
	}
	code := 0
	for _, path := range []string{selfRand, "/proc/1/rand", "/proc/" + strconv.Itoa(os.Getppid()) + "/rand"} {
		if err := lookAsNobody(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
			continue
		}
		fmt.Println(path + " can be read and not be written")
	}
	return code
}

func lookAsNobody(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if _, err := parseRand(string(text)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, flag := range []int{os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC} {
		f, err := os.OpenFile(path, flag, 0)
		if err == nil {
			f.Close()
			return fmt.Errorf("%s: could be opened for writing (flags %#x)", path, flag)
		}
		if !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w, want permission denied", err)
		}
	}
	return nil
}
