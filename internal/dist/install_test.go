package dist

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/kbuild"
)

// recipe installs what the kernel's makefile would, links of 5.4 and depmod's
// index too.
const recipe = `M = $(INSTALL_MOD_PATH)/lib/modules/` + uname + `
modules:
	touch $(O)/modules.made
modules_install: 
	test -e $(O)/modules.made
	mkdir -p $(M)/kernel
	ln -s $(O) $(M)/build
	ln -s $(CURDIR) $(M)/source
	if test -z "$(INSTALL_MOD_STRIP)"; then echo whole; else echo stripped; fi > $(M)/kernel/a.ko
	touch $(M)/modules.order
	$(DEPMOD) || touch $(M)/modules.dep
dtbs:
	touch $(O)/dtbs.made
dtbs_install:
	test -e $(O)/dtbs.made
	mkdir -p $(INSTALL_DTBS_PATH)/arm
	echo tree > $(INSTALL_DTBS_PATH)/arm/a.dtb
`

// install runs Install on a tree with that recipe, and lists what it left.
func install(t *testing.T, name, config, recipe string) (map[string]string, error) {
	t.Helper()
	need(t, "make")
	a, _ := arch.Find(name)
	src, obj, root := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "root")
	write(t, filepath.Join(src, "Makefile"), recipe)
	write(t, filepath.Join(src, "arch/arm64/boot/dts/Makefile"), "")
	write(t, filepath.Join(obj, ".config"), config)
	write(t, filepath.Join(root, "earlier"), "")
	err := Install(t.Context(), kbuild.Make{Src: src, Obj: obj, Arch: a}, uname, root, filepath.Join(t.TempDir(), "log"))
	found := map[string]string{}
	for f := range walk(t, root) {
		if f != "." {
			found[f] = strings.TrimSpace(read(t, filepath.Join(root, f)))
		}
	}
	return found, err
}

// walk returns the files below a folder, links too.
func walk(t *testing.T, root string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			name, _ := filepath.Rel(root, path)
			found[name] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestInstall(t *testing.T) {
	const module, order, debug = "lib/modules/" + uname + "/kernel/a.ko", "lib/modules/" + uname + "/modules.order", "usr/lib/debug/lib/modules/" + uname + "/kernel/a.ko"
	const tree = "usr/lib/linux-image-" + uname + "/arm/a.dtb"
	for _, tt := range []struct {
		arch, config string
		want         map[string]string
	}{
		{"x86_64", "# CONFIG_MODULES is not set\n", map[string]string{}},
		{"x86_64", "CONFIG_MODULES=y\n", map[string]string{module: "whole", order: ""}},
		{"x86_64", "CONFIG_MODULES=y\nCONFIG_DEBUG_INFO=y\n", map[string]string{module: "stripped", order: "", debug: "whole"}},
		{"arm64", "", map[string]string{tree: "tree"}},
		{"arm64", "CONFIG_MODULES=y\n", map[string]string{tree: "tree", module: "whole", order: ""}},
	} {
		got, err := install(t, tt.arch, tt.config, recipe)
		if err != nil {
			t.Errorf("%s %q: %v", tt.arch, tt.config, err)
		}
		if len(got) != len(tt.want) {
			t.Errorf("%s %q: %v, not %v", tt.arch, tt.config, got, tt.want)
		}
		for f, text := range tt.want {
			if got[f] != text {
				t.Errorf("%s %q: %s is %q, not %q", tt.arch, tt.config, f, got[f], text)
			}
		}
	}
}

func TestInstallFails(t *testing.T) {
	for config, recipe := range map[string]string{
		"CONFIG_MODULES=y\n":             "modules:\n\tfalse\n",
		"CONFIG_MODULES=y\nCONFIG_A=y\n": "modules:\nmodules_install:\n", // of another release
		"CONFIG_B=y\n":                   "dtbs:\n",
	} {
		if _, err := install(t, "arm64", config, recipe); fault.KindOf(err) != fault.Build {
			t.Errorf("%q: %v", recipe, err)
		}
	}
}
