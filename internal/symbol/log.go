package symbol

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The bounds of what is read from one crash.
const (
	maxLines  = 400
	maxWidth  = 1024
	maxFrames = 100
	maxNames  = 8 // candidates of one name that are told
)

var (
	// rePrefix is printk's time and caller.
	rePrefix = regexp.MustCompile(`^(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? )`)
	// rePlace is %pS and %pB: function+offset/size, then the module's name
	// (Documentation/core-api/printk-formats.rst).
	rePlace = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.$]*)\+0x([0-9a-f]{1,16})/0x([0-9a-f]{1,16})(?: \[([^\]]*)\])?`)
	// reAddr is an address in brackets, or alone.
	reAddr = regexp.MustCompile(`^(?:\[<)?(?:0x)?([0-9a-f]{16})(?:>\])?`)
	// reWhere is what stands before the place where a CPU is: x86's RIP with
	// its code segment, arm64's pc and lr, a warning's file and line.
	reWhere = regexp.MustCompile(`^(?:RIP: ([0-9a-f]{4}):|(pc|lr) : |(?:WARNING: .*|kernel BUG) at \S+ )`)
	// reOffset is what a panic tells of KASLR.
	reOffset = regexp.MustCompile(`^Kernel Offset: 0x([0-9a-f]{1,16}) from`)
)

// ref is a place a line names.
type ref struct {
	name       string // empty: the address alone
	offset     uint64
	size       uint64
	addr       uint64
	module     string
	returns    bool // a return address: the call is before it
	unreliable bool
}

// userSegment is x86_64's __USER_CS: such a RIP is not the kernel's.
const userSegment = "0033"

// parse returns the place that a line names.
func parse(line string) (ref, bool) {
	if len(line) > maxWidth {
		line = line[:maxWidth]
	}
	line = strings.TrimSpace(rePrefix.ReplaceAllString(line, ""))
	r := ref{returns: true}
	if m := reWhere.FindStringSubmatch(line); m != nil {
		if m[1] == userSegment {
			return ref{}, false
		}
		r.returns = m[2] == "lr"
		line = line[len(m[0]):]
	} else if rest, ok := strings.CutPrefix(line, "? "); ok {
		r.unreliable, line = true, rest
	}
	if m := reAddr.FindStringSubmatch(line); m != nil && (!r.returns || strings.HasPrefix(line, "[<") || len(line) == len(m[0])) {
		r.addr, _ = strconv.ParseUint(m[1], 16, 64)
		line = strings.TrimSpace(line[len(m[0]):])
		if rest, ok := strings.CutPrefix(line, "? "); ok {
			r.unreliable, line = true, rest
		}
	}
	if m := rePlace.FindStringSubmatch(line); m != nil {
		r.name, r.module = m[1], m[4]
		r.offset, _ = strconv.ParseUint(m[2], 16, 64)
		r.size, _ = strconv.ParseUint(m[3], 16, 64)
		r.addr = 0
	}
	return r, r.name != "" || r.addr != 0
}

// Frames returns the frames that the lines of a crash name, in their order.
// Addresses are moved by the "Kernel Offset:" among the lines.
func (t *Table) Frames(lines []string) []Frame {
	lines = lines[:min(len(lines), maxLines)]
	var shift uint64
	for _, l := range lines {
		if m := reOffset.FindStringSubmatch(strings.TrimSpace(rePrefix.ReplaceAllString(l[:min(len(l), maxWidth)], ""))); m != nil {
			shift, _ = strconv.ParseUint(m[1], 16, 64)
		}
	}
	var frames []Frame
	seen := map[ref]bool{} // where a CPU is: told again at the head of a trace
	head := false          // of a trace: 5.4 on arm64 begins with the tracer itself
	for _, l := range lines {
		r, ok := parse(l)
		if !ok {
			head = head || strings.Contains(strings.ToLower(l[:min(len(l), maxWidth)]), "call trace:")
			continue
		}
		if head && r.offset == 0 {
			r.returns = false
		}
		head = false
		same := ref{name: r.name, offset: r.offset, addr: r.addr}
		if seen[same] {
			continue
		}
		if !r.returns {
			seen[same] = true
		}
		frames = append(frames, t.resolve(r, shift)...)
		if len(frames) >= maxFrames {
			return frames[:maxFrames]
		}
	}
	return frames
}

func (t *Table) resolve(r ref, shift uint64) []Frame {
	if r.name == "" {
		return mark(t.call(r.addr-shift, r.returns), r)
	}
	if r.module != "" {
		return []Frame{{Function: r.name, Unreliable: r.unreliable, Note: "in module " + clip(r.module)}}
	}
	var fits, other []entry
	for _, i := range t.names[r.name] {
		if e := t.entries[i]; e.room == r.size || e.size == r.size {
			fits = append(fits, e)
		} else {
			other = append(other, e)
		}
	}
	switch {
	case len(fits) == 1:
		return mark(t.call(fits[0].addr+r.offset, r.returns), r)
	case len(fits) > 1:
		return []Frame{{Function: r.name, Unreliable: r.unreliable, Note: "one of " + t.places(fits, r)}}
	case len(other) > 0:
		return []Frame{{Function: r.name, Unreliable: r.unreliable,
			Note: fmt.Sprintf("another vmlinux: it has %#x bytes here, not %#x", other[0].room, r.size)}}
	}
	return []Frame{{Function: clip(r.name), Unreliable: r.unreliable, Note: "not in this vmlinux"}}
}

// clip shortens a name that a log made up.
func clip(s string) string { return s[:min(len(s), 128)] }

// call returns the frames of an address. Behind a call the next instruction
// may be of another line, or of another function.
func (t *Table) call(addr uint64, returns bool) []Frame {
	if returns {
		addr--
	}
	return t.At(addr)
}

func mark(frames []Frame, r ref) []Frame {
	for i := range frames {
		frames[i].Unreliable = r.unreliable
	}
	return frames
}

// places names the functions of one name.
func (t *Table) places(all []entry, r ref) string {
	var texts []string
	for _, e := range all[:min(len(all), maxNames)] {
		text := fmt.Sprintf("%#x", e.addr)
		if f := t.call(e.addr+r.offset, r.returns); len(f) > 0 && f[0].File != "" {
			text = fmt.Sprintf("%s:%d", f[0].File, f[0].Line)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}
