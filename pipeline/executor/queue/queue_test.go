package queue_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/pipeline/executor/queue"
	"github.com/nbpipe/nbpipe/pipeline/executor/wire"
)

// opened opens a store that may be new, as another process would.
func opened(t *testing.T, c s3.Config) *s3.Store {
	t.Helper()
	c.Temp = t.TempDir()
	s, err := s3.Init(t.Context(), c, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func folder(t *testing.T) s3.Config {
	return s3.Config{Folder: filepath.Join(t.TempDir(), "store"), Attempts: 1}
}

// keys are those of a side that may say everything.
func keys() queue.Keys {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := key.Public().(ed25519.PublicKey)
	return queue.Keys{Workers: public, Controller: public, Own: key}
}

func newQueue(t *testing.T, s *s3.Store, id string) *queue.Queue {
	t.Helper()
	q, err := queue.New(s.Work(), id, keys())
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func attempt(n int) queue.Attempt {
	return queue.NewAttempt(time.UnixMilli(int64(1000+n)), cache.Key(cache.DigestOf(fmt.Append(nil, n))))
}

// whole is an attempt's result as a listing may show it, of whatever size.
func whole(a queue.Attempt) queue.Object { return queue.Object{Attempt: a, Size: queue.MaxResult} }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Of many workers that claim an attempt at once, each by a handle of its own, one gets it.
func TestOneClaims(t *testing.T) {
	c := folder(t)
	const workers, attempts = 16, 8
	won := make([][]int, attempts)
	var mu sync.Mutex
	var all sync.WaitGroup
	for w := range workers {
		q := newQueue(t, opened(t, c), "q")
		all.Go(func() {
			for a := range attempts {
				switch err := q.Claim(t.Context(), attempt(a), queue.Claim{Worker: fmt.Sprint(w)}); {
				case err == nil:
					mu.Lock()
					won[a] = append(won[a], w)
					mu.Unlock()
				case !errors.Is(err, queue.ErrTaken):
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	q := newQueue(t, opened(t, c), "q")
	for a, by := range won {
		if len(by) != 1 {
			t.Fatalf("%v claimed attempt %d", by, a)
		}
		got, err := q.Claimed(t.Context(), attempt(a))
		if err != nil || got.Worker != fmt.Sprint(by[0]) {
			t.Errorf("%+v, %v; %d claimed it", got, err, by[0])
		}
		// Whose answer was lost asks again.
		if err := q.Claim(t.Context(), attempt(a), queue.Claim{Worker: got.Worker}); err != nil {
			t.Error(err)
		}
	}
}

// Signs of life take the place of a claim, and move its time.
func TestBeats(t *testing.T) {
	q := newQueue(t, opened(t, folder(t)), "q")
	check(t, q.Claim(t.Context(), attempt(1), queue.Claim{Worker: "w"}))
	first, err := q.Claims(t.Context(), "")
	check(t, err)
	time.Sleep(20 * time.Millisecond)
	check(t, q.Beat(t.Context(), attempt(1), queue.Claim{Worker: "w", Beat: 7, Logs: 3}))
	got, err := q.Claimed(t.Context(), attempt(1))
	check(t, err)
	second, err := q.Claims(t.Context(), "")
	check(t, err)
	if got.Beat != 7 || got.Logs != 3 || len(second) != 1 || !second[0].Time.After(first[0].Time) {
		t.Errorf("%+v; %v, then %v", got, first, second)
	}
}

// Only the first result of an attempt counts, whoever comes late.
func TestFirstResultCounts(t *testing.T) {
	q := newQueue(t, opened(t, folder(t)), "q")
	for i, s := range []queue.State{queue.Failed, queue.Succeeded, queue.Left} {
		check(t, q.Finish(t.Context(), attempt(1), queue.Result{State: s, Worker: fmt.Sprint(i)}))
	}
	r, err := q.Result(t.Context(), whole(attempt(1)))
	if err != nil || r.State != queue.Failed || r.Worker != "0" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := q.Result(t.Context(), whole(attempt(2))); !errors.Is(err, cache.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// Listings are in the order of time, begin after a name, and hold this queue's attempts
// and nothing else that somebody may have put there.
func TestListings(t *testing.T) {
	s := opened(t, folder(t))
	q, other := newQueue(t, s, "q"), newQueue(t, s, "q.more")
	var want []queue.Attempt
	for _, n := range []int{3, 1, 2, 300} {
		check(t, q.Ask(t.Context(), attempt(n), queue.Ticket{Action: cache.DigestOf([]byte("x"))}, []byte("x")))
		check(t, other.Ask(t.Context(), attempt(n+10), queue.Ticket{Action: cache.DigestOf([]byte("x"))}, []byte("x")))
	}
	for _, n := range []int{1, 2, 3, 300} {
		want = append(want, attempt(n))
	}
	for _, name := range []string{"junk", "a/" + string(attempt(5)), strings.ToUpper(string(attempt(6))), string(attempt(7)) + ".new", "0-" + strings.Repeat("0", 64)} {
		check(t, s.Work().Put(t.Context(), "attempts/q/tickets/"+name, []byte("{}")))
	}
	for after, from := range map[queue.Attempt]int{"": 0, attempt(1): 1, attempt(2): 2, attempt(300): 4, attempt(0): 0} {
		found, err := q.Tickets(t.Context(), after)
		check(t, err)
		var got []queue.Attempt
		for _, f := range found {
			got = append(got, f.Attempt)
		}
		if !slices.Equal(got, want[from:]) {
			t.Errorf("after %q: %q", after, got)
		}
	}
	check(t, q.Cancel(t.Context(), attempt(2)))
	check(t, q.Cancel(t.Context(), attempt(2)))
	gone, err := q.CancelledAttempts(t.Context(), "")
	check(t, err)
	yes, err := q.IsCancelled(t.Context(), attempt(2))
	check(t, err)
	no, err := q.IsCancelled(t.Context(), attempt(1))
	check(t, err)
	if len(gone) != 1 || gone[0].Attempt != attempt(2) || !yes || no {
		t.Errorf("cancelled: %v, %t, %t", gone, yes, no)
	}
}

// What lies in a queue may be written by anybody: it is refused, and never held in
// memory beyond what it may have.
func TestHostileObjects(t *testing.T) {
	c := folder(t)
	s := opened(t, c)
	q := newQueue(t, s, "q")
	a := attempt(1)
	readers := map[string]func() error{
		"tickets": func() error { _, _, err := q.Ticket(t.Context(), a); return err },
		"claims":  func() error { _, err := q.Claimed(t.Context(), a); return err },
		"results": func() error { _, err := q.Result(t.Context(), whole(a)); return err },
	}
	for name, read := range readers {
		path := "attempts/q/" + name + "/" + string(a)
		for _, text := range []string{
			"", "null null", "{", "[]", `"x"`, `{"worker": 7, "action": 7}`, `{"beat": 1e99, "logs": -0.5, "action": "x"}`, strings.Repeat("[", 15000),
			`{"action": "` + strings.Repeat("z", 64) + `", "beat": "x", "used": {"started": "yesterday"}}`, "\x00\xff\xfe",
		} {
			check(t, s.Work().Put(t.Context(), path, []byte(text)))
			if err := read(); err == nil {
				t.Errorf("%s: %.40q was read", name, text)
			}
		}
		file := filepath.Join(c.Folder, path) // a hole of a terabyte takes no space
		check(t, os.Chmod(file, 0o600))
		check(t, os.Truncate(file, 1<<40))
		if err := read(); err == nil || !strings.Contains(err.Error(), "are the most") {
			t.Errorf("%s: a terabyte: %v", name, err)
		}
	}
}

// A ticket names its action by its bytes.
func TestActions(t *testing.T) {
	c := folder(t)
	s := opened(t, c)
	q := newQueue(t, s, "q")
	action := []byte("what to do")
	ticket := queue.Ticket{Action: cache.DigestOf(action), Certificate: []byte("c"), Address: "command.a"}
	if err := q.Ask(t.Context(), attempt(1), ticket, []byte("something else")); err == nil {
		t.Error("a ticket for another action was taken")
	}
	check(t, q.Ask(t.Context(), attempt(1), ticket, action))
	check(t, q.Ask(t.Context(), attempt(2), ticket, action)) // the action is there once
	got, raw, err := q.Ticket(t.Context(), attempt(1))
	if err != nil || got.Action != ticket.Action || string(got.Certificate) != "c" || got.Address != "command.a" || string(raw) != string(action) {
		t.Errorf("%+v, %q, %v", got, raw, err)
	}
	name := "actions/" + ticket.Action.String()
	check(t, s.Work().Put(t.Context(), name, []byte("what not to do")))
	if _, _, err := q.Ticket(t.Context(), attempt(1)); err == nil || !errors.As(err, new(*queue.RecordError)) {
		t.Errorf("a changed action: %v", err)
	}
	file := filepath.Join(c.Folder, name)
	check(t, os.Chmod(file, 0o600))
	check(t, os.Truncate(file, wire.MaxSize+1))
	if _, _, err := q.Ticket(t.Context(), attempt(1)); err == nil || !strings.Contains(err.Error(), "are the most") {
		t.Errorf("a large action: %v", err)
	}
	s.Work().Delete(t.Context(), name)
	if _, _, err := q.Ticket(t.Context(), attempt(1)); !errors.As(err, new(*queue.RecordError)) || !strings.Contains(err.Error(), "it is not there") {
		t.Errorf("an action that is not there: %v", err)
	}
}

func TestLogs(t *testing.T) {
	q := newQueue(t, opened(t, folder(t)), "q")
	check(t, q.WriteLog(t.Context(), attempt(1), 1, []byte("one")))
	check(t, q.WriteLog(t.Context(), attempt(1), 1, []byte("one, again")))
	check(t, q.WriteLog(t.Context(), attempt(1), 2, make([]byte, 2*queue.MaxLog)))
	if b, err := q.ReadLog(t.Context(), attempt(1), 1); err != nil || string(b) != "one, again" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := q.ReadLog(t.Context(), attempt(1), 2); err == nil {
		t.Error("a piece that is too large was read")
	}
	if _, err := q.ReadLog(t.Context(), attempt(1), 3); !errors.Is(err, cache.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// noDelete is a server for which a user may not delete (invariant I12).
type noDelete struct{ denied atomic.Int64 }

func (n *noDelete) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodDelete || r.URL.Query().Has("delete") {
		n.denied.Add(1)
		const text = `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>`
		return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/xml"}}, Body: http.NoBody, Request: r, Status: text}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}

// fill makes all that an attempt leaves.
func fill(t *testing.T, q *queue.Queue, a queue.Attempt) {
	t.Helper()
	check(t, q.Ask(t.Context(), a, queue.Ticket{Action: cache.DigestOf([]byte("x"))}, []byte("x")))
	check(t, q.Claim(t.Context(), a, queue.Claim{Worker: "w"}))
	check(t, q.WriteLog(t.Context(), a, 1, []byte("log")))
	check(t, q.Finish(t.Context(), a, queue.Result{State: queue.Failed}))
	check(t, q.Cancel(t.Context(), a))
}

func left(t *testing.T, s *s3.Store) int {
	t.Helper()
	found, err := s.Work().List(t.Context(), "attempts/", "")
	check(t, err)
	return len(found)
}

// What is done is forgotten by who may delete; who may not leaves it, and goes on.
func TestForget(t *testing.T) {
	s := opened(t, folder(t))
	q := newQueue(t, s, "q")
	fill(t, q, attempt(1))
	fill(t, q, attempt(2))
	q.Forget(t.Context(), attempt(1), 1)
	if n := left(t, s); n != 5 {
		t.Errorf("%d objects are left, want those of the other attempt", n)
	}
	q.Forget(t.Context(), attempt(3), 2) // nothing of it is there

	server := s3test.Fake(t)
	c := s3.Config{
		Endpoint: server.Endpoint, Insecure: true, Region: server.Region, Bucket: server.Bucket(t), Style: "path", Attempts: 1,
		Credentials: credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""),
	}
	denying := &noDelete{}
	c.Transport = denying
	s = opened(t, c)
	q = newQueue(t, s, "q")
	fill(t, q, attempt(1))
	q.Forget(t.Context(), attempt(1), 1)
	if n := left(t, s); n != 5 || denying.denied.Load() == 0 {
		t.Errorf("%d objects are left of 5; %d deletions were denied", n, denying.denied.Load())
	}
	fill(t, q, attempt(2)) // it may still write
}

func TestNames(t *testing.T) {
	s := opened(t, folder(t))
	for id, ok := range map[string]bool{"a": true, "0f.b-c": true, "": false, "A": false, "../x": false, ".a": false, "a/b": false, "a b": false, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false} {
		if _, err := queue.New(s.Work(), id, keys()); (err == nil) != ok {
			t.Errorf("queue %q: %v", id, err)
		}
	}
	if a, b := queue.NewAttempt(time.UnixMilli(-5), cache.Key{}), queue.NewAttempt(time.UnixMilli(0), cache.Key{}); a != b {
		t.Errorf("before 1970: %s, %s", a, b)
	}
	if attempt(9) >= attempt(10) {
		t.Error("names do not sort by time")
	}
}

func FuzzAttempt(f *testing.F) {
	f.Add(string(attempt(1)))
	f.Add("000000000000-" + strings.Repeat("F", 64))
	f.Add("-")
	f.Fuzz(func(t *testing.T, s string) {
		k, ok := queue.Attempt(s).Key()
		if ok && (len(s) != 12+1+64 || !strings.HasSuffix(s, "-"+k.String())) {
			t.Errorf("%q was taken for an attempt at %s", s, k)
		}
	})
}
