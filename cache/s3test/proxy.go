package s3test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Kind is what happens to a request on its way.
type Kind string

const (
	None          Kind = ""
	SlowDown      Kind = "503 SlowDown"      // answered with S3's error; the server never sees it
	InternalError Kind = "500 InternalError" // the same
	Hang          Kind = "hang"              // read and never answered; the server never sees it
	CutUpload     Kind = "cut upload"        // both connections end in the middle of the request's body, or before a request without one
	LostAck       Kind = "lost ack"          // the server does it, and the connection ends before the answer
	CutDownload   Kind = "cut download"      // the connection ends in the middle of the answer's body, or before an answer without one
	Truncate      Kind = "truncate"          // the answer to a GET is whole by its length, which is less than the object's
	Duplicate     Kind = "duplicate"         // the server does it twice, and the second answer comes back
	Stop          Kind = "stop"              // the connection ends before the server sees anything
)

// Faults says how likely a request is to meet which fault; the sum is at most 1.
// A request meets at most one.
//
// Chance is derived from the seed, the method, the path, the query, and how
// often that was requested before. So the third attempt to put some key meets the
// same in each run with the same seed, however goroutines are scheduled.
type Faults struct {
	Seed          uint64
	SlowDown      float64
	InternalError float64
	Hang          float64
	CutUpload     float64
	LostAck       float64
	CutDownload   float64
	Truncate      float64 // of GETs whose answer has a length of 2 or more; others pass
	Duplicate     float64 // of requests with a body of at most 64 MiB; others pass

	// StopAfter, if it is not 0, is after how many requests all others are cut off,
	// for good: as by a process or a network that ends in the middle of its work.
	StopAfter int

	// Script decides instead of chance, if it is there. It may block, and act on
	// the server first: kill it before its third PUT, for one.
	Script func(Request) Kind
}

func (f *Faults) chances() []chance {
	return []chance{
		{SlowDown, f.SlowDown}, {InternalError, f.InternalError}, {Hang, f.Hang},
		{CutUpload, f.CutUpload}, {LostAck, f.LostAck}, {CutDownload, f.CutDownload},
		{Truncate, f.Truncate}, {Duplicate, f.Duplicate},
	}
}

type chance struct {
	kind Kind
	p    float64
}

// A Request is one that came to a proxy.
type Request struct {
	Method string
	Path   string // /bucket/key
	Query  string // sorted; without what differs from run to run: upload ids, places in lists, signatures
	Nth    int    // how often the same was requested before, since faults were set
}

func (r Request) String() string {
	s := r.Method + " " + r.Path
	if r.Query != "" {
		s += "?" + r.Query
	}
	return s + " #" + strconv.Itoa(r.Nth)
}

// A Fault is one that a request met.
type Fault struct {
	Request Request
	Kind    Kind
	At      int64 // where a body was cut
}

func (f Fault) String() string {
	s := string(f.Kind) + ": " + f.Request.String()
	if f.At > 0 {
		s += fmt.Sprintf(", at byte %d", f.At)
	}
	return s
}

// A Proxy stands between clients and a server. It sends what it gets as it came,
// so signatures hold, and does to it what [Faults] say.
type Proxy struct {
	Server // what clients use: the same server by the proxy's address

	upstream string
	listener net.Listener
	closed   chan struct{}

	mu       sync.Mutex
	faults   Faults
	latency  time.Duration
	dark     bool
	conns    map[net.Conn]bool
	seen     map[Request]int // by the request with Nth 0
	began    int             // requests, since faults were set
	met      []Fault
	counts   map[string]int
	inFlight int
	most     int
}

// NewProxy starts a proxy in front of s, without faults until [Proxy.Set]. If
// the test fails, its log has the seed and the faults that were met.
func NewProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		Server: *s, upstream: s.addr, listener: l, closed: make(chan struct{}),
		conns: map[net.Conn]bool{}, seen: map[Request]int{}, counts: map[string]int{},
	}
	p.Endpoint = l.Addr().String()
	go p.accept()
	t.Cleanup(func() {
		p.close()
		if t.Failed() {
			p.report(t)
		}
	})
	return p
}

// Direct is the server without the proxy.
func (p *Proxy) Direct() *Server {
	s := p.Server
	s.Endpoint = s.addr
	return &s
}

// Set replaces the faults and starts counting attempts anew.
func (p *Proxy) Set(f Faults) {
	sum := 0.0
	for _, c := range f.chances() {
		sum += c.p
	}
	if sum > 1 {
		panic(fmt.Sprintf("s3test: faults happen with a probability of %g", sum))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
	p.began = 0
	clear(p.seen)
}

// Latency delays each request from now on, before the server gets it.
func (p *Proxy) Latency(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = d
}

// Blackout cuts all connections and, until it is ended, each new one.
func (p *Proxy) Blackout(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dark = on
	if on {
		for c := range p.conns {
			reset(c)
		}
	}
}

// Count is how many requests of a method came and were answered with a status;
// 0 is for those that were not answered. An empty method is any.
func (p *Proxy) Count(method string, status int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for k, v := range p.counts {
		m, s, _ := strings.Cut(k, " ")
		if (method == "" || m == method) && s == strconv.Itoa(status) {
			n += v
		}
	}
	return n
}

// Counts is all of [Proxy.Count], by "METHOD STATUS".
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Met is the faults that were met, in order.
func (p *Proxy) Met() []Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.met)
}

// MostInFlight is how many requests were under way at once, at most.
func (p *Proxy) MostInFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

// ResetCounts forgets what was counted and the faults that were met.
func (p *Proxy) ResetCounts() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.counts)
	p.met, p.most = nil, p.inFlight
}

func (p *Proxy) report(t testing.TB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.Logf("proxy, seed %d, requests %v, %d faults", p.faults.Seed, p.counts, len(p.met))
	const shown = 200
	for _, f := range p.met[max(0, len(p.met)-shown):] {
		t.Log("  ", f)
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.closed)
	_ = p.listener.Close() // ends accept
	for c := range p.conns {
		_ = c.Close() // ends its goroutine
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.dark {
			reset(c)
			p.mu.Unlock()
			continue
		}
		p.conns[c] = true
		p.mu.Unlock()
		go func() {
			l := &link{p: p, client: c, fromClient: bufio.NewReaderSize(c, 32<<10)}
			for l.serveOne() == nil {
			}
			l.end()
		}()
	}
}

// reset closes a connection as a host that is gone does: not in order.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails if the other side was faster
	}
	_ = c.Close() // as above
}

// begin counts a request in and decides what it meets, and a number that says
// where.
func (p *Proxy) begin(r *http.Request) (req Request, kind Kind, where uint64, latency time.Duration) {
	req = Request{Method: r.Method, Path: r.URL.Path, Query: stableQuery(r.URL.Query())}
	p.mu.Lock()
	p.inFlight++
	p.most = max(p.most, p.inFlight)
	nth := p.seen[req]
	p.seen[req]++
	req.Nth = nth
	p.began++
	f, latency := p.faults, p.latency
	stopped := f.StopAfter > 0 && p.began > f.StopAfter
	p.mu.Unlock()
	if stopped {
		return req, Stop, 0, latency
	}

	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", f.Seed, req)
	x := mix(h.Sum64())
	where = mix(x)
	if f.Script != nil {
		return req, f.Script(req), where, latency
	}
	u := float64(x>>11) / (1 << 53)
	for _, c := range f.chances() {
		if u < c.p {
			return req, c.kind, where, latency
		}
		u -= c.p
	}
	return req, None, where, latency
}

// mix spreads bits, as FNV does not: the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func stableQuery(q url.Values) string {
	for k := range q {
		l := strings.ToLower(k)
		if l == "uploadid" || l == "continuation-token" {
			q[k] = []string{"*"}
		} else if strings.HasPrefix(l, "x-amz-") {
			delete(q, k)
		}
	}
	return q.Encode()
}

func (p *Proxy) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight--
}

// count and fault are called before the client can know: a test that has its
// answer finds them.
func (p *Proxy) count(method string, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[method+" "+strconv.Itoa(status)]++
}

func (p *Proxy) fault(r Request, k Kind, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.met = append(p.met, Fault{r, k, at})
}

// wait returns early when the proxy is closed.
func (p *Proxy) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-p.closed:
	}
}

// A link is a client's connection and the one to the server that belongs to it.
type link struct {
	p          *Proxy
	client     net.Conn
	fromClient *bufio.Reader
	server     net.Conn // nil until needed
	fromServer *bufio.Reader
}

func (l *link) end() {
	l.p.mu.Lock()
	delete(l.p.conns, l.client)
	l.p.mu.Unlock()
	_ = l.client.Close() // may be closed already
	l.hangUp()
}

// hangUp ends the connection to the server.
func (l *link) hangUp() {
	if l.server != nil {
		_ = l.server.Close() // as above
		l.server = nil
	}
}

func (l *link) dial() error {
	if l.server != nil {
		return nil
	}
	c, err := net.DialTimeout("tcp", l.p.upstream, 10*time.Second)
	if err != nil {
		return err
	}
	l.server, l.fromServer = c, bufio.NewReaderSize(c, 32<<10)
	return nil
}

// errCut ends a link: its connection was cut, or cannot be used any more.
var errCut = errors.New("cut")

// errLast ends a link after an answer that is whole: the server wants it so.
var errLast = errors.New("last answer")

// serveOne moves one request and its answer. An error ends the connection.
func (l *link) serveOne() (err error) {
	head, err := readHead(l.fromClient)
	if err != nil {
		return err
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return err
	}
	length := r.ContentLength // -1 if it comes in chunks
	req, kind, where, latency := l.p.begin(r)
	x := &exchange{link: l, r: r, req: req, where: where}
	defer func() {
		x.count(0) // unless it was answered
		l.p.finish()
	}()
	l.p.wait(latency)

	switch kind {
	case SlowDown, InternalError:
		return x.refuse(kind)

	case Stop:
		l.p.fault(req, kind, 0)
		x.count(0)
		reset(l.client)
		return errCut

	case Hang:
		l.p.fault(req, kind, 0)
		_, _ = io.Copy(io.Discard, l.client) // until the client gives up or the test ends
		return errCut

	case CutUpload:
		if length < 2 { // or of a length that is not known
			l.p.fault(req, kind, 0)
			x.count(0)
			reset(l.client)
			return errCut
		}
		at := cutAt(where, length)
		l.p.fault(req, kind, at)
		x.count(0)
		if err := l.dial(); err != nil {
			return err
		}
		if _, err := l.server.Write(head); err != nil {
			return err
		}
		if r.Header.Get("Expect") != "" { // the client waits for leave to send
			_, _ = io.WriteString(l.client, "HTTP/1.1 100 Continue\r\n\r\n") // if this fails, so does the next
		}
		_ = move(l.server, l.fromClient, l.client, at) // cut here or a little earlier: the same
		// In order, so that the server gets all of it, and then no more.
		l.hangUp()
		reset(l.client)
		return errCut

	case LostAck:
		l.p.fault(req, kind, 0)
		_ = x.do(head, length, discard) // whether or not there was an answer
		x.count(0)
		reset(l.client)
		return errCut

	case Duplicate:
		const most = 64 << 20
		if length < 0 || length > most || r.Header.Get("Expect") != "" {
			break
		}
		l.p.fault(req, kind, 0)
		whole := append(head, make([]byte, length)...)
		if _, err := io.ReadFull(l.fromClient, whole[len(head):]); err != nil {
			return err
		}
		if err := x.do(whole, 0, discard); err != nil && !errors.Is(err, errLast) {
			return err
		}
		return x.do(whole, 0, deliver)

	case CutDownload:
		return x.do(head, length, cut)

	case Truncate:
		if r.Method == http.MethodGet {
			return x.do(head, length, truncate)
		}
	}
	return x.do(head, length, deliver)
}

// cutAt is a place in a body: after its first byte and before its last.
func cutAt(where uint64, length int64) int64 {
	return 1 + int64(where%uint64(length-1))
}

// An exchange is one request and its answer.
type exchange struct {
	*link
	r       *http.Request
	req     Request
	where   uint64
	counted bool
}

// count counts the request once, by the first status that it is told.
func (x *exchange) count(status int) {
	if !x.counted {
		x.counted = true
		x.p.count(x.req.Method, status)
	}
}

// refuse answers in the server's stead.
func (x *exchange) refuse(kind Kind) error {
	status := http.StatusServiceUnavailable
	if kind == InternalError {
		status = http.StatusInternalServerError
	}
	_, code, _ := strings.Cut(string(kind), " ")
	body := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<Error><Code>` + code + `</Code><Message>From the proxy of the test.</Message><Resource>` +
		url.PathEscape(x.r.URL.Path) + `</Resource><RequestId>s3test</RequestId><HostId>s3test</HostId></Error>`
	if x.r.Method == http.MethodHead {
		body = ""
	}
	more := ""
	expects := x.r.Header.Get("Expect") != ""
	if expects { // the client may send the body or not: no knowing what comes next
		more = "Connection: close\r\n"
	} else if err := x.relay(nil, x.r.ContentLength); err != nil { // a client may not read before it has written
		return err
	}
	x.p.fault(x.req, kind, 0)
	x.count(status)
	_, err := fmt.Fprintf(x.client, "HTTP/1.1 %d %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n%s\r\n%s",
		status, http.StatusText(status), len(body), more, body)
	if expects {
		return errCut
	}
	return err
}

// relay moves the body of the client's request to a server, or nowhere.
func (l *link) relay(to net.Conn, length int64) error {
	var w io.Writer = io.Discard
	if to != nil {
		w = to
	}
	if length < 0 {
		return moveChunks(w, l.fromClient, l.client)
	}
	return move(w, l.fromClient, l.client, length)
}

// What becomes of an answer.
type delivery int

const (
	deliver delivery = iota
	discard
	cut
	truncate
)

// do sends a request, whose body of a length follows on the client's connection,
// and deals with the answer.
func (x *exchange) do(head []byte, length int64, how delivery) error {
	if err := x.dial(); err != nil {
		return err
	}
	if _, err := x.server.Write(head); err != nil {
		return err
	}
	// A server may answer before it has the body, so that goes its own way.
	sent := make(chan struct{})
	var failed error // to send
	if length == 0 {
		close(sent)
	} else {
		go func(server net.Conn) {
			defer close(sent)
			failed = x.relay(server, length)
			if tcp, ok := server.(*net.TCPConn); ok && failed != nil {
				_ = tcp.CloseWrite() // the client is gone, and the server shall know; it may be gone too
			}
		}(x.server)
	}
	err := x.reply(how)
	switch {
	case err == nil:
		<-sent
		return failed
	case errors.Is(err, errLast):
		// The client gets the answer although it still sends: closing at once
		// would reset the connection.
		const patience = 500 * time.Millisecond
		x.hangUp()
		if length == 0 {
			return err
		}
		_ = x.client.SetReadDeadline(time.Now().Add(patience)) // fails if it is gone, and then so do reads
		<-sent
		if tcp, ok := x.client.(*net.TCPConn); ok && how == deliver {
			_ = tcp.CloseWrite() // the same
			_, _ = io.Copy(io.Discard, x.client)
		}
	case how == discard:
		x.hangUp() // the client's connection is the caller's to end
		_ = x.client.SetReadDeadline(time.Now())
		<-sent
	default:
		_ = x.client.Close() // so that the body's way ends too
		x.hangUp()
		<-sent
	}
	return err
}

func (x *exchange) reply(how delivery) (err error) {
	var head []byte
	var resp *http.Response
	for {
		if head, err = readHead(x.fromServer); err != nil {
			return err
		}
		// Only of the head: there is no body to close.
		resp, err = http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), x.r) //nolint:bodyclose
		if err != nil {
			return err
		}
		if resp.StatusCode >= 200 {
			break
		}
		if _, err := x.client.Write(head); err != nil { // 100 Continue
			return err
		}
	}
	status, length := resp.StatusCode, resp.ContentLength
	bodiless := x.r.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	if bodiless {
		length = 0
	}
	var to io.Writer = x.client
	switch {
	case how == discard:
		to = io.Discard

	case how == cut && length < 2:
		x.p.fault(x.req, CutDownload, 0)
		x.count(0)
		reset(x.client)
		return errCut

	case how == cut:
		at := cutAt(x.where, length)
		x.p.fault(x.req, CutDownload, at)
		x.count(status)
		if _, err := x.client.Write(head); err != nil {
			return err
		}
		if err := move(x.client, x.fromServer, x.server, at); err != nil {
			return err
		}
		return errCut // in order: what was sent before arrives

	case how == truncate && length >= 2 && status < 300:
		at := cutAt(x.where, length)
		x.p.fault(x.req, Truncate, at)
		x.count(status)
		if _, err := x.client.Write(lengthLine.ReplaceAll(head, fmt.Appendf(nil, "\r\nContent-Length: %d\r\n", at))); err != nil {
			return err
		}
		if err := move(x.client, x.fromServer, x.server, at); err != nil {
			return err
		}
		return move(io.Discard, x.fromServer, x.server, length-at)
	}
	if how != discard {
		x.count(status)
	}
	if _, err := to.Write(head); err != nil {
		return err
	}
	switch {
	case !bodiless && slices.Contains(resp.TransferEncoding, "chunked"):
		err = moveChunks(to, x.fromServer, x.server)
	case length >= 0:
		err = move(to, x.fromServer, x.server, length)
	default: // until the server ends the connection
		if _, err = io.Copy(to, x.fromServer); err == nil {
			err = errLast
		}
	}
	if err == nil && resp.Close {
		err = errLast
	}
	return err
}

var lengthLine = regexp.MustCompile(`(?i)\r\nContent-Length: *\d+\r\n`)

// readHead reads up to the empty line, and returns it as it came.
func readHead(r *bufio.Reader) ([]byte, error) {
	const most = 1 << 20
	var head []byte
	for {
		line, err := r.ReadSlice('\n')
		head = append(head, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(head) > most {
			return nil, errors.New("a head over 1 MiB")
		}
		if bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			return head, nil
		}
	}
}

// move moves n bytes that come from a connection, of which r has read some. The
// rest does not come through this process where the kernel can do that.
func move(to io.Writer, r *bufio.Reader, from net.Conn, n int64) error {
	if buffered := min(int64(r.Buffered()), n); buffered > 0 {
		b, err := r.Peek(int(buffered))
		if err != nil {
			return err
		}
		if _, err := to.Write(b); err != nil {
			return err
		}
		_, _ = r.Discard(len(b)) // it was there to peek at
		n -= buffered
	}
	if n == 0 {
		return nil
	}
	_, err := io.CopyN(to, from, n)
	return err
}

// moveChunks moves a body in chunks, and the trailers after it.
func moveChunks(to io.Writer, r *bufio.Reader, from net.Conn) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(strings.TrimSpace(string(line)), ";")
		n, err := strconv.ParseInt(size, 16, 63)
		if err != nil {
			return err
		}
		if _, err := to.Write(line); err != nil {
			return err
		}
		if n > 0 {
			if err := move(to, r, from, n+2); err != nil { // and the end of the line
				return err
			}
			continue
		}
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return err
			}
			if _, err := to.Write(line); err != nil {
				return err
			}
			if len(bytes.TrimSpace(line)) == 0 {
				return nil
			}
		}
	}
}
