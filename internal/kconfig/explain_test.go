package kconfig

import (
	"strings"
	"testing"
)

// tiny has one of each thing that can be in an option's way.
const tiny = `cc-option = $(shell,cc $(1))
config MODULES
	bool "modules"
	modules
config BAR
	bool "bar"
config BAZ
	tristate "baz"
	depends on BAR
config FOO
	bool "foo"
	depends on BAZ && BAR
config HIDDEN
	bool "hidden" if EXPERT
	default y
config EXPERT
	bool "expert"
config AUTO
	bool
config SELECTS
	bool "selects"
	select AUTO
	select FORCED
config FORCED
	bool "forced"
config FORCES
	def_bool y
	select FORCED2 if BAR
config FORCED2
	tristate "forced"
config DEFAULTED
	def_bool BAR
config CPU
	int "cpu"
	range 2 MAX
config MAX
	int
	default 8
config HEXA
	hex "hexa"
config NAMED
	string "named"
config PROBED
	bool "probed"
	depends on $(cc-option,-mfoo)
config TRI
	tristate "tri"
	depends on M
config M
	tristate "m"
config ROUND
	bool "round"
	depends on ROUND2
config ROUND2
	bool "round2"
	depends on ROUND
config NOT
	bool "not"
	depends on !ON
config ON
	bool "on"
config NEVER
	bool "never"
	depends on BAR && ARM64
choice
	prompt "choice"
config ONE
	bool "one"
config TWO
	bool "two"
config THREE
	bool "three"
	depends on EXPERT
endchoice
config IMPLIES
	bool "implies"
	imply IMPLIED
config IMPLIED
	tristate "implied"
config GENERIC
	def_bool !ARCH_HAS
config ARCH_HAS
	bool
config ARCH_CODE
	bool "needs the generic one too"
	select ARCH_HAS
	select GENERIC
config ON_TWO
	bool "on two"
	depends on TWO
choice
	tristate "three states"
config T1
	tristate "t1"
config T2
	tristate "t2"
	depends on M
endchoice
-- arch/arm64/Kconfig --
config ARM64
	def_bool y
config OTHER
	bool "other"
`

// explained is a case of the tiny tree.
func explained(t *testing.T, final, asks string) (Case, []Ask) {
	t.Helper()
	fsys := files(tiny)
	tree, err := Read(fsys, Env("x86_64"))
	if err != nil {
		t.Fatal(err)
	}
	c := Case{Tree: tree, Source: fsys, Final: map[string]string{"MAX": "8"}, BaseName: "make tinyconfig", Base: map[string]string{"ON": "y"}}
	for _, f := range strings.Fields(final) {
		n, v, _ := strings.Cut(f, "=")
		c.Final[n] = v
	}
	for i, f := range strings.Fields(asks) {
		n, v, _ := strings.Cut(f, "=")
		c.Asked = append(c.Asked, Ask{Name: n, Value: v, Pos: Pos{"f", i + 1}})
	}
	return c, c.Asked
}

// The first line asked for is the one that was lost.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		final, asks string
		kind        Kind
		why, add    string // lines joined by |
	}{
		{"", "FOO=y", Unmet, "FOO (Kconfig:10) depends on BAZ [=n] && BAR [=n]|BAZ [=n] (Kconfig:7) depends on BAR [=n]|" +
			"BAR [=n] (Kconfig:5) can be set, and nobody asks for it", "CONFIG_BAR=y|CONFIG_BAZ=y"},
		{"", "FOO=y BAR=n", Unmet, "BAR [=n] (Kconfig:5) can be set, but f:2 asks for it to be off", "CONFIG_BAR=y (instead of f:2)|CONFIG_BAZ=y"},
		{"HIDDEN=y", "HIDDEN=n", Hidden, "HIDDEN (Kconfig:14) is asked for only if EXPERT [=n]|EXPERT [=n] (Kconfig:16) can be set, and nobody asks for it|" +
			"so its default at Kconfig:15 decides", "CONFIG_EXPERT=y"},
		{"", "AUTO=y", NoPrompt, "AUTO [=n] (Kconfig:18) has no prompt; what selects it: SELECTS [=n]|SELECTS [=n] (Kconfig:20) can be set, and nobody asks for it", "CONFIG_SELECTS=y"},
		{"", "DEFAULTED=y", NoPrompt, "it is on by default if BAR [=n]|BAR [=n] (Kconfig:5)", "CONFIG_BAR=y"},
		{"DEFAULTED=y BAR=y", "DEFAULTED=n", NoPrompt, "its default decides, not a fragment|default BAR [=y] (Kconfig:32)", "# CONFIG_BAR is not set"},
		{"SELECTS=y FORCED=y AUTO=y", "FORCED=n SELECTS=y", Selected, "FORCED is selected by SELECTS [=y] at Kconfig:23, which f:2 asks for", "# CONFIG_SELECTS is not set (instead of f:2)"},
		{"FORCES=y BAR=y FORCED2=y MODULES=y", "FORCED2=m", Selected, "selected by FORCES [=y] at Kconfig:28, which no fragment asks for", ""},
		{"FORCES=y BAR=y AUTO=y SELECTS=y", "AUTO=n", Selected, "AUTO (Kconfig:18) has no prompt, so a fragment cannot turn it off|AUTO is selected by SELECTS [=y] at Kconfig:22", "# CONFIG_SELECTS is not set"},
		{"CPU=2", "CPU=1", OutOfRange, "CPU has the range 2 to MAX [=8] (Kconfig:35); conf took 2 instead", ""},
		{"CPU=8", "CPU=0x9", WrongType, "CPU (Kconfig:33) is int: a decimal number", ""},
		{"", "HEXA=\"7\"", WrongType, "is hex", ""},
		{"", "NAMED=y", WrongType, "is string", ""},
		{"BAR=y", "BAR=m", WrongType, "BAR (Kconfig:5) is bool: y or not set, never m", ""},
		{"", "PROBED=y", Probe, "PROBED (Kconfig:43) depends on $(cc-option,-mfoo)|$(cc-option,-mfoo) asks the compiler", ""},
		{"MODULES=y M=m TRI=m", "TRI=y", Limited, "TRI (Kconfig:46) depends on M [=m]|M [=m] (Kconfig:49) is only m", "CONFIG_M=y"},
		{"MODULES=y IMPLIES=y IMPLIED=y", "IMPLIED=m", Selected, "IMPLIED is implied by IMPLIES [=y] at Kconfig:77; before 5.7", ""},
		{"GENERIC=y", "GENERIC=n", NoPrompt, "default !ARCH_HAS [=n]", ""},
		{"M=y", "M=m MODULES=n", NoModules, "without modules (MODULES [=n]) an m becomes y", "CONFIG_M=y"},
		{"", "ROUND=y", Unmet, "depends on ROUND2 [=n]|ROUND2 [=n] (Kconfig:54) depends on ROUND [=n]|ROUND [=n] is where this began: it goes in a circle", ""},
		{"ON=y", "NOT=y", Unmet, "ON [=y] (Kconfig:60) would have to be off, which comes from make tinyconfig", "# CONFIG_ON is not set"},
		{"ON=y", "NOT=y ON=y", Unmet, "would have to be off, which f:2 asks for", "# CONFIG_ON is not set (instead of f:2)"},
		{"", "NEVER=y", Unmet, "NEVER (Kconfig:62) depends on BAR [=n] && ARM64 [undefined]|ARM64 is not defined for x86_64, only for others: arch/arm64/Kconfig:1", ""},
		{"TWO=y", "ONE=y TWO=y", Choice, "lost to a choice (Kconfig:65) of which one member can be on: TWO [=y] won, which f:2 asks for", ""},
		{"ONE=y", "ONE=n", Choice, "one member of the choice at Kconfig:65 must be on, and nobody asked for another", "CONFIG_TWO=y"},
		{"ONE=y", "ON_TWO=y ONE=y", Unmet, "TWO [=n] (Kconfig:69) is a member of the choice at Kconfig:65, of which ONE [=y] is on, which f:2 asks for", "CONFIG_TWO=y"},
		{"MODULES=y M=m T1=y", "T2=m", Choice, "T2 (Kconfig:95) could only be m, which it cannot be beside a y in the choice at Kconfig:91, of which T1 [=y] is on", ""},
		{"ONE=y", "THREE=y", Unmet, "THREE (Kconfig:71) depends on EXPERT [=n]|EXPERT [=n]", "CONFIG_EXPERT=y"},
		{"BAR=y", "BAR=n BAR=y", Overridden, "by f:2, which comes later: CONFIG_BAR=y", ""},
		{"", "OTHER=y", NoSymbol, "this tree has no symbol OTHER for x86_64|it is defined for other arches only: arch/arm64/Kconfig:3", ""},
		{"", "MODULE=y", NoSymbol, "the nearest names: MODULES", ""},
		{"", "QQQQQQQQ=y", NoSymbol, "no symbol QQQQQQQQ", ""},
	} {
		cs, asks := explained(t, c.final, c.asks)
		r := cs.Explain(asks[0])
		if why := strings.Join(r.Why, "|"); r.Kind != c.kind || !strings.Contains(why, c.why) {
			t.Errorf("%s of %q\ngot  %s: %s\nwant %s: %s", asks[0], c.final, r.Kind, why, c.kind, c.why)
		}
		if add := strings.Join(r.Add, "|"); add != c.add {
			t.Errorf("%s of %q: advice %q, want %q", asks[0], c.final, add, c.add)
		}
	}
}

// Without the Kconfig files only what the fragments say is known.
func TestExplainWithoutTree(t *testing.T) {
	c := Case{Asked: []Ask{{"A", "y", Pos{"f", 1}}, {"A", "n", Pos{"f", 2}}}}
	if r := c.Explain(c.Asked[0]); r.Kind != Overridden {
		t.Errorf("got %v", r)
	}
	if r := c.Explain(c.Asked[1]); r.Kind != Unexplained {
		t.Errorf("got %v", r)
	}
}

// A long condition is shown by the parts that are off.
func TestLongCondition(t *testing.T) {
	var b strings.Builder
	b.WriteString("config X\n\tbool \"x\"\n")
	for i := range 60 {
		b.WriteString("\tdepends on ON_AND_ON_" + strings.Repeat("X", i) + "\n")
	}
	b.WriteString("\tdepends on OFF || OFF2\nconfig OFF\n\tbool \"off\"\nconfig OFF2\n\tbool \"off\"\n")
	final := map[string]string{}
	for i := range 60 {
		n := "ON_AND_ON_" + strings.Repeat("X", i)
		b.WriteString("config " + n + "\n\tbool \"on\"\n")
		final[n] = "y"
	}
	c := Case{Tree: read(t, b.String()), Final: final}
	r := c.Explain(Ask{Name: "X", Value: "y"})
	if want := "X (Kconfig:1) depends on (OFF [=n] || OFF2 [=n]) && (60 more that hold)"; r.Why[0] != want {
		t.Errorf("got %q, want %q", r.Why[0], want)
	}
}
