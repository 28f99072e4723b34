package worker_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
)

// mute is the address of a server that takes connections and says nothing.
func mute(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// dead is an address at which nobody listens.
func dead(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A worker that cannot have the store says soon, in one line, what its machine lacks.
func TestStoreOutOfReach(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	store, err := s3.Init(t.Context(), s3.Config{Folder: folder}, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	secret := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(secret, []byte("[default]\naws_access_key_id = a\naws_secret_access_key = b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bucket := func(endpoint string) worker.File {
		return worker.File{Endpoint: endpoint, Insecure: true, Region: "us-east-1", Bucket: "bucket", Style: "path", Credentials: secret}
	}
	elsewhere, silent := dead(t), mute(t)
	for name, c := range map[string]struct {
		file worker.File
		want string
	}{
		"no folder":      {worker.File{Folder: folder + "-not"}, "the team cache " + folder + "-not is not there on this machine: it has to be a folder that all machines see, at the same path"},
		"another folder": {worker.File{Folder: folder, Store: "abc"}, "the team cache " + folder + " has the ID " + store.ID() + " here, and abc is expected"},
		"nobody listens": {bucket(elsewhere), "connection refused): its endpoint " + elsewhere + " has to be reached from where stages run"},
		"no answer":      {bucket(silent), "it does not answer within 1s (opening the team cache s3://bucket/ on " + silent},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := write(c.file, filepath.Join(dir, "worker.json")); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			err := worker.Run(t.Context(), worker.Options{
				File: filepath.Join(dir, "worker.json"), Queue: "q", ID: "q.w", Cache: filepath.Join(dir, "cache"), Kinds: stages.NewRegistry(command.Kind),
				Now: time.Now, Tell: func(string) {}, Reach: time.Second,
			})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "cache init") {
				t.Errorf("%v\nwant %q in it", err, c.want)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// write completes a worker's file, and writes it.
func write(f worker.File, path string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	f.User, f.Key = trust.Public{Name: "alice-1", Key: public}.String(), private.Seed()
	return f.Write(path)
}

// Its own file may be where its machine does not see it, or be seen by others.
func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.json")
	if _, err := worker.ReadFile(path); err == nil || !strings.Contains(err.Error(), path+" is not there on this machine: nbpipe's folder (NBPIPE_CACHE") {
		t.Error(err)
	}
	if err := write(worker.File{Folder: "/x"}, path); err != nil {
		t.Fatal(err)
	}
	if f, err := worker.ReadFile(path); err != nil || f.Folder != "/x" {
		t.Errorf("%v, %v", f.Folder, err)
	}
	for _, text := range []string{"", "{}", "[]", `{"key": "c2hvcnQ="}`, "\x00"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := worker.ReadFile(path); err == nil || !strings.Contains(err.Error(), "no worker's file") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.ReadFile(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Error(err)
	}
}

// readOnly is a server for which a user may not write.
type readOnly struct{}

func (readOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		const text = `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>`
		return &http.Response{
			StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(text)),
			ContentLength: int64(len(text)), Request: r,
		}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}

// A worker that can read the queue and claim nothing of it does not wait for the store.
func TestReadOnlyStore(t *testing.T) {
	server := s3test.Fake(t)
	c := s3.Config{
		Endpoint: server.Endpoint, Insecure: true, Region: server.Region, Bucket: server.Bucket(t), Style: "path", Attempts: 2, Temp: t.TempDir(),
		Credentials: credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""),
	}
	open := func(c s3.Config) *s3.Store {
		t.Helper()
		s, err := s3.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	made, err := s3.Init(t.Context(), c, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Close() })
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := key.Public().(ed25519.PublicKey)
	keys := queue.Keys{Workers: public, Controller: public, Own: key}
	q, err := queue.New(made.Work(), "q", keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Ask(t.Context(), queue.NewAttempt(time.Now(), cache.Key{1}), queue.Ticket{Action: cache.DigestOf([]byte("x"))}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	c.Transport = readOnly{}
	store := open(c)
	if q, err = queue.New(store.Work(), "q", keys); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err = worker.New(worker.Config{ID: "w", Queue: q, Store: store, Now: time.Now, Tell: func(m string) { t.Log(m) }, Linger: time.Second}).Drain(t.Context())
	if !errors.Is(err, s3.ErrReadOnly) || !strings.Contains(err.Error(), "on this machine the team cache s3://") || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
