package boot

import (
	"errors"
	"fmt"
	"strings"

	"bzmage/internal/console"
	"bzmage/internal/event"
	"bzmage/internal/fault"
	"bzmage/internal/run"
)

// The verdicts.
const (
	Pass        = "pass"
	CheckFailed = "check-failed"
	Crashed     = "crashed"
	Hung        = "hung"
	NoVerdict   = "no-verdict"
	Infra       = "infra"
)

// Verdict is what a boot proved about one exact image.
type Verdict struct {
	Line    string `json:"line"`
	Arch    string `json:"arch"`
	Flavour string `json:"flavour"`
	Release string `json:"release"` // uname -r

	Toolchain string `json:"toolchain,omitempty"` // empty: the default

	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"` // why it is not a pass
	Fault   string `json:"fault,omitempty"`  // the kind of [fault], which has an exit code

	SHA256  map[string]string `json:"sha256"` // image, initramfs, verifier, config, series
	Machine map[string]string `json:"machine"`
	Key     string            `json:"key"` // hash of all that the verdict depends on

	Checks  []event.Check   `json:"checks"`
	Missing []string        `json:"missing,omitempty"`
	Broken  []string        `json:"violations,omitempty"` // of the records' rules
	Crashes []console.Crash `json:"crashes,omitempty"`
	Tail    []string        `json:"tail,omitempty"`   // last lines of the console, when it is not a pass
	Guest   *event.Hello    `json:"guest,omitempty"`  // what the kernel said it was
	Output  string          `json:"output,omitempty"` // of the run as a whole, when it is not a pass

	BootSeconds  float64 `json:"boot_seconds"`  // QEMU's start to the first record
	TotalSeconds float64 `json:"total_seconds"` // QEMU's start to its end
	Console      string  `json:"console"`       // the log file

	Build map[string]string `json:"build,omitempty"` // facts of the build, for the table
	Kept  bool              `json:"-"`               // from an earlier boot of the same bytes
}

// Target names the target of the verdict.
func (v Verdict) Target() string {
	return strings.TrimSpace(v.Line + " " + v.Arch + " " + v.Flavour + " " + v.Toolchain)
}

// Counts returns how many checks passed, failed and were skipped. Parts of
// checks are not counted, and one that did not end is among the missing.
func (v Verdict) Counts() (pass, fail, skip int) {
	for _, c := range v.Checks {
		switch {
		case strings.Contains(c.Name, "/"):
		case c.Status == event.Pass:
			pass++
		case c.Status == event.Skip:
			skip++
		case c.Status == event.Fail:
			fail++
		}
	}
	return pass, fail, skip
}

// Judge fills in what the outcome of a boot proves. The order matters: a
// crash is told before the silence or the missing records it leads to.
func (v *Verdict) Judge(o Outcome) {
	v.Checks, v.Missing, v.Broken = o.Events.Checks, o.Events.Missing, o.Events.Violations
	v.Crashes, v.Guest = o.Crashes, o.Events.Hello
	v.BootSeconds, v.TotalSeconds = o.Hello.Seconds(), o.Total.Seconds()
	var kind fault.Kind
	v.Verdict, v.Reason, kind = v.judge(o)
	if v.Verdict == Pass {
		return
	}
	v.Fault, v.Tail, v.Output = kind.String(), o.Tail, o.Events.Output
}

func (v *Verdict) judge(o Outcome) (verdict, reason string, kind fault.Kind) {
	ev := o.Events
	failed := ev.Failed()
	switch {
	case len(o.Crashes) > 0:
		return Crashed, console.Summary(o.Crashes), fault.Crashed
	case o.Hung != "":
		return Hung, o.Hung + where(ev), fault.Hung
	case o.Ended != nil && isInfra(o):
		return Infra, firstLine(o.Stderr, o.Ended.Error()), fault.Machine
	case len(ev.Violations) > 0:
		return NoVerdict, "the guest's records contradict the protocol: " + ev.Violations[0], fault.NoVerdict
	case ev.Hello == nil:
		return NoVerdict, "the machine stopped before the checks began", fault.EarlyExit
	case ev.Hello.Release != v.Release:
		return NoVerdict, fmt.Sprintf("the guest is %s, not %s", ev.Hello.Release, v.Release), fault.NoVerdict
	case ev.Done == nil:
		return NoVerdict, "the machine stopped before the last record" + where(ev), fault.MissingDone
	case len(failed) > 0:
		return CheckFailed, failures(failed), fault.CheckFailed
	case ev.Done.Error != "":
		return NoVerdict, "the guest says: " + ev.Done.Error, fault.NoVerdict
	case ev.Done.Exit != 0:
		return CheckFailed, fmt.Sprintf("the checks ended with exit code %d%s", ev.Done.Exit, where(ev)), fault.CheckFailed
	case len(ev.Missing) > 0:
		return NoVerdict, "expected checks did not run: " + strings.Join(ev.Missing, ", "), fault.NoVerdict
	case o.Ended != nil:
		return NoVerdict, o.Ended.Error(), fault.NoVerdict
	}
	if open := unended(ev); open != "" {
		return NoVerdict, open + " did not end", fault.NoVerdict
	}
	if pass, _, _ := v.Counts(); pass == 0 {
		return NoVerdict, "no check passed", fault.NoVerdict
	}
	return Pass, "", fault.Internal
}

// isInfra says whether QEMU or this machine failed, not the guest: it could
// not be started, its console could not be kept, or it ended by an error of
// its own, which it does before the guest speaks.
func isInfra(o Outcome) bool {
	var exit *run.ExitError
	return !run.Failed(o.Ended) || errors.As(o.Ended, &exit) && o.Events.Hello == nil
}

// where names the check that was running when the records ended.
func where(ev event.Result) string {
	if ev.Hello == nil {
		return ", before the checks began"
	}
	if name := unended(ev); name != "" {
		return ", in " + name
	}
	return ""
}

// failures counts and names the checks that failed; their parts are not
// counted.
func failures(failed []event.Check) string {
	var names []string
	for _, c := range failed {
		if !strings.Contains(c.Name, "/") {
			names = append(names, c.Name)
		}
	}
	if len(names) == 1 {
		return "a check failed: " + names[0]
	}
	return fmt.Sprintf("%d checks failed: %s", len(names), strings.Join(names, ", "))
}

// unended names a check, or a part of one, that began and did not end.
func unended(ev event.Result) string {
	for _, c := range ev.Checks {
		if c.Status == "" {
			return c.Name
		}
	}
	return ""
}

func firstLine(texts ...string) string {
	for _, t := range texts {
		if line, _, _ := strings.Cut(strings.TrimSpace(t), "\n"); line != "" {
			return line
		}
	}
	return ""
}

// Err returns nil for a pass, else an error of the verdict's kind.
func (v Verdict) Err() error {
	if v.Verdict == Pass {
		return nil
	}
	kind := fault.NoVerdict
	for _, r := range fault.Kinds() {
		if r.Name == v.Fault {
			kind = r.Kind
		}
	}
	msg := fmt.Sprintf("%s: %s: %s", v.Target(), v.Verdict, v.Reason)
	switch {
	case len(v.Crashes) > 0:
		const most = 30
		lines := v.Crashes[0].Lines
		msg += "\n  " + strings.Join(lines[:min(most, len(lines))], "\n  ")
	case len(v.Tail) > 0:
		msg += "\nthe console's last lines:\n  " + strings.Join(v.Tail[max(0, len(v.Tail)-10):], "\n  ")
	}
	return fault.New(kind, "the whole console: "+v.Console, "%s", msg)
}
