package fetch

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/stages"
)

type progress struct{ last, total atomic.Int64 }

func (p *progress) Report(done, total int64, unit string) {
	p.last.Store(done)
	p.total.Store(total)
}

// quick are options for tests: no pause, and what was waited is noted.
func quick() (*options, *[]time.Duration) {
	o := defaults()
	o.stall = 5 * time.Second
	o.progress = 1 << 10
	var mu sync.Mutex
	waits := &[]time.Duration{}
	o.sleep = func(ctx context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		*waits = append(*waits, d)
		return ctx.Err()
	}
	return o, waits
}

type result struct {
	out     *stages.Output
	content string
	waits   []time.Duration
	scratch string
	err     error
}

func run(t *testing.T, s *Stage, services stages.Services) result {
	t.Helper()
	opts, waits := quick()
	if s.opts == nil {
		s.opts = opts
	}
	in := &stages.Input{Scratch: t.TempDir(), Services: services, Progress: &progress{}, Log: io.Discard}
	out := stages.NewOutput()
	err := s.Run(context.Background(), in, out)
	r := result{out: out, waits: *waits, scratch: in.Scratch, err: err}
	if f, ok := out.Files["file"]; ok {
		if b, err := os.ReadFile(f.Path); err == nil {
			r.content = string(b)
		}
	}
	if err != nil {
		if left, _ := os.ReadDir(in.Scratch); len(left) > 0 {
			t.Errorf("an error left %s behind", left[0].Name())
		}
	}
	return r
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL + "/data.bin"
}

func sha(s string) string { return cache.DigestOf([]byte(s)).String() }

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("error %v\nwant one with %q", err, p)
		}
	}
}

var body = strings.Repeat("0123456789abcdef", 4096) // 64 KiB

// file serves body with ranges, as http.FileServer would.
func file(etag string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
	}
}

// cut lets h answer, and cuts the connection after n bytes of body, the first times times.
func cut(times int32, n int, h http.HandlerFunc) http.HandlerFunc {
	var count atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) > times {
			h(w, r)
			return
		}
		h(&cutter{ResponseWriter: w, left: n}, r)
	}
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; c.left == 0 {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func TestPinned(t *testing.T) {
	url := serve(t, file(`"a"`))
	size := int64(len(body))
	r := run(t, &Stage{URL: url, SHA256: strings.ToUpper(sha(body)), Size: &size, Licence: "CC0"}, stages.Services{})
	if r.err != nil || r.content != body {
		t.Fatalf("error %v, %d bytes", r.err, len(r.content))
	}
	if len(r.out.Pins) != 0 || r.out.Facts["source"] != url || r.out.Facts["licence"] != "CC0" || r.out.Files["file"].Name != "data.bin" {
		t.Errorf("output %+v", r.out)
	}
	if !r.out.Values["sha256"].RawEquals(cty.StringVal(sha(body))) || !r.out.Values["size"].RawEquals(cty.NumberIntVal(size)) {
		t.Errorf("values %#v", r.out.Values)
	}
}

func TestUnpinnedIsRecorded(t *testing.T) {
	s := &Stage{URL: serve(t, file(""))}
	if source, attribute, unpinned := s.LockSource(); source != s.URL || attribute != "sha256" || !unpinned {
		t.Errorf("LockSource = %s, %s, %v", source, attribute, unpinned)
	}
	r := run(t, s, stages.Services{})
	if r.err != nil || r.out.Pins["sha256"] != sha(body) {
		t.Errorf("error %v, pins %v", r.err, r.out.Pins)
	}
}

func TestCutConnections(t *testing.T) {
	requests := func(n *atomic.Int32, ranges *atomic.Int32, h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			if r.Header.Get("Range") != "" {
				ranges.Add(1)
			}
			h(w, r)
		}
	}
	plain := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) } // no ranges
	length := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		plain(w, r)
	}
	lies := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" {
			length(w, r)
			return
		}
		w.Header().Set("Content-Range", "bytes 0-65535/65536")
		w.WriteHeader(http.StatusPartialContent)
		plain(w, r)
	}
	wrongBytes := func(w http.ResponseWriter, r *http.Request) {
		from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
		if !ok {
			length(w, r)
			return
		}
		n, _ := strconv.Atoi(strings.TrimSuffix(from, "-"))
		w.Header().Set("Content-Range", "bytes "+from+"65535/65536")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, strings.Repeat("!", len(body)-n))
	}
	refuses := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		length(w, r)
	}
	tests := map[string]struct {
		handler          http.HandlerFunc
		pinned           bool
		requests, ranges int32
	}{
		"resumed":                     {cut(3, 10_000, file(`"a"`)), true, 4, 3},
		"resumed, not pinned":         {cut(3, 10_000, file(`"a"`)), false, 4, 3},
		"no validator, pinned":        {cut(1, 10_000, file("")), true, 2, 1},
		"no validator, not pinned":    {cut(1, 10_000, file("")), false, 2, 0},
		"weak validator, not pinned":  {cut(1, 10_000, file(`W/"a"`)), false, 2, 0},
		"ranges ignored":              {cut(1, 10_000, length), true, 2, 1},
		"chunked":                     {cut(1, 10_000, plain), true, 2, 1},
		"another range":               {cut(1, 10_000, lies), true, 3, 1},
		"416":                         {cut(1, 10_000, refuses), true, 3, 1},
		"other bytes under the range": {cut(1, 10_000, wrongBytes), true, 3, 1},
		"cut before the first byte":   {cut(1, 0, file(`"a"`)), true, 0, 0},
		"cut after the last, no length": {cut(1, len(body), func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") == "" {
				plain(w, r)
				return
			}
			file("")(w, r)
		}), true, 2, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var n, ranges atomic.Int32
			s := &Stage{URL: serve(t, requests(&n, &ranges, tt.handler))}
			if tt.pinned {
				s.SHA256 = sha(body)
			}
			r := run(t, s, stages.Services{})
			if r.err != nil || r.content != body {
				t.Fatalf("error %v, %d bytes", r.err, len(r.content))
			}
			if tt.requests > 0 && (n.Load() != tt.requests || ranges.Load() != tt.ranges) {
				t.Errorf("%d requests, %d of them with a range; want %d and %d", n.Load(), ranges.Load(), tt.requests, tt.ranges)
			}
		})
	}
}

// A file that changes on the server between two connections is fetched anew,
// never mixed.
func TestChangedMidway(t *testing.T) {
	fresh := strings.ToUpper(body)
	for _, obeys := range []bool{true, false} {
		var n atomic.Int32
		old := cut(1, 10_000, file(`"a"`))
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				old(w, r)
				return
			}
			w.Header().Set("ETag", `"b"`)
			if !obeys { // a server that ignores If-Range
				r.Header.Del("If-Range")
			}
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(fresh))
		})
		r := run(t, &Stage{URL: url}, stages.Services{})
		if r.err != nil || r.content != fresh {
			t.Errorf("obeys %v: error %v, content of %d bytes is mixed: %v", obeys, r.err, len(r.content), strings.ContainsAny(r.content, "abcdef"))
		}
	}
}

func TestStatuses(t *testing.T) {
	for code, retried := range map[int]bool{503: true, 500: true, 429: true, 408: true, 425: true, 404: false, 403: false, 410: false, 501: false, 204: false, 206: false, 416: false} {
		var n atomic.Int32
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) <= 2 {
				w.WriteHeader(code)
				return
			}
			file("")(w, r)
		})
		r := run(t, &Stage{URL: url, SHA256: sha(body)}, stages.Services{})
		if retried != (r.err == nil) {
			t.Errorf("%d: error %v", code, r.err)
		}
		if !retried {
			wantError(t, r.err, strconv.Itoa(code))
			if n.Load() != 1 {
				t.Errorf("%d: asked %d times", code, n.Load())
			}
		}
	}
}

func TestBackOff(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	r := run(t, &Stage{URL: url}, stages.Services{})
	wantError(t, r.err, "gave up after 6 attempts", "503 Service Unavailable")
	if len(r.waits) != 5 {
		t.Fatalf("waits %v", r.waits)
	}
	for i, d := range r.waits {
		if base := 500 * time.Millisecond << i; d < base/2 || d > base*3/2 {
			t.Errorf("wait %d is %s, want about %s", i, d, base)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	asked := func(value string) result {
		var n atomic.Int32
		return run(t, &Stage{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) > 1 {
				file("")(w, r)
				return
			}
			w.Header().Set("Date", "Mon, 02 Jan 2006 15:04:05 GMT")
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
		})}, stages.Services{})
	}
	for _, value := range []string{"42", "Mon, 02 Jan 2006 15:04:47 GMT"} {
		if r := asked(value); r.err != nil || len(r.waits) != 1 || r.waits[0] != 42*time.Second {
			t.Errorf("Retry-After %s: error %v, waits %v", value, r.err, r.waits)
		}
	}
	wantError(t, asked("86400").err, "asks to wait 24h0m0s")
}

func TestStall(t *testing.T) {
	var n atomic.Int32
	release := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) > 1 {
			file("")(w, r)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = io.WriteString(w, body[:1000])
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	opts, _ := quick()
	opts.stall = 100 * time.Millisecond
	r := run(t, &Stage{URL: url, SHA256: sha(body), opts: opts}, stages.Services{})
	if r.err != nil || n.Load() != 2 {
		t.Errorf("error %v after %d requests", r.err, n.Load())
	}
}

// TestI9_WrongContentIsNotKept: a wrong digest or size names both, keeps
// nothing, and the next mirror is tried.
func TestI9_WrongContentIsNotKept(t *testing.T) {
	good := serve(t, file(""))
	bad := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>")
	})
	r := run(t, &Stage{URL: bad, Mirrors: []string{good}, SHA256: sha(body)}, stages.Services{})
	if r.err != nil || r.content != body || r.out.Facts["source"] != good {
		t.Errorf("error %v, from %s", r.err, r.out.Facts["source"])
	}
	r = run(t, &Stage{URL: bad, SHA256: sha(body)}, stages.Services{})
	wantError(t, r.err, bad, sha("<html>"), sha(body), "web page", "nbpipe.lock", "Nothing was kept")
	size := int64(5)
	wantError(t, run(t, &Stage{URL: good, Size: &size}, stages.Services{}).err, "it has 65536 bytes, size says 5")
	endless := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, body); err != nil {
				return
			}
		}
	})
	wantError(t, run(t, &Stage{URL: endless, Size: &size}, stages.Services{}).err, "wrong size")
}

func TestMirrorFolder(t *testing.T) {
	dir, never := t.TempDir(), "http://127.0.0.1:1/data.bin"
	write := func(name, content string) {
		p := filepath.Join(dir, name)
		_ = os.MkdirAll(filepath.Dir(p), 0o755)
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("data.bin", "another file of this name")
	write("deep/er/some.name", body)
	write("x", "x")
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	var memo sync.Map
	services := stages.Services{Mirrors: []string{filepath.Join(dir, "missing"), dir}, Offline: true, Memo: &memo}
	for range 2 { // the second time from the memo
		r := run(t, &Stage{URL: never, SHA256: sha(body)}, services)
		if r.err != nil || r.content != body || r.out.Facts["source"] != "mirror file deep/er/some.name" {
			t.Errorf("by digest: error %v, %v", r.err, r.out.Facts)
		}
	}
	r := run(t, &Stage{URL: never}, services)
	if r.err != nil || r.out.Pins["sha256"] != sha("another file of this name") || len(r.out.Warnings) != 1 {
		t.Errorf("by name: error %v, %v, %v", r.err, r.out.Pins, r.out.Warnings)
	}
	r = run(t, &Stage{URL: never, SHA256: sha("nowhere")}, services)
	wantError(t, r.err, "none of its 3 files has sha256 "+sha("nowhere"), "no such file", "the network is off (--offline)", "--mirror DIR", never)
	write("second/data.bin", "a third content")
	wantError(t, run(t, &Stage{URL: never}, services).err, "and differ: say which with sha256")
}

func TestFileURL(t *testing.T) {
	p := filepath.Join(t.TempDir(), "with space.csv")
	if err := os.WriteFile(p, []byte("a,b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := run(t, &Stage{URL: "file://" + strings.ReplaceAll(p, " ", "%20")}, stages.Services{Offline: true})
	if r.err != nil || r.content != "a,b\n" || r.out.Facts["source"] != "local file with space.csv" || r.out.Files["file"].Name != "with space.csv" {
		t.Errorf("error %v, %+v", r.err, r.out)
	}
	wantError(t, run(t, &Stage{URL: "file://" + filepath.Dir(p)}, stages.Services{}).err, "it is a folder")
	wantError(t, run(t, &Stage{URL: "file:///no/such"}, stages.Services{}).err, "no such file")
}

// TestI21_CredentialsStayWithTheirHost: headers go to the origin of url alone,
// and appear in no error.
func TestI21_CredentialsStayWithTheirHost(t *testing.T) {
	var leaked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Private-Token") != "" || r.Header.Get("Authorization") != "" || r.Header.Get("Referer") != "" {
			leaked.Add(1)
		}
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		file("")(w, r)
	}))
	defer other.Close()
	var authorised atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Private-Token") == "hunter2" {
			authorised.Add(1)
		}
		switch r.URL.Path {
		case "/data.bin":
			http.Redirect(w, r, "/moved?token=hunter3", http.StatusFound)
		default:
			http.Redirect(w, r, other.URL+"/f?X-Amz-Signature=hunter3", http.StatusFound)
		}
	})
	headers := map[string]string{"PRIVATE-TOKEN": "hunter2", "Authorization": "Bearer hunter2"}
	r := run(t, &Stage{URL: url, SHA256: sha(body), Headers: headers}, stages.Services{})
	if r.err != nil || leaked.Load() != 0 || authorised.Load() != 2 {
		t.Errorf("error %v, leaked %d times, sent to its own host %d times", r.err, leaked.Load(), authorised.Load())
	}
	r = run(t, &Stage{URL: "http://127.0.0.1:1/x?access_token=hunter3&v=1", Mirrors: []string{other.URL + "/missing?sig=hunter3"}, Headers: headers}, stages.Services{})
	wantError(t, r.err, "access_token=***&v=1", "404")
	if strings.Contains(r.err.Error(), "hunter") || leaked.Load() != 0 {
		t.Errorf("a credential in an error: %v", r.err)
	}
}

func TestRedirectLimits(t *testing.T) {
	loop := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) })
	wantError(t, run(t, &Stage{URL: loop}, stages.Services{}).err, "more than 10 redirects")
	away := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	wantError(t, run(t, &Stage{URL: away}, stages.Services{}).err, "a redirect to file:// is not followed")
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	opts, _ := quick()
	in := &stages.Input{Scratch: t.TempDir(), Progress: &progress{}}
	err := (&Stage{URL: url, opts: opts}).Run(ctx, in, stages.NewOutput())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
}

func TestDiskFull(t *testing.T) {
	err := explain(&fatal{&os.PathError{Op: "write", Path: "download", Err: syscall.ENOSPC}})
	wantError(t, err, "disk of the scratch folder is full")
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	f, _ := (&Stage{}).fetcher(&stages.Input{Progress: &progress{}}, stages.NewOutput())
	f.sink = &sink{f: full, h: noHash{}}
	u := serve(t, file(""))
	f.s.URL = u
	f.s.Mirrors = []string{u}
	if _, err := f.trySources(context.Background()); !isFatal(err) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v, want a fatal one", err)
	}
}

type noHash struct{}

func (noHash) Write(p []byte) (int, error) { return len(p), nil }
func (noHash) Sum(b []byte) []byte         { return append(b, make([]byte, 32)...) }
func (noHash) Reset()                      {}
func (noHash) Size() int                   { return 32 }
func (noHash) BlockSize() int              { return 64 }

func TestUnpack(t *testing.T) {
	var z, g bytes.Buffer
	zw := zip.NewWriter(&z)
	for name, content := range map[string]string{"top/a.csv": "A", "top/b/c.csv": "C"} {
		w, _ := zw.Create(name)
		_, _ = io.WriteString(w, content)
	}
	_ = zw.Close()
	gw := gzip.NewWriter(&g)
	_, _ = io.WriteString(gw, "plain")
	_ = gw.Close()
	bytesAt := func(name string, b []byte) string {
		p := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return "file://" + p
	}
	zipURL, gzURL := bytesAt("set.v1.zip", z.Bytes()), bytesAt("x.csv.gz", g.Bytes())
	r := run(t, &Stage{URL: zipURL, Unpack: true, Strip: 1}, stages.Services{})
	if b, _ := os.ReadFile(filepath.Join(r.out.Files["file"].Path, "b/c.csv")); r.err != nil || string(b) != "C" || r.out.Files["file"].Name != "set.v1" {
		t.Errorf("zip: error %v, %+v", r.err, r.out.Files)
	}
	r = run(t, &Stage{URL: zipURL, Member: "./top/a.csv"}, stages.Services{})
	if r.err != nil || r.content != "A" || r.out.Files["file"].Name != "a.csv" {
		t.Errorf("member: error %v, %q, %+v", r.err, r.content, r.out.Files)
	}
	r = run(t, &Stage{URL: gzURL, Unpack: true}, stages.Services{})
	if r.err != nil || r.content != "plain" || r.out.Files["file"].Name != "x.csv" {
		t.Errorf("gz: error %v, %q, %+v", r.err, r.content, r.out.Files)
	}
	opts, _ := quick()
	err := (&Stage{URL: zipURL, Member: "a.csv", opts: opts}).Run(context.Background(), &stages.Input{Scratch: t.TempDir(), Progress: &progress{}}, stages.NewOutput())
	wantError(t, err, `did you mean "top/a.csv"`, "set.v1.zip")
}
