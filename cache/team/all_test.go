package team

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/cache/storetest"
	"github.com/nbpipe/nbpipe/cache/trust"
)

// large is a size from which on a blob is an object of its own.
const large = 2 << 20

// patience is for servers that list thousands of objects on a busy machine.
const patience = 30 * time.Second

func nothing[T any](T) {}

func (m member) pushAll(t *testing.T) AllPushed {
	t.Helper()
	got, err := m.PushAll(t.Context(), nothing)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (m member) pullAll(t *testing.T) AllPulled {
	t.Helper()
	got, err := m.PullAll(t.Context(), m.set, nothing)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// has reports whether a member has result n, of the given size, with its content.
func (m member) has(t *testing.T, n, size int) bool {
	t.Helper()
	e, err := m.Local.Lookup(t.Context(), key(n))
	if err != nil {
		t.Fatal(err)
	}
	if e == nil {
		return false
	}
	missing, err := m.Local.Missing(t.Context(), e)
	if err != nil || len(missing) > 0 {
		t.Errorf("result %d: %d blobs missing, %v", n, len(missing), err)
	}
	got, err := m.Local.ReadAll(t.Context(), e.Objects[0].Digest, -1)
	if err != nil || !bytes.Equal(got, storetest.Bytes(uint64(2*n), size)) {
		t.Errorf("result %d: %d bytes, %v", n, len(got), err)
	}
	return true
}

// sealed is the published form of the own result n.
func (m member) sealed(t *testing.T, n int) (cache.StoredEntry, string) {
	t.Helper()
	own, _, _, err := m.Local.Own(t.Context(), key(n))
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Key.Seal(own, m.Remote.ID())
	if err != nil {
		t.Fatal(err)
	}
	return e, "entries/" + e.Key.String() + "/" + e.Signer + "." + e.Digest.String()
}

// TestAll: everything goes up and comes down, on a second time nothing moves, and
// what cannot be believed or is not whole is counted and left where it is.
func TestAll(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *s3test.Server{"fake": s3test.Fake, "minio": s3test.MinIO} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			bucket := server.Bucket(t)
			const small = 1100 // more than one page, and more than one batch
			alice := joinWithin(t, patience, server, bucket, "alice-1")
			for n := range small {
				alice.publish(t, n, 50)
			}
			for n := small; n < small+3; n++ {
				alice.publish(t, n, large)
			}
			mallory := joinWithin(t, patience, server, bucket, "mallory-1")
			secret := mallory.publish(t, 5000, large)

			if got := alice.pushAll(t); got.Total != small+3 || got.Published != small+3 || got.Blobs != small+3 || got.Failed != 0 || len(got.Unusable) != 0 {
				t.Fatalf("push: %+v", got)
			}
			if got := alice.pushAll(t); got.Published != 0 || got.Present != small+3 || got.Done != small+3 || got.Bytes != 0 {
				t.Errorf("second push: %+v", got)
			}
			mallory.pushAll(t)
			alice.spoil(t, server, bucket, small)

			bob := joinWithin(t, patience, server, bucket, "bob-1", trust.PublicOf(signer("alice-1")))
			got := bob.pullAll(t)
			want := AllPulled{Seen: small + 3 + 1 + 2, Taken: small + 1, Unsigned: 1, Damaged: 1, Incomplete: 1}
			wantPulled(t, got, want, map[string]int{
				"signed by mallory-1, whom you do not trust; if you do, ask for the public key: nbpipe key trust mallory-1:...": 1,
				"the signature of alice-1 is not right: the entry was forged or damaged":                                        1,
			})
			for n := range small {
				if has := bob.has(t, n, 50); has != (n != 0) {
					t.Errorf("result %d is here: %t", n, has)
				}
			}
			for n, want := range map[int]bool{small: true, small + 1: true, small + 2: false} {
				if has := bob.has(t, n, large); has != want {
					t.Errorf("result %d is here: %t", n, has)
				}
			}
			if have, _ := bob.Local.HasBlob(t.Context(), cache.DigestOf(secret)); have {
				t.Error("content of somebody who is not trusted was fetched")
			}

			fetched := bob.Report().Fetched
			want.Taken, want.Here = 0, small+1
			wantPulled(t, bob.pullAll(t), want, nil)
			if again := bob.Report().Fetched; again != fetched {
				t.Errorf("a second pull fetched %d bytes", again-fetched)
			}
			if n := bob.pushAll(t).Total; n != 0 {
				t.Errorf("%d results of others count as own", n)
			}
		})
	}
}

// spoil damages entry 0, forges one beside it, files an unsigned one, and deletes
// the content of the last of the large results that follow the small ones.
func (m member) spoil(t *testing.T, server *s3test.Server, bucket string, small int) {
	t.Helper()
	client := server.Client(t)
	put := func(name string, b []byte) {
		t.Helper()
		if _, err := client.PutObject(t.Context(), bucket, name, bytes.NewReader(b), int64(len(b)), minio.PutObjectOptions{DisableContentSha256: true}); err != nil {
			t.Fatal(err)
		}
	}
	first, name := m.sealed(t, 0)
	put(name, append([]byte("x"), first.Data...))
	own, entry, _, err := m.Local.Own(t.Context(), key(1))
	if err != nil {
		t.Fatal(err)
	}
	thief := cache.SigningKey{Name: "alice-1", Private: signer("thief").Private}
	forged, err := thief.Seal(own, m.Remote.ID())
	if err != nil {
		t.Fatal(err)
	}
	put("entries/"+entry.Key.String()+"/alice-1."+forged.Digest.String(), forged.Data)
	put("entries/"+entry.Key.String()+"/-."+own.Digest.String(), own.Data)
	_, last, _, err := m.Local.Own(t.Context(), key(small+2))
	if err != nil {
		t.Fatal(err)
	}
	d := last.Objects[0].Digest.String()
	if err := client.RemoveObject(t.Context(), bucket, "blobs/"+d[:2]+"/"+d, removeOptions); err != nil {
		t.Fatal(err)
	}
}

func wantPulled(t *testing.T, got, want AllPulled, reasons map[string]int) {
	t.Helper()
	for reason, n := range reasons {
		if got.Refused[reason] != n {
			t.Errorf("%d refused because %q, want %d: %v", got.Refused[reason], reason, n, got.Refused)
		}
	}
	got.Refused = nil
	if want.Refused = nil; !equalPulled(got, want) {
		t.Errorf("pulled %+v, want %+v", got, want)
	}
}

func equalPulled(a, b AllPulled) bool {
	return a.Seen == b.Seen && a.Taken == b.Taken && a.Here == b.Here && a.Unsigned == b.Unsigned && a.Damaged == b.Damaged && a.Incomplete == b.Incomplete
}

// TestAllGoesOn: what was moved before an interruption is not moved again.
func TestAllGoesOn(t *testing.T) {
	server := s3test.Fake(t)
	bucket := server.Bucket(t)
	alice := joinWithin(t, patience, server, bucket, "alice-1")
	const n = 1200
	for i := range n {
		alice.publish(t, i, 50)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first, err := alice.PushAll(ctx, func(p AllPushed) {
		if p.Published > 0 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || first.Published != batchKeys || first.Done != batchKeys {
		t.Fatalf("push: %+v, %v", first, err)
	}
	if got := alice.pushAll(t); got.Published != n-batchKeys || got.Present != batchKeys {
		t.Errorf("push goes on: %+v", got)
	}

	bob := joinWithin(t, patience, server, bucket, "bob-1", trust.PublicOf(signer("alice-1")))
	ctx, cancel = context.WithCancel(t.Context())
	taken := 0
	_, err = bob.PullAll(ctx, bob.set, func(p AllPulled) { taken = p.Taken; cancel() })
	if !errors.Is(err, context.Canceled) || taken == 0 || taken == n {
		t.Fatalf("pull: %d taken, %v", taken, err)
	}
	if got := bob.pullAll(t); got.Here != taken || got.Taken != n-taken {
		t.Errorf("pull goes on: %+v after %d taken", got, taken)
	}
}

// TestAllRevoked: revoked results are not read, and are one reason however many
// they are; what came before stays.
func TestAllRevoked(t *testing.T) {
	server := s3test.Fake(t)
	bucket := server.Bucket(t)
	alice := join(t, server, bucket, "alice-1")
	for n := range 5 {
		alice.publish(t, n, 50)
	}
	alice.pushAll(t)
	bob := join(t, server, bucket, "bob-1", trust.PublicOf(signer("alice-1")))
	bob.set.Revoke(trust.Revocation{Name: "alice-1", Since: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)})
	got := bob.pullAll(t)
	wantPulled(t, got, AllPulled{Seen: 5}, map[string]int{"signed by alice-1, and that key is revoked since 2020-01-01T00:00:00Z": 5})
	if len(got.Refused) != 1 || bob.Report().Fetched != 0 {
		t.Errorf("%+v, %d bytes fetched", got, bob.Report().Fetched)
	}
}

// TestPushAllLost: an own result that lost its content is passed over or fails,
// with the reason, and does not hold up the others.
func TestPushAllLost(t *testing.T) {
	server := s3test.Fake(t)
	m := join(t, server, server.Bucket(t), "alice-1")
	for n := range 3 {
		m.publish(t, n, 50)
	}
	_, e, _, err := m.Local.Own(t.Context(), key(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Local.MarkBad(t.Context(), e.Objects[0].Digest, "for the test"); err != nil {
		t.Fatal(err)
	}
	got := m.pushAll(t)
	if got.Total != 3 || got.Done != 3 || got.Published != 2 || len(got.Unusable) != 1 || got.Failed != 0 {
		t.Errorf("%+v", got)
	}
	m.Key = nil
	if _, err := m.PushAll(t.Context(), nothing); err == nil {
		t.Error("published without a key")
	}
}

// TestReasonsAreBounded: who writes to the bucket can make up reasons.
func TestReasonsAreBounded(t *testing.T) {
	var r Reasons
	for n := range 1000 {
		r.add(key(n).String())
		r.add("the same")
	}
	total := 0
	for _, n := range r {
		total += n
	}
	if len(r) > mostReasons+1 || total != 2000 || r["the same"] != 1000 {
		t.Errorf("%d reasons for %d results", len(r), total)
	}
}

// TestAllAway: a bucket that goes away is an error.
func TestAllAway(t *testing.T) {
	direct := s3test.Fake(t)
	proxy := s3test.NewProxy(t, direct)
	server := proxy.Direct()
	server.Endpoint = proxy.Endpoint
	m := join(t, server, direct.Bucket(t), "alice-1")
	m.publish(t, 1, 100)
	proxy.Blackout(true)
	for range 4 {
		if _, err := m.PullAll(t.Context(), m.set, nothing); err == nil {
			t.Error("pull: no error")
		}
	}
	if _, err := m.PushAll(t.Context(), nothing); !errors.Is(err, s3.ErrOff) {
		t.Errorf("push: %v", err)
	}
}
