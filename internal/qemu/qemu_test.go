package qemu

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bzmage/internal/arch"
)

func find(t *testing.T, name string) arch.Arch {
	t.Helper()
	a, ok := arch.Find(name)
	if !ok {
		t.Fatalf("no arch %s", name)
	}
	return a
}

func TestArgv(t *testing.T) {
	tests := []struct {
		name                 string
		arch, release, accel string
		want                 string
		more                 string
	}{
		{"x86_64 emulated", "x86_64", "5.4.302", TCG,
			"qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max console=ttyS0 earlycon=uart8250,io,0x3f8,115200", " no_timer_check"},
		{"x86_64 by hardware", "x86_64", "5.4.302", KVM,
			"qemu-system-x86_64 -machine q35 -accel kvm -cpu host console=ttyS0 earlycon=uart8250,io,0x3f8,115200", ""},
		{"old arm64 does not know LPA2", "arm64", "5.4.302", TCG,
			"qemu-system-aarch64 -machine virt -accel tcg,thread=multi -cpu cortex-a57 console=ttyAMA0 earlycon=pl011,0x9000000", ""},
		{"the last release before LPA2", "arm64", "5.11.22", TCG,
			"qemu-system-aarch64 -machine virt -accel tcg,thread=multi -cpu cortex-a57 console=ttyAMA0 earlycon=pl011,0x9000000", ""},
		{"the first release with LPA2", "arm64", "5.12", TCG,
			"qemu-system-aarch64 -machine virt -accel tcg,thread=multi -cpu max,pauth-impdef=on console=ttyAMA0 earlycon=pl011,0x9000000", ""},
		{"a release candidate", "arm64", "6.1.0-rc3", TCG,
			"qemu-system-aarch64 -machine virt -accel tcg,thread=multi -cpu max,pauth-impdef=on console=ttyAMA0 earlycon=pl011,0x9000000", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := Machine{
				Arch: find(t, tt.arch), Release: tt.release, Accel: tt.accel,
				Kernel: "/d/image", Initrd: "/d/initramfs", Memory: 256, CPUs: 2,
				Ports: []string{"one", "two"}, Append: []string{"bzmage.id=7"},
			}
			w := strings.Fields(tt.want)
			want := append([]string{w[0], "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"}, w[1:7]...)
			want = append(want,
				"-smp", "2", "-m", "256", "-serial", "stdio", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
				"-chardev", "socket,id=port0,fd=3", "-device", "virtserialport,chardev=port0,name=one",
				"-chardev", "socket,id=port1,fd=4", "-device", "virtserialport,chardev=port1,name=two",
				"-kernel", "/d/image", "-initrd", "/d/initramfs",
				"-append", w[7]+" "+w[8]+" panic=-1 oops=panic softlockup_panic=1 hung_task_panic=1"+tt.more+" bzmage.id=7")
			got, err := m.Argv()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("argv (-want +got):\n%s", d)
			}
		})
	}
}

func TestArgvOfNoRelease(t *testing.T) {
	if argv, err := (Machine{Arch: find(t, "arm64"), Release: "next"}).Argv(); err == nil {
		t.Errorf("got %q, want an error", argv)
	}
}

// The machine code of the probe runs on a real emulator, or it proves nothing
// about an accelerator.
func TestProbeRunsUnderTCG(t *testing.T) {
	for _, a := range arch.All() {
		t.Run(a.Name, func(t *testing.T) {
			needTool(t, a.QEMU)
			if err := Probe(t.Context(), a, TCG); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestProbeFails(t *testing.T) {
	a := find(t, "x86_64")
	needTool(t, a.QEMU)
	loop, mute := a, a
	loop.Firmware.Code = map[int][]byte{0xfff0: {0xeb, 0xfe}}                         // jmp $
	mute.Firmware.Code = map[int][]byte{0xfff0: {0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe}} // only the reset
	tests := []struct {
		name string
		arch arch.Arch
		want string
	}{
		{"a guest that hangs", loop, "did nothing"},
		{"a guest that says nothing", mute, "without a word"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Probe(t.Context(), tt.arch, TCG)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// An accelerator that is chosen must work, and the choice is remembered.
func TestChoose(t *testing.T) {
	for _, a := range arch.All() {
		t.Run(a.Name, func(t *testing.T) {
			needTool(t, a.QEMU)
			dir := t.TempDir()
			c, err := Choose(t.Context(), a, dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := Probe(t.Context(), a, c.Accel); err != nil {
				t.Errorf("%s was chosen (%s), but: %v", c.Accel, c.Why, err)
			}
			if !a.Native() {
				return
			}
			if _, err := os.Stat("/dev/kvm"); err != nil {
				return
			}
			if _, err := os.Stat(filepath.Join(dir, "kvm-"+a.Name+".json")); err != nil {
				t.Errorf("the probe's result was not kept: %v", err)
			}
			again, err := Choose(t.Context(), a, dir)
			if err != nil || again != c {
				t.Errorf("got %v, %v the second time, want %v", again, err, c)
			}
		})
	}
}

func needTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func TestHowLongAProbeHolds(t *testing.T) {
	now := kept{Boot: "b", QEMU: "q", When: time.Unix(100_000, 0)}
	ago := func(d time.Duration, accel string) kept {
		return kept{Boot: "b", QEMU: "q", Choice: Choice{Accel: accel}, When: now.When.Add(-d)}
	}
	boot, version := ago(time.Second, KVM), ago(time.Second, KVM)
	boot.Boot, version.QEMU = "other", "other"
	for name, tt := range map[string]struct {
		old  kept
		want bool
	}{
		"a success of yesterday":      {ago(24*time.Hour, KVM), true},
		"a failure of just now":       {ago(time.Minute, TCG), true},
		"a failure of a while ago":    {ago(time.Hour, TCG), false},
		"a failure from the future":   {ago(-time.Hour, TCG), false},
		"before this machine started": {boot, false},
		"another QEMU":                {version, false},
		"nothing":                     {kept{}, false},
	} {
		if got := tt.old.holds(now); got != tt.want {
			t.Errorf("%s: holds %v", name, got)
		}
	}
}
