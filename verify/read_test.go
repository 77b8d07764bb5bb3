package verify

import (
	"errors"
	"io"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// many is how often the numbers are read where chance is looked at.
const many = 4096

func TestRandFormat(t *testing.T) {
	negative, short := 0, 0
	for range 512 {
		v := readRand(t, selfRand) // checks the form
		if v < 0 {
			negative++
		}
		if v > -100_000_000 && v < 100_000_000 {
			short++ // one in twenty: padded with more spaces
		}
	}
	if negative == 0 || negative == 512 || short == 0 {
		t.Errorf("of 512 numbers %d are negative and %d short", negative, short)
	}
}

// A number is made when a file is first read, and read to its end in whatever
// portions.
func TestRandPortions(t *testing.T) {
	for _, portion := range []int{1, 2, 7, 21, 22, 23, 4096} {
		f := openRand(t, selfRand, os.O_RDONLY)
		var text []byte
		for {
			buf := make([]byte, portion)
			n, err := f.Read(buf)
			text = append(text, buf[:n]...)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := min(portion, size-(len(text)-n)); n != want {
				t.Errorf("in portions of %d: %d bytes, want %d", portion, n, want)
			}
		}
		if _, err := parseRand(string(text)); err != nil {
			t.Errorf("in portions of %d: %v", portion, err)
		}
	}
}

func TestRandRewind(t *testing.T) {
	f := openRand(t, selfRand, os.O_RDONLY)
	var numbers []int32
	for range 64 {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		v, err := parseRand(string(text))
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, v)
	}
	different(t, numbers)
}

// Reading from the beginning by offset is a rewind, too.
func TestRandReadAt(t *testing.T) {
	f := openRand(t, selfRand, os.O_RDONLY)
	var numbers []int32
	for range 64 {
		buf := make([]byte, 64)
		n, err := unix.Pread(int(f.Fd()), buf, 0)
		if err != nil {
			t.Fatal(err)
		}
		v, err := parseRand(string(buf[:n]))
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, v)
	}
	different(t, numbers)
}

// Readers of the same file on all CPUs do not meet each other's numbers.
func TestRandManyReaders(t *testing.T) {
	const readers, each = 8, 64
	numbers := make([][]int32, readers)
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			for range each {
				text, err := os.ReadFile("/proc/1/rand")
				if err != nil {
					t.Error(err)
					return
				}
				v, err := parseRand(string(text))
				if err != nil {
					t.Error(err)
					return
				}
				numbers[r] = append(numbers[r], v)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	var all []int32
	for _, n := range numbers {
		all = append(all, n...)
	}
	different(t, all)
}
