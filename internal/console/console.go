// Package console reads a kernel's console: it finds the lines that say the
// kernel crashed. In go the bytes of a serial port, as they come; out come
// crashes, each with a title and the lines around it.
package console

import (
	"bytes"
	"regexp"
	"strings"

	"bzmage/internal/plain"
)

// Crash is one report of the kernel's that something broke.
type Crash struct {
	Kind  string   `json:"kind"`
	Title string   `json:"title"` // the line that says it
	Lines []string `json:"lines"` // that line and those behind it
	Fatal bool     `json:"fatal"` // the kernel does not go on
}

const (
	crashLines = 60   // lines kept of one crash
	maxCrashes = 20   // crashes kept of one console
	tailLines  = 30   // last lines kept
	lineWidth  = 1024 // bytes kept of a line
)

// kind is a row of the table of crashes: what the line begins with, behind
// printk's time and caller.
type kind struct {
	name  string
	re    *regexp.Regexp
	fatal bool
}

func kinds() []kind {
	row := func(name, re string, fatal bool) kind {
		return kind{name, regexp.MustCompile(`^(?:` + re + `)`), fatal}
	}
	return []kind{
		row("panic", `Kernel panic - not syncing`, true),
		row("oops", `BUG: unable to handle|BUG: kernel NULL pointer|Unable to handle kernel|Internal error: `, false),
		row("bug", `kernel BUG at |------------\[ cut here \]------------ BUG`, false),
		row("fault", `general protection fault|stack segment:|divide error:|invalid opcode:|int3:|PANIC: double fault|traps: PANIC|Unhandled fault:|Bad mode in `, false),
		row("kasan", `BUG: KASAN:`, false),
		row("kcsan", `BUG: KCSAN:`, false),
		row("lockup", `watchdog: BUG: (?:soft|hard) lockup|(?:NMI watchdog: )?Watchdog detected hard LOCKUP`, false),
		row("atomic", `BUG: scheduling while atomic|BUG: sleeping function called`, false),
		row("rcu-stall", `(?:INFO: )?rcu.*detected (?:expedited )?stalls?|rcu: INFO: .*stall`, false),
		row("hung-task", `INFO: task .* blocked for more than`, false),
		row("lockdep", `WARNING: (?:possible |bad |inconsistent |suspicious ).*`, false),
		row("warning", `WARNING: CPU: \d+ PID: \d+ at `, false),
		row("lockdep", `INFO: trying to register non-static key`, false),
		row("ubsan", `UBSAN: `, false),
		row("kmemleak", `kmemleak: \d+ new suspected memory leaks`, false),
		row("irq", `irq \d+: nobody cared`, false),
		row("oom", `Out of memory: |.*invoked oom-killer:`, false),
		row("bug", `BUG: |BUG kmalloc-|BUG .*\(.*\): `, false),
		row("initramfs", `Initramfs unpacking failed:`, false),
		row("init", `Failed to execute /init|No working init found`, false),
	}
}

// prefix is what printk puts before a message: time and, where configured,
// caller ("[    1.234567][    T1] ").
var prefix = regexp.MustCompile(`^(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? )`)

// Reader reads a console. The zero value is not ready: use [NewReader].
type Reader struct {
	kinds   []kind
	line    bytes.Buffer
	crashes []Crash
	open    int // lines that still belong to the newest crash
	tail    []string
	fatal   bool
}

// NewReader returns a reader at the start of a console.
func NewReader() *Reader { return &Reader{kinds: kinds()} }

// Write takes the next bytes; it never fails.
func (r *Reader) Write(p []byte) (int, error) {
	for _, b := range p {
		if b == '\n' {
			r.endLine()
		} else if r.line.Len() < lineWidth {
			r.line.WriteByte(b)
		}
	}
	return len(p), nil
}

// Close takes an unfinished last line as a whole one.
func (r *Reader) Close() {
	if r.line.Len() > 0 {
		r.endLine()
	}
}

// Crashes returns what was found, in order.
func (r *Reader) Crashes() []Crash { return r.crashes }

// Fatal says whether a crash was found after which the kernel does not go on.
func (r *Reader) Fatal() bool { return r.fatal }

// Tail returns the last lines, without control characters.
func (r *Reader) Tail() []string { return r.tail }

func (r *Reader) endLine() {
	line := strings.TrimRight(strings.ReplaceAll(plain.Text(r.line.String()), "\t", " "), " ")
	r.line.Reset()
	if r.tail = append(r.tail, line); len(r.tail) > tailLines {
		r.tail = r.tail[1:]
	}
	msg := prefix.ReplaceAllString(line, "")
	for _, k := range r.kinds {
		if !k.re.MatchString(msg) {
			continue
		}
		r.fatal = r.fatal || k.fatal
		// What comes out of one crash (a warning's trace, the panic that an
		// oops leads to) is still told: each has its own line of title.
		if len(r.crashes) < maxCrashes {
			r.crashes = append(r.crashes, Crash{Kind: k.name, Title: msg, Fatal: k.fatal})
			r.open = crashLines
		}
		break
	}
	if r.open > 0 {
		c := &r.crashes[len(r.crashes)-1]
		c.Lines = append(c.Lines, line)
		r.open--
	}
}
