package run

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	tailLines = 40   // lines kept for an error
	tailWidth = 2000 // bytes kept of a line
)

// output is where a command's two streams meet: the log file, the tail for
// errors and the time of the last byte. Streams share one lock, so lines of
// the log are not torn.
type output struct {
	mu   sync.Mutex
	log  *os.File // nil without a log
	last time.Time
	ring []string
	part []byte // the line that has no newline yet
	err  error  // the first failed write to the log
}

func newOutput(c Cmd) (*output, error) {
	o := &output{last: time.Now()}
	if c.Log == "" {
		return o, nil
	}
	f, err := os.Create(c.Log)
	if err != nil {
		return nil, err
	}
	o.log = f
	return o, nil
}

// stream returns a writer for one stream of the command, which also feeds
// extra. A failing extra writer is the caller's business and stops nothing.
func (o *output) stream(extra io.Writer) io.Writer { return &stream{o, extra} }

type stream struct {
	o     *output
	extra io.Writer
}

// Write never fails: a full disk must not look like a broken compiler. The
// error is kept and joined to the command's.
func (s *stream) Write(p []byte) (int, error) {
	o := s.o
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = time.Now()
	if o.log != nil {
		if _, err := o.log.Write(p); err != nil && o.err == nil {
			o.err = err
		}
	}
	o.keep(p)
	if s.extra != nil {
		_, _ = s.extra.Write(p)
	}
	return len(p), nil
}

func (o *output) keep(p []byte) {
	for _, b := range p {
		if b == '\n' {
			o.push()
		} else if len(o.part) < tailWidth {
			o.part = append(o.part, b)
		}
	}
}

func (o *output) push() {
	o.ring = append(o.ring, strings.TrimRight(string(o.part), "\r"))
	if len(o.ring) > 2*tailLines {
		o.ring = append(o.ring[:0], o.ring[len(o.ring)-tailLines:]...)
	}
	o.part = o.part[:0]
}

func (o *output) tail() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.part) > 0 {
		o.push()
	}
	return append([]string(nil), o.ring[max(0, len(o.ring)-tailLines):]...)
}

func (o *output) silentFor() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Since(o.last)
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.log == nil {
		return o.err
	}
	if err := o.log.Close(); err != nil && o.err == nil {
		o.err = err
	}
	return o.err
}
