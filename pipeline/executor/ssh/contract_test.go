package ssh

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/remote"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
)

// TestMain is the worker, too: this program is what is copied to the hosts.
func TestMain(m *testing.M) { executortest.Main(m) }

// The contract of executors, over ssh to two hosts and with a bucket whose
// credentials only a file has.
func TestContract(t *testing.T) {
	t.Parallel()
	host := newServer(t)
	executortest.Run(t, func(t *testing.T) *executortest.Bench { return bench(t, host) })
}

// user is somebody with a key, a store and a cache.
type person struct {
	key   cache.SigningKey
	set   *trust.Set
	store *s3.Store
	local *cache.Local
}

func newPerson(t *testing.T, dir string, c s3.Config) person {
	t.Helper()
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var p person
	var err error
	ring := trust.Keyring{Dir: filepath.Join(dir, "keys")}
	p.key, err = ring.Generate("alice")
	fatal(err)
	c.Dir, c.Attempts, c.BreakAfter, c.Temp = dir, 2, 1<<30, t.TempDir()
	p.store, err = s3.Init(t.Context(), c, 0)
	fatal(err)
	p.set, err = trust.Load(filepath.Join(dir, "trust.json"))
	fatal(err)
	fatal(p.set.AddOwn(ring))
	_, err = p.set.Pin("test", p.store.ID())
	fatal(err)
	p.local, err = cache.Open(t.Context(), filepath.Join(dir, "cache"), cache.Options{Trust: p.set.Check, OwnSigner: p.key.Name})
	fatal(err)
	p.local.SetUpstream(p.store)
	t.Cleanup(func() { p.local.Close(); p.store.Close() })
	return p
}

func bench(t *testing.T, host *server) *executortest.Bench {
	t.Helper()
	dir := t.TempDir()
	s := s3test.Fake(t)
	c := s3.Config{
		Endpoint: s.Endpoint, Insecure: true, Region: s.Region, Bucket: s.Bucket(t), Style: "path",
		Credentials: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""),
	}
	p := newPerson(t, dir, c)
	secret, file := filepath.Join(dir, "credentials"), filepath.Join(dir, "worker.json")
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", s.AccessKey, s.SecretKey)
	if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := worker.File{
		Endpoint: c.Endpoint, Insecure: true, Region: c.Region, Bucket: c.Bucket, Style: c.Style, Credentials: secret,
		Store: p.store.ID(), User: trust.PublicOf(p.key).String(), Key: private.Seed(),
	}
	if err := f.Write(file); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	launcher, err := (&Settings{Hosts: []string{"ant", "bee"}, Slots: 1}).Launcher(launch.Site{
		ID: siteID, Name: "lab", Program: self, Dir: dir, Environment: host.environ, Now: time.Now, Tell: func(m string) { t.Log(m) },
	})
	if err != nil {
		t.Fatal(err)
	}
	x := remote.New(remote.Config{
		Name: "lab", ID: siteID, Launcher: launcher, Store: p.store, Local: p.local, Trust: p.set.Check, User: p.key, Key: public,
		LogDir: filepath.Join(dir, "logs"), Now: time.Now, Tell: func(m string) { t.Log(m) },
		Command: func(queue string, _ bool, _ time.Duration, id string) (args, files []string) {
			return []string{"worker", file, queue, id, filepath.Join(dir, "workers-cache")}, []string{file, secret}
		},
		Poll: 50 * time.Millisecond, SlowPoll: 200 * time.Millisecond, LaunchGap: 200 * time.Millisecond, LostAfter: 10 * time.Second,
	})
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return &executortest.Bench{
		Executor: x, Store: p.local, Shared: p.store.Work(), Machines: []string{"ant", "bee"},
		Away:        func(*testing.T) func() { s.Kill(); return s.Restart },
		KillWorkers: func(*testing.T) int { return host.signal(syscall.SIGKILL) },
		FreezeWorkers: func(*testing.T) func() {
			frozen := host.workers()
			host.signal(syscall.SIGSTOP)
			return func() {
				for _, pid := range frozen {
					_ = syscall.Kill(pid, syscall.SIGCONT)
				}
			}
		},
	}
}

// workers are the processes of workers on all hosts.
func (s *server) workers() (out []int) {
	files, _ := filepath.Glob(s.home + "/.cache/nbpipe/ssh/*/*/workers/*/pid")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if pid, perr := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && perr == nil && pid > 1 {
			out = append(out, pid)
		}
	}
	return out
}

func (s *server) signal(sig syscall.Signal) int {
	n := 0
	for _, pid := range s.workers() {
		if syscall.Kill(pid, sig) == nil {
			n++
		}
	}
	return n
}
