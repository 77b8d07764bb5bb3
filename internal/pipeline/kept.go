package pipeline

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"bzmage/internal/boot"
	"bzmage/internal/fault"
	"bzmage/internal/key"
)

// bootStage is raised when the same boot would be judged in another way by the
// same program, which is an input itself.
const bootStage = "boot 2"

// keptVerdict is the file of a pass: what was proved holds as long as nothing
// that went in changes and its console is there to be read.
type keptVerdict struct {
	boot.Verdict
	Inputs  key.Inputs `json:"inputs"`
	Console string     `json:"console_sha256"`
}

// bootInputs is all that a verdict depends on: the bytes booted, the machine,
// the checks, and who judges.
func (k *kernel) bootInputs(v boot.Verdict, argv, checks []string) (key.Inputs, error) {
	program, err := k.p.program()
	if err != nil {
		return nil, err
	}
	limits, err := json.Marshal(k.limits(v.Machine["accel"]))
	in := key.Inputs{"qemu.command": strings.Join(argv, " "), "checks": strings.Join(checks, " "), "limits": string(limits), "bzmage": program}
	for name, sum := range v.SHA256 {
		in[name] = sum
	}
	for name, value := range v.Machine {
		in["machine."+name] = value
	}
	return in, err
}

// program returns the hash of this very program: another one might judge the
// same boot, or the same patch, in another way.
func (p Project) program() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	sum, err := p.Hashes.Sum(path)
	if err != nil {
		return "", fault.New(fault.Machine, "", "read bzmage's own program: %w", err)
	}
	return sum, nil
}

func (k *kernel) verdictPath(v boot.Verdict) string {
	name := strings.ReplaceAll(v.Target(), " ", "-") + ".json"
	if k.aside != "" {
		return filepath.Join(k.aside, "verdict", name)
	}
	return k.p.build("verdict", name)
}

// forgetVerdict takes away what an earlier boot of the target left: its
// console is about to be overwritten.
func (k *kernel) forgetVerdict(v boot.Verdict) error {
	path := k.verdictPath(v)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.Machine, "make "+filepath.Dir(path)+" writable", "forget an old verdict: %w", err)
	}
	return nil
}

// keepVerdict remembers a pass: only what was proved holds for the next run.
func (k *kernel) keepVerdict(v boot.Verdict) error {
	if v.Verdict != boot.Pass || !k.p.Settings.Checks.All() {
		return nil
	}
	console, err := k.p.Hashes.Sum(k.p.path(v.Console))
	if err != nil {
		return fault.New(fault.Machine, "run the same again", "keep the verdict: %w", err)
	}
	text, err := json.MarshalIndent(keptVerdict{v, v.Inputs, console}, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(k.verdictPath(v), append(text, '\n'))
}

// lookVerdict returns the pass of an earlier boot of the same bytes on the same
// machine, or why there has to be another one: the inputs that changed, a
// console that was altered, or what the user asks for.
func (k *kernel) lookVerdict(want boot.Verdict) (boot.Verdict, []key.Change) {
	switch s := k.p.Settings.Checks; {
	case k.p.Force:
		return boot.Verdict{}, []key.Change{{Name: "asked for by -f"}}
	case !s.All():
		return boot.Verdict{}, []key.Change{{Name: "a run of its own: VERIFY_RUN, VERIFY_COUNT or VERIFY_SHELL is set"}}
	}
	text, err := os.ReadFile(k.verdictPath(want))
	var old keptVerdict
	if err != nil || json.Unmarshal(text, &old) != nil || old.Verdict.Verdict != boot.Pass {
		return boot.Verdict{}, key.First()
	}
	if why := want.Inputs.Since(old.Inputs); len(why) > 0 {
		return boot.Verdict{}, why
	}
	if old.Key != want.Inputs.Sum(bootStage) {
		return boot.Verdict{}, key.NewStage()
	}
	console := map[string]string{filepath.Base(want.Console): old.Console}
	why := key.Files(console, func(string) (string, error) { return k.p.Hashes.Sum(k.p.path(want.Console)) })
	if len(why) > 0 {
		return boot.Verdict{}, why
	}
	v := old.Verdict
	v.Kept, v.Build, v.Inputs = true, want.Build, want.Inputs
	return v, nil
}
