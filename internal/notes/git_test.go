package notes_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/fault"
	"bzmage/internal/notes"
)

// put commits files and returns the commit.
func (r *tree) put(files map[string]string) string {
	r.t.Helper()
	for name, text := range files {
		path := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	r.commit("files")
	return r.git("rev-parse", "HEAD")
}

func TestBeforeFromGit(t *testing.T) {
	r := newTree(t)
	none := r.put(map[string]string{"x": ""})
	text := diff("s", "@@ -5,2 +5,3 @@", " a\n+x\n b\n")
	old := r.put(map[string]string{
		"configs/kernels.toml": "unknown = \"to this bzmage\"\n[[line]]\nname = \"6.1\"\nrelease = \"6.1.1\"\n[[line]]\nname = \"5.4\"\nrelease = \"5.4.301\"\npatches = \"was/5.4\"\n",
		"was/5.4/series":       "# a comment\n\nz.patch -p0 # first\nsub/a.patch\n#gone.patch\n",
		"was/5.4/z.patch":      "z", "was/5.4/sub/a.patch": text, "was/5.4/unused.patch": "u",
		"patches/5.4/series": "other.patch\n", "patches/5.4/other.patch": "o",
	})
	r.put(map[string]string{"configs/kernels.toml": "now", "was/5.4/z.patch": "changed since"})
	read := func(commit, line string) (notes.Before, error) {
		return notes.BeforeFromGit(t.Context(), r.dir, commit, "patches/5.4", "configs/kernels.toml", line)
	}
	b, err := read(old, "5.4")
	if err != nil || b.BaseRelease != "5.4.301" || len(b.Patches) != 2 || b.Patches[0].Name != "z.patch" || b.Patches[0].Strip != 0 ||
		string(b.Patches[0].Text) != "z" || b.Patches[1].Name != "sub/a.patch" || string(b.Patches[1].Text) != text || b.Patches[1].Strip != 1 {
		t.Errorf("%+v %v", b, err)
	}
	if b, err := read(old, "4.19"); err != nil || b.BaseRelease != "" || len(b.Patches) != 1 || b.Patches[0].Name != "other.patch" {
		t.Errorf("a line that was not there: %+v %v", b, err)
	}
	if b, err := read(none, "5.4"); err != nil || b.BaseRelease != "" || len(b.Patches) != 0 {
		t.Errorf("before there were patches: %+v %v", b, err)
	}
	missing := r.put(map[string]string{"patches/5.4/series": "nowhere.patch\n", "configs/kernels.toml": ""})
	if _, err := read(missing, "5.4"); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "nowhere.patch") {
		t.Errorf("a patch that is missing: %v", err)
	}
	if _, err := read(strings.Repeat("0", 40), "5.4"); err == nil {
		t.Error("a commit that is not there: no error")
	}
}
