package worker_test

import (
	"context"
	"crypto/ed25519"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/wire"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/command"
)

// TestMain is the worker of tests that kill one, too.
func TestMain(m *testing.M) { executortest.Main(m) }

// rig is a worker's surroundings: a store, a queue in it, this machine's store, and a
// user who asks for actions.
type rig struct {
	t      *testing.T
	dir    string
	user   cache.SigningKey
	key    ed25519.PrivateKey // of the run
	store  *s3.Store
	local  *cache.Local
	queue  *queue.Queue
	asked  time.Time // when the last action was asked for
	config worker.Config

	mu   sync.Mutex
	told []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	return newRigAt(t, dir, s3.Config{Folder: filepath.Join(dir, "store"), Dir: dir, Temp: t.TempDir()})
}

func newRigAt(t *testing.T, dir string, c s3.Config) *rig {
	t.Helper()
	r := &rig{t: t, dir: dir}
	var err error
	r.user, err = trust.Keyring{Dir: filepath.Join(dir, "keys")}.Generate("alice")
	r.must(err)
	_, r.key, err = ed25519.GenerateKey(nil)
	r.must(err)
	c.Attempts, c.BreakAfter = 1, 1<<30
	r.store, err = s3.Init(t.Context(), c, 0)
	r.must(err)
	r.local, err = cache.Open(t.Context(), filepath.Join(dir, "cache"), cache.Options{})
	r.must(err)
	r.local.SetUpstream(r.store)
	t.Cleanup(func() { _ = r.local.Close(); _ = r.store.Close() })
	r.queue, err = queue.New(r.store.Work(), "q", r.keys())
	r.must(err)
	x := &executor.Local{Store: r.local, Scratch: t.TempDir(), LogDir: t.TempDir(), Now: time.Now, Services: stages.Services{Environment: os.Environ()}}
	r.config = worker.Config{
		ID: "w", Queue: r.queue, Store: r.store, Local: r.local, Executor: x, Kinds: stages.NewRegistry(command.Kind), Prober: probes{},
		User: trust.PublicOf(r.user), Key: r.key, About: queue.Used{Host: "ant"}, Now: time.Now, Tell: r.tell, Beat: 100 * time.Millisecond,
	}
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) tell(m string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, m)
}

func (r *rig) wasTold(what string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.told, func(m string) bool { return strings.Contains(m, what) })
}

// certificate is that of an action in the form in which it is right.
func (r *rig) certificate(name queue.Attempt, a *executor.Action, raw []byte) cache.Certificate {
	return cache.Certificate{
		For:   r.queue.Occasion(name),
		Scope: r.store.ID(), Public: r.key.Public().(ed25519.PublicKey), Until: r.queue.Now().Add(time.Hour),
		Action: cache.DigestOf(raw), Keys: []cache.Key{a.Key},
	}
}

// ask asks for an action under a certificate; change may spoil it first.
func (r *rig) ask(a *executor.Action, change func(*cache.Certificate)) queue.Attempt {
	r.t.Helper()
	raw, err := wire.Encode(a)
	r.must(err)
	name := r.name(a.Key)
	c := r.certificate(name, a, raw)
	if change != nil {
		change(&c)
	}
	c, err = r.user.Certify(c)
	r.must(err)
	return r.ticket(name, raw, c.Encode())
}

// name is that of the next attempt.
func (r *rig) name(k cache.Key) queue.Attempt {
	r.asked = r.asked.Add(time.Millisecond)
	if now := r.queue.Now(); now.After(r.asked) {
		r.asked = now
	}
	return queue.NewAttempt(r.asked, k)
}

func (r *rig) ticket(name queue.Attempt, raw, certificate []byte) queue.Attempt {
	r.t.Helper()
	r.must(r.queue.Ask(r.t.Context(), name, queue.Ticket{Action: cache.DigestOf(raw), Certificate: certificate, Address: "command.test"}, raw))
	return name
}

func (r *rig) keys() queue.Keys {
	return queue.Keys{Workers: r.key.Public().(ed25519.PublicKey), Controller: trust.PublicOf(r.user).Key, Own: r.key}
}

// as is the queue as the holder of a key writes it.
func (r *rig) as(key ed25519.PrivateKey) *queue.Queue {
	r.t.Helper()
	keys := r.keys()
	keys.Own = key
	q, err := queue.New(r.store.Work(), "q", keys)
	r.must(err)
	return q
}

// drain runs a worker until there is nothing to do.
func (r *rig) drain() {
	r.t.Helper()
	r.must(worker.New(r.config).Drain(r.t.Context()))
}

// result is what became of an attempt.
func (r *rig) result(a queue.Attempt) queue.Result {
	r.t.Helper()
	got, err := r.queue.Result(r.t.Context(), queue.Object{Attempt: a, Size: queue.MaxResult})
	r.must(err)
	return got
}

// log is all that was passed on of an attempt's log, and how many pieces it was in.
func (r *rig) log(a queue.Attempt) (text []byte, pieces int) {
	r.t.Helper()
	for {
		b, err := r.queue.ReadLog(r.t.Context(), a, pieces+1)
		if err != nil {
			return text, pieces
		}
		text = append(text, b...)
		pieces++
	}
}

// published counts the entries in the store.
func (r *rig) published() (n int) {
	_ = filepath.WalkDir(filepath.Join(r.dir, "store", "entries"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return nil
	})
	return n
}

func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: not within a minute; told %q", what, r.told)
		}
	}
}

// probes are what this machine's tools say.
type probes map[string]string

func (p probes) Probe(context.Context, map[string]stages.Probe) (map[string]string, bool, error) {
	return p, true, nil
}

// stage runs a function in place of an action's stage.
type stage func(ctx context.Context, a *executor.Action, progress stages.Progress) error

func (f stage) Execute(ctx context.Context, a *executor.Action, progress stages.Progress) (*executor.Result, error) {
	return nil, f(ctx, a, progress)
}

func (f stage) Rerun(context.Context, *executor.Action, stages.Progress) (*cache.Entry, error) {
	panic("not here")
}

// startWorker starts a worker as a process: this program, see executortest.Main.
func (r *rig) startWorker(o worker.Options) *exec.Cmd {
	r.t.Helper()
	self, err := os.Executable()
	r.must(err)
	cmd := exec.Command(self, "worker", o.File, o.Queue, o.ID, o.Cache)
	r.must(cmd.Start())
	r.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}
