package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bzmage/internal/fetch/disk"
)

// statusError is an answer of a server that holds no file.
type statusError struct {
	code       int
	retryAfter time.Duration
}

func (e *statusError) Error() string {
	// The text of the status line is the server's and not repeated.
	text := fmt.Sprintf("the server says %d %s", e.code, http.StatusText(e.code))
	if e.retryAfter > 0 {
		text += fmt.Sprintf(" and asks to wait %v", e.retryAfter)
	}
	return text
}

// temporary says that the server itself expects a later request to succeed.
func (e *statusError) temporary() bool {
	return e.code == http.StatusTooManyRequests || e.code == http.StatusRequestTimeout ||
		e.code == http.StatusRequestedRangeNotSatisfiable || e.code >= 500
}

// errRange says that the bytes a server sent do not continue ours; they are
// asked for from the start.
var errRange = errors.New("the server does not continue where the download stopped")

// attempt makes one request for what p lacks and appends the answer to p.
// The watchdog ends it when no byte comes for a while.
func (d *downloader) attempt(ctx context.Context, p *partial, u string) error {
	stalled := fmt.Errorf("no byte for %v", d.lim.stall)
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dog := time.AfterFunc(d.lim.stall, func() { cancel(stalled) })
	defer dog.Stop()

	err := d.transfer(inner, p, u, dog)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if inner.Err() != nil && err != nil {
		return stalled // not "context canceled": nobody interrupted us
	}
	return err
}

func (d *downloader) transfer(ctx context.Context, p *partial, u string, dog *time.Timer) error {
	header := http.Header{}
	if v := p.meta.validator(); p.size > 0 && p.meta.URL == u && v != "" {
		header.Set("Range", "bytes="+strconv.FormatInt(p.size, 10)+"-")
		header.Set("If-Range", v)
	}
	res, err := d.request(ctx, http.MethodGet, u, header)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	total, err := d.accept(p, u, res)
	if err != nil {
		return err
	}
	if total > d.lim.maxBytes {
		return &permanentError{fmt.Errorf("it has %s, more than any kernel", disk.Size(total))}
	}
	if err := disk.Need(d.dir, max(total-p.size, 0)+d.lim.reserve); err != nil {
		return err
	}
	if err := d.copy(p, res.Body, total, dog); err != nil {
		return err
	}
	if total > 0 && p.size != total {
		return fmt.Errorf("it ended after %d of %d bytes: %w", p.size, total, io.ErrUnexpectedEOF)
	}
	return nil
}

// accept judges the head of an answer, and prepares p for its body. The
// total is 0 when the server does not say.
func (d *downloader) accept(p *partial, u string, res *http.Response) (total int64, err error) {
	m := meta{URL: u, ETag: res.Header.Get("ETag"), LastModified: res.Header.Get("Last-Modified")}
	switch res.StatusCode {
	case http.StatusOK:
		// All of it: we asked for that, or the file changed, or the server
		// knows no ranges.
		return max(res.ContentLength, 0), disk.Classify(p.restart(m), d.dir)
	case http.StatusPartialContent:
		start, total, ok := contentRange(res.Header.Get("Content-Range"))
		if ok && start == p.size && m.ETag == p.meta.ETag {
			return total, nil
		}
		return 0, errors.Join(errRange, p.restart(meta{URL: u}))
	case http.StatusRequestedRangeNotSatisfiable:
		return 0, errors.Join(errRange, p.restart(meta{URL: u}))
	}
	return 0, &statusError{code: res.StatusCode, retryAfter: retryAfter(res.Header, time.Now())}
}

func (d *downloader) copy(p *partial, body io.Reader, total int64, dog *time.Timer) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			dog.Reset(d.lim.stall)
			if p.size+int64(n) > d.lim.maxBytes {
				return &permanentError{fmt.Errorf("it has more than %s, more than any kernel", disk.Size(d.lim.maxBytes))}
			}
			if _, err := p.Write(buf[:n]); err != nil {
				return &permanentError{disk.Classify(err, d.dir)}
			}
			d.report(p.size, total)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", p.size, err)
		}
	}
}

// contentRange reads "bytes 100-199/200"; a total that is "*" is 0.
func contentRange(s string) (start, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, 0, false
	}
	span, all, ok1 := strings.Cut(s, "/")
	from, _, ok2 := strings.Cut(span, "-")
	start, err := strconv.ParseInt(from, 10, 64)
	if !ok1 || !ok2 || err != nil || start < 0 {
		return 0, 0, false
	}
	if all == "*" {
		return start, 0, true
	}
	total, err = strconv.ParseInt(all, 10, 64)
	return start, total, err == nil && total > start
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0).Round(time.Second)
	}
	return 0
}
