// Package buildid reads the build ID that the linker puts into every kernel: a
// hash of what was linked, in an ELF note of its own. In goes a vmlinux or the
// notes of a running kernel, /sys/kernel/notes; out comes the ID in hex.
//
// The host compares what it built with what the guest says it runs: a release
// is a name that two builds may share, a build ID is not.
package buildid

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// Notes is where a running kernel shows its notes (kernel/ksysfs.c).
const Notes = "/sys/kernel/notes"

// ErrNone says that there is no build ID.
var ErrNone = errors.New("no build ID")

// gnuBuildID is the type of the note whose owner is "GNU" (NT_GNU_BUILD_ID in
// elf.h).
const gnuBuildID = 3

// maxID is the longest build ID, in bytes; SHA-1's has 20.
const maxID = 64

// Parse returns the build ID among notes of a little-endian machine: three
// words each (the size of the owner's name, the size of the content, the
// type), the name and the content, both filled up to four bytes (elf(5)).
func Parse(notes []byte) (string, error) {
	for len(notes) >= 12 {
		nameSize, size := binary.LittleEndian.Uint32(notes), binary.LittleEndian.Uint32(notes[4:])
		kind := binary.LittleEndian.Uint32(notes[8:])
		rest := notes[12:]
		nameEnd, end := up(nameSize), up(nameSize)+up(size)
		if end > uint64(len(rest)) {
			return "", fmt.Errorf("read the notes: one of %d bytes in %d", end, len(rest))
		}
		id := rest[nameEnd : nameEnd+uint64(size)]
		if kind == gnuBuildID && bytes.Equal(rest[:nameSize], []byte("GNU\x00")) && len(id) > 0 && len(id) <= maxID {
			return hex.EncodeToString(id), nil
		}
		notes = rest[end:]
	}
	return "", ErrNone
}

// up returns n filled up to four bytes.
func up(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }

// OfFile returns the build ID of an ELF file.
func OfFile(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the build ID: %w", err)
	}
	defer f.Close() // only read
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOTE {
			continue
		}
		text, err := s.Data()
		if err != nil {
			return "", fmt.Errorf("read the build ID of %s: %w", path, err)
		}
		if id, err := Parse(text); err == nil {
			return id, nil
		}
	}
	return "", fmt.Errorf("%s: %w", path, ErrNone)
}
