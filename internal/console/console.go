// Package console reads a kernel's console: it finds the lines that say the
// kernel crashed. In go the bytes of a serial port, as they come; out come
// crashes, each with its kind, a title, the lines that belong to it, and a key
// that two boots with the same crash share.
//
// Nothing of it is believed more than it must be: a line counts from its
// beginning only, behind printk's time, and where the kernel writes times a
// line without one is a program's. Memory is bounded, whatever is written.
package console

import (
	"bytes"
	"strings"

	"bzmage/internal/plain"
)

// Crash is one report of the kernel's that something broke.
type Crash struct {
	Kind  string   `json:"kind"`
	Title string   `json:"title"`           // kind and function, without numbers and addresses
	Key   string   `json:"key"`             // the same for the same crash, whatever boot, CPU or address
	Lines []string `json:"lines"`           // from where the report begins to where it ends
	From  int      `json:"from"`            // the console's lines that these are, from 1
	To    int      `json:"to"`              // other CPUs may have written in between
	Fatal bool     `json:"fatal"`           // the kernel does not go on
	Cut   bool     `json:"cut,omitempty"`   // it does not end as such a report does, or another one began in it
	Times int      `json:"times,omitempty"` // how often, if more than once
}

const (
	crashLines = 200  // lines kept of one crash
	maxCrashes = 20   // crashes kept of one console
	maxStreams = 32   // callers told apart
	tailLines  = 30   // last lines kept
	lineWidth  = 1024 // bytes kept of a line
)

// Reader reads a console. The zero value is not ready: use [NewReader].
type Reader struct {
	kinds   []kind
	line    bytes.Buffer
	tail    []string
	streams map[string]*stream // by printk's caller; "" where it is not told
	order   []string           // their names, the one that was quiet longest first
	reports []*report
	fatal   bool
	timed   bool    // the kernel writes times
	clock   float64 // the last one
	kernels int     // "Linux version" lines
	number  int     // of the line
}

// NewReader returns a reader at the start of a console.
func NewReader() *Reader { return &Reader{kinds: kinds(), streams: map[string]*stream{}} }

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

// Close takes an unfinished last line as a whole one. What is not over then
// was cut.
func (r *Reader) Close() {
	if r.line.Len() > 0 {
		r.endLine()
	}
	for _, s := range r.streams {
		r.close(s)
	}
}

// Crashes returns what was found, in the order in which the reports began;
// the same crash is there once.
func (r *Reader) Crashes() []Crash {
	var all []Crash
	at := map[string]int{}
	for _, rep := range r.reports {
		c := rep.crash()
		if i, twice := at[c.Key]; twice {
			all[i].Times = max(all[i].Times, 1) + 1
			all[i].Fatal = all[i].Fatal || c.Fatal
			continue
		}
		at[c.Key] = len(all)
		all = append(all, c)
	}
	return all
}

// Fatal says whether a crash was found after which the kernel does not go on.
func (r *Reader) Fatal() bool { return r.fatal }

// Tail returns the last lines, without control characters.
func (r *Reader) Tail() []string { return r.tail }

func (r *Reader) endLine() {
	text := strings.TrimRight(strings.ReplaceAll(plain.Text(r.line.String()), "\t", " "), " ")
	r.line.Reset()
	r.number++
	if r.tail = append(r.tail, text); len(r.tail) > tailLines {
		r.tail = r.tail[1:]
	}
	r.take(r.parse(text))
}
