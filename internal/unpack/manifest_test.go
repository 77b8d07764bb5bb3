package unpack

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestManifestRoundTrip(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	want := []Entry{
		{Path: "a b/c d", Mode: 0o644, Size: 0, MTime: -1, SHA256: sum},
		{Path: "a/b", Mode: 0o755, Size: 1 << 40, MTime: 1793988916000000001, SHA256: sum},
		{Path: "l", Mode: fs.ModeSymlink, Size: 3, MTime: 0, SHA256: sum},
	}
	path := filepath.Join(t.TempDir(), "manifest")
	if err := writeManifest(path, []Entry{want[2], want[0], want[1]}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadManifest(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestManifestRefused(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	for name, tt := range map[string]struct{ text, want string }{
		"cut":       {sum + " 0644 1 1 a", "line 1 has no end"},
		"fields":    {sum + " 0644 1 1\n", "fields"},
		"mode":      {sum + " 0666 1 1 a\n", "unknown mode"},
		"size":      {sum + " 0644 x 1 a\n", "invalid syntax"},
		"minus":     {sum + " 0644 -1 1 a\n", "is not one"},
		"time":      {sum + " 0644 1 99999999999999999999 a\n", "out of range"},
		"sum":       {"xyz 0644 1 1 a\n", "is not one"},
		"path":      {sum + " 0644 1 1 ../a\n", "is not one"},
		"order":     {sum + " 0644 1 1 b\n" + sum + " 0644 1 1 a\n", "line 2: a is not in order"},
		"twice":     {sum + " 0644 1 1 a\n" + sum + " 0644 1 1 a\n", "not in order"},
		"empty one": {"\n", "fields"},
	} {
		if _, err := parseManifest(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadManifest(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}

// What parses is written as it was read.
func FuzzManifest(f *testing.F) {
	sum := strings.Repeat("0a", 32)
	f.Add([]byte(sum + " 0644 1 1 a b\n" + sum + " link 1 1 c\n"))
	f.Add([]byte(""))
	f.Add([]byte(sum + " 0755 01 +1 a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := parseManifest(bytes.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := formatManifest(&out, entries); err != nil {
			t.Fatal(err)
		}
		again, err := parseManifest(&out)
		if err != nil || !cmp.Equal(entries, again) {
			t.Errorf("%v\n%s", err, cmp.Diff(entries, again))
		}
	})
}

// FuzzUnpack takes anything for a tar archive. Whatever it is, nothing may
// be written beside the tree, and what is accepted is what the manifest says.
func FuzzUnpack(f *testing.F) {
	for _, items := range [][]item{
		kernel(),
		kernel(symlink("linux-5.4.302/l", "arch"), hard("linux-5.4.302/h", "linux-5.4.302/Makefile")),
		kernel(symlink("linux-5.4.302/l", "../../evil"), plain("linux-5.4.302/l/x", "evil")),
		{plain("../evil", "x")}, {plain("/evil", "x")}, {hard("a/b", "a/../../c")}, {dir("a/b"), symlink("a/b/c", "../../../d")},
	} {
		small := make([]item, 0, len(items))
		for _, i := range items {
			if len(i.body) < 1000 {
				small = append(small, i)
			}
		}
		f.Add(makeTar(f, small))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		top := t.TempDir()
		l := defaultLimits()
		l.file, l.total, l.entries = 1<<20, 4<<20, 1000
		s, err := newSink(filepath.Join(top, "src"), l)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		err = s.run(t.Context(), func(ctx context.Context) error { return readTar(ctx, s, bytes.NewReader(body)) })
		for _, name := range list(t, top) {
			if name != "src" && !strings.HasPrefix(name, "src/") {
				t.Errorf("%s was written", name)
			}
		}
		if err == nil {
			root := Tree{Root: top}
			if err := writeManifest(root.Manifest(), s.entries); err != nil {
				t.Fatal(err)
			}
			checkTree(t, root)
		}
	})
}
