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
	"syscall"
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
		"another action":  func(c *cache.Certificate) { c.Action = cache.DigestOf([]byte("another")) },
		"another store":   func(c *cache.Certificate) { c.Scope = strings.Repeat("0", 32) },
		"another result":  func(c *cache.Certificate) { c.Keys = []cache.Key{cache.Key(cache.DigestOf(nil))} },
		"another attempt": func(c *cache.Certificate) { c.For = "q/another" },
		"no attempt":      func(c *cache.Certificate) { c.For = "" },
		"another run":     func(c *cache.Certificate) { c.Public = stranger },
		"expired":         func(c *cache.Certificate) { c.Until = c.Until.Add(-2 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.refuses(queue.AskAgain, func(a *executor.Action) queue.Attempt { return r.ask(a, change) })
		})
	}
	t.Run("another user", func(t *testing.T) {
		r := newRig(t)
		r.refuses(queue.AskAgain, func(a *executor.Action) queue.Attempt {
			mallory, err := trust.Keyring{Dir: t.TempDir()}.Generate("alice") // of the same name
			r.must(err)
			raw, err := wire.Encode(a)
			r.must(err)
			name := r.name(a.Key)
			c, err := mallory.Certify(r.certificate(name, a, raw))
			r.must(err)
			return r.ticket(name, raw, c.Encode())
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
			r.refuses(queue.AskAgain, func(a *executor.Action) queue.Attempt {
				raw, err := wire.Encode(a)
				r.must(err)
				name := r.name(a.Key)
				c, err := r.user.Certify(r.certificate(name, a, raw))
				r.must(err)
				return r.ticket(name, raw, spoil(c.Encode()))
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
			r.refuses(queue.Refused, func(a *executor.Action) queue.Attempt {
				raw, err := wire.Encode(a)
				r.must(err)
				raw = c.spoil(raw)
				right := r.certificate("", a, raw)
				if c.key != nil {
					right.Keys = []cache.Key{*c.key}
				}
				name := r.name(right.Keys[0])
				right.For = r.queue.Occasion(name)
				certificate, err := r.user.Certify(right)
				r.must(err)
				return r.ticket(name, raw, certificate.Encode())
			})
		})
	}
}

// refuses checks that what is asked for is not run, and that a result says why.
func (r *rig) refuses(want queue.State, ask func(a *executor.Action) queue.Attempt) {
	r.t.Helper()
	mark := filepath.Join(r.dir, "ran")
	name := ask(executortest.Script(r.t, "touch "+mark+"; echo > out", nil))
	r.drain()
	if _, err := os.Stat(mark); err == nil {
		r.t.Error("it was run")
	}
	if got := r.result(name); got.State != want || got.Error == "" || got.Entry != nil {
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
	if got := r.result(name); got.State != queue.AskAgain || !strings.Contains(got.Error, "another digest") || r.published() != 0 {
		t.Errorf("%+v", got)
	}
	// Who asks again puts it right (I1).
	again := r.ask(executortest.Script(t, "echo > out", nil), nil)
	r.drain()
	if got := r.result(again); got.State != queue.Succeeded {
		t.Errorf("asked for again: %+v", got)
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
	if got.State != queue.Unfit || got.Used.Host != "ant" {
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
		got, err := r.queue.Result(t.Context(), queue.Object{Attempt: n, Size: queue.MaxResult})
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
	if _, err := r.queue.Result(t.Context(), queue.Object{Attempt: name, Size: queue.MaxResult}); !errors.Is(err, cache.ErrNotFound) || r.published() != 0 {
		t.Errorf("%v, %d published", err, r.published())
	}
}

// hiccups is an upstream that does not answer for some times.
type hiccups struct {
	cache.Upstream
	left int
}

func (h *hiccups) Fetch(ctx context.Context, into *cache.Local, want []cache.Digest) error {
	if h.left--; h.left >= 0 {
		return errors.New("503 Slow Down")
	}
	return h.Upstream.Fetch(ctx, into, want)
}

// While a worker pulls an input, a store that does not answer has not lost it.
func TestStoreHiccupsWhilePulling(t *testing.T) {
	r := newRig(t)
	b := []byte("input\n")
	d := cache.DigestOf(b)
	r.must(r.store.PutBlob(t.Context(), d, int64(len(b)), bytes.NewReader(b)))
	r.must(r.store.Sync(t.Context()))
	r.local.SetUpstream(&hiccups{r.store, 2})
	input := stages.File{Object: cache.Object{Digest: d, Size: int64(len(b))}, Name: "x"}
	name := r.ask(executortest.Script(t, "cat in/x > out", map[string]stages.File{"x": input}), nil)
	r.drain()
	if got := r.result(name); got.State != queue.Succeeded || !r.wasTold("503") {
		t.Errorf("%+v", got)
	}
}

// One that stays away is away, and the input is not lost.
func TestStoreIsAwayWhilePulling(t *testing.T) {
	r := newRig(t)
	r.local.SetUpstream(&hiccups{r.store, 1 << 30})
	began := time.Now()
	r.config.Now = func() time.Time { return began.Add(time.Since(began) * 2000) }
	input := stages.File{Object: cache.Object{Digest: cache.DigestOf([]byte("input")), Size: 5}, Name: "x"}
	name := r.ask(executortest.Script(t, "cat in/x > out", map[string]stages.File{"x": input}), nil)
	r.drain()
	if got := r.result(name); got.State != queue.StoreOut || !strings.Contains(got.Error, "503") {
		t.Errorf("%+v", got)
	}
}

// An input that the store says it does not have is lost.
func TestInputIsLost(t *testing.T) {
	r := newRig(t)
	here := filepath.Join(r.dir, "here")
	r.must(os.WriteFile(here, []byte("here"), 0o600))
	o, err := r.local.Ingest(t.Context(), here)
	r.must(err)
	gone := cache.Object{Digest: cache.DigestOf([]byte("input")), Size: 5}
	name := r.ask(executortest.Script(t, "cat in/* > out", map[string]stages.File{"a": {Object: o, Name: "a"}, "x": {Object: gone, Name: "gone"}}), nil)
	r.drain()
	got := r.result(name)
	if got.State != queue.LostInput || got.Input == nil || *got.Input != (queue.LostFile{Digest: gone.Digest, Name: "gone", Blob: gone.Digest}) {
		t.Errorf("%+v", got)
	}
}

// counted is an action that says how often it ran.
func (r *rig) counted(script string) (a *executor.Action, runs func() int) {
	mark := filepath.Join(r.dir, "runs")
	return executortest.Script(r.t, "echo >> "+mark+"; "+script+"; echo made > out", nil), func() int {
		b, _ := os.ReadFile(mark)
		return bytes.Count(b, []byte("\n"))
	}
}

// takeAway is a script that takes the store away; back brings it back once the worker
// has noticed.
func (r *rig) takeAway() (script string, back func()) {
	store := filepath.Join(r.dir, "store")
	return fmt.Sprintf("mv %s %s.away", store, store), func() {
		r.until("it waits for the store", func() bool { return r.wasTold("waiting for it") })
		_ = os.Rename(store+".away", store)
	}
}

// What was made is published when the store is back, and is made once.
func TestStoreIsAwayWhilePublishing(t *testing.T) {
	r := newRig(t)
	away, back := r.takeAway()
	a, runs := r.counted(away)
	name := r.ask(a, nil)
	go back()
	r.drain()
	if got := r.result(name); got.State != queue.Succeeded || runs() != 1 || r.published() != 1 {
		t.Errorf("%+v after %d runs", got, runs())
	}
}

// A worker whose time is over while it publishes has a little more for that.
func TestTimeIsOverWhilePublishing(t *testing.T) {
	r := newRig(t)
	away, back := r.takeAway()
	a, runs := r.counted(away)
	name := r.ask(a, nil)
	ctx, end := context.WithCancel(t.Context())
	go func() {
		r.until("it waits for the store", func() bool { return r.wasTold("waiting for it") })
		end()
		time.Sleep(200 * time.Millisecond)
		back()
	}()
	r.must(worker.New(r.config).Drain(ctx))
	if got := r.result(name); got.State != queue.Succeeded || runs() != 1 {
		t.Errorf("%+v after %d runs", got, runs())
	}
}

// What a machine made and could not publish is not made again there, unless that is
// asked for.
func TestOwnResultIsPublished(t *testing.T) {
	for name, anew := range map[string]bool{"taken": false, "anew": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a, runs := r.counted("true")
			if _, err := r.config.Executor.Execute(t.Context(), a, nil); err != nil {
				t.Fatal(err)
			}
			a.Anew = anew
			got := r.ask(a, nil)
			r.drain()
			want := map[bool]int{false: 1, true: 2}[anew]
			if got := r.result(got); got.State != queue.Succeeded || runs() != want || r.published() != 1 {
				t.Errorf("%+v after %d runs, want %d", got, runs(), want)
			}
		})
	}
}

// A machine that may run nothing publishes nothing that it made before, either: that was
// made when less was asked of it.
func TestUnfitMachinePublishesNothing(t *testing.T) {
	r := newRig(t)
	a, runs := r.counted("true")
	if _, err := r.config.Executor.Execute(t.Context(), a, nil); err != nil {
		t.Fatal(err)
	}
	r.config.Unfit = errors.New("programs cannot be confined")
	got := r.ask(a, nil)
	r.drain()
	if got := r.result(got); got.State != queue.Unfit || runs() != 1 || r.published() != 0 {
		t.Errorf("%+v after %d runs, %d published", got, runs(), r.published())
	}
}

// A ticket that somebody copied to another name is not run again.
func TestCopiedTicket(t *testing.T) {
	r := newRig(t)
	a, runs := r.counted("true")
	name := r.ask(a, nil)
	tickets := filepath.Join(r.dir, "store", "attempts", "q", "tickets")
	b, err := os.ReadFile(filepath.Join(tickets, string(name)))
	r.must(err)
	copied := r.name(a.Key)
	r.must(os.WriteFile(filepath.Join(tickets, string(copied)), b, 0o600))
	r.drain()
	if got := r.result(copied); got.State != queue.AskAgain || !strings.Contains(got.Error, "is for something else") || runs() != 1 {
		t.Errorf("%+v after %d runs", got, runs())
	}
}

// A result is signed with the ticket's present certificate.
func TestCertificateIsRenewed(t *testing.T) {
	for name, renew := range map[string]bool{"renewed": true, "ended": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a, runs := r.counted("sleep 3")
			raw, err := wire.Encode(a)
			r.must(err)
			name := r.ask(a, func(c *cache.Certificate) { c.Until = r.queue.Now().Add(2 * time.Second) })
			if renew {
				time.AfterFunc(time.Second, func() {
					c, err := r.user.Certify(r.certificate(name, a, raw))
					if err == nil {
						err = r.queue.Renew(t.Context(), name, queue.Ticket{Action: cache.DigestOf(raw), Certificate: c.Encode()}, raw)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			r.drain()
			if got := r.result(name); got.State != map[bool]queue.State{true: queue.Succeeded, false: queue.AskAgain}[renew] {
				t.Errorf("%+v", got)
			}
			if again := r.ask(a, nil); !renew {
				r.drain()
				if got := r.result(again); got.State != queue.Succeeded {
					t.Errorf("asked for again: %+v", got)
				}
			}
			if runs() != 1 {
				t.Errorf("it ran %d times", runs())
			}
		})
	}
}

// What a stranger put where the result is expected keeps nobody from hearing of it.
func TestForgedResultIsReplaced(t *testing.T) {
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, forge := range map[string]func(r *rig, a queue.Attempt) error{
		"no record": func(r *rig, a queue.Attempt) error {
			return r.store.Work().Put(t.Context(), "attempts/q/results/"+string(a), []byte("{}"))
		},
		"a pipe": func(r *rig, a queue.Attempt) error {
			path := filepath.Join(r.dir, "store", "attempts", "q", "results", string(a))
			return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), syscall.Mkfifo(path, 0o600))
		},
		"by a stranger": func(r *rig, a queue.Attempt) error {
			return r.as(stranger).Finish(t.Context(), a, queue.Result{State: queue.Failed, Error: "forged"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a := r.ask(executortest.Script(t, "echo > out", nil), nil)
			r.must(forge(r, a))
			r.drain()
			if got := r.result(a); got.State != queue.Succeeded {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A stranger can neither stop an attempt nor hide it.
func TestForgedCancel(t *testing.T) {
	r := newRig(t)
	hidden := r.ask(executortest.Script(t, "echo hidden > out", nil), nil)
	_, stranger, err := ed25519.GenerateKey(nil)
	r.must(err)
	r.must(r.as(stranger).Cancel(t.Context(), hidden))
	off := r.ask(executortest.Script(t, "echo off > out", nil), nil)
	r.must(r.as(r.user.Private).Cancel(t.Context(), off))
	r.drain()
	if got := r.result(hidden); got.State != queue.Succeeded || r.published() != 1 {
		t.Errorf("%+v, %d published", got, r.published())
	}
}

// An attempt that was forgotten while a worker's listing was fresh is nobody's.
func TestForgottenAttempt(t *testing.T) {
	r := newRig(t)
	a, runs := r.counted("true")
	name := r.ask(a, nil)
	r.config.Now = func() time.Time { // after it was listed, before it is claimed
		if _, err := os.Stat(filepath.Join(r.dir, "store", "attempts", "q", "claims")); err != nil {
			_ = r.queue.Forget(t.Context(), name, 0)
		}
		return time.Now()
	}
	w := worker.New(r.config)
	r.must(w.Drain(t.Context()))
	if _, err := r.queue.Result(t.Context(), queue.Object{Attempt: name, Size: queue.MaxResult}); !errors.Is(err, cache.ErrNotFound) || runs() != 0 {
		t.Errorf("%v after %d runs", err, runs())
	}
	if found, err := r.queue.Claims(t.Context(), ""); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
}

// A full disk is its machine's fault, and not the stage's.
func TestFullDiskIsUnfit(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "/tmp/x", Err: syscall.ENOSPC}
	for name, err := range map[string]error{
		"scratch":     fmt.Errorf("making a scratch folder: %w", full),
		"cache":       &executor.StoreFailure{Err: full},
		"the stage":   &executor.Failure{Err: full},
		"its program": &executor.Failure{Err: errors.New("exit status 1"), LogTail: "OSError: [Errno 28] No space left on device"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			a := r.ask(executortest.Script(t, "echo > out", nil), nil)
			r.config.Executor = stage(func(context.Context, *executor.Action, stages.Progress) error { return err })
			r.drain()
			if got := r.result(a); got.State != queue.Unfit {
				t.Errorf("%+v", got)
			}
		})
	}
}
