package event

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"

	"bzmage/internal/plain"
)

// TypeCoverage is the type of the records that carry the counters of the
// kernel's gcov.
const TypeCoverage = "coverage"

// MaxCounters is the largest file of counters there may be. One of a kernel
// object has some kilobytes.
const MaxCounters = 4 << 20

// What the host keeps of the counters of one boot.
const (
	keepCounters      = 64 << 20 // bytes, compressed
	keepCounterFiles  = 100_000
	longestObjectName = 4096 // a path of Linux
)

// Coverage carries the counters of one object: what ran of it since they were
// last set to zero. After a check come those of all objects, after the boot,
// with no name of a check, those of what ran before the first check.
type Coverage struct {
	Check  string `json:"check,omitempty"`
	Object string `json:"object"` // the file's path below /sys/kernel/debug/gcov: that of the object on the machine that built it
	Data   []byte `json:"data"`   // the .gcda file (gcov_type records of gcc/gcov-io.h), by DEFLATE (RFC 1951)
}

// NewCoverage returns the record that carries the counters of an object.
func NewCoverage(check, object string, counters []byte) (Record, error) {
	if len(counters) > MaxCounters {
		return Record{}, fmt.Errorf("the counters of %s have %d bytes; %d is the most", object, len(counters), MaxCounters)
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return Record{}, err
	}
	if _, err := w.Write(counters); err != nil {
		return Record{}, err
	}
	err = w.Close()
	return Record{Type: TypeCoverage, Coverage: &Coverage{Check: check, Object: object, Data: b.Bytes()}}, err
}

// Counters returns the .gcda file.
func (c Coverage) Counters() ([]byte, error) {
	r := bytes.NewReader(c.Data)
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(r), MaxCounters+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("unpack the counters of %q: %w", short(c.Object), err)
	case len(text) > MaxCounters:
		return nil, fmt.Errorf("unpack the counters of %q: more than %d bytes", short(c.Object), MaxCounters)
	case r.Len() > 0:
		return nil, fmt.Errorf("unpack the counters of %q: something follows them", short(c.Object))
	}
	return text, nil
}

// check says what is wrong with the record's content in itself.
func (c *Coverage) check() error {
	switch {
	case c == nil:
		return errors.New("a coverage without its content")
	case !strings.HasSuffix(c.Object, ".gcda") || len(c.Object) > longestObjectName || plain.Text(c.Object) != c.Object || strings.ContainsAny(c.Object, "\n\t"):
		return fmt.Errorf("%q is not a file of counters", short(c.Object))
	}
	_, err := c.Counters()
	return err
}

// WantCoverage says that the stream is to carry counters. Without it such a
// record breaks the rules.
func (s *State) WantCoverage() { s.wantCoverage = true }

// coverage takes in the counters of an object: those of a check that has begun,
// each once.
func (s *State) coverage(r Record) {
	c := *r.Coverage
	key := [2]string{c.Check, c.Object}
	_, known := s.index[c.Check]
	switch {
	case !s.wantCoverage:
		s.Violate("counters, which nobody asked for")
	case c.Check != "" && (!known || strings.Contains(c.Check, "/")):
		s.Violate("counters of check %q, which did not run", short(c.Check))
	case s.counters[key]:
		s.Violate("the counters of %q came twice for check %q", short(c.Object), c.Check)
	case len(s.counters) >= keepCounterFiles || s.counted+len(c.Data) > keepCounters:
		s.Violate("more counters than %d files of %d MB together", keepCounterFiles, keepCounters>>20)
	default:
		if s.counters == nil {
			s.counters = map[[2]string]bool{}
		}
		s.counters[key] = true
		s.counted += len(c.Data)
		s.res.Coverage = append(s.res.Coverage, c)
	}
}
