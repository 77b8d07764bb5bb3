package arch

import "testing"

func TestCPU(t *testing.T) {
	arm, _ := Find("arm64")
	tests := []struct{ release, want string }{
		{"5.4.302", "cortex-a57"},
		{"5.4.0-rc1", "cortex-a57"},
		{"5.11.99", "cortex-a57"},
		{"5.12.0-rc1", "max,pauth-impdef=on"},
		{"5.12", "max,pauth-impdef=on"},
		{"6.1.192", "max,pauth-impdef=on"},
	}
	for _, tt := range tests {
		if got, err := arm.CPU(tt.release); err != nil || got.TCG != tt.want {
			t.Errorf("%s: got %q, %v; want %q", tt.release, got.TCG, err, tt.want)
		}
	}
	if got, err := arm.CPU("mainline"); err == nil {
		t.Errorf("mainline: got %v, want an error", got)
	}
}

func TestEveryRowIsWhole(t *testing.T) {
	for _, a := range All() {
		got, ok := Find(a.Name)
		if !ok || got.Name != a.Name {
			t.Errorf("%s is not found by its name", a.Name)
		}
		boots := 0
		for _, i := range a.Images {
			if i.Boot {
				boots++
			}
		}
		if boots != 1 || !a.BootImage().Boot {
			t.Errorf("%s: %d images boot, want one", a.Name, boots)
		}
		if (a.CrossCompile() == "") != a.Native() {
			t.Errorf("%s: cross %q on this machine", a.Name, a.CrossCompile())
		}
		if last := a.CPUs[len(a.CPUs)-1]; last.Releases != "" {
			t.Errorf("%s: the newest releases have no CPU", a.Name)
		}
		for at, code := range a.Firmware.Code {
			if at+len(code) > a.Firmware.Size {
				t.Errorf("%s: code at %#x is outside the firmware", a.Name, at)
			}
		}
	}
	if _, ok := Find("riscv"); ok {
		t.Error("an arch nobody wrote was found")
	}
}
