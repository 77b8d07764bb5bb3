package initramfs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
)

func TestPackRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, entries := range map[string][]entry{
		"no folder":        {{name: "opt/x", mode: 0o644, file: file}},
		"twice":            {{name: "init", mode: 0o644, file: file}, {name: "init", mode: 0o644, file: file}},
		"file for folder":  {{name: "init", mode: 0o644, file: file}, {name: "init/x", mode: 0o644, file: file}},
		"folder twice":     {{name: "proc", mode: cpio.TypeDir | 0o755}},
		"file not there":   {{name: "init", mode: 0o644, file: file + "x"}},
		"above the root":   {{name: "../init", mode: 0o644, file: file}},
		"from the root on": {{name: "/init", mode: 0o644, file: file}},
	} {
		var r Result
		if err := r.pack(io.Discard, entries); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Contents come back as they were, whatever their length is modulo 4.
func TestPackKeepsContents(t *testing.T) {
	dir := t.TempDir()
	var entries []entry
	want := map[string]string{}
	for _, text := range []string{"", "1", "12", "123", "1234", "12345"} {
		name := "f" + text
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{name: name, mode: cpio.TypeReg | 0o644, file: filepath.Join(dir, name)})
		want[name] = text
	}
	var b bytes.Buffer
	var res Result
	if err := res.pack(&b, entries); err != nil {
		t.Fatal(err)
	}
	if res.Size != int64(b.Len()) || b.Len()%4 != 0 {
		t.Errorf("%d bytes, result says %d", b.Len(), res.Size)
	}
	got := map[string]string{}
	for r := cpio.NewReader(&b); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode.IsRegular() {
			got[h.Name] = string(text)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTestdata(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "testdata")
	if got, err := testdata(dir, "verify/testdata"); got != nil || err != nil {
		t.Errorf("no folder: %v, %v", got, err)
	}
	run := filepath.Join(dir, "sub", "run.sh")
	if err := errors.Join(os.MkdirAll(filepath.Dir(run), 0o700), os.WriteFile(run, nil, 0o700), os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	got, err := testdata(dir, "verify/testdata")
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]cpio.FileMode{}
	for _, e := range got {
		modes[e.name] = e.mode
	}
	want := map[string]cpio.FileMode{
		"verify/testdata": 0o40755, "verify/testdata/plain": 0o100644, "verify/testdata/sub": 0o40755, "verify/testdata/sub/run.sh": 0o100755,
	}
	if d := cmp.Diff(want, modes); d != "" {
		t.Error(d)
	}
	if err := os.Symlink("plain", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := testdata(dir, "verify/testdata"); err == nil || !strings.Contains(err.Error(), "neither a file nor a folder") {
		t.Errorf("link: %v", err)
	}
}
