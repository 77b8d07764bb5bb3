// Package event is what the guest tells the host while it runs the checks:
// one JSON object a line over a virtio-serial port. In goes, on the guest's
// side, one [Record] after the other; out comes, on the host's side, a
// [Result]: which checks ran, how each ended, and every place where the
// stream broke the rules.
//
// A stream is a hello, then test, tick and coverage records in any order, then
// one done. hello and done carry the id the host gave the boot, so that what an
// earlier boot left behind is not taken for this one's. The host trusts
// nothing of it: lines, names, outputs and their number are bounded.
package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Proto is the version of the protocol, which hello names.
const Proto = 1

// Package is the package that the guest's test events name.
const Package = "bzmage/verify"

// Port and DemoPort are the names of the virtio-serial ports: the one that
// carries the records, and the one that carries the demo's output.
const (
	Port     = "bzmage.events"
	DemoPort = "bzmage.demo"
)

// Kmemleak is the name of the check that is no Go test: what a kernel with
// CONFIG_DEBUG_KMEMLEAK says of memory that nobody points to any more.
const Kmemleak = "kmemleak"

// MaxLine is the longest line there may be, its newline included.
const MaxLine = 1 << 20

// MaxOutput is how much output of one check the guest passes on.
const MaxOutput = 256 << 10

// The types of record.
const (
	TypeHello = "hello" // first: which kernel speaks
	TypeTest  = "test"  // one event of test2json
	TypeTick  = "tick"  // once a second: the guest is alive
	TypeDone  = "done"  // last: how it ended
)

// Record is one line of the stream.
type Record struct {
	Type  string          `json:"type"`
	ID    string          `json:"id,omitempty"` // of hello and done: the boot's id
	Hello *Hello          `json:"hello,omitempty"`
	Test  json.RawMessage `json:"test,omitempty"` // a [TestEvent] as test2json wrote it
	Done  *Done           `json:"done,omitempty"`

	Coverage *Coverage `json:"coverage,omitempty"`
}

// Hello says which kernel speaks.
type Hello struct {
	Proto   int    `json:"proto"`
	Release string `json:"release"` // uname -r
	Version string `json:"version"` // uname -v
	Machine string `json:"machine"` // uname -m
	CPUs    int    `json:"cpus"`
	BuildID string `json:"build_id,omitempty"` // the linker's hash of this very kernel; see package buildid
	Cmdline string `json:"cmdline"`            // the kernel's command line
}

// Done says how the checks ended.
type Done struct {
	Exit   int     `json:"exit"`            // exit code of the checks; 128 and the signal's number when killed
	Error  string  `json:"error,omitempty"` // what went wrong in the guest beside the checks
	Uptime float64 `json:"uptime"`          // seconds since the kernel began
}

// TestEvent is one event of test2json, as far as bzmage looks at it.
// See `go doc test2json`.
type TestEvent struct {
	Action  string   // run, output, pass, fail, skip, ...
	Package string   `json:",omitempty"`
	Test    string   `json:",omitempty"` // empty: of the whole run
	Elapsed *float64 `json:",omitempty"` // seconds
	Output  string   `json:",omitempty"`
}

// ParseTest reads the event in a record of type test.
func ParseTest(raw json.RawMessage) (TestEvent, error) {
	var e TestEvent
	if err := json.Unmarshal(raw, &e); err != nil {
		return TestEvent{}, fmt.Errorf("read a test event: %w", err)
	}
	if e.Action == "" {
		return TestEvent{}, errors.New("a test event without an Action")
	}
	return e, nil
}

// NewTest returns the record that carries e.
func NewTest(e TestEvent) (Record, error) {
	raw, err := json.Marshal(e)
	return Record{Type: TypeTest, Test: raw}, err
}

// Parse reads one line, without its newline, of the stream.
func Parse(line []byte) (Record, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	var r Record
	if err := d.Decode(&r); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			// The caller's EOF is that of the stream, not this one.
			err = errors.New("no whole JSON object")
		}
		return Record{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Record{}, errors.New("something follows the JSON object")
	}
	return r, r.check()
}

// check says whether the record has what its type asks for and nothing else.
func (r Record) check() error {
	var want Record
	switch r.Type {
	case TypeHello:
		want = Record{ID: r.ID, Hello: r.Hello}
		if r.Hello == nil {
			return errors.New("a hello without its content")
		}
	case TypeTest:
		want = Record{Test: r.Test}
		if _, err := ParseTest(r.Test); err != nil {
			return err
		}
	case TypeTick:
	case TypeCoverage:
		want = Record{Coverage: r.Coverage}
		if err := r.Coverage.check(); err != nil {
			return err
		}
	case TypeDone:
		want = Record{ID: r.ID, Done: r.Done}
		if r.Done == nil {
			return errors.New("a done without its content")
		}
	case "":
		return errors.New("a record without a type")
	default:
		return fmt.Errorf("unknown record type %q", short(r.Type))
	}
	if r.ID != want.ID || r.Hello != want.Hello || (r.Test == nil) != (want.Test == nil) || r.Done != want.Done || r.Coverage != want.Coverage {
		return fmt.Errorf("a %s with content of another type", r.Type)
	}
	return nil
}
