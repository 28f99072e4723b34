package remote_test

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
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/process"
	"github.com/nbpipe/nbpipe/pipeline/executor/remote"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
	"github.com/nbpipe/nbpipe/stages"
)

// TestMain is the worker, too: the launcher starts this program again.
func TestMain(m *testing.M) { executortest.Main(m) }

// place is a store, and how it can be taken away.
type place struct {
	config s3.Config
	file   worker.File
	away   func(t *testing.T) (back func())
}

func folderPlace(t *testing.T) place {
	dir := filepath.Join(t.TempDir(), "nfs")
	return place{s3.Config{Folder: dir}, worker.File{Folder: dir}, func(t *testing.T) func() {
		if err := os.Rename(dir, dir+".away"); err != nil {
			t.Error(err)
		}
		return func() {
			if err := os.Rename(dir+".away", dir); err != nil {
				t.Error(err)
			}
		}
	}}
}

func fakePlace(t *testing.T) place {
	server := s3test.Fake(t)
	file := filepath.Join(t.TempDir(), "credentials")
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", server.AccessKey, server.SecretKey)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := s3.Config{
		Endpoint: server.Endpoint, Insecure: true, Region: server.Region, Bucket: server.Bucket(t), Style: "path",
		Credentials: credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""),
	}
	f := worker.File{Endpoint: c.Endpoint, Insecure: true, Region: c.Region, Bucket: c.Bucket, Style: "path", Credentials: file}
	return place{c, f, func(t *testing.T) func() {
		server.Kill()
		return server.Restart
	}}
}

func open(t *testing.T, p place) *executortest.Bench {
	t.Helper()
	b := openWith(t, p, func(site launch.Site) (launch.Launcher, error) { return (&process.Settings{Slots: 2}).Launcher(site) })
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	b.Machines = []string{host}
	return b
}

// user is somebody with a key, a store, a cache, and a folder for a site.
type user struct {
	dir    string
	place  place
	config remote.Config // all but the launcher
	site   launch.Site
	key    ed25519.PrivateKey // of the workers
}

func newUser(t *testing.T, p place) *user {
	t.Helper()
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	ring := trust.Keyring{Dir: filepath.Join(dir, "keys")}
	key, err := ring.Generate("alice")
	fatal(err)
	p.config.Dir, p.config.Attempts, p.config.BreakAfter, p.config.Temp = dir, 2, 1<<30, t.TempDir()
	store, err := s3.Init(t.Context(), p.config, 0)
	fatal(err)
	set, err := trust.Load(filepath.Join(dir, "trust.json"))
	fatal(err)
	fatal(set.AddOwn(ring))
	_, err = set.Pin("test", store.ID())
	fatal(err)
	local, err := cache.Open(t.Context(), filepath.Join(dir, "cache"), cache.Options{Trust: set.Check, OwnSigner: key.Name})
	fatal(err)
	local.SetUpstream(store)
	t.Cleanup(func() {
		_ = local.Close()
		_ = store.Close()
	})
	public, private, err := ed25519.GenerateKey(rand.Reader)
	fatal(err)
	file := filepath.Join(dir, "worker.json")
	p.file.Store, p.file.User, p.file.Key = store.ID(), trust.PublicOf(key).String(), private.Seed()
	fatal(p.file.Write(file))
	self, err := os.Executable()
	fatal(err)
	return &user{
		dir: dir, place: p, key: private,
		site: launch.Site{ID: "0123456789abcdef", Name: "test", Program: self, Dir: filepath.Join(dir, "site"), Environment: os.Environ(), Now: time.Now},
		config: remote.Config{
			Name: "test", ID: "0123456789abcdef", Store: store, Local: local, Trust: set.Check, User: key, Key: public,
			LogDir: filepath.Join(dir, "logs"), Now: time.Now, Tell: func(m string) { t.Log(m) },
			Command: func(queue string, _ bool, _ time.Duration, id string) (args, files []string) {
				return []string{"worker", file, queue, id, filepath.Join(dir, "workers-cache")}, []string{file}
			},
			Proof: filepath.Join(dir, "reached"),
			Poll:  50 * time.Millisecond, SlowPoll: 200 * time.Millisecond, LaunchGap: 200 * time.Millisecond, LostAfter: 10 * time.Second,
		},
	}
}

// open makes an executor with a launcher. It is closed at the end of the test, if it
// was not before.
func (u *user) open(t *testing.T, l launch.Launcher) *remote.Remote {
	t.Helper()
	c := u.config
	c.Launcher = l
	x := remote.New(c)
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(u.workers(), "*", "log"))
			for _, name := range logs {
				b, _ := os.ReadFile(name)
				t.Logf("%s:\n%s", name, b)
			}
		}
	})
	return x
}

// workers is the folder of the process launcher's.
func (u *user) workers() string { return filepath.Join(u.site.Dir, "workers") }

func openWith(t *testing.T, p place, make func(launch.Site) (launch.Launcher, error)) *executortest.Bench {
	t.Helper()
	u := newUser(t, p)
	launcher, err := make(u.site)
	if err != nil {
		t.Fatal(err)
	}
	workers := u.workers()
	return &executortest.Bench{
		Executor: u.open(t, launcher), Store: u.config.Local, Away: p.away, Shared: u.config.Store.Work(),
		KillWorkers: func(t *testing.T) int { return signalAll(t, workers, syscall.SIGKILL) },
		FreezeWorkers: func(t *testing.T) func() {
			signalAll(t, workers, syscall.SIGSTOP)
			frozen := pids(workers)
			return func() {
				for _, pid := range frozen {
					_ = syscall.Kill(pid, syscall.SIGCONT)
				}
			}
		},
	}
}

func pids(workers string) (out []int) {
	files, _ := filepath.Glob(filepath.Join(workers, "*", "pid"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if pid, perr := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && perr == nil {
			out = append(out, pid)
		}
	}
	return out
}

func signalAll(t *testing.T, workers string, s syscall.Signal) int {
	t.Helper()
	n := 0
	for _, pid := range pids(workers) {
		if syscall.Kill(pid, s) == nil {
			n++
		}
	}
	return n
}

func TestProcessOverFolder(t *testing.T) {
	t.Parallel()
	executortest.Run(t, func(t *testing.T) *executortest.Bench {
		t.Parallel()
		return open(t, folderPlace(t))
	})
}

func TestProcessOverS3(t *testing.T) {
	t.Parallel()
	executortest.Run(t, func(t *testing.T) *executortest.Bench {
		t.Parallel()
		return open(t, fakePlace(t))
	})
}

func TestLocal(t *testing.T) {
	t.Parallel()
	executortest.Run(t, func(t *testing.T) *executortest.Bench {
		t.Parallel()
		store, err := cache.Open(t.Context(), filepath.Join(t.TempDir(), "cache"), cache.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		x := &executor.Local{Store: store, Scratch: t.TempDir(), LogDir: t.TempDir(), Now: time.Now, Services: stages.Services{Environment: os.Environ()}}
		return &executortest.Bench{Executor: x, Store: store}
	})
}
