package s3test

import (
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Fake serves from memory, within this process, and accepts any credentials.
// What it has outlives Kill and Restart.
//
// Send no payload in chunks to it: it takes the frames of signed chunks for
// data. With minio-go that is [minio.PutObjectOptions].DisableContentSha256.
func Fake(t testing.TB) *Server {
	t.Helper()
	f := &fake{handler: gofakes3.New(s3mem.New(), gofakes3.WithoutVersioning()).Server()}
	return serve(t, f)
}

type fake struct {
	handler http.Handler

	mu     sync.Mutex
	server *http.Server
	listen net.Listener
}

func (f *fake) start(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return errExited // the port is taken
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listen = l
	f.server = &http.Server{Handler: f.handler, ReadHeaderTimeout: time.Minute}
	go func(s *http.Server) { _ = s.Serve(l) }(f.server) // ends with kill
	return nil
}

func (f *fake) stop() { f.kill() }

func (f *fake) kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server != nil {
		_ = f.listen.Close() // which the server does only if it has begun to serve
		_ = f.server.Close() // all it can say is that the listener is closed
		f.server = nil
	}
}
