package patch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
)

func TestParseSeries(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		want    []entry
		wantErr []string
	}{
		"empty":       {},
		"quilt":       {text: "# top\n\na.patch\n  b.patch -p1\nsub/c.diff -p0 # why\n\td.patch # -p9\r\n", want: []entry{{"a.patch", 1}, {"b.patch", 1}, {"sub/c.diff", 0}, {"d.patch", 1}}},
		"a/ and b/":   {text: "a -pab\n", want: []entry{{"a", 1}}},
		"no newline":  {text: "a.patch", want: []entry{{"a.patch", 1}}},
		"twice":       {text: "a\nb\na\n", wantErr: []string{"line 3: a stands there already, in line 1"}},
		"option":      {text: "a -R\n", wantErr: []string{"line 1: a: -R, a patch to be taken back, is not supported"}},
		"level":       {text: "a -p2\n", wantErr: []string{"cannot read -p2"}},
		"two names":   {text: "a b\n", wantErr: []string{"cannot read b"}},
		"leaves":      {text: "../a\n/etc/passwd\na/../../b\n.git/x\n", wantErr: []string{"line 1: ", "line 2: ", "line 3: ", "line 4: ", "leaves the folder", "is absolute", "git's own"}},
		"not plain":   {text: "./a\na//b\na/\n", wantErr: []string{"line 1: ", "line 2: ", "line 3: "}},
		"no patch":    {text: "series\n-p1\n", wantErr: []string{"line 1: ", "line 2: "}},
		"controls":    {text: "a\x1b[2Jb\n", wantErr: []string{`a\x1b[2Jb`}},
		"not UTF-8":   {text: "a\xff\n", wantErr: []string{"control characters"}},
		"long":        {text: strings.Repeat("a", 300) + "\n", wantErr: []string{"too long"}},
		"all at once": {text: "a -x\nb -y\n", wantErr: []string{"line 1: ", "line 2: "}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseSeries(tc.text)
			if (err != nil) != (tc.wantErr != nil) {
				t.Fatalf("error %v, want %q", err, tc.wantErr)
			}
			for _, w := range tc.wantErr {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error does not say %q: %v", w, err)
				}
			}
			if err != nil {
				return
			}
			if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(entry{})); d != "" {
				t.Errorf("entries (-want +got):\n%s", d)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := load(filepath.Join(dir, "none")); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
		t.Errorf("no folder: %v", err)
	}
	_, err := load(dir)
	wantKind(t, err, fault.Usage, "read the series")
	outside := filepath.Join(t.TempDir(), "x.patch")
	put(t, filepath.Dir(outside), content{"x.patch": "secret\n"})
	put(t, dir, content{
		"series": "a.patch\ngone.patch\nout.patch\nin.patch\nsub\nsub/b.patch\n", "a.patch": "a\n",
		"out.patch": "link:" + outside, "in.patch": "link:sub/b.patch", "sub/b.patch": "b\n",
	})
	_, err = load(dir)
	wantKind(t, err, fault.Usage, "patch gone.patch: ", "patch out.patch: ", "patch sub: ")
	if err != nil && (strings.Contains(err.Error(), "in.patch") || strings.Contains(err.Error(), "a.patch")) {
		t.Errorf("a good patch is in the error: %v", err)
	}
	put(t, dir, content{"series": "sub/b.patch\nin.patch -p0\n"})
	got, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []patchFile{{entry{"sub/b.patch", 1}, "b\n", sum("b\n")}, {entry{"in.patch", 0}, "b\n", sum("b\n")}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(entry{}, patchFile{})); d != "" {
		t.Errorf("patches (-want +got):\n%s", d)
	}
	names, err := Names(dir)
	if d := cmp.Diff([]string{"sub/b.patch", "in.patch"}, names); d != "" || err != nil {
		t.Errorf("names: %v, %v", names, err)
	}
}

func TestLoadIsBounded(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, content{"series": "big.patch\n", "big.patch": "x"})
	if err := os.Truncate(filepath.Join(dir, "big.patch"), maxPatch+1); err != nil {
		t.Fatal(err)
	}
	_, err := load(dir)
	wantKind(t, err, fault.Usage, "big.patch is larger than 256 MiB")
}

func FuzzSeries(f *testing.F) {
	for _, s := range []string{"", "a.patch\n", "# x\na -p0 # y\nb/c.patch -p1\r\n", "../a\n", "a\na\n", "/a -R\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := parseSeries(text)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, e := range entries {
			if seen[e.name] || !filepath.IsLocal(e.name) || filepath.Clean(e.name) != e.name || e.strip < 0 || e.strip > 1 {
				t.Errorf("entry %+v of %q", e, text)
			}
			seen[e.name] = true
		}
	})
}
