package s3test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

var plain = minio.PutObjectOptions{DisableContentSha256: true}

func put(c *minio.Client, bucket, key string, data []byte, o minio.PutObjectOptions) error {
	_, err := c.PutObject(context.Background(), bucket, key, bytes.NewReader(data), int64(len(data)), o)
	return err
}

func get(c *minio.Client, bucket, key string) ([]byte, error) {
	o, err := c.GetObject(context.Background(), bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer o.Close()
	return io.ReadAll(o)
}

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(b)
	return b
}

func code(err error) string { return minio.ToErrorResponse(err).Code }

func TestServers(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(testing.TB) *Server
	}{{"MinIO", MinIO}, {"VersityGW", VersityGW}, {"Fake", Fake}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := c.start(t)
			bucket := s.Bucket(t)
			client := s.Client(t)
			for _, size := range []int{0, 1, 100_000, 20 << 20} { // the last in two parts
				key, data := "k/"+strconv.Itoa(size), random(size)
				if err := put(client, bucket, key, data, plain); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				if got, err := get(client, bucket, key); err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%d bytes: %d came back, %v", size, len(got), err)
				}
			}

			once := plain
			once.SetMatchETagExcept("*")
			if err := put(client, bucket, "once", []byte("1"), once); err != nil {
				t.Fatal(err)
			}
			if err := put(client, bucket, "once", []byte("2"), once); minio.ToErrorResponse(err).StatusCode != http.StatusPreconditionFailed {
				t.Errorf("a conditional put over an object: %v", err)
			}

			if c.name != "Fake" {
				wrong := s.Client(t, As(s.AccessKey, "wrong-secret"), Tries(1))
				if _, err := get(wrong, bucket, "once"); code(err) != "SignatureDoesNotMatch" {
					t.Errorf("a wrong secret: %v", err)
				}
			}

			s.Kill()
			if err := put(s.Client(t, Tries(1)), bucket, "dead", nil, plain); err == nil {
				t.Error("a killed server answers")
			}
			s.Restart()
			if got, err := get(client, bucket, "k/100000"); err != nil || !bytes.Equal(got, random(100_000)) {
				t.Errorf("after a restart: %d bytes, %v", len(got), err)
			}
			s.Stop()
			s.Restart()
			s.Restart() // one that runs
			if got, err := get(client, bucket, "once"); err != nil || string(got) != "1" {
				t.Errorf("after three restarts: %q, %v", got, err)
			}
		})
	}
}

// The rights of a role that may add and read but not remove.
const writerPolicy = `{"Version": "2012-10-17", "Statement": [
	{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::BUCKET/*"]},
	{"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::BUCKET"]}]}`

func TestUser(t *testing.T) {
	t.Parallel()
	s := MinIO(t)
	bucket, other := s.Bucket(t), s.Bucket(t)
	writer := s.Client(t, As(s.User(t, "writer", strings.ReplaceAll(writerPolicy, "BUCKET", bucket))))
	if err := put(writer, bucket, "a", []byte("a"), plain); err != nil {
		t.Fatal(err)
	}
	if got, err := get(writer, bucket, "a"); err != nil || string(got) != "a" {
		t.Errorf("%q, %v", got, err)
	}
	if err := writer.RemoveObject(t.Context(), bucket, "a", minio.RemoveObjectOptions{}); code(err) != "AccessDenied" {
		t.Errorf("DELETE: %v", err)
	}
	if err := put(writer, other, "a", []byte("a"), plain); code(err) != "AccessDenied" {
		t.Errorf("PUT into another bucket: %v", err)
	}

	// The same user with fewer rights.
	s.User(t, "writer", strings.ReplaceAll(strings.ReplaceAll(writerPolicy, `, "s3:PutObject"`, ""), "BUCKET", bucket))
	if err := put(writer, bucket, "a", []byte("b"), plain); code(err) != "AccessDenied" {
		t.Errorf("PUT by a reader: %v", err)
	}
	if got, err := get(writer, bucket, "a"); err != nil || string(got) != "a" {
		t.Errorf("%q, %v", got, err)
	}
	s.Restart()
	if got, err := get(writer, bucket, "a"); err != nil || string(got) != "a" {
		t.Errorf("users are lost in a restart: %q, %v", got, err)
	}
}

// A proxy in front of each server, and a client that tries once.
func eachProxy(t *testing.T, test func(t *testing.T, p *Proxy, c *minio.Client, bucket string)) {
	for _, c := range []struct {
		name  string
		start func(testing.TB) *Server
	}{{"MinIO", MinIO}, {"VersityGW", VersityGW}, {"Fake", Fake}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := NewProxy(t, c.start(t))
			test(t, p, p.Client(t, Tries(1)), p.Bucket(t))
		})
	}
}

func always(k Kind) Faults { return Faults{Script: func(Request) Kind { return k }} }

func TestFaults(t *testing.T) {
	eachProxy(t, func(t *testing.T, p *Proxy, c *minio.Client, bucket string) {
		ctx := t.Context()
		big, old := random(1<<20), []byte("old")
		direct := p.Direct().Client(t)
		if err := put(c, bucket, "big", big, plain); err != nil {
			t.Fatal(err)
		}
		if got, err := get(c, bucket, "big"); err != nil || !bytes.Equal(got, big) {
			t.Fatalf("without faults: %d bytes, %v", len(got), err)
		}
		if n := p.Count("PUT", 200); n != 2 { // the bucket, the object
			t.Errorf("%v", p.Counts())
		}
		p.ResetCounts()
		met := func(k Kind) {
			t.Helper()
			all := p.Met()
			if len(all) == 0 || slices.ContainsFunc(all, func(f Fault) bool { return f.Kind != k }) {
				t.Errorf("%s: met %v", k, all)
			}
			p.Set(Faults{})
			p.ResetCounts()
		}

		for k, want := range map[Kind]string{SlowDown: "SlowDown", InternalError: "InternalError"} {
			p.Set(always(k))
			if err := put(c, bucket, "new", big, plain); code(err) != want {
				t.Errorf("%s: %v", k, err)
			}
			if _, err := get(c, bucket, "big"); code(err) != want {
				t.Errorf("%s: %v", k, err)
			}
			status, _ := strconv.Atoi(string(k)[:3])
			if p.Count("", status) < 2 || p.Count("", 200) > 0 {
				t.Errorf("%s: %v", k, p.Counts())
			}
			met(k)
		}
		if _, err := direct.StatObject(ctx, bucket, "new", minio.StatObjectOptions{}); code(err) != "NoSuchKey" {
			t.Errorf("what was refused is there: %v", err)
		}

		p.Set(always(Hang))
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		_, err := c.StatObject(short, bucket, "big", minio.StatObjectOptions{})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("hang: %v", err)
		}
		met(Hang)

		if err := put(c, bucket, "cut", old, plain); err != nil {
			t.Fatal(err)
		}
		p.Set(always(CutUpload))
		if err := put(c, bucket, "cut", big, plain); err == nil {
			t.Error("a put that was cut succeeded")
		}
		met(CutUpload)
		if got, err := get(direct, bucket, "cut"); string(got) != "old" {
			// It is the server's mistake that the package's documentation tells.
			if !strings.Contains(t.Name(), "Versity") && !strings.Contains(t.Name(), "Fake") {
				t.Errorf("a put that was cut left %d bytes, %v", len(got), err)
			}
			t.Logf("a put that was cut left %d bytes, %v", len(got), err)
		}

		p.Set(always(LostAck))
		if err := put(c, bucket, "lost", big, plain); err == nil {
			t.Error("an answer that was lost arrived")
		}
		met(LostAck)
		if got, err := get(direct, bucket, "lost"); err != nil || !bytes.Equal(got, big) {
			t.Errorf("what was done is not there: %d bytes, %v", len(got), err)
		}

		p.Set(always(CutDownload))
		if got, err := get(c, bucket, "big"); err == nil || len(got) == 0 && len(p.Met()) == 0 || !bytes.HasPrefix(big, got) {
			t.Errorf("a get that was cut: %d bytes, %v", len(got), err)
		}
		met(CutDownload)

		p.Set(always(Truncate))
		got, err := get(c, bucket, "big")
		if all := p.Met(); len(all) == 0 || int64(len(got)) != all[0].At || !bytes.HasPrefix(big, got) {
			t.Errorf("a truncated get: %d bytes, %v, %v", len(got), err, all)
		}
		met(Truncate)

		p.Set(always(Duplicate))
		once := plain
		once.SetMatchETagExcept("*")
		if err := put(c, bucket, "twice", big, once); minio.ToErrorResponse(err).StatusCode != http.StatusPreconditionFailed {
			t.Errorf("the second of a conditional put: %v", err)
		}
		met(Duplicate)
		if got, err := get(direct, bucket, "twice"); err != nil || !bytes.Equal(got, big) {
			t.Errorf("%d bytes, %v", len(got), err)
		}

		p.Set(Faults{StopAfter: 2})
		for n := range 5 {
			if _, err := c.StatObject(ctx, bucket, "big", minio.StatObjectOptions{}); (err == nil) != (n < 2) {
				t.Errorf("request %d of those that stop after 2: %v", n, err)
			}
		}
		p.Set(Faults{})

		p.Blackout(true)
		if _, err := get(c, bucket, "big"); err == nil {
			t.Error("served in a blackout")
		}
		p.Blackout(false)
		if got, err := get(c, bucket, "big"); err != nil || !bytes.Equal(got, big) {
			t.Errorf("after a blackout: %d bytes, %v", len(got), err)
		}

		p.Latency(50 * time.Millisecond)
		begun := time.Now()
		if _, err := c.StatObject(ctx, bucket, "big", minio.StatObjectOptions{}); err != nil {
			t.Error(err)
		}
		if d := time.Since(begun); d < 50*time.Millisecond {
			t.Errorf("took %v", d)
		}
	})
}

// minio-go gets everything through in the end, through keep-alive connections
// that are cut at random places.
func TestFaultsByChance(t *testing.T) {
	eachProxy(t, func(t *testing.T, p *Proxy, _ *minio.Client, bucket string) {
		// As real: a put whose acknowledgement is lost is tried again.
		p.Set(Faults{Seed: 7, SlowDown: 0.05, InternalError: 0.05, LostAck: 0.05, Duplicate: 0.05})
		c := p.Client(t)
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 8 {
					key := "k/" + strconv.Itoa(w*100+i)
					data := random(w*5000 + i)
					if err := put(c, bucket, key, data, plain); err != nil {
						t.Errorf("%s: %v", key, err)
					}
					if got, err := get(c, bucket, key); err != nil || !bytes.Equal(got, data) {
						t.Errorf("%s: %d bytes, %v", key, len(got), err)
					}
				}
			})
		}
		wg.Wait()
		p.Set(Faults{})
		n := 0
		for o := range c.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true}) {
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			n++
		}
		if n != 64 {
			t.Errorf("%d objects", n)
		}
		if p.MostInFlight() < 2 {
			t.Error("no two requests at once")
		}
		if len(p.Met()) < 10 {
			t.Errorf("only %d faults", len(p.Met()))
		}
	})
}

// The same seed meets the same faults, however requests are scheduled, and
// another seed others.
func TestReplay(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) []string {
		p := NewProxy(t, Fake(t))
		bucket := p.Bucket(t)
		p.Set(Faults{Seed: seed, SlowDown: 0.2, LostAck: 0.1})
		c := p.Client(t, Tries(1))
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 20 {
					put(c, bucket, strconv.Itoa(w*10+i%10), nil, plain)
				}
			})
		}
		wg.Wait()
		var met []string
		for _, f := range p.Met() {
			met = append(met, f.String())
		}
		slices.Sort(met)
		return met
	}
	first := run(1)
	if n := len(first); n < 20 || n > 80 { // 160 requests, of which 0.3 are hit
		t.Errorf("%d faults: %q", n, first)
	}
	if again := run(1); !slices.Equal(first, again) {
		t.Errorf("%q\nand then %q", first, again)
	}
	if slices.Equal(first, run(2)) {
		t.Error("seeds 1 and 2 do the same")
	}
}

// A client that dies in mid-upload ends the upload at the server too.
func TestClientGone(t *testing.T) {
	t.Parallel()
	p := NewProxy(t, MinIO(t))
	bucket := p.Bucket(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() {
		w.Write(random(100_000))
		cancel()
		w.CloseWithError(context.Canceled) // the client waits for its source
	}()
	_, err := p.Client(t, Tries(1)).PutObject(ctx, bucket, "gone", r, 1<<20, plain)
	if err == nil {
		t.Fatal("it succeeded")
	}
	for range 500 {
		p.mu.Lock()
		n := p.inFlight
		p.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the proxy still waits for the server")
}

// A server ends with the process that started it, also if that is killed.
func TestOrphan(t *testing.T) {
	if os.Getenv("S3TEST_ORPHAN") != "" {
		s := VersityGW(t)
		pid := s.run.(*process).self.Pid
		os.WriteFile(os.Getenv("S3TEST_ORPHAN"), []byte(strconv.Itoa(pid)), 0o600)
		time.Sleep(time.Minute)
		return
	}
	t.Parallel()
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("the kernel ends orphans on Linux only")
	}
	newProcess(t, "versitygw") // skips if it is missing
	file := filepath.Join(t.TempDir(), "pid")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.run=^TestOrphan$")
	c.Env = append(os.Environ(), "S3TEST_ORPHAN="+file)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for range 600 {
		if b, err := os.ReadFile(file); err == nil && len(b) > 0 {
			pid, _ = strconv.Atoi(string(b))
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.Process.Kill()
	c.Wait()
	if pid == 0 {
		t.Fatal("no server started")
	}
	for range 200 {
		// One that nobody waited for is a zombie: it runs no more.
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	t.Error("the server outlived the test that started it")
}

// How fast the proxy is: it must not be what a benchmark measures.
func BenchmarkProxy(b *testing.B) {
	data := make([]byte, 64<<20)
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			w.Write(data)
		}
	})}
	addr, err := freeAddr()
	if err != nil {
		b.Fatal(err)
	}
	h.Addr = addr
	go h.ListenAndServe()
	b.Cleanup(func() { h.Close() })
	s := &Server{Endpoint: addr, addr: addr, t: b, names: &names{}}
	p := NewProxy(b, s)
	for _, c := range []struct{ name, addr, method string }{
		{"direct/get", addr, "GET"}, {"proxy/get", p.Endpoint, "GET"},
		{"direct/put", addr, "PUT"}, {"proxy/put", p.Endpoint, "PUT"},
		{"direct/head", addr, "HEAD"}, {"proxy/head", p.Endpoint, "HEAD"},
	} {
		b.Run(c.name, func(b *testing.B) {
			if c.method != "HEAD" {
				b.SetBytes(int64(len(data)))
			}
			for b.Loop() {
				var body io.Reader
				if c.method == "PUT" {
					body = bytes.NewReader(data)
				}
				r, _ := http.NewRequest(c.method, "http://"+c.addr+"/b/k", body)
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
}
