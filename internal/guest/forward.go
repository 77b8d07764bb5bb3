package guest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"bzmage/internal/event"
)

const (
	longestHeld  = 4096      // of a line that is not sent yet
	longestEvent = 256 << 10 // of test2json, which writes some kilobytes at most
	totalOutput  = 12 << 20  // bytes of output of all checks together; the host keeps no more either
)

// forward sends each line that test2json writes to r as a record: an event as
// it is, any other line as output of the run; and the ends of benchmarks. note
// gets the events as well. It reads to the end whatever happens and returns the
// first error.
func forward(r io.Reader, note func(event.TestEvent), send func(event.Record) error) error {
	in := bufio.NewReaderSize(r, longestEvent)
	b := budget{used: map[string]int{}, note: note}
	var first error
	for {
		line, err := in.ReadSlice('\n') // of a line too long, a part
		if len(line) > 0 {
			for _, rec := range b.records(line) {
				if sendErr := send(rec); sendErr != nil && first == nil {
					first = sendErr
				}
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return first
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return errors.Join(first, fmt.Errorf("read from test2json: %w", err))
		}
	}
}

// budget bounds the output that is passed on.
type budget struct {
	used  map[string]int // bytes by check
	total int
	bench benchmarks
	note  func(event.TestEvent)
	held  event.TestEvent // a line that has not ended
}

// records returns what to send for a line: its own records, and the ends of
// benchmarks that it means. A part of a line that a benchmark prints waits for
// the rest: test2json may cut its result anywhere.
func (b *budget) records(line []byte) []event.Record {
	e, err := event.ParseTest(line)
	if err != nil {
		return b.bounded(line)
	}
	var recs []event.Record
	if h := b.held; h.Output != "" {
		b.held = event.TestEvent{}
		if e.Action == "output" && e.Test == h.Test {
			e.Output = h.Output + e.Output
			line = encode(e)
		} else {
			recs = b.event(h, encode(h))
		}
	}
	if e.Action == "output" && strings.HasPrefix(e.Test, event.Benchmark) && !strings.HasSuffix(e.Output, "\n") && len(e.Output) < longestHeld {
		b.held = e
		return recs
	}
	return append(recs, b.event(e, line)...)
}

// event returns the records for an event, which line holds as JSON.
func (b *budget) event(e event.TestEvent, line []byte) []event.Record {
	b.note(e)
	var ends []event.Record
	for _, end := range b.bench.ends(e) {
		ends = append(ends, event.Record{Type: event.TypeTest, Test: encode(end)})
	}
	own := b.bounded(line)
	if e.Action == event.Run || e.Test == "" {
		return append(ends, own...)
	}
	return append(own, ends...)
}

// bounded returns one record, none once the check has used up its output, and
// beforehand one that says so. The result of a benchmark has always room.
func (b *budget) bounded(line []byte) []event.Record {
	e, err := event.ParseTest(line)
	raw := json.RawMessage(append([]byte(nil), line...))
	if err != nil {
		e = event.TestEvent{Action: "output", Package: event.Package, Output: string(line)}
		raw = encode(e)
	}
	if e.Action != "output" {
		return []event.Record{{Type: event.TypeTest, Test: raw}}
	}
	if strings.HasPrefix(e.Test, event.Benchmark) && len(e.Output) < 4096 && isResult(e) {
		return []event.Record{{Type: event.TypeTest, Test: raw}}
	}
	used := b.used[e.Test]
	b.used[e.Test] += len(e.Output)
	switch {
	case used > event.MaxOutput:
		return nil
	case used+len(e.Output) > event.MaxOutput || b.total+len(e.Output) > totalOutput:
		b.used[e.Test] = event.MaxOutput + 1
		e.Output = fmt.Sprintf("\nbzmage: output cut here, after %d bytes\n", used)
		raw = encode(e)
	default:
		b.total += len(e.Output)
	}
	return []event.Record{{Type: event.TypeTest, Test: raw}}
}

func encode(e event.TestEvent) json.RawMessage {
	raw, err := json.Marshal(e)
	if err != nil { // it holds strings and a number only
		return json.RawMessage(`{"Action":"output"}`)
	}
	return raw
}
