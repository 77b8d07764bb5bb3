package reproduce

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"
)

var epoch = time.Unix(1700000000, 0)

// file is a member of a test's archive.
type file struct {
	name, data string
	mode       int64
	mtime      time.Time
	uid        int
}

func some() []file {
	return []file{{"boot/one", "1\nCONFIG_A=y\n", 0o644, epoch, 0}, {"boot/two", "two", 0o755, epoch, 0}}
}

// with returns some with one member changed.
func with(change func(*file)) []file {
	list := some()
	change(&list[0])
	return list
}

func makeTar(t *testing.T, files []file) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		err := w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, ModTime: f.mtime, Uid: f.uid, Size: int64(len(f.data)), Typeflag: tar.TypeReg})
		if err == nil {
			_, err = w.Write([]byte(f.data))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func makeCPIO(t *testing.T, files []file) []byte {
	t.Helper()
	var out bytes.Buffer
	w := cpio.NewWriter(&out)
	for _, f := range files {
		err := w.WriteHeader(&cpio.Header{Name: f.name, Mode: cpio.TypeReg | cpio.FileMode(f.mode), ModTime: f.mtime, Uid: f.uid, Size: int64(len(f.data))})
		if err == nil {
			_, err = w.Write([]byte(f.data))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func makeAr(_ *testing.T, files []file) []byte {
	out := []byte(arMagic)
	for _, f := range files {
		out = fmt.Appendf(out, "%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", f.name+"/", f.mtime.Unix(), f.uid, 0, 0o100000|f.mode, len(f.data), f.data)
		if len(f.data)%2 == 1 {
			out = append(out, '\n')
		}
	}
	return out
}

func zst(t *testing.T, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func TestArchives(t *testing.T) {
	for name, pack := range map[string]func(*testing.T, []file) []byte{
		"tar": makeTar, "cpio": makeCPIO, "ar": makeAr,
		"tar.zst": func(t *testing.T, f []file) []byte { return zst(t, makeTar(t, f)) },
	} {
		t.Run(name, func(t *testing.T) {
			a := pack(t, some())
			for _, tt := range []struct {
				change func(*file)
				want   string
			}{
				{func(f *file) { f.mtime = epoch.Add(time.Hour) }, `boot/one: mtime 2023-11-14 22:13:20 and 2023-11-14 23:13:20$`},
				{func(f *file) { f.mode = 0o600 }, `boot/one: mode [0-7]*644 and [0-7]*600$`},
				{func(f *file) { f.uid = 1000 }, `boot/one: owner 0:0( :)? and 1000:0( :)?$`},
				{func(f *file) { f.data = "1\nCONFIG_A=m\n" }, `boot/one: line 2: "CONFIG_A=y" and "CONFIG_A=m"$`},
			} {
				got := where(t, a, pack(t, with(tt.change)))
				want(t, got, tt.want)
				if len(got) != 1 {
					t.Errorf("%q; want one place", got)
				}
			}
			want(t, where(t, a, pack(t, some()[:1])), `"boot/two", in the first only$`)
			list := some()
			list[0], list[1] = list[1], list[0]
			want(t, where(t, a, pack(t, list)), `member 1 is "boot/one" and "boot/two"$`)
		})
	}
}

// A deb is an ar of tars: what differs is found within both.
func TestArchivesInArchives(t *testing.T) {
	deb := func(files []file) []byte {
		return makeAr(t, []file{{"debian-binary", "2.0\n", 0o644, epoch, 0}, {"data.tar.zst", string(zst(t, makeTar(t, files))), 0o644, epoch, 0}})
	}
	got := where(t, deb(some()), deb(with(func(f *file) { f.mode = 0o640 })))
	want(t, got, `^data\.tar\.zst: uncompressed: boot/one: mode 0644 and 0640$`)
}

// rpmOf returns a package with two tags and a payload.
func rpmOf(t *testing.T, host string, files []file) []byte {
	header := func(host string) []byte {
		store := append([]byte{0, 0, 0, 7}, host+"\x00"...)
		out := []byte("\x8e\xad\xe8\x01\x00\x00\x00\x00")
		for _, n := range []uint32{2, uint32(len(store)), 1006, 4, 0, 1, 1007, 6, 4, 1} {
			out = binary.BigEndian.AppendUint32(out, n)
		}
		return append(out, store...)
	}
	out := append([]byte(rpmMagic), make([]byte, 92)...)
	sig := header("s")
	out = append(out, sig...)
	out = append(out, make([]byte, (8-len(sig)%8)%8)...)
	out = append(out, header(host)...)
	return append(out, gz(t, makeCPIO(t, files), 9)...)
}

func TestRPM(t *testing.T) {
	a := rpmOf(t, "one.example", some())
	got := where(t, a, rpmOf(t, "two.example", some()))
	if len(got) != 1 || got[0] != "header: BUILDHOST one.example and two.example" {
		t.Errorf("%q", got)
	}
	got = where(t, a, rpmOf(t, "one.example", with(func(f *file) { f.mtime = epoch.Add(time.Second) })))
	want(t, got, `^payload: uncompressed: boot/one: mtime 2023-11-14 22:13:20 and 2023-11-14 22:13:21$`)
}

// Archives that say what cannot be are bytes.
func TestBrokenArchives(t *testing.T) {
	for name, b := range map[string][]byte{
		"ar, size":  []byte(arMagic + "x/              0           0     0     100644  999999999 `\nxx"),
		"ar, cut":   []byte(arMagic + "x/"),
		"rpm, cut":  append([]byte(rpmMagic), make([]byte, 20)...),
		"rpm, tags": append(append([]byte(rpmMagic), make([]byte, 92)...), "\x8e\xad\xe8\x01\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"...),
		"cpio":      []byte("070701zzzzzzzz"),
		"zstd":      []byte(zstdMagic + "broken"),
		"elf":       []byte("\x7fELF\x02\x01\x01broken"),
	} {
		t.Run(name, func(t *testing.T) {
			want(t, where(t, b, append(b[:len(b):len(b)], 'x')), `bytes, the first that differs at 0x[0-9a-f]+: |^line `)
		})
	}
}
