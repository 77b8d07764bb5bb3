package guest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"bzmage/internal/event"
)

const (
	longestEvent = 256 << 10 // of test2json, which writes some kilobytes at most
	totalOutput  = 12 << 20  // bytes of output of all checks together; the host keeps no more either
)

// forward sends each line that test2json writes to r as a record: an event as
// it is, any other line as output of the run. It reads to the end whatever
// happens and returns the first error.
func forward(r io.Reader, send func(event.Record) error) error {
	in := bufio.NewReaderSize(r, longestEvent)
	b := budget{used: map[string]int{}}
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
}

// records returns what to send for a line: one record, none once the check has
// used up its output, and beforehand one that says so.
func (b *budget) records(line []byte) []event.Record {
	e, err := event.ParseTest(line)
	raw := json.RawMessage(append([]byte(nil), line...))
	if err != nil {
		e = event.TestEvent{Action: "output", Package: event.Package, Output: string(line)}
		raw = encode(e)
	}
	if e.Action != "output" {
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
