package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	from := "CONFIG_SAME=y\nCONFIG_GONE=m\n# CONFIG_OFF is not set\nCONFIG_N=4\nCONFIG_CC_VERSION_TEXT=\"gcc 12\"\n# CONFIG_B is not set\n"
	to := "CONFIG_SAME=y\nCONFIG_NEW=\"a b\"\nCONFIG_N=8\nCONFIG_CC_VERSION_TEXT=\"gcc 13\"\n# CONFIG_NEW_OFF is not set\nCONFIG_B=y\n"
	d := Diff([]byte(from), []byte(to))
	var b strings.Builder
	if err := d.Table(&b); err != nil {
		t.Fatal(err)
	}
	want := `added (2)
  B    y
  NEW  "a b"
removed (1)
  GONE  m
changed (1)
  N  4 -> 8
of the toolchain (1)
  CC_VERSION_TEXT  "gcc 12" -> "gcc 13"
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	if got := d.Count(); got != "2 added, 1 removed, 1 changed" {
		t.Error(got)
	}
	if d := Diff([]byte("CONFIG_CC_IS_GCC=y\n# CONFIG_A is not set\n"), []byte("CONFIG_CC_IS_CLANG=y\n")); !d.Empty() || d.Count() != "no difference" {
		t.Errorf("another compiler alone: %+v", d)
	}
}

// What a person sets must never be taken for what the compiler is.
func TestToolchainSymbols(t *testing.T) {
	for name, want := range map[string]bool{
		"CC_VERSION_TEXT": true, "CC_IS_GCC": true, "GCC_VERSION": true, "CC_HAS_ASM_GOTO": true, "CC_CAN_LINK_STATIC": true,
		"AS_IS_GNU": true, "AS_VERSION": true, "LD_VERSION": true, "LLD_VERSION": true, "PAHOLE_VERSION": true, "CLANG_VERSION": true,
		"TOOLS_SUPPORT_RELR": true, "PLUGIN_HOSTCC": true, "GCC12_NO_ARRAY_BOUNDS": true, "CC_NO_ARRAY_BOUNDS": true, "AS_TPAUSE": true,
		"ARM64_AS_HAS_MTE": true, "CC_HAVE_STACKPROTECTOR_SYSREG": true, "HAVE_KMSAN_COMPILER": true,
		"CC_OPTIMIZE_FOR_SIZE": false, "CC_OPTIMIZE_FOR_PERFORMANCE": false, "GCC_PLUGINS": false, "LD_DEAD_CODE_DATA_ELIMINATION": false,
		"CC_STACKPROTECTOR_STRONG": false, "VERSION_SIGNATURE": false, "LOCALVERSION": false, "RUST": false,
	} {
		if got := reToolchain.MatchString("CONFIG_" + name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSnapshot(t *testing.T) {
	text := "#\n# Linux/x86 6.1.1\n#\nCONFIG_B=y\nCONFIG_CC_IS_GCC=y\n# CONFIG_OFF is not set\nCONFIG_A=7\n"
	got := string(Snapshot("what", []byte(text)))
	if got != "# what\nCONFIG_A=7\nCONFIG_B=y\n" {
		t.Errorf("%q", got)
	}
	if d := Diff([]byte(got), []byte(text)); !d.Empty() {
		t.Errorf("it differs from what it was made of: %+v", d)
	}
}
