package buildid

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// note returns a note as the linker writes it.
func note(owner string, kind uint32, content string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(owner)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(content)))
	b = binary.LittleEndian.AppendUint32(b, kind)
	for _, part := range []string{owner, content} {
		b = append(b, part...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	return b
}

func TestParse(t *testing.T) {
	id := note("GNU\x00", 3, "\x01\x02\xff")
	other := note("Linux\x00", 0x101, "xyz")
	tests := []struct {
		name, want, wantErr string
		notes               []byte
	}{
		{name: "alone", notes: id, want: "0102ff"},
		{name: "behind others", notes: append(append(other, note("GNU\x00", 1, "x")...), id...), want: "0102ff"},
		{name: "none", notes: other, wantErr: "no build ID"},
		{name: "nothing", wantErr: "no build ID"},
		{name: "of another owner", notes: note("ABC\x00", 3, "x"), wantErr: "no build ID"},
		{name: "empty", notes: note("GNU\x00", 3, ""), wantErr: "no build ID"},
		{name: "too long", notes: note("GNU\x00", 3, strings.Repeat("x", 65)), wantErr: "no build ID"},
		{name: "cut", notes: id[:len(id)-1], wantErr: "one of 8 bytes in 7"},
		{name: "of four gigabytes", notes: append([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\x03\x00\x00\x00"), id...), wantErr: "read the notes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.notes)
			if got != tt.want || (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("%q, %v; want %q, %q", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

// What Go's own linker writes is what is read.
func TestOfFile(t *testing.T) {
	dir := t.TempDir()
	src, bin := filepath.Join(dir, "a.go"), filepath.Join(dir, "a")
	if err := os.WriteFile(src, []byte("package main\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"0x0a0b0c": "0a0b0c", "none": ""} {
		if out, err := exec.Command("go", "build", "-ldflags=-B "+id, "-o", bin, src).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got, err := OfFile(bin)
		if got != want || want == "" && !errors.Is(err, ErrNone) {
			t.Errorf("-B %s: %q, %v", id, got, err)
		}
	}
	if _, err := OfFile(src); err == nil {
		t.Error("a text has a build ID")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(note("GNU\x00", 3, "id"))
	f.Add(note("Linux\x00", 0x101, "xyz"))
	f.Fuzz(func(t *testing.T, notes []byte) {
		if id, err := Parse(notes); (id == "") != (err != nil) || len(id) > 2*maxID {
			t.Errorf("%q, %v", id, err)
		}
	})
}
