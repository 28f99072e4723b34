package s3test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// A Server listens on 127.0.0.1, speaks HTTP without TLS, and ends with its test.
type Server struct {
	Endpoint  string // host:port
	AccessKey string // of the owner of everything
	SecretKey string
	Region    string

	t    testing.TB
	run  runner
	addr string // as Endpoint, which is a proxy's for what is behind one
	*names
}

// A runner is how a server runs: as a process, or within this one.
type runner interface {
	// start serves on addr and returns when requests are accepted.
	start(addr string) error
	stop()
	kill()
}

// names gives buckets names that are the same in each run of a test, so that
// faults, which depend on the path, are too.
type names struct {
	mu sync.Mutex
	n  int
}

// MinIO starts a MinIO server with an empty data folder.
func MinIO(t testing.TB) *Server {
	t.Helper()
	p := newProcess(t, "minio")
	p.args = func(addr, data string) []string {
		return []string{"server", "--quiet", "--address", addr, data}
	}
	p.env = func(access, secret string) []string {
		return []string{
			"MINIO_ROOT_USER=" + access, "MINIO_ROOT_PASSWORD=" + secret,
			"MINIO_BROWSER=off", "MINIO_UPDATE=off",
			"MINIO_CI_CD=on", // any folder will do, also one on the root disk
		}
	}
	return serve(t, p)
}

// VersityGW starts Versity's gateway over an empty folder, whose file system
// needs extended attributes.
func VersityGW(t testing.TB) *Server {
	t.Helper()
	p := newProcess(t, "versitygw")
	p.args = func(addr, data string) []string {
		return []string{"--quiet", "--keep-alive", "--region", region, "--port", addr, "posix", data}
	}
	p.env = func(access, secret string) []string {
		return []string{"ROOT_ACCESS_KEY=" + access, "ROOT_SECRET_KEY=" + secret}
	}
	return serve(t, p)
}

const (
	accessKey = "s3test"
	secretKey = "s3test-secret"
	region    = "us-east-1"
)

// serve starts a server on a free port. Another process may take the port
// between its choice and the start, so it tries a few.
func serve(t testing.TB, r runner) *Server {
	t.Helper()
	var failed error
	for range 5 {
		addr, err := freeAddr()
		if err != nil {
			t.Fatal(err)
		}
		if failed = r.start(addr); failed == nil {
			s := &Server{
				Endpoint: addr, AccessKey: accessKey, SecretKey: secretKey, Region: region,
				t: t, run: r, addr: addr, names: &names{},
			}
			t.Cleanup(s.Kill) // nothing is kept, so nothing need be put in order
			return s
		}
		if !errors.Is(failed, errExited) {
			break
		}
	}
	t.Fatalf("s3test: %v", failed)
	return nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Stop ends the server as an administrator would: it may finish what it does.
func (s *Server) Stop() { s.run.stop() }

// Kill ends the server as a crash would: kill -9.
func (s *Server) Kill() { s.run.kill() }

// Restart starts a server that was stopped or killed again, and kills one that
// still runs first: same port, same data. Call it from the test's goroutine.
func (s *Server) Restart() {
	s.t.Helper()
	s.run.kill()
	if err := s.run.start(s.addr); err != nil {
		s.t.Fatalf("s3test: restart: %v", err)
	}
}

// Client is a client of the server as its owner. Options change what it is made
// with: other credentials, a transport, how often it tries.
func (s *Server) Client(t testing.TB, options ...func(*minio.Options)) *minio.Client {
	t.Helper()
	o := &minio.Options{
		Creds:  credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""),
		Region: s.Region,
	}
	for _, f := range options {
		f(o)
	}
	c, err := minio.New(s.Endpoint, o)
	if err != nil {
		t.Fatalf("s3test: %v", err)
	}
	return c
}

// As is an option of [Server.Client]: other credentials.
func As(accessKey, secretKey string) func(*minio.Options) {
	return func(o *minio.Options) { o.Creds = credentials.NewStaticV4(accessKey, secretKey, "") }
}

// Tries is an option of [Server.Client]: how often a request is tried, 1 for no
// second time. By default minio-go tries ten times.
func Tries(n int) func(*minio.Options) {
	return func(o *minio.Options) { o.MaxRetries = n }
}

// Bucket makes an empty bucket and returns its name.
func (s *Server) Bucket(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	s.n++
	name := fmt.Sprintf("bucket-%d", s.n)
	s.mu.Unlock()
	if err := s.Client(t).MakeBucket(context.Background(), name, minio.MakeBucketOptions{Region: s.Region}); err != nil {
		t.Fatalf("s3test: %v", err)
	}
	return name
}

// errExited says that a server ended before it served.
var errExited = errors.New("ended before it served")

// A process is a server that is a program of its own.
type process struct {
	name, program string
	data, home    string
	log           string
	args          func(addr, data string) []string
	env           func(access, secret string) []string

	mu   sync.Mutex
	self *os.Process
	end  chan struct{} // closed when the process has ended
}

func newProcess(t testing.TB, name string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{
		name: name, program: Program(t, name),
		data: filepath.Join(dir, "data"), home: filepath.Join(dir, "home"), log: filepath.Join(dir, "log"),
	}
	for _, d := range []string{p.data, p.home} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		if log, err := os.ReadFile(p.log); err == nil && len(log) > 0 {
			t.Logf("what %s said last:\n%s", name, log[max(0, len(log)-4096):])
		}
	})
	return p
}

// Program returns the path of a program of ci/tools. Where it was not built the
// test is skipped, or fails where NBPIPE_CI is set.
func Program(t testing.TB, name string) string {
	t.Helper()
	program, err := find(name)
	if err != nil {
		missing := fmt.Sprintf("s3test: %v; build it: ci/tools/build.sh %s", err, name)
		if os.Getenv("NBPIPE_CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return program
}

// find returns the program to run: what NBPIPE_MINIO or NBPIPE_VERSITYGW (or of
// another name) says, else what ci/tools/build.sh built from the pin in this module.
func find(name string) (string, error) {
	variable := "NBPIPE_" + strings.ToUpper(name)
	if program := os.Getenv(variable); program != "" {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%s: %w", variable, err)
		}
		return program, nil
	}
	tools, err := toolsDir()
	if err != nil {
		return "", err
	}
	// So that go test does not keep a skip's result once the program is built:
	// it watches this file, and not those outside the module.
	_, _ = os.Stat(filepath.Join(tools, name, ".built"))

	pin := sha256.New()
	for _, file := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(tools, name, file))
		if err != nil {
			return "", err
		}
		pin.Write(b)
	}
	fmt.Fprintf(pin, "%s\n%s\n%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)

	cache := os.Getenv("NBPIPE_CI_TOOLS")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(home, ".cache", "nbpipe-ci")
	}
	program := filepath.Join(cache, "bin", name+"-"+hex.EncodeToString(pin.Sum(nil))[:16])
	if _, err := exec.LookPath(program); err != nil {
		return "", fmt.Errorf("no %s as pinned in ci/tools/%s", name, name)
	}
	return program, nil
}

// toolsDir is ci/tools of the module that the test runs in.
func toolsDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		tools := filepath.Join(dir, "ci", "tools")
		if _, err := os.Stat(filepath.Join(tools, "build.sh")); err == nil {
			return tools, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("ci/tools is in no folder above the working directory")
		}
		dir = parent
	}
}

func (p *process) start(addr string) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	c := exec.Command(p.program, p.args(addr, p.data)...)
	c.Dir, c.Stdout, c.Stderr = p.home, log, log
	// Of the environment nothing: it may have settings of the user's own server.
	c.Env = append(p.env(accessKey, secretKey), "HOME="+p.home, "PATH="+os.Getenv("PATH"))
	c.SysProcAttr = childAttributes()

	end, started := make(chan struct{}), make(chan error)
	go func() {
		defer close(end)
		// The kernel ends the child when the thread that started it ends, so the
		// thread has to stay as long as the child is wanted.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			_ = c.Wait() // how it ended is no matter: the log says why
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.mu.Lock()
	p.self, p.end = c.Process, end
	p.mu.Unlock()

	if err := ready(addr, end); err != nil {
		p.kill()
		said, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s %w; it said:\n%s", p.name, err, said[max(0, len(said)-4096):])
	}
	return nil
}

// ready waits until a signed request is answered, which is when a server can
// check signatures: MinIO listens earlier.
func ready(addr string, end <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := minio.New(addr, &minio.Options{
		Creds: credentials.NewStaticV4(accessKey, secretKey, ""), Region: region, MaxRetries: 1,
	})
	if err != nil {
		return err
	}
	for {
		_, err := c.ListBuckets(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-end:
			return errExited
		case <-ctx.Done():
			return fmt.Errorf("did not serve within a minute: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *process) stop() {
	p.signal(syscall.SIGTERM, 10*time.Second)
	p.kill()
}

func (p *process) kill() { p.signal(syscall.SIGKILL, time.Minute) }

// signal sends a signal and waits until the process has ended.
func (p *process) signal(s syscall.Signal, atMost time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.self == nil {
		return
	}
	if err := p.self.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return
	}
	select {
	case <-p.end:
		p.self = nil
	case <-time.After(atMost):
	}
}
