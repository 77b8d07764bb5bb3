package boot

import (
	"fmt"
	"strings"

	"bzmage/internal/symbol"
)

// Trace is where in the source a crash, or a CPU of a hung guest, was.
type Trace struct {
	Of     string         `json:"of"`              // the crash's title, or CPU 0
	State  string         `json:"state,omitempty"` // of a CPU: idle, in user space
	Frames []symbol.Frame `json:"frames"`
}

// idle are the functions in which a CPU waits for work, on both arches.
func idle(function string) bool {
	switch function {
	case "default_idle", "native_safe_halt", "pv_native_safe_halt", "arch_cpu_idle", "default_idle_call", "cpu_do_idle",
		"acpi_safe_halt", "amd_e400_idle", "mwait_idle", "intel_idle", "do_idle", "cpu_idle_poll", "native_halt", "arch_safe_halt":
		return true
	}
	return false
}

// Resolve says where the crashes and the CPUs of an outcome were, by the
// target's vmlinux, and adds to the reason of a hang where the guest was.
func (v *Verdict) Resolve(o Outcome, t *symbol.Table) {
	for _, c := range o.Crashes {
		if frames := t.Frames(c.Lines); len(frames) > 0 {
			v.Traces = append(v.Traces, Trace{Of: c.Title, Frames: frames})
		}
	}
	waiting, main := 0, -1
	for i, c := range o.CPUs {
		tr := Trace{Of: fmt.Sprintf("CPU %d", c.Index), Frames: cpuFrames(c, t)}
		switch {
		case c.User || entering(c, tr.Frames, t):
			tr.State = "in user space"
		case len(tr.Frames) == 0:
			tr.State = fmt.Sprintf("at %#x, which is not in the kernel", c.PC)
		case idle(tr.Frames[0].Function):
			tr.State = "idle"
			waiting++
		}
		if tr.State == "" && main < 0 {
			main = len(v.Traces)
		}
		v.Traces = append(v.Traces, tr)
		if i == len(o.CPUs)-1 && v.Verdict == Hung {
			v.Reason += hangText(v.Traces[len(v.Traces)-len(o.CPUs):], waiting, main-(len(v.Traces)-len(o.CPUs)))
		}
	}
}

// entering says whether an arm64 CPU has just left user space: stopping it may
// look like an interrupt. The frame pointer and the link register are still the
// program's.
func entering(c CPU, frames []symbol.Frame, t *symbol.Table) bool {
	return len(frames) > 0 && frames[0].Function == "vectors" && !t.Text(c.LR)
}

// hangText is where a guest hung, in words.
func hangText(cpus []Trace, waiting, main int) string {
	if waiting == len(cpus) {
		return ": all CPUs idle, waiting for something"
	}
	if main < 0 {
		var all []string
		for _, c := range cpus {
			all = append(all, c.Of+" "+c.State)
		}
		return ": " + strings.Join(all, ", ")
	}
	c := cpus[main]
	text := fmt.Sprintf(": %s in %v", c.Of, c.Frames[0])
	for i, f := range c.Frames[1:min(len(c.Frames), 4)] {
		if i == 0 {
			text += ", called from"
		} else {
			text += ","
		}
		text += " " + f.String()
	}
	for i, other := range cpus {
		if i != main && other.State != "" {
			text += "; " + other.Of + " " + other.State
		}
	}
	return text
}

// cpuFrames returns the calls of a CPU. Where there are no frame pointers all
// that looks like a return address on the stack is told, and marked.
func cpuFrames(c CPU, t *symbol.Table) []symbol.Frame {
	if c.User {
		return nil
	}
	frames := t.At(c.PC)
	if len(frames) == 0 {
		return nil
	}
	here := frames[len(frames)-1].Function
	if c.LR != 0 && (len(c.Calls) == 0 || c.Calls[0] != c.LR) {
		// A function that calls none has its caller here alone; one that does
		// has a place of its own here.
		if by := t.At(c.LR - 1); len(by) > 0 && by[len(by)-1].Function != here {
			frames = append(frames, unreliable(by)...)
		}
	}
	for _, addr := range c.Calls {
		frames = append(frames, t.At(addr-1)...)
	}
	for _, addr := range c.Stack {
		if addr != 0 {
			frames = append(frames, unreliable(t.At(addr-1))...)
		}
	}
	return frames[:min(len(frames), mostCalls)]
}

func unreliable(frames []symbol.Frame) []symbol.Frame {
	for i := range frames {
		frames[i].Unreliable = true
	}
	return frames
}

// topFrames is how many frames of a trace are shown.
const topFrames = 6

// telling are the functions that only tell of a crash, not where it was.
func telling(function string) bool {
	switch name, _, _ := strings.Cut(function, "."); name {
	case "dump_backtrace", "show_stack", "__dump_stack", "dump_stack_lvl", "dump_stack", "panic":
		return true
	}
	return false
}

// Where is the traces as text, the top of each with its line of the source.
func (v Verdict) Where() string {
	var b strings.Builder
	for _, t := range v.Traces {
		b.WriteString("\n" + strings.TrimSpace(t.Of+" "+t.State) + "\n")
		frames := t.Frames
		for len(frames) > 1 && telling(frames[0].Function) {
			frames = frames[1:]
		}
		for _, f := range frames[:min(len(frames), topFrames)] {
			b.WriteString("  " + f.String() + "\n")
			if f.Source != "" {
				b.WriteString("      " + f.Source + "\n")
			}
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
