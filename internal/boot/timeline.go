package boot

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"bzmage/internal/event"
	"bzmage/internal/plain"
)

// Timeline says when a boot came how far, in seconds since QEMU was started,
// by the host's clock: when the byte or the record was there to be read. What
// did not happen, or said nothing, is 0.
type Timeline struct {
	Firmware   float64 `json:"firmware,omitempty"`    // the first byte on the console, which may be the firmware's
	Kernel     float64 `json:"kernel,omitempty"`      // the kernel's first line: the first that has printk's time
	Init       float64 `json:"init,omitempty"`        // the kernel's line that it runs /init
	Hello      float64 `json:"hello,omitempty"`       // the guest's first record
	FirstCheck float64 `json:"first_check,omitempty"` // the record that the first check runs
	Done       float64 `json:"done,omitempty"`        // the guest's last record
	End        float64 `json:"end,omitempty"`         // QEMU has ended

	// By the kernel's own clock, in seconds since the kernel began.
	KernelInit float64 `json:"kernel_init,omitempty"` // printk's time of the line that it runs /init
	KernelDone float64 `json:"kernel_done,omitempty"` // CLOCK_BOOTTIME at the last record
}

// Points returns the points that were reached on the host's clock, in the
// order in which they are due.
func (l Timeline) Points() []Point {
	all := []Point{{"firmware", l.Firmware}, {"kernel", l.Kernel}, {"init", l.Init}, {"hello", l.Hello},
		{"first check", l.FirstCheck}, {"done", l.Done}, {"end", l.End}}
	var reached []Point
	for _, p := range all {
		if p.Seconds > 0 {
			reached = append(reached, p)
		}
	}
	return reached
}

// Point is one point of a [Timeline].
type Point struct {
	Name    string
	Seconds float64
}

// rePrintk is a line of the kernel's: its time in seconds, the caller where
// that is configured, and the text.
var rePrintk = regexp.MustCompile(`^\[ *(\d{1,9}\.\d{1,9})\](?:\[ *[TC]\d+\])? (.*)`)

// clock fills in a timeline as the boot goes on.
type clock struct {
	start time.Time
	mu    sync.Mutex
	line  bytes.Buffer
	times Timeline
}

// longest is how many bytes of a console's line the clock looks at.
const longest = 200

// note writes the present into a point that was not reached before.
func (c *clock) note(p *float64) {
	if *p == 0 {
		*p = time.Since(c.start).Seconds()
	}
}

// console takes bytes of the console. Once init runs, it has nothing more to
// say.
func (c *clock) console(text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(text) > 0 {
		c.note(&c.times.Firmware)
	}
	for _, b := range text {
		switch {
		case c.times.Init > 0:
			return
		case b == '\n':
			c.endLine()
		case c.line.Len() < longest:
			c.line.WriteByte(b)
		}
	}
}

func (c *clock) endLine() {
	m := rePrintk.FindStringSubmatch(plain.Text(c.line.String()))
	c.line.Reset()
	if m == nil {
		return
	}
	c.note(&c.times.Kernel)
	if strings.HasPrefix(m[2], "Run /init as init process") { // run_init_process() in init/main.c
		c.note(&c.times.Init)
		c.times.KernelInit, _ = strconv.ParseFloat(m[1], 64)
	}
}

// record takes a record of the guest.
func (c *clock) record(r event.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Type {
	case event.TypeHello:
		c.note(&c.times.Hello)
	case event.TypeTest:
		if e, err := event.ParseTest(r.Test); c.times.FirstCheck == 0 && err == nil && e.Action == "run" {
			c.note(&c.times.FirstCheck)
		}
	case event.TypeDone:
		c.note(&c.times.Done)
		if up := r.Done.Uptime; c.times.KernelDone == 0 && up > 0 {
			c.times.KernelDone = up
		}
	}
}

// end returns the timeline of a boot whose QEMU has just ended.
func (c *clock) end() Timeline {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(&c.times.End)
	return c.times
}
