package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
)

// downloader gets one file from a list of addresses.
type downloader struct {
	client *http.Client
	lim    limits
	log    *logrus.Logger
	report func(done, total int64)
	dir    string // whose file system the bytes go to
}

func (f *fetcher) downloader() *downloader {
	return &downloader{client: newClient(f.lim), lim: f.lim, log: f.Log, report: f.Progress, dir: f.store.dir}
}

// newClient returns a client without a total time limit: the watchdog of an
// attempt ends those that stall.
func newClient(l limits) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: l.dial}).DialContext,
			TLSHandshakeTimeout: 2 * l.dial,
			ForceAttemptHTTP2:   true,
			DisableCompression:  true, // the sha256 is of the bytes as they are published
			IdleConnTimeout:     10 * time.Second,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 10 {
				return errors.New("more than 10 redirects")
			}
			if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
				return errors.New("a redirect leads from https to " + req.URL.Scheme)
			}
			return nil
		},
	}
}

// get fills p from the first of urls that gives the file, whose sha256 must
// be want unless want is empty, and returns the address it came from.
func (d *downloader) get(ctx context.Context, p *partial, urls []string, want string) (string, error) {
	if want != "" && p.size > 0 && p.sum() == want {
		return p.meta.URL, nil // killed between the last byte and the rename
	}
	reach, stop := d.reach(ctx, urls)
	defer stop()
	var reasons reasons
	for i, u := range urls {
		err := <-reach[i]
		if err == nil {
			err = d.from(ctx, p, u, want)
		}
		if err == nil {
			return u, nil
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		reasons.add(redact(u), err)
		if fault.KindOf(err) == fault.Machine {
			break // the disk is as full for the next mirror
		}
		if i < len(urls)-1 {
			d.log.Debugf("%s: %v; trying the next mirror", redact(u), err)
		}
	}
	return "", fmt.Errorf("download:\n%w", reasons)
}

// reach finds out of all addresses at once whether their servers can be
// connected to, so that several that cannot cost no more time than one. Any
// answer of a server counts: the download itself judges it.
func (d *downloader) reach(ctx context.Context, urls []string) (answers []chan error, stop func()) {
	return d.each(ctx, urls, func(ctx context.Context, u string) error {
		if len(urls) == 1 {
			return nil
		}
		if err := d.head(ctx, u); unreachable(err) {
			return err
		}
		return nil
	})
}

// each asks something of all urls at once. The answers are in their order;
// stop ends the questions that are open.
func (d *downloader) each(ctx context.Context, urls []string, ask func(context.Context, string) error) (answers []chan error, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, u := range urls {
		c := make(chan error, 1)
		answers = append(answers, c)
		wg.Go(func() { c <- ask(ctx, u) })
	}
	return answers, func() {
		cancel()
		wg.Wait()
	}
}

// head asks for the file without its bytes. A name that cannot be resolved
// or a server that refuses connections is asked a second time, no more.
func (d *downloader) head(ctx context.Context, u string) error {
	err := d.headOnce(ctx, u)
	if unreachable(err) && !timeout(err) {
		if err := d.lim.pause(ctx, 1, 0); err != nil {
			return err
		}
		err = d.headOnce(ctx, u)
	}
	return err
}

func (d *downloader) headOnce(ctx context.Context, u string) error {
	ctx, cancel := context.WithTimeout(ctx, d.lim.available)
	defer cancel()
	res, err := d.request(ctx, http.MethodHead, u, nil)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	switch res.StatusCode {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusForbidden:
		// Some servers know GET only; one byte is asked of them.
		res, err = d.request(ctx, http.MethodGet, u, http.Header{"Range": {"bytes=0-0"}})
		if err != nil {
			return err
		}
		_ = res.Body.Close()
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusPartialContent {
		return &statusError{code: res.StatusCode}
	}
	return nil
}

func (d *downloader) request(ctx context.Context, method, u string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u, nil)
	if err != nil {
		return nil, &permanentError{err}
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "bzmage")
	req.Header.Set("Accept-Encoding", "identity")
	res, err := d.client.Do(req)
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // the address may hold a token and is named by the caller
	}
	return res, err
}

// from downloads from one address, repeating what may help.
func (d *downloader) from(ctx context.Context, p *partial, u, want string) error {
	wrong, idle := 0, 0
	for n := 1; ; n++ {
		before := p.size
		err := d.attempt(ctx, p, u)
		if err == nil && want != "" && p.sum() != want {
			err = fmt.Errorf("its sha256 is %s, and kernels.toml pins %s", p.sum(), want)
			if e := p.restart(meta{URL: u}); e != nil {
				return e
			}
			if wrong++; wrong > 1 {
				return err
			}
			d.log.Warnf("%s: %v; downloading it once more", redact(u), err)
			continue
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		if p.size > before {
			idle = 0
		}
		idle++
		wait, again := retry(err, idle, d.lim)
		if !again || idle >= d.lim.attempts || n >= d.lim.ceiling {
			return err
		}
		d.log.Infof("%s: %v; trying again", redact(u), err)
		if err := d.lim.pause(ctx, idle, wait); err != nil {
			return err
		}
	}
}

// retry says whether err may go away by itself, and how long the server
// asked us to wait for that. Nth is how many attempts in a row have failed.
func retry(err error, nth int, l limits) (wait time.Duration, again bool) {
	var status *statusError
	var permanent *permanentError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &permanent), errors.As(err, &cert), fault.KindOf(err) == fault.Machine:
		return 0, false
	case errors.As(err, &status):
		return status.retryAfter, status.temporary() && status.retryAfter <= l.retryAfter
	case unreachable(err):
		return 0, nth < 2 && !timeout(err)
	}
	return 0, true
}

// unreachable says that no connection came about.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

func timeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// permanentError is one that no repetition mends.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// redact returns an address without what may be secret in it: a password,
// and the query, where archive links carry their token.
func redact(u string) string {
	parsed, err := url.Parse(u)
	if err != nil {
		return "(an address that cannot be read)"
	}
	parsed.RawQuery, parsed.Fragment = "", ""
	return parsed.Redacted()
}
