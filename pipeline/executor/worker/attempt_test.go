package worker_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/trust"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/wire"
	"github.com/nbpipe/nbpipe/pipeline/executor/worker"
	"github.com/nbpipe/nbpipe/stages"
)

// What a worker runs is published, signed under the certificate, and said.
func TestSuccess(t *testing.T) {
	r := newRig(t)
	a := executortest.Script(t, "echo printed; echo made > out", nil)
	name := r.ask(a, nil)
	r.drain()
	got := r.result(name)
	if got.State != queue.Succeeded || got.Worker != "w" || got.Used.Host != "ant" || r.published() != 1 {
		t.Fatalf("%+v, %d published", got, r.published())
	}
	set, err := trust.Load(filepath.Join(r.dir, "trust.json"))
	r.must(err)
	r.must(set.Add(trust.PublicOf(r.user), "", time.Now()))
	if _, err := set.Pin("test", r.store.ID()); err != nil {
		t.Fatal(err)
	}
	entry := cache.StoredEntry{Key: a.Key, Signer: r.user.Name, Digest: got.Name, Data: got.Entry, Time: r.queue.Now()}
	if err := set.Check(entry); err != nil {
		t.Errorf("who trusts the user does not believe it: %v", err)
	}
	if text, n := r.log(name); string(text) != "printed\n" || n != got.Logs {
		t.Errorf("%d pieces of %d: %q", n, got.Logs, text)
	}
}

// An action is run under the user's own certificate for it alone; nothing else that
// lies in the store is believed.
func TestCertificateRefused(t *testing.T) {
	t.Parallel()
	stranger, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(c *cache.Certificate){
		"another action": func(c *cache.Certificate) { c.Action = cache.DigestOf([]byte("another")) },
		"another store":  func(c *cache.Certificate) { c.Scope = strings.Repeat("0", 32) },
		"another result": func(c *cache.Certificate) { c.Keys = []cache.Key{cache.Key(cache.DigestOf(nil))} },
		"another run":    func(c *cache.Certificate) { c.Public = stranger },
		"expired":        func(c *cache.Certificate) { c.Until = c.Until.Add(-2 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.refuses(func(a *executor.Action) queue.Attempt { return r.ask(a, change) })
		})
	}
	t.Run("another user", func(t *testing.T) {
		r := newRig(t)
		r.refuses(func(a *executor.Action) queue.Attempt {
			mallory, err := trust.Keyring{Dir: t.TempDir()}.Generate("alice") // of the same name
			r.must(err)
			raw, err := wire.Encode(a)
			r.must(err)
			c, err := mallory.Certify(r.certificate(a, raw))
			r.must(err)
			return r.ticket(a.Key, raw, c.Encode())
		})
	})
	for name, spoil := range map[string]func(b []byte) []byte{
		"none":    func([]byte) []byte { return nil },
		"cut off": func(b []byte) []byte { return b[:len(b)/2] },
		"longer":  func(b []byte) []byte { return append(b, "key 0\n"...) },
		"forged":  func(b []byte) []byte { return bytes.Replace(b, []byte("until 20"), []byte("until 21"), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.refuses(func(a *executor.Action) queue.Attempt {
				raw, err := wire.Encode(a)
				r.must(err)
				c, err := r.user.Certify(r.certificate(a, raw))
				r.must(err)
				return r.ticket(a.Key, raw, spoil(c.Encode()))
			})
		})
	}
}

// An action that was changed on its way, or is asked for under another one's key, is
// not run even with a certificate.
func TestActionRefused(t *testing.T) {
	t.Parallel()
	another := cache.Key(cache.DigestOf([]byte("another")))
	for name, c := range map[string]struct {
		key   *cache.Key
		spoil func(raw []byte) []byte
	}{
		"another key": {&another, func(b []byte) []byte { return b }},
		"changed":     {nil, func(b []byte) []byte { return bytes.Replace(b, []byte("touch"), []byte("rm -f"), 1) }},
		"no action":   {nil, func([]byte) []byte { return []byte("{}") }},
		"empty":       {nil, func([]byte) []byte { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.refuses(func(a *executor.Action) queue.Attempt {
				raw, err := wire.Encode(a)
				r.must(err)
				raw = c.spoil(raw)
				certificate, err := r.user.Certify(r.certificate(a, raw))
				r.must(err)
				key := a.Key
				if c.key != nil {
					key = *c.key
				}
				return r.ticket(key, raw, certificate.Encode())
			})
		})
	}
}

// refuses checks that what is asked for is not run, and that a result says why.
func (r *rig) refuses(ask func(a *executor.Action) queue.Attempt) {
	r.t.Helper()
	mark := filepath.Join(r.dir, "ran")
	name := ask(executortest.Script(r.t, "touch "+mark+"; echo > out", nil))
	r.drain()
	if _, err := os.Stat(mark); err == nil {
		r.t.Error("it was run")
	}
	if got := r.result(name); got.State != queue.Refused || got.Error == "" || got.Entry != nil {
		r.t.Errorf("%+v", got)
	}
	if n := r.published(); n != 0 {
		r.t.Errorf("%d entries were published", n)
	}
}

// An action whose bytes are not what the ticket says may be right in another attempt.
func TestDamagedInTheStore(t *testing.T) {
	r := newRig(t)
	name := r.ask(executortest.Script(t, "echo > out", nil), nil)
	found, err := filepath.Glob(filepath.Join(r.dir, "store", "actions", "*"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	r.must(os.Chmod(found[0], 0o600))
	r.must(os.WriteFile(found[0], []byte("{}"), 0o600))
	r.drain()
	if got := r.result(name); got.State != queue.StoreOut || !strings.Contains(got.Error, "damaged") || r.published() != 0 {
		t.Errorf("%+v", got)
	}
}

// Where a tool is another one than the key says, nothing is run, and both are named.
func TestUnfitByToolVersion(t *testing.T) {
	r := newRig(t)
	a := executortest.Script(t, "echo > out", nil)
	a.Ingredients.Probes = map[string]string{"python": "Python 3.11.2"}
	p, err := a.Ingredients.Preimage()
	r.must(err)
	a.Key = p.Key()
	name := r.ask(a, nil)
	r.config.Prober = probes{"python": "Python 3.9.1"}
	r.config.Executor = stage(func(context.Context, *executor.Action, stages.Progress) error { return errors.New("it was run") })
	r.drain()
	got := r.result(name)
	for _, want := range []string{"python", "Python 3.11.2", "Python 3.9.1"} {
		if !strings.Contains(got.Error, want) {
			t.Errorf("%q is not in: %s", want, got.Error)
		}
	}
	if got.State != queue.Unfit {
		t.Errorf("%+v", got)
	}
}

// At the end of its time a worker gives back what it runs and begins nothing more.
func TestTimeIsOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mark := filepath.Join(r.dir, "ran")
	script := func(n int) *executor.Action {
		return executortest.Script(t, fmt.Sprintf("echo %d >> %s; sleep 1000; echo > out", n, mark), nil)
	}
	names := []queue.Attempt{r.ask(script(1), nil), r.ask(script(2), nil)}
	r.config.Until = time.Now().Add(2 * time.Second)
	r.drain()
	var left int
	for _, n := range names {
		got, err := r.queue.Result(t.Context(), n)
		if err == nil && got.State == queue.Left && got.Entry == nil {
			left++
		} else if !errors.Is(err, cache.ErrNotFound) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if b, err := os.ReadFile(mark); err != nil || left != 1 || len(b) != 2 {
		t.Errorf("%d given back, begun: %q, %v", left, b, err)
	}
	if n := r.published(); n != 0 {
		t.Errorf("%d entries were published", n)
	}
}

// A worker that is told to end gives back what it runs.
func TestToldToEnd(t *testing.T) {
	r := newRig(t)
	mark := filepath.Join(r.dir, "ran")
	name := r.ask(executortest.Script(t, "touch "+mark+"; sleep 1000; echo > out", nil), nil)
	ctx, end := context.WithCancel(t.Context())
	go func() {
		r.until("it runs", func() bool { _, err := os.Stat(mark); return err == nil })
		end()
	}()
	r.must(worker.New(r.config).Drain(ctx))
	if got := r.result(name); got.State != queue.Left {
		t.Errorf("%+v", got)
	}
}

// One that may run a number of actions runs so many.
func TestMost(t *testing.T) {
	r := newRig(t)
	for n := range 3 {
		r.ask(executortest.Script(t, fmt.Sprintf("echo %d > out", n), nil), nil)
	}
	r.config.Most = 2
	r.drain()
	if n := r.published(); n != 2 {
		t.Errorf("%d were run", n)
	}
}

// While the store is away a stage goes on; signs of life and the result come when it
// is back.
func TestStoreIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mark, end := filepath.Join(r.dir, "ran"), filepath.Join(r.dir, "end")
	name := r.ask(executortest.Script(t, fmt.Sprintf("echo before; touch %s; while [ ! -e %s ]; do sleep 0.05; done; echo after; echo > out", mark, end), nil), nil)
	go func() {
		r.until("it gives a sign of life", func() bool {
			_, err := os.Stat(mark)
			c, cerr := r.queue.Claimed(t.Context(), name)
			return err == nil && cerr == nil && c.Beat > 0
		})
		store := filepath.Join(r.dir, "store")
		_ = os.Rename(store, store+".away")
		r.until("it says that it cannot", func() bool { return r.wasTold("no sign of life") })
		_ = os.Rename(store+".away", store)
		before, err := r.queue.Claimed(t.Context(), name)
		if err != nil {
			t.Error(err)
		}
		r.until("it gives one again", func() bool {
			c, err := r.queue.Claimed(t.Context(), name)
			return err == nil && c.Beat > before.Beat
		})
		_ = os.WriteFile(end, nil, 0o600)
	}()
	r.drain()
	if got := r.result(name); got.State != queue.Succeeded || r.published() != 1 {
		t.Errorf("%+v", got)
	}
	if text, _ := r.log(name); string(text) != "before\nafter\n" {
		t.Errorf("the log: %q", text)
	}
}

// A worker whose store stays away ends at last, and says so.
func TestStoreStaysAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.ask(executortest.Script(t, "echo > out", nil), nil)
	r.must(os.Rename(filepath.Join(r.dir, "store"), filepath.Join(r.dir, "away")))
	began := time.Now()
	r.config.Now = func() time.Time { return began.Add(time.Since(began) * 1000) }
	err := worker.New(r.config).Drain(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the store is away") || !r.wasTold("the store does not answer") {
		t.Errorf("%v; told %q", err, r.told)
	}
}

// Of two workers that see one ticket, one runs it.
func TestClaimedByAnother(t *testing.T) {
	r := newRig(t)
	name := r.ask(executortest.Script(t, "echo > out", nil), nil)
	r.must(r.queue.Claim(t.Context(), name, queue.Claim{Worker: "another"}))
	r.drain()
	if _, err := r.queue.Result(t.Context(), name); !errors.Is(err, cache.ErrNotFound) || r.published() != 0 {
		t.Errorf("%v, %d published", err, r.published())
	}
}
