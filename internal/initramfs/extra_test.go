package initramfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
)

func TestExtra(t *testing.T) {
	dir := t.TempDir()
	plain, program := filepath.Join(dir, "plain"), filepath.Join(dir, "program")
	if err := errors.Join(os.WriteFile(plain, []byte("x"), 0o600), os.WriteFile(program, []byte("y"), 0o700)); err != nil {
		t.Fatal(err)
	}
	p := Params{Arch: runtime.GOARCH, Dir: t.TempDir(), Module: smallModule(t, map[string]string{"verify/testdata/a": "a"})}
	before, err := Build(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	p.Extra = []Extra{
		{Name: "verify/files/plain", Path: plain}, {Name: "verify/files/sub/program", Path: program},
		{Name: "verify/testdata/b", Path: plain, Mode: 0o400}, {Name: "lib/x", Path: plain},
	}
	after, err := Build(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if before.SHA256 == after.SHA256 || before.Verifier != after.Verifier {
		t.Error("the extra files are not in the archive's bytes, or change the checks")
	}
	got := map[string]string{}
	for name, h := range list(t, after.Path) {
		if strings.HasPrefix(name, "verify/") || strings.HasPrefix(name, "lib") {
			got[name] = fs.FileMode(h.FileInfo().Mode()).String()
		}
	}
	want := map[string]string{
		"lib": "drwxr-xr-x", "lib/x": "-rw-r--r--",
		"verify/files": "drwxr-xr-x", "verify/files/plain": "-rw-r--r--", "verify/files/sub": "drwxr-xr-x",
		"verify/files/sub/program": "-rwxr-xr-x", "verify/testdata": "drwxr-xr-x", "verify/testdata/a": "-rw-r--r--", "verify/testdata/b": "-r--------",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if back, err := Load(after.Path); err != nil || cmp.Diff(after, back) != "" || len(back.Files) != len(before.Files)+4 {
		t.Errorf("load: %v %+v", err, back.Files)
	}
}

func TestExtraRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		extra Extra
		want  string
	}{
		"absolute":         {Extra{Name: "/etc/x", Path: file}, "clean relative path"},
		"above":            {Extra{Name: "../x", Path: file}, "clean relative path"},
		"not clean":        {Extra{Name: "etc//x", Path: file}, "clean relative path"},
		"nothing":          {Extra{Name: "", Path: file}, "clean relative path"},
		"the root":         {Extra{Name: ".", Path: file}, "clean relative path"},
		"a program of us":  {Extra{Name: "init", Path: file}, "init is there already"},
		"a folder of us":   {Extra{Name: "proc", Path: file}, "proc is there already"},
		"twice":            {Extra{Name: "etc/twice", Path: file}, "etc/twice is there already"},
		"below a file":     {Extra{Name: "init/x", Path: file}, "init is a file"},
		"a folder as file": {Extra{Name: "etc/x", Path: filepath.Dir(file)}, "not a regular file"},
		"not there":        {Extra{Name: "etc/x", Path: file + "y"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			there := []entry{{name: "init", mode: 0o755, file: file}}
			_, err := extra([]Extra{{Name: "etc/twice", Path: file}, tt.extra}, there)
			if err == nil || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != fault.Usage {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
