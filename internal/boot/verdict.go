package boot

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"bzmage/internal/console"
	"bzmage/internal/coverage"
	"bzmage/internal/event"
	"bzmage/internal/fault"
	"bzmage/internal/key"
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

	BuildID string    `json:"build_id,omitempty"` // the linker's hash of the kernel, which the guest has to say; empty: it has none
	Started time.Time `json:"started,omitzero"`   // when QEMU was started

	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"` // why it is not a pass
	Fault   string `json:"fault,omitempty"`  // the kind of [fault], which has an exit code

	SHA256  map[string]string `json:"sha256"` // image, initramfs, verifier, config, series
	Machine map[string]string `json:"machine"`
	Key     string            `json:"key"` // hash of all that the verdict depends on
	Inputs  key.Inputs        `json:"-"`   // all that the verdict depends on

	Run   string `json:"run,omitempty"`   // the checks this selects are all that ran
	Count int    `json:"count,omitempty"` // how often they ran, if not once

	Checks  []event.Check   `json:"checks"`
	Missing []string        `json:"missing,omitempty"`
	Broken  []string        `json:"violations,omitempty"` // of the records' rules
	Crashes []console.Crash `json:"crashes,omitempty"`
	Traces  []Trace         `json:"traces,omitempty"` // where in the source they were, or a hung guest's CPUs
	Tail    []string        `json:"tail,omitempty"`   // last lines of the console, when it is not a pass
	Guest   *event.Hello    `json:"guest,omitempty"`  // what the kernel said it was
	Output  string          `json:"output,omitempty"` // of the run as a whole, when it is not a pass

	Times Timeline `json:"timeline"`

	BootSeconds  float64 `json:"boot_seconds"`  // QEMU's start to the first record
	TotalSeconds float64 `json:"total_seconds"` // QEMU's start to its end
	Console      string  `json:"console"`       // the log file

	Coverage *coverage.Report `json:"coverage,omitempty"` // which lines of the series were run, where that was measured

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
	v.Started, v.Times = o.Started.UTC().Truncate(time.Millisecond), o.Times
	var kind fault.Kind
	v.Verdict, v.Reason, kind = v.judge(o)
	v.Reason = brief(v.Reason)
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
	case v.BuildID != "" && ev.Hello.BuildID != v.BuildID:
		return NoVerdict, fmt.Sprintf("the guest is another kernel: its build ID is %q, not %s", ev.Hello.BuildID, v.BuildID), fault.NoVerdict
	case ev.Done == nil:
		return NoVerdict, "the machine stopped before the last record" + where(ev), fault.MissingDone
	case len(failed) > 0:
		return CheckFailed, failures(ev, failed) + notRun(ev), fault.CheckFailed
	case ev.Done.Error != "":
		return NoVerdict, "the guest says: " + strings.ReplaceAll(ev.Done.Error, "\n", "; ") + where(ev) + notRun(ev), fault.NoVerdict
	case ev.Done.Exit != 0:
		return CheckFailed, fmt.Sprintf("the checks ended with exit code %d%s%s", ev.Done.Exit, where(ev), notRun(ev)), fault.CheckFailed
	case len(ev.Missing) > 0:
		return NoVerdict, "expected checks did not run: " + strings.Join(ev.Missing, ", "), fault.NoVerdict
	case o.Ended != nil:
		return NoVerdict, o.Ended.Error(), fault.NoVerdict
	}
	if open := unended(ev); open != "" {
		return NoVerdict, open + " did not end", fault.NoVerdict
	}
	if noPart(v.Run, ev) {
		return NoVerdict, fmt.Sprintf("VERIFY_RUN=%s selects no part of the checks that ran", v.Run), fault.Usage
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
	msg := fmt.Sprintf("%s: %s: %s", v.Target(), v.Verdict, v.Reason) + v.Where()
	switch {
	case len(v.Crashes) > 0:
		const most = 30
		lines := v.Crashes[0].Lines
		msg += "\n  " + strings.Join(lines[:min(most, len(lines))], "\n  ")
	case len(v.Tail) > 0:
		msg += "\nthe console's last lines:\n  " + strings.Join(v.Tail[max(0, len(v.Tail)-10):], "\n  ")
	}
	return fault.New(kind, "the whole console: less "+v.Console, "%s", msg)
}
