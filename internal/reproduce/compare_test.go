package reproduce

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sides are two folders with a file "f" each.
func sides(t *testing.T, a, b []byte) (string, string) {
	t.Helper()
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for i, text := range [][]byte{a, b} {
		if err := os.WriteFile(filepath.Join(dirs[i], "f"), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dirs[0], dirs[1]
}

// where compares two contents, which must come to a difference.
func where(t *testing.T, a, b []byte) []string {
	t.Helper()
	x, y := sides(t, a, b)
	d, err := Compare(x, y, []string{"f"})
	if err != nil || len(d) != 1 || d[0].File != "f" || len(d[0].Where) == 0 {
		t.Fatalf("%+v, %v; want one difference", d, err)
	}
	return d[0].Where
}

// want looks for a place that matches.
func want(t *testing.T, where []string, pattern string) {
	t.Helper()
	if !slices.ContainsFunc(where, regexp.MustCompile(pattern).MatchString) {
		t.Errorf("no place matches %s:\n%s", pattern, strings.Join(where, "\n"))
	}
}

func TestTheSameIsNoDifference(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<15) // more than is read at once
	a, b := sides(t, text, text)
	if d, err := Compare(a, b, []string{"f"}); err != nil || len(d) != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if err := os.Chmod(filepath.Join(b, "f"), 0o600); err != nil { // another umask
		t.Fatal(err)
	}
	if d, err := Compare(a, b, []string{"f"}); err != nil || len(d) != 0 {
		t.Errorf("another mode: %+v, %v", d, err)
	}
	for _, other := range [][]byte{text[:len(text)-1], append(text[:len(text):len(text)], 0)} {
		a, b := sides(t, text, other)
		if d, err := Compare(a, b, []string{"f"}); err != nil || len(d) != 1 {
			t.Errorf("%d bytes: %+v, %v", len(other), d, err)
		}
	}
}

func TestWhatIsNotThere(t *testing.T) {
	a, b := sides(t, nil, nil)
	for path, to := range map[string]string{filepath.Join(a, "l"): "x", filepath.Join(b, "l"): "y", filepath.Join(a, "same"): "z", filepath.Join(b, "same"): "z"} {
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(a, "only"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	names, err := Files([]string{a, b}, []string{"."}, func(base string) bool { return base == "f" })
	if d := cmp.Diff([]string{"l", "only", "same"}, names); d != "" || err != nil {
		t.Fatalf("%v: %s", err, d)
	}
	got, err := Compare(a, b, names)
	want := []Difference{
		{"l", []string{`it is a link to "x" in the first build, a link to "y" in the second`}},
		{"only", []string{"it is a file in the first build, not there in the second"}},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v: %s", err, d)
	}
}

// compileC compiles C with a compiler for each side.
func compileC(t *testing.T, cc, code, other string, args ...string) (a, b []byte) {
	t.Helper()
	if _, err := exec.LookPath(cc); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	out := [2][]byte{}
	for i, text := range []string{code, other} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.c"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(cc, append([]string{"-O1", "-o", "x", "x.c"}, args...)...)
		cmd.Dir = dir
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		var err error
		if out[i], err = os.ReadFile(filepath.Join(dir, "x")); err != nil {
			t.Fatal(err)
		}
	}
	return out[0], out[1]
}

const code = `const char where[] = "/home/one/linux/entry.S"; int other = 7;
int before(void) { return 40; } int planted(int x) { return x * 41; } int behind(void) { return 42; } int main(void) { return where[planted(other)]; }
`

func TestELF(t *testing.T) {
	for _, cc := range []string{"gcc", "aarch64-linux-gnu-gcc"} {
		t.Run(cc, func(t *testing.T) {
			a, b := compileC(t, cc, code, strings.Replace(code, "/one/", "/two/", 1))
			want(t, where(t, a, b), `^section \.rodata: [0-9]+ of [0-9]+ bytes, the first at 0x[0-9a-f]+, symbol where\+0x6: "/home/one/linux/entry\.S" and "/home/two/linux/entry\.S"$`)

			a, b = compileC(t, cc, code, strings.Replace(code, "x * 41", "x * 2000000", 1), "-c", "-O0")
			places := where(t, a, b)
			want(t, places, `^section \.text: .*symbol planted(\+0x[0-9a-f]+)?: `)
			for _, p := range places {
				if strings.Contains(p, "symbol before") || strings.Contains(p, "symbol main") && !strings.Contains(p, "bytes, the first") {
					t.Errorf("this is the same: %s", p)
				}
			}

			a, b = compileC(t, cc, code, strings.Replace(code, "int other = 7", "int other = 8", 1), "-c")
			if got := where(t, a, b); len(got) != 1 || !strings.Contains(got[0], "section .data: 1 of 4 bytes, the first at 0x0, symbol other: 07 00 00 00 and 08 00 00 00") {
				t.Errorf("%q", got)
			}

			a, b = compileC(t, cc, code, code+`int more[] __attribute__((section(".more"))) = {1};`, "-c")
			want(t, where(t, a, b), `^section \.more, in the second only$`)
		})
	}
}

// A note that is a hash of all else is told behind what it is a hash of.
func TestCauseBeforeBuildID(t *testing.T) {
	a, b := compileC(t, "gcc", code, strings.Replace(code, "/one/", "/two/", 1), "-Wl,--build-id=sha1")
	places := where(t, a, b)
	if !strings.HasPrefix(places[0], "section .rodata") {
		t.Errorf("the first is %s", places[0])
	}
	want(t, places[1:], `^section \.note\.gnu\.build-id: `)
}

// A leak that is longer on one side moves what is behind it: it is named all
// the same, before all that only refers to what has moved.
func TestCauseOfWhatMoved(t *testing.T) {
	const head = "__attribute__((noipa)) int use(const void *); int far[1000] = {1}; int caller(void) { return use(far) + use(caller); }\n"
	const tail = "const char behind[] = \"what comes behind it\"; const char *at = behind; int last(void) { return use(behind) + use(at); }\n"
	other := "__attribute__((noipa)) int use(const void *p) { return p != 0; } int main(void) { return caller() + last(); }\n"
	with := func(leak string) string { return head + leak + tail + other }
	for _, cc := range []string{"gcc", "aarch64-linux-gnu-gcc"} {
		a, b := compileC(t, cc, with(`const char leak[] = "built in /a";`), with(`const char leak[] = "built in /a/folder/that/is/a/good/deal/longer/than/the/first/one";`), "-fno-toplevel-reorder")
		places := where(t, a, b)
		if !strings.HasPrefix(places[0], `section .rodata, symbol leak: 12 and 65 bytes: "built in /a" and "built in /a/folder/`) {
			t.Errorf("%s: the first place is %s", cc, places[0])
		}
		want(t, places, `^section \.rodata, in the second only: the text "built in /a/folder/that`)

		a, b = compileC(t, cc, with(`int said(void) { return use("said in /a"); }`), with(`int said(void) { return use("said in /a/folder/that/is/a/good/deal/longer/than/the/first/one"); }`), "-fno-toplevel-reorder")
		places = where(t, a, b)
		if len(places) < 2 || !strings.Contains(places[0]+places[1], `only: the text "said in /a"`) {
			t.Errorf("%s: %q", cc, places)
		}
	}
	a, b := compileC(t, "gcc", with(""), with("int more = 1;"), "-fno-toplevel-reorder")
	want(t, where(t, a, b), `^section \.data, symbol more, in the second only$`)
}

func TestText(t *testing.T) {
	a := "# top\nCONFIG_A=y\nCONFIG_B=\"one\"\nCONFIG_C=y\n"
	for _, tt := range []struct{ b, want string }{
		{strings.Replace(a, "one", "two", 1), `^line 3: "CONFIG_B=\\"one\\"" and "CONFIG_B=\\"two\\""$`},
		{strings.Replace(a, "CONFIG_A=y\n", "", 1), `^line 2, in the first only: "CONFIG_A=y"$`},
		{a + "CONFIG_D=m\n", `^line 5, in the second only: "CONFIG_D=m"$`},
		{"# top\nCONFIG_A=y\nCONFIG_C=y\nCONFIG_B=\"one\"\n", `^the same lines in another order, from line 3: `},
		{a + "CONFIG_A=y\n", `^line 5, in the second only: "CONFIG_A=y"$`},
		{strings.TrimSuffix(a, "\n"), `^line 5, in the first only: ""$`},
	} {
		got := where(t, []byte(a), []byte(tt.b))
		if len(got) != 1 || !regexp.MustCompile(tt.want).MatchString(got[0]) {
			t.Errorf("%q; want one that matches %s", got, tt.want)
		}
	}
}

func TestManyPlacesAreBounded(t *testing.T) {
	var a, b strings.Builder
	for i := range 1000 {
		a.WriteString("CONFIG_" + strings.Repeat("A", i) + "=y\n")
		b.WriteString("CONFIG_" + strings.Repeat("A", i) + "=m\n")
	}
	got := where(t, []byte(a.String()), []byte(b.String()))
	if len(got) != mostWhere+1 || got[mostWhere] != "and 980 more" {
		t.Errorf("%d places, the last %q", len(got), got[len(got)-1])
	}
	for _, line := range got {
		if len(line) > 400 {
			t.Errorf("a place of %d bytes", len(line))
		}
	}
}

// What drives a terminal must not come out of a file.
func TestHostileText(t *testing.T) {
	for _, line := range where(t, []byte("a\x1b[2J\x07b\n"), []byte("c\x1b]0;x\x07d\u202e\n")) {
		if strings.ContainsAny(line, "\x1b\x07\u202e") {
			t.Errorf("%q", line)
		}
	}
}

func gz(t *testing.T, b []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, level)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestGzip(t *testing.T) {
	want(t, where(t, gz(t, []byte("x\nCONFIG_A=y\n"), 9), gz(t, []byte("x\nCONFIG_A=m\n"), 9)), `^uncompressed: line 2: "CONFIG_A=y" and "CONFIG_A=m"$`)
	// The kernel puts the size behind what it compressed (scripts/Makefile.lib, size_append).
	size := []byte{12, 0, 0, 0}
	for _, pack := range []func(string) []byte{
		func(s string) []byte { return append(gz(t, []byte(s), 9), size...) },
		func(s string) []byte { return append(zst(t, []byte(s)), size...) },
	} {
		want(t, where(t, pack("x\nCONFIG_A=y\n"), pack("x\nCONFIG_A=m\n")), `^uncompressed: line 2: `)
	}
	text := bytes.Repeat([]byte("what can be compressed is "), 1000)
	want(t, where(t, gz(t, text, 1), gz(t, text, 9)), `^the compression only: `)
	broken := gz(t, text, 9)
	want(t, where(t, broken[:len(broken)-9], gz(t, text, 9)), `bytes, the first that differs at 0x`)
}

func FuzzExplain(f *testing.F) {
	for _, seed := range []string{"\x7fELF\x02\x01\x01", arMagic, rpmMagic, "070701", "text\n", zstdMagic} {
		f.Add([]byte(seed), []byte(seed+"x"))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var e explainer
		e.vmlinux = func() (*symbols, error) { return openSymbols("/nonexistent") }
		e.explain("", a, b)
		if got := e.result(); (len(got) == 0) != bytes.Equal(a, b) || len(got) > mostWhere+1 {
			t.Errorf("%d places", len(got))
		}
	})
}
