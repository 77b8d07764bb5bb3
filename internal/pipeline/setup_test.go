package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/toolchain"
	"bzmage/internal/tools"
	"bzmage/internal/ui"
)

// machine makes a PATH of fakes that has every tool but those missing, and
// returns the project and its folder. apt-get installs into the same folder.
func machine(t *testing.T, manager string, tc toolchain.Toolchain, missing ...string) (Project, string) {
	t.Helper()
	bin := t.TempDir()
	script := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range append(tools.Table(arch.All(), tc), tools.Tool{Name: "gcc"}, tools.CCache()) {
		if tool.Header == "" {
			script(tool.Name, "echo "+tool.Name+" 99.1\n")
		}
	}
	for _, name := range missing {
		if err := os.Remove(filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	if manager != "" {
		install := "echo \"$0 $*\" >> " + bin + "/calls\n[ \"$1\" = update ] && exit 0\n"
		for _, name := range missing {
			install += "printf '#!/bin/sh\\necho " + name + " 99.1\\n' > " + bin + "/" + name + "; /bin/chmod +x " + bin + "/" + name + "\n"
		}
		script(manager, install)
	}
	script("sudo", "[ \"$1\" = -n ] && shift\nexec \"$@\"\n")
	t.Setenv("PATH", bin)
	out, err := ui.New(ui.Options{Out: os.Stderr, CI: true})
	if err != nil {
		t.Fatal(err)
	}
	p := Project{Root: t.TempDir(), UI: out}
	p.Settings.Archs, p.Settings.Toolchain = arch.All(), tc
	return p, bin
}

func calls(t *testing.T, bin string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(bin, "calls"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), bin+"/", "")
}

func TestSetupInstallsWhatIsMissing(t *testing.T) {
	p, bin := machine(t, tools.APT, toolchain.Toolchain{}, "flex", "qemu-system-aarch64")
	if err := p.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "apt-get update\napt-get install -y --no-install-recommends flex qemu-system-arm\n"
	if got := calls(t, bin); got != want {
		t.Errorf("called %q, want %q", got, want)
	}
}

// What a toolchain needs is installed with it.
func TestSetupOfAToolchain(t *testing.T) {
	p, bin := machine(t, tools.APT, toolchain.Toolchain{LLVM: true, Major: "16"}, "clang-16", "ld.lld-16", "llvm-ar-16")
	if err := p.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "apt-get update\napt-get install -y --no-install-recommends clang-16 lld-16 llvm-16\n"
	if got := calls(t, bin); got != want {
		t.Errorf("called %q, want %q", got, want)
	}
}

func TestSetupWithNothingMissing(t *testing.T) {
	p, bin := machine(t, tools.APT, toolchain.Toolchain{})
	if err := p.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := calls(t, bin); strings.Contains(got, "install") {
		t.Errorf("called %q", got)
	}
}

func TestSetupPrintsTheCommandElsewhere(t *testing.T) {
	for manager, want := range map[string]string{
		tools.DNF:    "sudo dnf install -y bison qemu-system-x86-core",
		tools.Pacman: "sudo pacman -S --needed --noconfirm bison qemu-system-x86",
		tools.Zypper: "sudo zypper --non-interactive install bison qemu-x86",
		"":           "by hand",
	} {
		p, bin := machine(t, manager, toolchain.Toolchain{}, "bison", "qemu-system-x86_64")
		err := p.Setup(t.Context())
		if fault.KindOf(err) != fault.Machine || !strings.Contains(fault.HintOf(err), want) || calls(t, bin) != "" {
			t.Errorf("%q: got %v, hint %q, called %q", manager, err, fault.HintOf(err), calls(t, bin))
		}
	}
}

// An installation that ends well and installs nothing is noticed.
func TestSetupLooksAgain(t *testing.T) {
	p, bin := machine(t, tools.APT, toolchain.Toolchain{}, "flex")
	if err := os.WriteFile(filepath.Join(bin, tools.APT), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := p.Setup(t.Context()); fault.KindOf(err) != fault.Machine || !strings.Contains(err.Error(), "still missing") {
		t.Errorf("got %v", err)
	}
}
