package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/kbuild"
	"bzmage/internal/key"
)

func TestParseFragment(t *testing.T) {
	frag, err := ParseFragment("f", []byte("# words\n\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"a b\"  \nCONFIG_D=0x10\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	opts := frag.Lines
	var got []string
	for _, o := range opts {
		got = append(got, o.String())
	}
	if d := cmp.Diff([]string{"CONFIG_A=y", "# CONFIG_B is not set", `CONFIG_C="a b"`, "CONFIG_D=0x10"}, got); d != "" {
		t.Error(d)
	}
	if opts[3].Line != 6 || opts[3].File != "f" {
		t.Errorf("place %s:%d", opts[3].File, opts[3].Line)
	}
}

func TestParseFragmentRefuses(t *testing.T) {
	for _, line := range []string{"CONFIG_A", "CONFIG_A = y", "A=y", "CONFIG_A=yes", "# CONFIG_A is not set.", "#CONFIG_A is not set",
		"CONFIG_A=", `CONFIG_A="x`, "CONFIG_A=n x", "include other",
		"# bzmage: may-drop CONFIG_A", "# bzmage: may-drop CONFIG_A: ", "# bzmage: may-drop CONFIG_A on arm64:", "# bzmage: may-drop A: why", "# bzmage: drop"} {
		if opts, err := ParseFragment("f", []byte("CONFIG_OK=y\n"+line+"\n")); err == nil || !strings.HasPrefix(err.Error(), "f:2: ") {
			t.Errorf("%q: got %v, %v; want an error at f:2", line, opts, err)
		}
	}
}

func TestLaterFragmentsWin(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"one": "CONFIG_A=y\nCONFIG_B=y\n", "two": "# CONFIG_A is not set\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	frag, err := ReadFragments(dir, []string{filepath.Join(dir, "one"), filepath.Join(dir, "two")})
	opts := frag.Asked()
	if err != nil || len(opts) != 2 || opts[0].Value != "n" || opts[1].Value != "y" {
		t.Errorf("got %v, %v", opts, err)
	}
	if frag.Lines[2].File != "two" {
		t.Errorf("the place is %s", frag.Lines[2].File)
	}
	if _, err := ReadFragments(dir, []string{filepath.Join(dir, "three")}); fault.KindOf(err) != fault.Usage {
		t.Errorf("a missing fragment: %v", err)
	}
}

func TestMergeAndLost(t *testing.T) {
	asked := []Option{{Name: "CONFIG_A", Value: "y", File: "f", Line: 1}, {Name: "CONFIG_B", Value: "n", File: "f", Line: 2}, {Name: "CONFIG_AB", Value: "3", File: "f", Line: 3}}
	got := string(merge([]byte("# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_ABC=y\nCONFIG_AB=1\n"), asked))
	want := "CONFIG_ABC=y\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_AB=3\n"
	if got != want {
		t.Errorf("merged to %q, want %q", got, want)
	}
	frag := Fragment{Lines: asked}
	if l := lost(frag, ReadConfig([]byte(want))); len(l) != 0 {
		t.Errorf("lost %v of a config that has all", l)
	}
	l := lost(frag, ReadConfig([]byte("CONFIG_B=m\nCONFIG_AB=3\n")))
	if d := cmp.Diff([]Loss{{Option: asked[0], Got: "n"}, {Option: asked[1], Got: "m"}}, l); d != "" {
		t.Error(d)
	}
}

// A tree of its own with a makefile that does what a kernel's would: enough
// to see real make run, the gate close, and the result be kept.
func fakeTree(t *testing.T, base string) Params {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	// CONFIG_LOST depends on something that is never on.
	mk := "tinyconfig:\n\techo run >> " + dir + "/runs\n\techo '" + base + "' > $(O)/.config\n" +
		"olddefconfig:\n\tsed -i /CONFIG_LOST/d $(O)/.config\n\techo CONFIG_DEFAULT=y >> $(O)/.config\n"
	write(t, filepath.Join(src, "Makefile"), mk)
	a, _ := arch.Find("x86_64")
	return Params{
		Make: kbuild.Make{Src: src, Obj: filepath.Join(dir, "obj"), Arch: a},
		Base: "tinyconfig", Fragments: []string{filepath.Join(dir, "f.config")}, Inputs: key.Inputs{"tree": "1"}, Log: filepath.Join(dir, "log"),
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestConfigure(t *testing.T) {
	p := fakeTree(t, "CONFIG_A=m")
	write(t, p.Fragments[0], "CONFIG_A=y\n# CONFIG_LOST is not set\n")
	res, err := Configure(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(res.Path)
	if err != nil || string(text) != "CONFIG_A=y\nCONFIG_DEFAULT=y\n" || res.Asked != 2 || res.Kept {
		t.Errorf("got %q, %+v, %v", text, res, err)
	}
	again, err := Configure(t.Context(), p)
	if err != nil || !again.Kept || again.SHA256 != res.SHA256 {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	for what, change := range map[string]func(){
		"other inputs":     func() { p.Inputs = key.Inputs{"tree": "2"} },
		"another fragment": func() { write(t, p.Fragments[0], "CONFIG_A=y\n") },
		"a touched result": func() { write(t, res.Path, "CONFIG_A=m\n") },
	} {
		change()
		if r, err := Configure(t.Context(), p); err != nil || r.Kept {
			t.Errorf("%s: kept %v, %v; want it done again", what, r.Kept, err)
		}
	}
}

func TestConfigureNamesWhatWasLost(t *testing.T) {
	p := fakeTree(t, "CONFIG_A=m")
	write(t, p.Fragments[0], "CONFIG_A=y\nCONFIG_LOST=y\nCONFIG_LOST_TOO=5\n")
	_, err := Configure(t.Context(), p)
	if fault.KindOf(err) != fault.Config {
		t.Fatalf("got %v, want a fault of the config", err)
	}
	for _, want := range []string{"2 of 3 options", "f.config:2: asked for CONFIG_LOST=y", "f.config:3: asked for CONFIG_LOST_TOO=5"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if _, err := Configure(t.Context(), p); err == nil {
		t.Error("the second run took the first one's .config")
	}
}

func TestConfigureWithoutBase(t *testing.T) {
	p := fakeTree(t, "")
	p.Base = "hugeconfig"
	write(t, p.Fragments[0], "")
	if _, err := Configure(t.Context(), p); fault.KindOf(err) != fault.Config || !strings.Contains(err.Error(), "hugeconfig") || fault.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}
