package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"bzmage/internal/arch"
	"bzmage/internal/fault"
	"bzmage/internal/run"
)

// probeLimit is how long the guest of a few bytes may take; it needs 0.1 s.
const probeLimit = 3 * time.Second

// Probe starts a guest of a few bytes of machine code and says whether it did
// what it should. /dev/kvm can be there, open well and still hang or end QEMU
// by SIGABRT, as inside some virtual machines; so nothing less is believed.
func Probe(ctx context.Context, a arch.Arch, accel string) error {
	dir, err := os.MkdirTemp("", "bzmage-probe-")
	if err != nil {
		return fault.New(fault.Machine, "make "+os.TempDir()+" writable", "probe %s: %w", accel, err)
	}
	defer os.RemoveAll(dir)
	bios := filepath.Join(dir, "firmware")
	if err := os.WriteFile(bios, firmware(a.Firmware), 0o600); err != nil {
		return fault.New(fault.Machine, "free some disk space", "probe %s: %w", accel, err)
	}
	cpu := a.CPUs[0].TCG
	if accel == KVM {
		cpu = a.CPUs[0].KVM
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	out, err := run.Output(ctx, run.Cmd{
		Argv: []string{a.QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
			"-machine", a.Machine, "-accel", accel, "-cpu", cpu, "-serial", "stdio", "-bios", bios},
		Env:   run.Env(),
		Grace: 200 * time.Millisecond,
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("a guest started with %s did nothing for %v", accel, probeLimit)
	case err != nil:
		return err
	case !strings.Contains(out, a.Firmware.Serial):
		return fmt.Errorf("a guest started with %s stopped without a word", accel)
	}
	return nil
}

func firmware(f arch.Firmware) []byte {
	b := make([]byte, f.Size)
	for at, code := range f.Code {
		copy(b[at:], code)
	}
	return b
}

// Choice is the accelerator for an arch and why.
type Choice struct {
	Accel string `json:"accel"`
	Why   string `json:"why"`
}

// kept is what is remembered of a probe: it holds until the host or QEMU is
// another one.
type kept struct {
	Boot   string    `json:"boot"`
	QEMU   string    `json:"qemu"`
	Choice Choice    `json:"choice"`
	When   time.Time `json:"when"`
}

// retry is for how long a probe that failed is remembered: on a busy machine
// it may fail once.
const retry = 10 * time.Minute

// holds says whether what an earlier probe said is still to be believed.
func (old kept) holds(now kept) bool {
	return old.Boot == now.Boot && old.QEMU == now.QEMU && (old.Choice.Accel == KVM || now.When.Sub(old.When).Abs() < retry)
}

// Choose returns the accelerator for guests of arch a: KVM where a probe
// shows that it works, else TCG. What the probe said is kept in the folder
// dir: a success until this machine boots again or QEMU changes, a failure for
// some minutes. Version is QEMU's, see [Version].
func Choose(ctx context.Context, a arch.Arch, dir, version string) (Choice, error) {
	choice, known, err := Recall(a, dir, version)
	if err != nil || known {
		return choice, err
	}
	now, err := here(version)
	if err != nil {
		return Choice{}, err
	}
	now.Choice = Choice{KVM, "a probe guest ran"}
	if err := Probe(ctx, a, KVM); err != nil {
		if fault.KindOf(err) == fault.Interrupted {
			return Choice{}, err
		}
		now.Choice = Choice{TCG, "KVM does not work here: " + err.Error()}
	}
	text, err := json.MarshalIndent(now, "", "  ")
	if err != nil {
		return Choice{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Choice{}, fault.New(fault.Machine, "make "+dir+" writable", "keep the probe's result: %w", err)
	}
	if err := renameio.WriteFile(keptPath(dir, a), text, 0o644); err != nil {
		return Choice{}, fault.New(fault.Machine, "make "+dir+" writable", "keep the probe's result: %w", err)
	}
	return now.Choice, nil
}

// Recall is Choose as far as it is known without a probe: known says whether it
// is. Version is QEMU's.
func Recall(a arch.Arch, dir, version string) (choice Choice, known bool, err error) {
	if !a.Native() {
		return Choice{TCG, "this machine is of another arch"}, true, nil
	}
	dev, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return Choice{TCG, "no KVM: " + err.Error()}, true, nil
	}
	dev.Close()
	now, err := here(version)
	if err != nil {
		return Choice{}, false, err
	}
	var old kept
	text, err := os.ReadFile(keptPath(dir, a))
	if err != nil || json.Unmarshal(text, &old) != nil || !old.holds(now) {
		return Choice{}, false, nil
	}
	return old.Choice, true, nil
}

// here is a probe that is yet to be made.
func here(version string) (kept, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return kept{}, fault.New(fault.Machine, "mount /proc", "probe kvm: %w", err)
	}
	return kept{Boot: strings.TrimSpace(string(boot)), QEMU: version, When: time.Now()}, nil
}

func keptPath(dir string, a arch.Arch) string { return filepath.Join(dir, "kvm-"+a.Name+".json") }

// Version returns QEMU's version line for an arch.
func Version(ctx context.Context, a arch.Arch) (string, error) {
	out, err := run.Output(ctx, run.Cmd{Argv: []string{a.QEMU, "--version"}, Env: run.Env()})
	if err != nil {
		return "", fault.New(fault.Machine, "go tool mage setup", "start %s: %w", a.QEMU, err)
	}
	line, _, _ := strings.Cut(out, "\n")
	return line, nil
}
