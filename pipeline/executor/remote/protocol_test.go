package remote_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/pipeline/executor"
	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
	"github.com/nbpipe/nbpipe/pipeline/executor/launch"
	"github.com/nbpipe/nbpipe/pipeline/executor/process"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/remote"
	"github.com/nbpipe/nbpipe/stages"
)

// hand is an executor whose worker is the test.
type hand struct {
	*testing.T
	u     *user
	x     *remote.Remote
	farm  *barren
	queue *queue.Queue
	last  queue.Attempt
}

func byHand(t *testing.T, p place, lostAfter time.Duration) *hand {
	t.Helper()
	h := &hand{T: t, u: newUser(t, p), farm: &barren{slots: 1, hosts: []string{"ant"}, state: launch.Running}}
	h.u.config.Retries, h.u.config.LostAfter = 2, lostAfter
	h.x = h.u.open(t, h.farm)
	return h
}

func (h *hand) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// execute has an action run; what comes out is sent.
func (h *hand) execute(a *executor.Action) <-chan error {
	out := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
		defer cancel()
		_, err := h.x.Execute(ctx, a, &notes{})
		out <- err
	}()
	return out
}

// next waits for the next ticket of the queue.
func (h *hand) next() queue.Attempt {
	h.Helper()
	for range 2000 {
		time.Sleep(10 * time.Millisecond)
		if h.queue == nil {
			if h.farm.count() == 0 {
				continue
			}
			id, _, _ := strings.Cut(strings.TrimPrefix(h.farm.started[0].ID, h.u.config.ID+"."), ".")
			var err error
			h.queue, err = queue.New(h.u.config.Store.Work(), h.u.config.ID+"."+id, queue.Keys{Workers: h.u.config.Key, Own: h.u.key})
			h.must(err)
		}
		found, err := h.queue.Tickets(h.Context(), h.last)
		h.must(err)
		if len(found) > 0 {
			h.last = found[0].Attempt
			return h.last
		}
	}
	h.Fatal("nothing was asked for")
	return ""
}

// claim is what a worker does first.
func (h *hand) claim() queue.Attempt {
	h.Helper()
	a := h.next()
	h.must(h.queue.Claim(h.Context(), a, queue.Claim{Worker: "w", Host: "ant"}))
	return a
}

// made is a file that an action of this user made.
func (h *hand) made(text string) stages.File {
	h.Helper()
	path := filepath.Join(h.TempDir(), "made")
	h.must(os.WriteFile(path, []byte(text), 0o600))
	o, err := h.u.config.Local.Ingest(h.Context(), path)
	h.must(err)
	return stages.File{Object: o, Name: "made"}
}

func lostInput(f stages.File) queue.Result {
	return queue.Result{State: queue.LostInput, Worker: "w", Error: "lost", Input: &queue.LostFile{Digest: f.Digest, Name: f.Name, Blob: f.Digest}}
}

// A word that an input is lost makes nobody run again what made it: this machine looks
// itself, and what it has is sent again.
func TestInputIsNotLost(t *testing.T) {
	for name, spoil := range map[string]func(h *hand){
		"the store has it": func(*hand) {},
		"the store has lost it": func(h *hand) {
			for _, folder := range []string{"packs", "blobs"} {
				h.must(os.RemoveAll(filepath.Join(h.u.place.config.Folder, folder)))
			}
		},
		"it is damaged there": func(h *hand) {
			packs, err := filepath.Glob(filepath.Join(h.u.place.config.Folder, "packs", "*", "*"))
			if err != nil || len(packs) != 1 {
				h.Fatal(packs, err)
			}
			b, err := os.ReadFile(packs[0])
			h.must(err)
			b[len(b)/4] ^= 1
			h.must(os.Chmod(packs[0], 0o600))
			h.must(os.WriteFile(packs[0], b, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := byHand(t, folderPlace(t), time.Minute)
			f := h.made(strings.Repeat("input\n", 100))
			done := h.execute(executortest.Script(t, "cat in/x > out", map[string]stages.File{"x": f}))
			a := h.claim()
			spoil(h)
			h.must(h.queue.Finish(t.Context(), a, lostInput(f)))
			h.next()
			if has, err := h.u.config.Local.HasBlob(t.Context(), f.Digest); err != nil || !has {
				t.Errorf("what this machine has was taken for bad: %v", err)
			}
			other, err := cache.Open(t.Context(), filepath.Join(t.TempDir(), "cache"), cache.Options{})
			h.must(err)
			defer other.Close()
			other.SetUpstream(h.u.config.Store)
			if _, err := other.ReadAll(t.Context(), f.Digest, -1); err != nil {
				t.Errorf("the store does not have it after all: %v", err)
			}
			select {
			case err := <-done:
				t.Errorf("it ended: %v", err)
			default:
			}
		})
	}
}

// What neither the store nor this machine has is lost.
func TestInputIsLost(t *testing.T) {
	h := byHand(t, folderPlace(t), time.Minute)
	f := h.made(strings.Repeat("input\n", 100))
	done := h.execute(executortest.Script(t, "cat in/x > out", map[string]stages.File{"x": f}))
	a := h.claim()
	h.must(os.RemoveAll(filepath.Join(h.u.place.config.Folder, "packs")))
	h.must(h.u.config.Local.MarkBad(t.Context(), f.Digest, "by the test"))
	h.must(h.queue.Finish(t.Context(), a, lostInput(f)))
	err := <-done
	if lost, ok := executor.Lost(err); !ok || lost.File.Digest != f.Digest {
		t.Errorf("%v", err)
	}
}

// busy is a server that sometimes does not give what it has.
type busy struct{ packs atomic.Bool }

func (b *busy) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.packs.Load() && strings.Contains(r.URL.Path, "/packs/") {
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}

// While the store does not answer, nothing is known of an input.
func TestInputWhileStoreIsBusy(t *testing.T) {
	server := &busy{}
	p := fakePlace(t)
	p.config.Transport = server
	h := byHand(t, p, time.Minute)
	f := h.made(strings.Repeat("input\n", 100))
	done := h.execute(executortest.Script(t, "cat in/x > out", map[string]stages.File{"x": f}))
	a := h.claim()
	h.must(h.u.config.Local.MarkBad(t.Context(), f.Digest, "by the test"))
	server.packs.Store(true)
	h.must(h.queue.Finish(t.Context(), a, lostInput(f)))
	time.Sleep(time.Second)
	select {
	case err := <-done:
		t.Fatalf("it ended: %v", err)
	default:
	}
	server.packs.Store(false)
	h.next()
}

// A stage may run for longer than a certificate is good for.
func TestCertificatesAreRenewed(t *testing.T) {
	u := newUser(t, folderPlace(t))
	u.config.Valid = 4 * time.Second
	l, err := (&process.Settings{Slots: 1}).Launcher(u.site)
	if err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(u.dir, "mark")
	if err := executeOne(t, u.open(t, l), executortest.Script(t, "echo >> "+mark+"; sleep 9; echo > out", nil)); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(mark); err != nil || len(b) != 1 {
		t.Errorf("it ran %d times, %v", len(b), err)
	}
}

// A ticket that is of no use is asked for again.
func TestAskedAgain(t *testing.T) {
	h := byHand(t, folderPlace(t), time.Minute)
	h.execute(executortest.Script(t, "echo > out", nil))
	a := h.claim()
	h.must(h.queue.Finish(t.Context(), a, queue.Result{State: queue.AskAgain, Worker: "w", Error: "the certificate ended"}))
	h.next()
}

// stranger is the queue as somebody writes it who has no key of this run.
func (h *hand) stranger() *queue.Queue {
	h.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	h.must(err)
	q, err := queue.New(h.u.config.Store.Work(), h.queue.ID(), queue.Keys{Workers: public, Own: private})
	h.must(err)
	return q
}

// What no worker of this run says neither fails a node, nor runs anything again, nor
// keeps others from being heard.
func TestForgedResults(t *testing.T) {
	for name, forge := range map[string]func(h *hand, a queue.Attempt) error{
		"failed": func(h *hand, a queue.Attempt) error {
			return h.stranger().Finish(t.Context(), a, queue.Result{State: queue.Failed, Error: "forged"})
		},
		"succeeded with garbage": func(h *hand, a queue.Attempt) error {
			return h.stranger().Finish(t.Context(), a, queue.Result{State: queue.Succeeded, Entry: []byte("garbage")})
		},
		"another attempt's": func(h *hand, a queue.Attempt) error {
			other := queue.NewAttempt(time.Now().Add(-time.Hour), cache.Key(cache.DigestOf(nil)))
			if err := h.queue.Finish(t.Context(), other, queue.Result{State: queue.Failed}); err != nil {
				return err
			}
			folder := filepath.Join(h.u.place.config.Folder, "attempts", h.queue.ID(), "results")
			return os.Rename(filepath.Join(folder, string(other)), filepath.Join(folder, string(a)))
		},
		"damaged": func(h *hand, a queue.Attempt) error {
			return h.u.config.Store.Work().Put(t.Context(), "attempts/"+h.queue.ID()+"/results/"+string(a), []byte("{"))
		},
		"large": func(h *hand, a queue.Attempt) error {
			path := filepath.Join(h.u.place.config.Folder, "attempts", h.queue.ID(), "results", string(a))
			return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40))
		},
		"a claim": func(h *hand, a queue.Attempt) error {
			return h.u.config.Store.Work().Put(t.Context(), "attempts/"+h.queue.ID()+"/claims/"+string(a), []byte("{"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := byHand(t, folderPlace(t), time.Minute)
			h.farm.slots = 2
			spoilt := h.execute(executortest.Script(t, "echo spoilt > out", nil))
			a := h.claim()
			h.must(forge(h, a))
			other := h.execute(executortest.Script(t, "echo other > out", nil))
			h.must(h.queue.Finish(t.Context(), h.claim(), queue.Result{State: queue.Failed, Worker: "w", Error: "the other one's"}))
			if err := <-other; err == nil || !strings.Contains(err.Error(), "the other one's") {
				t.Errorf("the other one: %v", err)
			}
			select {
			case err := <-spoilt:
				t.Errorf("it ended: %v", err)
			default:
			}
			h.must(h.queue.Finish(t.Context(), a, queue.Result{State: queue.Failed, Worker: "w", Error: "said by its worker"}))
			if err := <-spoilt; err == nil || !strings.Contains(err.Error(), "said by its worker") {
				t.Errorf("%v", err)
			}
		})
	}
}

// A claim that nobody has made who may keeps an attempt from those who may: it is asked
// for under another name.
func TestForgedClaim(t *testing.T) {
	h := byHand(t, folderPlace(t), time.Second)
	done := h.execute(executortest.Script(t, "echo > out", nil))
	a := h.next()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	stranger := h.stranger()
	go func() { // it gives signs of life, too
		for ctx.Err() == nil {
			_ = stranger.Beat(ctx, a, queue.Claim{Worker: "mallory"})
			time.Sleep(100 * time.Millisecond)
		}
	}()
	again := h.claim()
	h.must(h.queue.Finish(t.Context(), again, queue.Result{State: queue.Failed, Worker: "w", Error: "said by its worker"}))
	if err := <-done; err == nil || !strings.Contains(err.Error(), "said by its worker") {
		t.Errorf("%v", err)
	}
}

// A copy of the store does not keep the times of its objects: results that workers made
// are results there, too.
func TestResultsOutliveTimes(t *testing.T) {
	u := newUser(t, folderPlace(t))
	l, err := (&process.Settings{Slots: 1}).Launcher(u.site)
	if err != nil {
		t.Fatal(err)
	}
	a := executortest.Script(t, "echo > out", nil)
	if err := executeOne(t, u.open(t, l), a); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(30 * 24 * time.Hour)
	err = filepath.WalkDir(filepath.Join(u.place.config.Folder, "entries"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chtimes(path, later, later)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	other, err := cache.Open(t.Context(), filepath.Join(t.TempDir(), "cache"), cache.Options{Trust: u.config.Trust})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := u.config.Store.PullEntries(t.Context(), other, []cache.Key{a.Key}); err != nil {
		t.Fatal(err)
	}
	if e, err := other.Lookup(t.Context(), a.Key); err != nil || e == nil {
		t.Errorf("%v, %v", other.MissReasons(a.Key), err)
	}
}

// What a worker of this run says that it made, and nobody would believe, is made again.
func TestDisbelievedResult(t *testing.T) {
	h := byHand(t, folderPlace(t), time.Minute)
	h.execute(executortest.Script(t, "echo > out", nil))
	a := h.claim()
	h.must(h.queue.Finish(t.Context(), a, queue.Result{State: queue.Succeeded, Worker: "w", Entry: []byte("garbage"), Name: cache.DigestOf([]byte("garbage"))}))
	h.next()
}

// left lists what there is of attempts.
func left(t *testing.T, folder string) (names []string) {
	t.Helper()
	_ = filepath.WalkDir(filepath.Join(folder, "attempts"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return nil
	})
	return names
}

// What attempts left is deleted when their results were taken, also what an earlier
// controller did not take.
func TestNothingIsLeft(t *testing.T) {
	u := newUser(t, folderPlace(t))
	l, err := (&process.Settings{Slots: 2}).Launcher(u.site)
	if err != nil {
		t.Fatal(err)
	}
	x := u.open(t, l)
	if err := errors.Join(executeAll(t, x, 5, "echo said")...); err != nil {
		t.Fatal(err)
	}
	if err := executeOne(t, x, executortest.Script(t, "echo said; exit 1", nil)); err == nil {
		t.Error("it did not fail")
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if names := left(t, u.place.config.Folder); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
}

func TestNothingIsLeftOfAnEarlierRun(t *testing.T) {
	h := byHand(t, folderPlace(t), time.Minute)
	a := executortest.Script(t, "echo > out", nil)
	ctx, detach := context.WithCancelCause(t.Context())
	go func() { _, _ = h.x.Execute(ctx, a, &notes{}) }()
	earlier := h.claim()
	h.must(h.queue.WriteLog(t.Context(), earlier, 1, []byte("said")))
	detach(remote.ErrDetached)
	h.must(h.x.Close())
	h.must(h.queue.Finish(t.Context(), earlier, queue.Result{State: queue.Failed, Worker: "w", Error: "nobody heard", Logs: 1}))
	h.x = h.u.open(t, h.farm)
	done := h.execute(a)
	h.must(h.queue.Finish(t.Context(), h.claim(), queue.Result{State: queue.Failed, Worker: "w", Error: "heard"}))
	if err := <-done; err == nil || !strings.Contains(err.Error(), "heard") {
		t.Error(err)
	}
	h.must(h.x.Close())
	if names := left(t, h.u.place.config.Folder); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
}

// A ticket that somebody deletes is there again.
func TestDeletedTicket(t *testing.T) {
	h := byHand(t, folderPlace(t), time.Second)
	h.execute(executortest.Script(t, "echo > out", nil))
	a := h.next()
	h.must(h.queue.Forget(t.Context(), a, 0))
	h.last = ""
	if again := h.next(); again != a {
		t.Errorf("asked for as %s, and then as %s", a, again)
	}
}
