package event

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"
)

// Writer writes records, one line and one write each. Several goroutines may
// share it.
type Writer struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

// NewWriter returns a Writer on w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Send writes r. After an error of the underlying writer all calls return it:
// a line may be torn, and nothing can be put behind it.
func (w *Writer) Send(r Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode a %s record: %w", r.Type, err)
	}
	if !utf8.Valid(line) { // raw test events are passed on as they are
		line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
	}
	line = append(line, '\n')
	if len(line) > MaxLine {
		return fmt.Errorf("encode a %s record: %d bytes is longer than %d", r.Type, len(line), MaxLine)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		if _, err := w.w.Write(line); err != nil {
			w.err = fmt.Errorf("send a %s record: %w", r.Type, err)
		}
	}
	return w.err
}

// LineError is a line of the stream that is not a record.
type LineError struct {
	Line int // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d of the events: %v", e.Line, e.Err) }

// Unwrap returns what is wrong with the line: [io.ErrUnexpectedEOF] when the
// stream ends in the middle of it.
func (e *LineError) Unwrap() error { return e.Err }

// Reader reads records from a stream that may hold anything.
type Reader struct {
	r    *bufio.Reader
	line int
}

// NewReader returns a Reader on r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 64<<10)} }

// Next returns the next record, or [io.EOF] at the end of the stream. After a
// [*LineError] it can be called again and goes on with the next line; after
// another error, which is one of the underlying reader, it cannot.
func (r *Reader) Next() (Record, error) {
	line, err := r.readLine()
	if err != nil {
		return Record{}, err
	}
	if !utf8.Valid(line) {
		return Record{}, &LineError{r.line, errors.New("not valid UTF-8")}
	}
	rec, err := Parse(line)
	if err != nil {
		return Record{}, &LineError{r.line, err}
	}
	return rec, nil
}

// readLine returns the next line without its newline. Of a line that is too
// long it keeps no more than MaxLine bytes.
func (r *Reader) readLine() ([]byte, error) {
	var line []byte
	for size := 0; ; {
		part, err := r.r.ReadSlice('\n')
		if size += len(part); size <= MaxLine {
			line = append(line, part...)
		}
		if size == len(part) && size > 0 {
			r.line++
		}
		switch {
		case err == nil && size > MaxLine:
			return nil, &LineError{r.line, fmt.Errorf("longer than %d bytes", MaxLine)}
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, io.EOF) && size > 0:
			return nil, &LineError{r.line, fmt.Errorf("the stream ends within the line: %w", io.ErrUnexpectedEOF)}
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}
