package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/cache/s3"
)

// options are the numbers of a download; tests make them small.
type options struct {
	attempts   int           // in a row without progress
	progress   int64         // bytes that count as progress
	pause      time.Duration // before the second attempt; doubles
	maxPause   time.Duration
	retryAfter time.Duration // the longest wait a server may ask for
	stall      time.Duration // without a byte
	redirects  int
	transport  http.RoundTripper
	sleep      func(ctx context.Context, d time.Duration) error

	drive       string                          // where Google Drive hands out files
	credentials func() *credentials.Credentials // for s3:// URLs
	lookup      time.Duration                   // the longest that finding credentials may take
}

func defaults() *options {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &options{
		attempts: 6, // 0.5 + 1 + 2 + 4 + 8 s: over the restart of a server, not over a lunch
		progress: 1 << 20,
		pause:    500 * time.Millisecond, maxPause: 30 * time.Second,
		retryAfter: 5 * time.Minute,
		stall:      time.Minute,
		redirects:  10,
		transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dialer.DialContext,
			TLSHandshakeTimeout: 30 * time.Second,
			ForceAttemptHTTP2:   true,
			DisableCompression:  true, // the digest is of the bytes as they lie on the server
			IdleConnTimeout:     30 * time.Second,
		},
		sleep:       sleep,
		drive:       "https://drive.usercontent.google.com",
		credentials: s3.DefaultCredentials,
		lookup:      5 * time.Second,
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

type client struct{ *options }

func newClient(o *options) *client {
	if o == nil {
		o = defaults()
	}
	return &client{o}
}

func (c *client) close() {
	if t, ok := c.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// permanent marks errors of a source that asking again does not heal.
type permanent struct{ err error }

func (p *permanent) Error() string { return p.err.Error() }
func (p *permanent) Unwrap() error { return p.err }

// later marks an answer that names the time to ask again.
type later struct {
	err   error
	after time.Duration
}

func (l *later) Error() string { return l.err.Error() }
func (l *later) Unwrap() error { return l.err }

var (
	errStalled = errors.New("the server stopped sending")
	errChanged = errors.New("the file on the server changed during the download")
)

// source is whom a transfer asks for the file. It may learn from an answer, such
// as where the file is or who may read it.
type source interface {
	// request makes a GET that has these headers.
	request(ctx context.Context, headers http.Header) (*http.Request, error)
	// redirect says whether a redirect is followed, as http.Client.CheckRedirect does.
	redirect(req *http.Request, via []*http.Request) error
	// answered sees each answer before the transfer does. errAgain asks for
	// another request; any other error is the transfer's.
	answered(res *http.Response) error
}

var errAgain = errors.New("ask again")

// rounds bounds how often a source may ask again in a row.
const rounds = 5

// transfer downloads from one source to a sink, over as many connections as it takes.
type transfer struct {
	client *client
	source source
	sink   *sink
	size   int64 // as the file states it, -1 if it does not
	pinned bool  // a mix of two versions would be noticed by the digest
	report func(done, total int64)

	validator   string // ETag or Last-Modified of what the sink holds
	etag        string
	total       int64 // as the server says, -1 if it does not
	noRange     bool  // the server's ranges are not to be trusted
	resumed     bool
	contentType string
	disposition string // Content-Disposition
}

// run downloads until the file is whole.
func (t *transfer) run(ctx context.Context) error {
	var best int64
	for failed := 0; ; {
		err := t.once(ctx)
		var stop *permanent
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isFatal(err) || errors.As(err, &stop):
			return err
		}
		if t.sink.n >= best+t.client.progress {
			best, failed = t.sink.n, 0
		}
		if failed++; failed >= t.client.attempts {
			return fmt.Errorf("gave up after %d attempts: %w", failed, err)
		}
		if err := t.wait(ctx, failed, err); err != nil {
			return err
		}
	}
}

// wait pauses before the next attempt: exponentially longer, with jitter so
// that the nodes of a cluster do not come back all at once, or as long as the
// server asks for.
func (t *transfer) wait(ctx context.Context, failed int, err error) error {
	d := min(t.client.pause<<(failed-1), t.client.maxPause)
	d = d/2 + rand.N(d+1)
	var asked *later
	if errors.As(err, &asked) && asked.after > 0 {
		if asked.after > t.client.retryAfter {
			return fmt.Errorf("%w, and asks to wait %s", err, asked.after)
		}
		d = max(d, asked.after)
	}
	return t.client.sleep(ctx, d)
}

// once makes one request and takes what comes.
func (t *transfer) once(parent context.Context) error {
	if t.sink.n > 0 && (t.noRange || t.validator == "" && !t.pinned) {
		if err := t.sink.reset(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	watch := time.AfterFunc(t.client.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	res, err := t.ask(ctx)
	if err != nil {
		return t.classify(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	done, err := t.begin(res)
	if done || err != nil {
		return err
	}
	err = pump(ctx, t.sink, res.Body, func() {
		watch.Reset(t.client.stall)
		t.report(t.sink.n, t.total)
		if t.size >= 0 && t.sink.n > t.size {
			cancel(&permanent{&sizeError{got: t.sink.n, want: t.size}})
		}
	})
	switch {
	case err != nil:
		return t.classify(ctx, err)
	case t.total >= 0 && t.sink.n > t.total:
		t.noRange = true
		return fmt.Errorf("the server sent more than the %d bytes it announced", t.total)
	case t.total >= 0 && t.sink.n < t.total:
		return fmt.Errorf("the server sent %d of %d bytes", t.sink.n, t.total)
	}
	return nil
}

// ask makes requests until an answer is for the transfer.
func (t *transfer) ask(ctx context.Context) (*http.Response, error) {
	c := http.Client{Transport: t.client.transport, CheckRedirect: t.source.redirect}
	for range rounds {
		req, err := t.source.request(ctx, t.headers())
		if err != nil {
			return nil, err
		}
		res, err := c.Do(req)
		if err != nil {
			return nil, err
		}
		err = t.source.answered(res)
		if err == nil {
			return res, nil
		}
		_ = res.Body.Close()
		if err != errAgain {
			return nil, err
		}
	}
	return nil, &permanent{errors.New("the server sends from one address to the next")}
}

// headers asks for the rest of what the sink has, if it is of the same version.
func (t *transfer) headers() http.Header {
	h := http.Header{"User-Agent": {"nbpipe"}, "Accept-Encoding": {"identity"}}
	if t.sink.n > 0 {
		h.Set("Range", fmt.Sprintf("bytes=%d-", t.sink.n))
		if t.validator != "" {
			h.Set("If-Range", t.validator)
		}
	}
	return h
}

// begin looks at an answer's head: whether the body is to be read (not done),
// the file is whole already (done), or why not.
func (t *transfer) begin(res *http.Response) (done bool, err error) {
	asked := t.sink.n > 0
	switch {
	case res.StatusCode == http.StatusOK:
		if err := t.sink.reset(); err != nil { // no ranges here, or another file by now
			return false, err
		}
		t.remember(res)
		t.total = res.ContentLength
	case res.StatusCode == http.StatusPartialContent && asked:
		if err := t.continued(res); err != nil {
			return false, err
		}
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && asked:
		if _, total, ok := contentRange(res); ok && total == t.sink.n && t.sameVersion(res) {
			return true, nil // the cut came right after the last byte
		}
		t.noRange = true
		return false, errors.New("the server cannot go on where the connection was cut")
	case res.StatusCode == http.StatusPreconditionFailed && asked:
		if err := t.sink.reset(); err != nil {
			return false, err
		}
		return false, errChanged
	default:
		return false, t.refused(res)
	}
	if t.size >= 0 && t.total >= 0 && t.total != t.size {
		return false, &permanent{&sizeError{got: t.total, want: t.size}}
	}
	return false, nil
}

// remember keeps what identifies this version of the file.
func (t *transfer) remember(res *http.Response) {
	t.etag, t.validator = res.Header.Get("ETag"), res.Header.Get("Last-Modified")
	if t.etag != "" && !strings.HasPrefix(t.etag, "W/") {
		t.validator = t.etag
	}
	t.contentType, t.disposition = res.Header.Get("Content-Type"), res.Header.Get("Content-Disposition")
	t.resumed = false
}

func (t *transfer) sameVersion(res *http.Response) bool {
	etag := res.Header.Get("ETag")
	return etag == "" || etag == t.etag
}

// continued checks that a partial answer goes on with the sink's file.
func (t *transfer) continued(res *http.Response) error {
	start, total, ok := contentRange(res)
	switch {
	case !ok || start != t.sink.n:
		t.noRange = true
		return fmt.Errorf("the server was asked for the bytes from %d, and sent %q", t.sink.n, res.Header.Get("Content-Range"))
	case !t.sameVersion(res), t.total >= 0 && total >= 0 && total != t.total:
		t.noRange = true
		return errChanged
	}
	t.resumed = true
	if total >= 0 {
		t.total = total
	}
	return nil
}

// contentRange reads "bytes 5-9/10", "bytes 5-9/*" and "bytes */10".
func contentRange(res *http.Response) (start, total int64, ok bool) {
	text, ok := strings.CutPrefix(res.Header.Get("Content-Range"), "bytes ")
	span, size, cut := strings.Cut(text, "/")
	if !ok || !cut {
		return 0, -1, false
	}
	if total, ok = number(size); !ok {
		total = -1
	}
	if span == "*" {
		return -1, total, total >= 0
	}
	from, _, _ := strings.Cut(span, "-")
	start, ok = number(from)
	return start, total, ok
}

func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0
}

// mayPass reports whether a status is one that asking later may heal.
func mayPass(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return code >= 500
}

// refused turns an error status into an error.
func (t *transfer) refused(res *http.Response) error {
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // keeps the connection usable
	err := fmt.Errorf("the server answered %s", statusText(res.StatusCode))
	switch {
	case mayPass(res.StatusCode):
		return &later{err, retryAfter(res)}
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		err = fmt.Errorf("%w: if it needs credentials, set headers = { Authorization = ... } with a sensitive variable", err)
	}
	return &permanent{err}
}

func statusText(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// retryAfter reads the wait a server asks for, in seconds or as a date, which is
// compared with the server's own clock.
func retryAfter(res *http.Response) time.Duration {
	text := res.Header.Get("Retry-After")
	if n, ok := number(text); ok {
		return time.Duration(min(n, 1<<31)) * time.Second
	}
	then, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(then.Sub(now), 0)
}

// classify says whether an error of a connection may pass. The URL that
// net/http puts into its errors goes: it may hold credentials.
func (t *transfer) classify(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if cause == errStalled {
			return fmt.Errorf("%w for %s", errStalled, t.client.stall)
		}
		return cause
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var certificate *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case errors.As(err, &certificate):
		return &permanent{err}
	case errors.Is(err, http.ErrSchemeMismatch):
		return &permanent{errors.New("the server speaks http, not https: write http:// in the URL, or insecure = true in s3")}
	case errors.As(err, &dns) && dns.IsNotFound:
		return &permanent{fmt.Errorf("there is no server %s (or no network)", dns.Name)}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the connection was cut after %d bytes: %w", t.sink.n, err)
	}
	return err
}
