package kconfig

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// files returns a tree of the given Kconfig text and, behind "-- name --"
// lines, of other files.
func files(text string) fstest.MapFS {
	fsys := fstest.MapFS{}
	name, body := "Kconfig", ""
	for line := range strings.Lines(text + "\n-- end --\n") {
		if n, ok := strings.CutPrefix(line, "-- "); ok {
			fsys[name] = &fstest.MapFile{Data: []byte(body)}
			name, body = strings.TrimSuffix(n, " --\n"), ""
			continue
		}
		body += line
	}
	return fsys
}

func read(t *testing.T, text string) *Tree {
	t.Helper()
	tree, err := Read(files(text), Env("x86_64"))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// What the language has, read and evaluated.
func TestLanguage(t *testing.T) {
	const rest = `
config Y
	def_bool y
config M
	tristate "m"
config N
	bool "n"
config NUM
	int "num"
config HEX
	hex "hex"
config S
	string "s"
config MODULES
	bool "modules"
	option modules
`
	final := map[string]string{"Y": "y", "M": "m", "NUM": "12", "HEX": "0x1f", "S": `"a \"b\""`, "MODULES": "y"}
	for _, c := range []struct {
		text string // of config X
		want string // what its prompts allow: from to
	}{
		{"bool \"x\"", "y y"},
		{"bool 'x'  # comment", "y y"},
		{"tristate \"x\"\n\tdepends on M", "m m"},
		{"bool \"x\"\n\tdepends on M", "y y"},
		{"bool \"x\" if N || \\\n\t\tM", "y y"},
		{"bool\n\tprompt \"x\" if N", "n n"},
		{"bool", "n n"},
		{"tristate \"x\"\n\tdepends on !M", "m m"},
		{"tristate \"x\"\n\tdepends on m", "m m"},
		{"bool \"x\"\n\tdepends on !(Y && N)", "y y"},
		{"bool \"x\"\n\tdepends on !Y = y", "n n"},
		{"bool \"x\"\n\tdepends on Y && !N || UNDEFINED", "y y"},
		{"bool \"x\"\n\tdepends on UNDEFINED", "n n"},
		{"bool \"x\"\n\tdepends on NUM > 9 && NUM<=12 && NUM != 13", "y y"},
		{"bool \"x\"\n\tdepends on NUM < 9", "n n"},
		{"bool \"x\"\n\tdepends on HEX >= 31", "y y"},
		{"bool \"x\"\n\tdepends on S = \"a \\\"b\\\"\"", "y y"},
		{"bool \"x\"\n\tdepends on S != ''", "y y"},
		{"bool \"x\"\n\tdepends on M = m && Y != n && M < y", "y y"},
		{"bool \"x\"\n\tdepends on \"$(ARCH)\" = \"x86_64\"", "y y"},
		{"bool \"x\"\n\tdepends on $(SRCARCH) = x86", "y y"},
		{"bool \"x\"\n\tdepends on $(shell,true)", "n y"},
		{"bool \"x\"\n\tdepends on Y && !$(cc-option,-m(x), y) && M", "n y"},
		{"bool \"x\"\n\tdepends on N && $(cc-option,-mx)", "n n"},
		{"bool \"x\"\n\tdepends on $(HOME_SWEET)", "n y"},
		{"bool \"x\"\n\tdepends on $(both,N,Y)", "y y"},
		{"bool \"x\"\n\thelp\n\t  depends on N\n\n\t    more\n\tdepends on Y", "y y"},
		{"bool \"x\"\n\thelp\n\t  words\n\tdepends on N", "n n"},
		{"bool \"x\"\n\t---help---\n\t  depends on N", "y y"},
		{"bool \"x\"\nif N\nconfig X\n\tbool \"again\"\nendif", "y y"},
		{"bool\nif Y\nmenu \"m\"\n\tvisible if N\nconfig X\n\tbool \"again\"\nendmenu\nendif", "n n"},
		{"bool\nmenu \"m\"\n\tdepends on M\ncomment \"c\"\n\tdepends on N\nconfig X\n\ttristate \"again\"\nendmenu", "y y"},
		{"bool\nsource \"sub/$(SRCARCH)/Kconfig\"", "y y"},
	} {
		tree := read(t, "both = $(2)\ncc-option = $(shell,cc $(1))\nconfig X\n\t"+c.text+"\n"+rest+"\n-- sub/x86/Kconfig --\nconfig X\n\tbool \"x\"\n")
		v := newValues(tree, final).visible(tree.Symbols["X"])
		if got := v.lo.String() + " " + v.hi.String(); got != c.want {
			t.Errorf("%s\ngot %s, want %s", c.text, got, c.want)
		}
		if len(tree.Skipped) > 0 {
			t.Errorf("%s: skipped %q", c.text, tree.Skipped)
		}
	}
}

// Without modules nothing is m, and what depends on m is not there.
func TestWithoutModules(t *testing.T) {
	tree := read(t, "config MODULES\n\tbool\n\tmodules\nconfig A\n\ttristate \"a\"\n\tdepends on m\nconfig B\n\ttristate \"b\"\n\tdepends on M\nconfig M\n\ttristate \"m\"\n")
	v := newValues(tree, map[string]string{"M": "m"})
	if a, b := v.visible(tree.Symbols["A"]), v.visible(tree.Symbols["B"]); a != exactly(no) || b != exactly(yes) {
		t.Errorf("got %v and %v", a, b)
	}
}

// Hostile and broken trees end with an error and its place.
func TestReadRefuses(t *testing.T) {
	deep := strings.Repeat("(", 1000) + "A"
	for text, want := range map[string]string{
		"source \"Kconfig\"":                           "sourced by itself",
		"source \"a\"\n-- a --\nsource \"Kconfig\"":    "a:1: Kconfig: sourced by itself",
		"source \"gone\"":                              "gone",
		"source \"../etc/passwd\"":                     "Kconfig:1: ",
		"source \"$(shell,ls)\"":                       "not known",
		"if A":                                         "not closed",
		"\nendif":                                      "Kconfig:2: endif without",
		"config A\n\tdepends on A &&":                  "Kconfig:2: a symbol is missing",
		"config A\n\tdepends on (A":                    "a ) is missing",
		"config A\n\tdepends A":                        "depends without on",
		"config A\n\tbool \"a\" if " + deep:            "nested too deeply",
		strings.Repeat("menu \"m\"\n", 1000):           "nested too deeply",
		"X = $(X)\nY := $(X)":                          "refers to itself",
		"f = $(f,$(1)x)\nY := $(f,x)":                  "nested too deeply",
		"Y := $(X":                                     "unterminated",
		"a = xxxxxxxxxxxxxxxx\n" + doubling(20):        "more than",
		"X := y\n" + strings.Repeat("X += $(X)\n", 20): "bytes",
	} {
		_, err := Read(files(text), Env("x86_64"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %q", text, err, want)
		}
	}
	big := fstest.MapFS{"Kconfig": {Data: make([]byte, maxFile+1)}}
	if _, err := Read(big, Env("arm64")); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a big file: %v", err)
	}
	// Files that source two others each: 2^40 in all, were it not bounded.
	bomb := fstest.MapFS{"Kconfig": {Data: []byte("source \"1\"\n")}}
	name := func(i int) string { return strings.Repeat("1", i) }
	for i := 1; i < 40; i++ {
		bomb[name(i)] = &fstest.MapFile{Data: []byte(strings.Repeat("source \""+name(i+1)+"\"\n", 2))}
	}
	bomb[name(40)] = &fstest.MapFile{}
	if _, err := Read(bomb, Env("arm64")); err == nil || !strings.Contains(err.Error(), "more than 16384 files") {
		t.Errorf("a bomb: %v", err)
	}
}

// doubling makes macros each of which is the one before, twice.
func doubling(n int) string {
	var b strings.Builder
	for i := range n {
		name := string(rune('a' + i))
		b.WriteString(string(rune('a'+i+1)) + " = $(" + name + ")$(" + name + ")\n")
	}
	b.WriteString("Z := $(" + string(rune('a'+n)) + ")\n")
	return b.String()
}

// A word of a newer kernel is passed over, and told of.
func TestSkipped(t *testing.T) {
	tree := read(t, "config A\n\tbool \"a\"\n\ttransitional\n\tdepends on B\nconfig B\n\tbool\n")
	if d := cmp.Diff([]string{"Kconfig:3: transitional"}, tree.Skipped); d != "" {
		t.Error(d)
	}
	if v := newValues(tree, nil).visible(tree.Symbols["A"]); v.hi != no {
		t.Errorf("what stands behind it is not read: %v", v)
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"config A\n\tbool \"a\" if B=n\n\tdefault y if $(shell,x)\n\thelp\n\t  words\nif A || !B\nmenuconfig B\n\ttristate\n\tselect A\nendif\n",
		"choice C\n\tprompt \"c\"\nconfig D\n\tbool \"d\"\nconfig E\n\tbool \"e\"\n\tdepends on D\nendchoice\nmenu \"m\"\n\tvisible if C\nconfig F\n\tint \"f\"\n\trange A 7\nendmenu\n",
		"x := $(lineno)$(filename)\ny += $(x) $(1)\nf = $(info,$(1))$(if-success,$(2))\nconfig $(x)\n\tdef_tristate $(f,a,b)\n\timply A\n\toption env=\"X\"\n",
	} {
		f.Add(text, "y")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		tree, err := Read(fstest.MapFS{"Kconfig": {Data: []byte(text)}, "a": {Data: []byte(text)}}, Env("arm64"))
		if err != nil {
			return
		}
		final := map[string]string{}
		for n := range tree.Symbols {
			if len(n)%2 == 0 {
				final[n] = value
			}
		}
		c := Case{Tree: tree, Source: fstest.MapFS{}, Final: final, Asked: []Ask{{Name: "A", Value: "y"}}}
		names := slices.Sorted(maps.Keys(tree.Symbols))
		for _, n := range names[:min(5, len(names))] {
			for _, v := range []string{"y", "m", "n", "5", `"s"`} {
				if r := c.Explain(Ask{Name: n, Value: v}); len(r.Why) == 0 {
					t.Errorf("%s=%s: %s without a reason", n, v, r.Kind)
				}
			}
		}
	})
}
