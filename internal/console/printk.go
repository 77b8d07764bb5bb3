package console

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// message is a line of the console, taken apart.
type message struct {
	line   string // whole
	text   string // behind printk's prefix
	caller string // T<pid> or C<cpu>, with CONFIG_PRINTK_CALLER
	number int    // from 1
	kernel bool   // not written by a program
	again  bool   // the kernel's clock went back to its start
}

// prefix is what printk puts before a message: its level where that is shown,
// the time and, where configured, the caller ("[    1.234567][    T1] ").
// See Documentation/core-api/printk-basics.rst and kernel/printk/printk.c.
var prefix = regexp.MustCompile(`(?:<\d{1,3}>)?\[ *(\d{1,9}\.\d{1,6})\](?:\[ *([TC]\d+)\])? ?`)

// callerOnly is the prefix without CONFIG_PRINTK_TIME.
var callerOnly = regexp.MustCompile(`^(?:<\d{1,3}>)?(?:\[ *([TC]\d+)\] )?`)

// parse takes a line apart.
func (r *Reader) parse(line string) message {
	at := prefix.FindStringSubmatchIndex(line)
	if at != nil && at[0] > 0 && !r.plausible(line[at[2]:at[3]]) {
		at = nil // a program's line, which quotes one of the kernel's
	}
	if at == nil {
		m := callerOnly.FindStringSubmatch(line)
		return message{line: line, number: r.number, text: line[len(m[0]):], caller: m[1], kernel: !r.timed}
	}
	// What a program wrote before it without ending its line is left out.
	msg := message{line: line[at[0]:], number: r.number, text: line[at[1]:], kernel: true}
	if at[4] >= 0 {
		msg.caller = line[at[4]:at[5]]
	}
	now, _ := strconv.ParseFloat(line[at[2]:at[3]], 64) // digits, as the expression says
	msg.again = r.timed && now == 0 && r.clock > 0.1
	r.timed, r.clock = true, now
	return msg
}

// plausible says whether a time in the middle of a line can be the kernel's
// now, rather than one that is quoted.
func (r *Reader) plausible(text string) bool {
	const gap = 120 // seconds; the kernel says something more often
	now, err := strconv.ParseFloat(text, 64)
	return err == nil && r.timed && now >= r.clock && now < r.clock+gap
}

// stream is what one caller says.
type stream struct {
	rep    *report   // that is not over
	before []message // lines that would belong to a report that begins now
}

// stream returns the caller's, the only one where callers are not told.
func (r *Reader) stream(caller string) *stream {
	if i := slices.Index(r.order, caller); i >= 0 {
		r.order = append(slices.Delete(r.order, i, i+1), caller)
		return r.streams[caller]
	}
	if len(r.order) == maxStreams {
		r.close(r.streams[r.order[0]])
		delete(r.streams, r.order[0])
		r.order = slices.Delete(r.order, 0, 1)
	}
	s := &stream{}
	r.streams[caller], r.order = s, append(r.order, caller)
	return s
}

// remember keeps a line for a report that may begin behind it: the line that
// is cut along, and the bars and words between it and the report's own.
func (s *stream) remember(msg message) {
	const most = 8
	switch {
	case strings.HasPrefix(msg.text, cutHere), isBar(msg.text):
		s.before = []message{msg}
	case len(s.before) > 0 && len(s.before) < most:
		s.before = append(s.before, msg)
	default:
		s.before = nil
	}
}

const cutHere = "------------[ cut here ]------------"

func isBar(text string) bool { return len(text) >= 10 && strings.Trim(text, "=") == "" }
