package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/boot"
	"bzmage/internal/fault"
)

const modulesCheck = `package verify

import (
	"os"
	"strings"
	"testing"

	"bzmage/internal/guest"
)

func TestMain(m *testing.M) {
	if os.Getpid() == 1 {
		guest.Main()
	}
	os.Exit(m.Run())
}

func TestLoaded(t *testing.T) {
	text, err := os.ReadFile("/proc/modules")
	if err != nil || !strings.Contains(string(text), "crc7 ") || !strings.Contains(string(text), "crc_itu_t ") {
		t.Fatalf("%q, %v", text, err)
	}
}
`

// TestSlowModules has a guest load modules of its kernel.
func TestSlowModules(t *testing.T) {
	p, line := slowProject(t)
	const fragment = "configs/modules.config"
	text := "# bzmage: may-drop CONFIG_MODULES: not as in base.config\nCONFIG_MODULES=y\nCONFIG_CRC7=m\nCONFIG_CRC_ITU_T=m\n"
	if err := os.WriteFile(filepath.Join(p.Root, fragment), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	flavour := p.File.Flavours["release"]
	flavour.Fragments = append(flavour.Fragments, fragment)
	flavour.Guest.Modules = []string{"lib/crc7.ko", "lib/crc-itu-t.ko"}
	p.File.Flavours["modules"] = flavour
	p.Settings.Flavour = "modules"
	p = withChecks(t, p, modulesCheck)
	for _, kept := range []bool{false, true} {
		r, err := verify(t, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Verdicts {
			if v.Verdict != boot.Pass || v.Kept != kept {
				t.Errorf("%s: %s, kept %v", v.Target(), v.Verdict, v.Kept)
			}
		}
	}
	flavour.Guest.Modules = []string{"lib/crc7.ko", "lib/crc64.ko"}
	p.File.Flavours["modules"] = flavour
	if r, err := verify(t, p); fault.KindOf(err) != fault.Config || !strings.Contains(err.Error(), "made no lib/crc64.ko") {
		t.Errorf("%s: %+v, %v", line, r.Verdicts, err)
	}
}
