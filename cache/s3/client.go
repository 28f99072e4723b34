package s3

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// ErrOff is returned once the remote store was switched off for this process,
// after several requests in a row had failed for good (invariant I20).
var ErrOff = errors.New("the team cache is switched off for this run")

// errExists says that an object of that name was there already.
var errExists = errors.New("an object of this name exists")

// errNotFound says that there is no such object.
var errNotFound = errors.New("no such object")

// errShort says that an object is shorter than what was known of it: it is
// another one, so the one that was looked for is not there.
var errShort = fmt.Errorf("%w: what has its name is shorter", errNotFound)

// Config says where a store is and how to reach it. Either Bucket and Endpoint are
// needed, or Folder.
type Config struct {
	// Folder is a folder that the team's machines share, such as one on NFS, instead
	// of a bucket. It holds what a bucket would, under the same names.
	Folder string

	Endpoint string // host or host:port, without scheme
	Insecure bool   // http instead of https
	Region   string // looked up if empty
	Bucket   string
	Prefix   string // folder in the bucket; "" for the bucket itself
	// Style is "path" or "virtual" (the bucket as part of the host's name);
	// "" chooses by the endpoint.
	Style string
	// CAFile holds certificates, in PEM, that are trusted beside the system's.
	CAFile string
	// Credentials give access; nil means the usual chain: environment, shared
	// files, then the machine's own role.
	Credentials *credentials.Credentials

	// Dir is a folder that remembers what the remote was seen to hold; hints
	// only. "" remembers nothing.
	Dir string
	// Temp is where streams of unknown length are kept while they are encoded;
	// os.TempDir() if empty.
	Temp string
	// Timeout is how long a request may go without a byte moving; 30 s if zero.
	Timeout time.Duration
	// Attempts is how often a request is tried; 8 if zero.
	Attempts int
	// BreakAfter is how many requests in a row may fail, each after all its
	// attempts, before the store is switched off; 3 if zero.
	BreakAfter int
	// Event is told what a user should know, once each; may be nil.
	Event func(message string)
	// Now is this machine's clock; time.Now if nil.
	Now func() time.Time
	// SyncPoint is called at each named step of a change; crash tests end the process there.
	SyncPoint func(name string)
	// Transport is used instead of an own one; for tests.
	Transport http.RoundTripper
}

// client does single requests, each with its attempts, time-out and account.
type client struct {
	Config
	objects objects
	core    *minio.Core // nil for a folder
	base    *watched    // the same

	requests, bytesIn, bytesOut atomic.Int64
	clock                       serverClock

	mu       sync.Mutex
	failures int // in a row
	off      error
	readOnly error // why nothing can be written, once that was seen
	slots    chan struct{}
}

// Small requests wait for the network, not for each other: at 20 ms a request,
// 32 at a time make 1,468 a second, 128 make 4,001.
const concurrency = 128

func newClient(c Config) (*client, error) {
	if c.Folder == "" && (c.Bucket == "" || c.Endpoint == "") {
		return nil, errors.New("a team cache needs a bucket and an endpoint, or a folder")
	}
	if strings.Contains(c.Endpoint, "/") {
		return nil, fmt.Errorf("endpoint %q: give host or host:port; http is chosen with insecure = true", c.Endpoint)
	}
	c.Prefix = strings.Trim(c.Prefix, "/")
	if c.Prefix != "" {
		c.Prefix += "/"
	}
	c.defaults()
	cl := &client{Config: c, slots: make(chan struct{}, concurrency)}
	var err error
	if c.Folder != "" {
		cl.objects, err = newFolder(c, &cl.clock)
	} else {
		err = cl.connect()
	}
	return cl, err
}

func (c *Config) defaults() {
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Attempts == 0 {
		c.Attempts = 8
	}
	if c.BreakAfter == 0 {
		c.BreakAfter = 3
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Temp == "" {
		c.Temp = os.TempDir()
	}
	if c.Credentials == nil && c.Folder == "" {
		c.Credentials = DefaultCredentials()
	}
}

// connect makes the client of a bucket.
func (cl *client) connect() error {
	c := cl.Config
	base := c.Transport
	if base == nil {
		t, err := transport(c)
		if err != nil {
			return err
		}
		base = t
	}
	cl.base = &watched{base: base, c: cl}
	lookup := minio.BucketLookupAuto
	switch c.Style {
	case "":
	case "path":
		lookup = minio.BucketLookupPath
	case "virtual":
		lookup = minio.BucketLookupDNS
	default:
		return fmt.Errorf("style is path or virtual, not %q", c.Style)
	}
	core, err := minio.NewCore(c.Endpoint, &minio.Options{
		Creds: c.Credentials, Secure: !c.Insecure, Region: c.Region, BucketLookup: lookup,
		Transport: cl.base, MaxRetries: 1,
	})
	if err != nil {
		return fmt.Errorf("team cache at %s: %w", c.Endpoint, err)
	}
	cl.core = core
	cl.objects = &s3bucket{core, c.Bucket, c.Prefix, c.Endpoint, c.Region}
	return nil
}

// DefaultCredentials looks, in this order, at AWS_* and MINIO_* variables, the
// shared files of the AWS and MinIO command lines, and the machine's own role
// (container, instance or web identity).
func DefaultCredentials() *credentials.Credentials {
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.EnvMinio{}, &credentials.FileAWSCredentials{}, &credentials.FileMinioClient{},
		&credentials.IAM{Client: &http.Client{Timeout: 5 * time.Second}},
	})
}

func transport(c Config) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConns:        2 * concurrency,
		MaxIdleConnsPerHost: 2 * concurrency,
		IdleConnTimeout:     time.Minute,
		TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression:  true,
		ReadBufferSize:      64 << 10,
		WriteBufferSize:     64 << 10,
	}
	if !c.Insecure {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if c.CAFile != "" && !c.Insecure {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("certificates of the team cache: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", c.CAFile)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return t, nil
}

// watched is the transport: it ends requests that stand still, and counts.
type watched struct {
	base http.RoundTripper
	c    *client
}

// errStalled is the cause of a request that was ended because no byte moved.
type errStalled struct{ after time.Duration }

func (e errStalled) Error() string   { return fmt.Sprintf("no byte moved for %s", e.after) }
func (e errStalled) Timeout() bool   { return true }
func (e errStalled) Temporary() bool { return true }

// RoundTrip implements http.RoundTripper.
func (w *watched) RoundTrip(req *http.Request) (*http.Response, error) {
	w.c.requests.Add(1)
	ctx, cancel := context.WithCancelCause(req.Context())
	stalled := errStalled{w.c.Timeout}
	timer := time.AfterFunc(w.c.Timeout, func() { cancel(stalled) })
	moved := func(n int) { timer.Reset(w.c.Timeout) }
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &watchedBody{req.Body, func(n int) { moved(n); w.c.bytesOut.Add(int64(n)) }, func() {}, nil}
	}
	resp, err := w.base.RoundTrip(req)
	if err == nil {
		w.c.clock.set(resp.Header.Get("Date"), w.c.Now())
	} else {
		timer.Stop()
		if cause := context.Cause(ctx); cause != nil && req.Context().Err() != nil {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	resp.Body = &watchedBody{
		resp.Body, func(n int) { moved(n); w.c.bytesIn.Add(int64(n)) }, func() { timer.Stop(); cancel(nil) },
		func() error {
			if cause := context.Cause(ctx); errors.As(cause, new(errStalled)) {
				return cause
			}
			return nil
		},
	}
	return resp, nil
}

func (w *watched) closeIdle() {
	if w == nil {
		return
	}
	if t, ok := w.base.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

type watchedBody struct {
	io.ReadCloser
	moved  func(int)
	closed func()
	cause  func() error
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.moved(n)
	}
	if err != nil && err != io.EOF && b.cause != nil {
		if cause := b.cause(); cause != nil {
			err = cause
		}
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.closed()
	return b.ReadCloser.Close()
}

// do tries a request until it succeeds, cannot, or has used up its attempts.
func (c *client) do(ctx context.Context, what string, f func(context.Context) error) error {
	if err := c.usable(ctx); err != nil {
		return err
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	for attempt := range c.Attempts {
		if off := c.usable(ctx); off != nil {
			return off
		}
		last := err
		if attempt > 0 && sleep(ctx, backoff(attempt)) != nil {
			return ended(ctx, last)
		}
		err = f(ctx)
		if ctx.Err() != nil {
			return ended(ctx, last)
		}
		if done := c.settled(err); done {
			return err
		}
		if final(err) {
			break
		}
	}
	return c.failed(what, err)
}

// ended is the error of a request whose context has ended; last is how the attempt
// before went: where the time is over, that is why.
func ended(ctx context.Context, last error) error {
	if last == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	return fmt.Errorf("%w; the attempt before: %v", ctx.Err(), explain(last)) //nolint:errorlint // it is no answer, and is not to be taken for one
}

// settled reports whether an answer is one: success, or a plain "no".
func (c *client) settled(err error) bool {
	if err == nil || errors.Is(err, errExists) || errors.Is(err, errNotFound) {
		c.mu.Lock()
		c.failures = 0
		c.mu.Unlock()
		return true
	}
	return false
}

// final reports whether trying again is of no use.
func final(err error) bool {
	var r minio.ErrorResponse
	if !errors.As(err, &r) {
		return errors.Is(err, errLocal) || deniedByFolder(err)
	}
	switch r.Code {
	case "SlowDown", "SlowDownWrite", "SlowDownRead", "RequestTimeout", "InternalError", "ServiceUnavailable", "ThrottlingException",
		"Throttling", "ThrottledException", "RequestLimitExceeded", "RequestThrottled", "XMinioServerNotInitialized", "OperationAborted":
		return false
	}
	return r.StatusCode >= 400 && r.StatusCode < 500 && r.StatusCode != http.StatusRequestTimeout && r.StatusCode != http.StatusTooManyRequests
}

// errLocal marks errors of this machine, such as a file that cannot be read.
var errLocal = errors.New("on this machine")

func backoff(attempt int) time.Duration {
	const base, most = 50 * time.Millisecond, 5 * time.Second
	// Full jitter: clients that failed together do not come back together.
	return rand.N(min(most, base<<attempt)) + time.Millisecond
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *client) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.off
}

// failed counts a request that failed for good, and switches the store off when
// there were too many in a row.
func (c *client) failed(what string, err error) error {
	err = fmt.Errorf("%s: %w", what, explain(err))
	var r minio.ErrorResponse
	denied := errors.As(err, &r) && r.StatusCode == http.StatusForbidden || deniedByFolder(err)
	c.mu.Lock()
	c.failures++
	tell := ""
	if c.failures >= c.BreakAfter && c.off == nil && !denied && !errors.Is(err, errLocal) {
		c.off = fmt.Errorf("%w: %w", ErrOff, err)
		tell = fmt.Sprintf("the team cache is off for the rest of this run: %d requests in a row failed, the last one with: %v", c.failures, err)
	}
	c.mu.Unlock()
	if tell != "" {
		c.tell(tell)
	}
	return err
}

func (c *client) tell(message string) {
	if c.Event != nil {
		c.Event(message)
	}
}

// explain adds a remedy to what servers say.
func explain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "proxyconnect" {
		return fmt.Errorf("%w; requests go through a proxy that HTTP_PROXY or HTTPS_PROXY names; NO_PROXY says for which hosts they do not", err)
	}
	var r minio.ErrorResponse
	if !errors.As(err, &r) {
		return err
	}
	switch r.Code {
	case "NoSuchBucket":
		return fmt.Errorf("%w; `nbpipe cache init` makes the bucket", err)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return fmt.Errorf("%w; check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials)", err)
	case "AccessDenied":
		return fmt.Errorf("%w; the credentials do not allow it: `nbpipe cache init --policies` prints what each role needs", err)
	case "RequestTimeTooSkewed":
		return fmt.Errorf("%w; this machine's clock is wrong", err)
	}
	return err
}

// answer translates the answers that are none of failures.
func answer(err error) error {
	var r minio.ErrorResponse
	if !errors.As(err, &r) {
		return err
	}
	switch {
	case r.StatusCode == http.StatusPreconditionFailed || r.StatusCode == http.StatusConflict && r.Code == "ConditionalRequestConflict":
		return errExists
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return errShort
	case r.Code == "NoSuchKey" || r.Code == "NoSuchUpload" || r.Code == "" && r.StatusCode == http.StatusNotFound:
		return errNotFound
	}
	return err
}

// info is what a server says of an object.
type info struct {
	name     string // below the prefix
	size     int64
	modified time.Time // by the server's clock
	etag     string
}

// get reads n bytes of an object from an offset on; n < 0 reads to the end.
func (c *client) get(ctx context.Context, name string, off, n int64) (b []byte, i info, err error) {
	err = c.do(ctx, "reading "+name, func(ctx context.Context) error {
		var buf bytes.Buffer
		r, got, err := c.open(ctx, name, off, n)
		if err != nil {
			return err
		}
		defer r.Close()
		if n > 0 {
			buf.Grow(int(n))
		}
		if _, err := buf.ReadFrom(r); err != nil {
			return err
		}
		if n >= 0 && int64(buf.Len()) != n {
			return fmt.Errorf("%d bytes came where %d were asked for: %w", buf.Len(), n, io.ErrUnexpectedEOF)
		}
		b, i = buf.Bytes(), got
		return nil
	})
	return b, i, err
}

// open starts one GET, without attempts of its own.
func (c *client) open(ctx context.Context, name string, off, n int64) (io.ReadCloser, info, error) {
	if n == 0 || n > 0 && off+n <= off {
		return nil, info{}, fmt.Errorf("%w: an empty range", errLocal)
	}
	return c.objects.open(ctx, name, off, n)
}

// tail reads the last n bytes of an object, or all of a shorter one.
func (c *client) tail(ctx context.Context, name string, size, n int64) ([]byte, error) {
	off := max(size-n, 0)
	b, _, err := c.get(ctx, name, off, size-off)
	return b, err
}

// head asks for an object's size and time.
func (c *client) head(ctx context.Context, name string) (i info, err error) {
	err = c.do(ctx, "asking for "+name, func(ctx context.Context) (err error) {
		i, err = c.objects.head(ctx, name)
		return err
	})
	return i, err
}

// condition is under what a PUT takes effect.
type condition struct {
	absent bool   // only if there is no such object
	etag   string // only if it has this tag
}

var always condition

// put stores a small object by a single request: such as commit records, whose
// condition a server must not forget.
func (c *client) put(ctx context.Context, name string, b []byte, when condition) (i info, err error) {
	err = c.writing(ctx, "writing "+name, func(ctx context.Context) (err error) {
		i, err = c.objects.put(ctx, name, bytes.NewReader(b), int64(len(b)), when)
		return err
	})
	return i, err
}

func putOptions(when condition) minio.PutObjectOptions {
	// The bytes are named by, or contain, a digest that every reader checks; a
	// hash for the transport's sake alone costs two thirds of the CPU.
	o := minio.PutObjectOptions{DisableContentSha256: true, ContentType: "application/octet-stream"}
	if when.absent {
		o.SetMatchETagExcept("*")
	}
	if when.etag != "" {
		o.SetMatchETag(when.etag)
	}
	return o
}

// writing is do for requests that need a writer's rights. Who lacks them is told
// once, and from then on nothing is tried (invariant I12).
func (c *client) writing(ctx context.Context, what string, f func(context.Context) error) error {
	c.mu.Lock()
	readOnly := c.readOnly
	c.mu.Unlock()
	if readOnly != nil {
		return readOnly
	}
	err := c.do(ctx, what, f)
	var r minio.ErrorResponse
	if errors.As(err, &r) && r.StatusCode == http.StatusForbidden && r.Code == "AccessDenied" || deniedByFolder(err) {
		c.mu.Lock()
		first := c.readOnly == nil
		c.readOnly = fmt.Errorf("%w: %w", ErrReadOnly, err)
		err = c.readOnly
		c.mu.Unlock()
		if first {
			who := "these credentials"
			if c.Folder != "" {
				who = "this user"
			}
			c.tell(who + " cannot write to the team cache; it is used for reading only")
		}
	}
	return err
}

// ErrReadOnly says that the credentials do not allow to write.
var ErrReadOnly = errors.New("the team cache is read-only for these credentials")

// page lists up to about n objects of a prefix whose names come after a given
// one, in order; more says that the listing was not complete.
func (c *client) page(ctx context.Context, prefix, after string, n int) (out []info, more bool, err error) {
	err = c.do(ctx, "listing "+prefix, func(ctx context.Context) (err error) {
		out, more, err = c.objects.page(ctx, prefix, after, n)
		return err
	})
	return out, more, err
}

// list lists everything under a prefix, in order.
func (c *client) list(ctx context.Context, prefix string) ([]info, error) {
	const most = 1000
	var all []info
	after := ""
	for {
		got, more, err := c.page(ctx, prefix, after, most)
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
		if !more {
			return all, nil
		}
		after = got[len(got)-1].name
	}
}
