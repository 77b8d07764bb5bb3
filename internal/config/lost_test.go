package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/fault"
	"bzmage/internal/kconfig"
)

func TestParseAllowance(t *testing.T) {
	frag, err := ParseFragment("f", []byte("# bzmage: may-drop CONFIG_A: not here\n# bzmage: may-drop CONFIG_B on arm64 5.4:  since 5.10: new\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Allowance{
		{Name: "CONFIG_A", Reason: "not here", File: "f", Line: 1},
		{Name: "CONFIG_B", On: []string{"arm64", "5.4"}, Reason: "since 5.10: new", File: "f", Line: 2},
	}
	if d := cmp.Diff(want, frag.Allows); d != "" {
		t.Error(d)
	}
	for _, c := range []struct {
		target string
		want   bool
	}{{"5.4 arm64 release", true}, {"6.1 arm64 release", false}, {"5.4 x86_64 release", false}} {
		if got := want[1].applies(strings.Fields(c.target)); got != c.want {
			t.Errorf("%s: %v", c.target, got)
		}
	}
}

// kconfigTree gives the fake tree Kconfig files, so that losses have reasons.
func kconfigTree(t *testing.T) Params {
	t.Helper()
	p := fakeTree(t, "CONFIG_A=m")
	write(t, filepath.Join(p.Make.Src, "Kconfig"), `
config LOST
	bool "lost"
	depends on NEEDED

config NEEDED
	bool "needed"
`)
	p.Root, p.Target = filepath.Dir(p.Fragments[0]), []string{"6.1", "x86_64", "release"}
	return p
}

func TestLossIsExplained(t *testing.T) {
	p := kconfigTree(t)
	write(t, p.Fragments[0], "CONFIG_A=y\nCONFIG_LOST=y\n")
	_, err := Configure(t.Context(), p)
	want := `1 of 2 options did not survive on x86_64:
  f.config:2: asked for CONFIG_LOST=y, got # CONFIG_LOST is not set
      unmet depends on: LOST (Kconfig:2) depends on NEEDED [=n]
      NEEDED [=n] (Kconfig:6) can be set, and nobody asks for it
      add: CONFIG_NEEDED=y`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if !strings.Contains(fault.HintOf(err), "# bzmage: may-drop") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
}

// A tree whose Kconfig files cannot be read costs the reason, not the error.
func TestLossWithoutKconfig(t *testing.T) {
	p := kconfigTree(t)
	write(t, p.Fragments[0], "CONFIG_LOST=y\n")
	write(t, filepath.Join(p.Make.Src, "Kconfig"), "config LOST\n\tbool \"lost\" if (\n")
	_, err := Configure(t.Context(), p)
	if fault.KindOf(err) != fault.Config || !strings.Contains(err.Error(), "f.config:1: asked for CONFIG_LOST=y") || !strings.Contains(err.Error(), "Kconfig:2: ") {
		t.Errorf("got %v", err)
	}
}

func TestOverriddenIsLost(t *testing.T) {
	p := kconfigTree(t)
	later := filepath.Join(p.Root, "later.config")
	p.Fragments = append(p.Fragments, later)
	write(t, p.Fragments[0], "CONFIG_A=y\nCONFIG_A=y\n")
	write(t, later, "# CONFIG_A is not set\n")
	_, err := Configure(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "f.config:1: asked for CONFIG_A=y") || !strings.Contains(err.Error(), "overridden: by later.config:1") {
		t.Errorf("got %v", err)
	}
	write(t, later, "# bzmage: may-drop CONFIG_A: the test wants it off\n# CONFIG_A is not set\n")
	res, err := Configure(t.Context(), p)
	if err != nil || len(res.Allowed) != 2 || res.Allowed[0].By.Line != 1 {
		t.Errorf("excused: %+v, %v", res.Allowed, err)
	}
}

func TestAllowedLoss(t *testing.T) {
	p := kconfigTree(t)
	write(t, p.Fragments[0], "CONFIG_A=y\n# bzmage: may-drop CONFIG_LOST on x86_64: only a test\nCONFIG_LOST=y\n")
	res, err := Configure(t.Context(), p)
	want := []Allowed{{Asked: "CONFIG_LOST=y", File: "f.config", Line: 3, Got: "# CONFIG_LOST is not set",
		By: Allowance{Name: "CONFIG_LOST", On: []string{"x86_64"}, Reason: "only a test", File: "f.config", Line: 2}}}
	if d := cmp.Diff(want, res.Allowed); d != "" || err != nil || len(res.Stale) != 0 {
		t.Fatalf("%v, stale %v\n%s", err, res.Stale, d)
	}
	// It stands in config.json, and in what is kept.
	text, err := os.ReadFile(markPath(res))
	if err != nil {
		t.Fatal(err)
	}
	var mark Result
	if err := json.Unmarshal(text, &mark); err != nil {
		t.Fatal(err)
	}
	again, err := Configure(t.Context(), p)
	if err != nil || !again.Kept {
		t.Fatalf("%+v, %v", again, err)
	}
	for _, r := range []Result{mark, again} {
		if d := cmp.Diff(want, r.Allowed); d != "" {
			t.Error(d)
		}
	}
	// Without it the same .config is not kept.
	write(t, p.Fragments[0], "CONFIG_A=y\n# now without\nCONFIG_LOST=y\n")
	if _, err := Configure(t.Context(), p); fault.KindOf(err) != fault.Config {
		t.Errorf("without the allowance: %v", err)
	}
	write(t, p.Fragments[0], "CONFIG_A=y\n# bzmage: may-drop CONFIG_LOST on x86_64: only a test\nCONFIG_LOST=y\n")
	// For another target it excuses nothing.
	p.Target = []string{"6.1", "arm64", "release"}
	if _, err := Configure(t.Context(), p); fault.KindOf(err) != fault.Config {
		t.Errorf("on another arch: %v", err)
	}
	// One that is not needed is told of, whether kept or not.
	write(t, p.Fragments[0], "# bzmage: may-drop CONFIG_A: not needed\nCONFIG_A=y\n# bzmage: may-drop CONFIG_A on x86_64: elsewhere\n")
	for range 2 {
		res, err := Configure(t.Context(), p)
		if err != nil || len(res.Stale) != 1 || res.Stale[0].Line != 1 {
			t.Errorf("stale: %+v, %v", res.Stale, err)
		}
	}
}

func FuzzParseFragment(f *testing.F) {
	f.Add([]byte("CONFIG_A=y\n# CONFIG_B is not set\n# words\n# bzmage: may-drop CONFIG_A on x: why\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		frag, err := ParseFragment("f", text)
		if err != nil {
			return
		}
		// What was read, written and read again is the same; and a config
		// that consists of it has lost nothing.
		opts := frag.Asked()
		again, err := ParseFragment("f", merge(nil, opts))
		if err != nil || len(again.Lines) != len(opts) {
			t.Fatalf("%q: read again: %v, %v", text, again, err)
		}
		if l := lost(Fragment{Lines: opts}, ReadConfig(merge(nil, opts))); len(l) > 0 {
			t.Errorf("lost %v", l)
		}
		for _, a := range frag.Allows {
			if b, ok, err := parseAllowance("# bzmage: " + a.String()); err != nil || !ok || b.Reason != a.Reason {
				t.Errorf("%q: %v, %v", a, b, err)
			}
		}
	})
}

// The .config of a hostile tree's make is read too.
func FuzzReadConfig(f *testing.F) {
	f.Add([]byte("CONFIG_A=y\nCONFIG_S=\"a\\\"b\"\n# CONFIG_B is not set\n"))
	tree, err := kconfig.Read(fstest.MapFS{"Kconfig": {Data: []byte(`
config A
	tristate "a" if S = "on" || N > 3
config B
	bool "b"
	depends on A
config N
	int "n"
	range 1 5
config S
	string "s"
`)}}, kconfig.Env("x86_64"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		final := bare(ReadConfig(text))
		c := kconfig.Case{Tree: tree, Final: final}
		for n := range tree.Symbols {
			for _, v := range []string{"y", "m", "n", "7", `"x"`} {
				if r := c.Explain(kconfig.Ask{Name: n, Value: v}); final[n] != v && len(r.Why) == 0 {
					t.Errorf("%s=%s: no reason", n, v)
				}
			}
		}
	})
}
