package console

import (
	"regexp"
	"strings"
)

// report is a crash that is being read.
type report struct {
	kind   kind
	found  []string // what the kind's expression found
	lines  []string
	from   int
	to     int
	own    int // index of the line that the kind was seen in
	frames int // lines of stack traces so far
	ended  bool
	bars   int  // lines of '=' since own
	cut    bool // by another report, or by the end of the console
	fatal  bool
	panics bool // a panic follows; its lines belong here
	traced bool // a stack that is announced as one has begun
}

var (
	reFrame    = regexp.MustCompile(`^ *(?:\[<[0-9a-f]+>\] ?)?(\? )?([A-Za-z_.$][\w.$]*)\+0x[0-9a-f]+/0x[0-9a-f]+`)
	reTrace    = regexp.MustCompile(`^(?:stack backtrace|Call [Tt]race):`)
	reEndTrace = regexp.MustCompile(`^---\[ end trace`)
	reEndPanic = regexp.MustCompile(`^---\[ end Kernel panic|^Rebooting in \d|^reboot: `)
	// reMore are lines of an oops that come behind its trace.
	reMore = regexp.MustCompile(`^(?:RIP|RSP|RAX|RDX|RBP|R\d\d|FS|CS|CR\d|DR\d|PKRU|EIP|Code|note|pc|lr|sp|x\d+ *|Modules linked in|Kernel Offset|SMP|CPU features|Memory Limit|PHYS_OFFSET|Dumping ftrace|Shutting down cpus|CPU|Hardware name|Call [Tt]race|Comm|Workqueue)\b|^(?: |-*\[|</?(?:IRQ|TASK|NMI|#))`)
	// reParagraph is what lockdep and the sanitizers print behind a trace.
	reParagraph = regexp.MustCompile(`^$|^(?:Call [Tt]race|other info|stack backtrace|the existing|which lock|but task|and this task|to a |... which|... acquired|the dependencies|is trying|Possible unsafe|Allocated|Freed|Object|Redzone|Padding|Bytes|INFO: |FIX |Disabling|CPU|Hardware name|Slab|Task dump|Sending NMI|NMI backtrace|rcu|task:|Showing all locks|Tasks|Mem|Node|DMA|Out of memory|oom)`)
	// reMine are panics that follow from an earlier report.
	reMine = regexp.MustCompile(`^Kernel panic - not syncing: (?:Fatal |.*: Fatal exception|Oops|[Aa]ttempted to kill|panic_on_|Machine halted|softlockup|hung_task|RCU Stall|Hard LOCKUP|kernel stack overflow|Asynchronous SError|UBSAN|KASAN|KCSAN|kernel: panic_on_warn|.*panic_on_(?:warn|oops)|nmi|NMI|System is deadlocked|Out of memory|Watchdog|BRK|Unhandled|Unrecoverable)`)
	reNMI  = regexp.MustCompile(`^(?:NMI backtrace for cpu|Sending NMI)`)
)

// take takes the next line.
func (r *Reader) take(msg message) {
	if r.booted(msg) || !msg.kernel {
		return
	}
	s := r.stream(msg.caller)
	if m, k := r.match(msg.text); m != nil && r.starts(s, k, msg) {
		r.begin(s, k, m, msg)
		return
	}
	if s.rep == nil && reNMI.MatchString(msg.text) && len(r.reports) > 0 {
		if last := r.reports[len(r.reports)-1]; last.kind.name == "rcu-stall" || last.kind.name == "lockup" {
			s.rep = last // another CPU speaks for it
		}
	}
	if s.rep != nil && !s.rep.add(msg) {
		r.close(s)
	}
	if s.rep == nil {
		s.remember(msg)
	}
}

func (r *Reader) match(text string) ([]string, kind) {
	for _, k := range r.kinds {
		if m := k.re.FindStringSubmatch(text); m != nil {
			return m, k
		}
	}
	return nil, kind{}
}

// booted sees a kernel or its firmware start a second time.
func (r *Reader) booted(msg message) bool {
	firmware := strings.HasPrefix(msg.line, "SeaBIOS (version ") && r.kernels > 0
	version := strings.HasPrefix(msg.text, "Linux version ") && msg.kernel
	if version {
		r.kernels++
	}
	if !firmware && (!version || r.kernels < 2 || r.timed && !msg.again && r.clock > 0.1) {
		return false
	}
	for _, s := range r.streams {
		r.close(s)
	}
	r.kernels = 0 // its version is told behind the firmware's
	r.add(&report{kind: kind{name: "reboot", title: "unexpected reboot", class: line}, lines: []string{msg.line}, from: msg.number, to: msg.number, fatal: true, ended: true})
	return true
}

// starts says whether a line that could begin a report does: in one that is
// being read, it may be a part of it.
func (r *Reader) starts(s *stream, k kind, msg message) bool {
	if k.class == stop {
		return !r.follows(s, msg)
	}
	if s.rep == nil || s.rep.ended && !s.rep.panics {
		return true
	}
	old := s.rep
	switch {
	case old.panics, k.name == "oom" && old.kind.name == "oom":
		return false
	case old.kind.class == bars && k.class != bars && old.bars == 0:
		return k.class == fault && !strings.HasPrefix(msg.text, "KASAN") && old.frames > 0
	case old.frames == 0 && (old.kind.class == fault || old.kind.class == warn):
		// One oops in several lines, and WARN() and BUG() behind their words.
		return !(k.class == fault || k.class == warn)
	case old.kind.name == "rcu-stall" && k.name == "rcu-stall", old.kind.class == locks && k.name == "bug" && old.frames == 0:
		return false
	}
	return true
}

// follows says whether a panic is the end of an earlier report, and adds it
// there.
func (r *Reader) follows(s *stream, msg message) bool {
	r.fatal = true
	rep := s.rep
	if rep == nil && reMine.MatchString(msg.text) && len(r.reports) > 0 {
		last := r.reports[len(r.reports)-1]
		if !last.panics && last.causes(msg.text) {
			rep = last
		}
	}
	if rep == nil || rep.kind.class == stop || !rep.panics && !reMine.MatchString(msg.text) && !strings.Contains(msg.text, "panic_on") {
		return rep != nil && rep.kind.class == stop
	}
	rep.fatal, rep.panics, rep.cut, s.rep = true, true, false, rep // take adds the line
	return true
}

// causes says whether a report can be why the kernel panics with that text.
func (p *report) causes(text string) bool {
	is := func(words string) bool { return strings.Contains(text, words) }
	switch p.kind.name {
	case "kmemleak", "vfs", "netdevice", "initramfs", "reboot", "halted":
		return false
	case "hung-task":
		return is("hung_task") || is("panic_on")
	case "lockup", "rcu-stall", "workqueue":
		return is("softlockup") || is("LOCKUP") || is("RCU Stall") || is("panic_on")
	case "oom":
		return is("memory") || is("deadlocked") || is("Attempted to kill init")
	}
	return p.kind.class == fault || is("panic_on")
}

func (r *Reader) begin(s *stream, k kind, m []string, msg message) {
	if s.rep != nil {
		s.rep.cut = s.rep.cut || !s.rep.whole()
		r.close(s)
	}
	rep := &report{kind: k, found: m, own: len(s.before), fatal: k.fatal}
	rep.from = msg.number
	if len(s.before) > 0 {
		rep.from = s.before[0].number
	}
	for _, before := range append(s.before, msg) {
		rep.keep(before)
	}
	rep.ended = k.class == line
	rep.panics = k.class == stop
	s.before, s.rep = nil, rep
	r.fatal = r.fatal || k.fatal
	r.add(rep)
	if k.class == line {
		s.rep = nil
	}
}

// add keeps a report, as long as there is room.
func (r *Reader) add(rep *report) {
	r.fatal = r.fatal || rep.fatal
	for _, old := range r.reports {
		if len(r.reports) < maxCrashes {
			break
		}
		if rep.fatal && !old.fatal { // what ended the kernel is told in any case
			r.reports = append(r.reports[:maxCrashes-1], rep)
			return
		}
	}
	if len(r.reports) < maxCrashes {
		r.reports = append(r.reports, rep)
	}
}

func (r *Reader) close(s *stream) {
	if s.rep != nil {
		s.rep.cut = s.rep.cut || !s.rep.whole()
	}
	s.rep = nil
}

func (p *report) keep(msg message) {
	if len(p.lines) < crashLines {
		p.lines = append(p.lines, msg.line)
	}
	p.to = msg.number
}

// add takes a line into the report; false: it is over, and the line is not in.
func (p *report) add(msg message) bool {
	frame := reFrame.MatchString(msg.text)
	switch {
	case p.panics:
		if reEndPanic.MatchString(msg.text) {
			p.keep(msg)
			p.ended = true
			return false
		}
	case p.kind.class == bars:
		if isBar(msg.text) {
			p.bars++
			p.keep(msg)
			return false
		}
	case reEndTrace.MatchString(msg.text):
		p.ended = true
		if p.kind.class == warn {
			p.keep(msg)
			return false
		}
	case p.kind.name == "oom":
		if strings.HasPrefix(msg.text, "oom_reaper:") || strings.HasPrefix(msg.text, "Out of memory: Killed") {
			p.keep(msg)
			return false
		}
	case frame, p.frames == 0:
	case p.kind.name == "lockdep" && !p.traced: // its own stack comes last
	case reMore.MatchString(msg.text):
	case p.kind.class == trace || p.kind.class == locks:
		if !reParagraph.MatchString(msg.text) && !isBar(msg.text) {
			return false
		}
	default:
		return false
	}
	if frame {
		p.frames++
	}
	p.traced = p.traced || reTrace.MatchString(msg.text)
	p.keep(msg)
	return true
}

// whole says whether a report ended as its kind does.
func (p *report) whole() bool {
	switch {
	case p.panics:
		return true // the machine may stop at any line of it
	case p.kind.class == bars:
		return p.bars > 0
	case p.kind.class == fault, p.kind.class == warn:
		return p.ended
	}
	return p.frames > 0 || p.kind.class == line
}
