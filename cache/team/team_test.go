package team

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/cache/storetest"
	"github.com/nbpipe/nbpipe/cache/trust"
)

var removeOptions minio.RemoveObjectOptions

// member is a machine of a team: a local store, a key, and the bucket.
type member struct {
	*Team
	set *trust.Set
}

func join(t *testing.T, server *s3test.Server, bucket, name string, trusts ...trust.Public) member {
	t.Helper()
	return joinWithin(t, time.Second, server, bucket, name, trusts...)
}

// joinWithin is join with a time-out of requests.
func joinWithin(t *testing.T, timeout time.Duration, server *s3test.Server, bucket, name string, trusts ...trust.Public) member {
	t.Helper()
	dir := t.TempDir()
	set, err := trust.Load(filepath.Join(dir, "trust.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range trusts {
		if err := set.Add(p, "", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	local, err := cache.Open(t.Context(), filepath.Join(dir, "cache"), cache.Options{Trust: set.Check})
	if err != nil {
		t.Fatal(err)
	}
	remote, err := s3.Init(t.Context(), s3.Config{
		Endpoint: server.Endpoint, Insecure: true, Region: server.Region, Bucket: bucket, Style: "path", Dir: filepath.Join(dir, "remote"),
		Credentials: credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""), Timeout: timeout, Attempts: 2,
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Pin(remote.Place(), remote.ID()); err != nil {
		t.Fatal(err)
	}
	key := signer(name)
	team := New(Options{Local: local, Remote: remote, Key: &key, Dir: filepath.Join(dir, "remote")})
	local.SetUpstream(team)
	t.Cleanup(func() {
		_ = team.Close()
		_ = local.Close()
	})
	return member{team, set}
}

func signer(name string) cache.SigningKey {
	seed := cache.DigestOf([]byte(name))
	return cache.SigningKey{Name: name, Private: ed25519.NewKeyFromSeed(seed[:])}
}

func key(n int) cache.Key { return cache.Key(cache.DigestOf(fmt.Appendf(nil, "key %d", n))) }

// publish makes a result with one blob of the given size.
func (m member) publish(t *testing.T, n, size int) []byte {
	t.Helper()
	b := storetest.Bytes(uint64(2*n), size)
	o, err := m.Local.IngestBytes(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	e := &cache.Entry{Key: key(n), Kind: "test", Outputs: fmt.Appendf(nil, `{"n":%d}`, n), Objects: []cache.Object{o}, Preimage: []byte("x")}
	if _, err := m.Local.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestShare: what one publishes another one finds, and its bytes come when they are read.
func TestShare(t *testing.T) {
	server := s3test.Fake(t)
	bucket := server.Bucket(t)
	alice := join(t, server, bucket, "alice-1")
	bob := join(t, server, bucket, "bob-1", trust.PublicOf(signer("alice-1")))
	stranger := join(t, server, bucket, "carol-1")
	want := map[int][]byte{}
	var keys []cache.Key
	for n := range 20 {
		want[n] = alice.publish(t, n, 100+n*20_000)
		keys = append(keys, key(n))
		alice.Publish(key(n)) // as a run does, one by one
	}
	alice.Flush(t.Context())
	if r := alice.Report(); r.Published != 20 || r.NotSentNum != 0 {
		t.Fatalf("%+v", r)
	}
	alice.Publish(keys...)
	alice.Flush(t.Context())
	if r := alice.Report(); r.Published != 20 {
		t.Errorf("published again: %+v", r)
	}

	bob.Pull(t.Context(), keys)
	for n, b := range want {
		e, err := bob.Local.Lookup(t.Context(), key(n))
		if err != nil || e == nil {
			t.Fatalf("result %d: %v, %q", n, err, bob.Local.MissReasons(key(n)))
		}
		got, err := bob.Local.ReadAll(t.Context(), e.Objects[0].Digest, -1)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("result %d: %d bytes, %v", n, len(got), err)
		}
	}
	if r := bob.Report(); r.Pulled != 20 || r.Fetched == 0 || len(r.Misses) != 0 {
		t.Errorf("%+v", r)
	}
	bob.Publish(keys...)
	bob.Flush(t.Context())
	if r := bob.Report(); r.Published != 0 {
		t.Errorf("somebody else's results were published under another name: %+v", r)
	}

	stranger.Pull(t.Context(), keys)
	if e, err := stranger.Local.Lookup(t.Context(), key(1)); err != nil || e != nil {
		t.Errorf("who trusts nobody has a result: %v, %v", e, err)
	}
}

// TestI20_AwayCostsTimeOnly: a bucket that cannot be reached is the reason of
// misses, told once, and of what was not sent.
func TestI20_AwayCostsTimeOnly(t *testing.T) {
	direct := s3test.Fake(t)
	proxy := s3test.NewProxy(t, direct)
	server := proxy.Direct()
	server.Endpoint = proxy.Endpoint
	m := join(t, server, direct.Bucket(t), "alice-1")
	m.publish(t, 1, 100)
	proxy.Blackout(true)
	for range 5 {
		m.Pull(t.Context(), []cache.Key{key(7)})
	}
	m.Publish(key(1))
	m.Flush(t.Context())
	r := m.Report()
	if len(r.Misses) == 0 || len(r.Misses) > 3 || r.NotSentNum != 1 || r.Published != 0 {
		t.Errorf("%+v", r)
	}
	if e, err := m.Local.Lookup(t.Context(), key(1)); err != nil || e == nil {
		t.Errorf("the local result: %v, %v", e, err)
	}
}

// TestFlushEnds: who does not want to wait any longer does not have to.
func TestFlushEnds(t *testing.T) {
	direct := s3test.Fake(t)
	proxy := s3test.NewProxy(t, direct)
	server := proxy.Direct()
	server.Endpoint = proxy.Endpoint
	m := join(t, server, direct.Bucket(t), "alice-1")
	m.publish(t, 1, 100)
	proxy.Set(s3test.Faults{Hang: 1})
	m.Publish(key(1))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	started := time.Now()
	m.Flush(ctx)
	if d := time.Since(started); d > 3*time.Second {
		t.Errorf("Flush took %s after its context ended", d)
	}
	if r := m.Report(); r.NotSentNum != 1 {
		t.Errorf("what was on its way does not count as not sent: %+v", r)
	}
}

// TestHintsAreNoProof: what the bucket has lost since is published again by Push
// without hints.
func TestHintsAreNoProof(t *testing.T) {
	server := s3test.Fake(t)
	bucket := server.Bucket(t)
	m := join(t, server, bucket, "alice-1")
	m.publish(t, 1, 100)
	if got, err := m.Push(t.Context(), []cache.Key{key(1)}, true); err != nil || got.Published != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	own, _, _, err := m.Local.Own(t.Context(), key(1))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := m.Key.Seal(own, m.Remote.ID())
	if err != nil {
		t.Fatal(err)
	}
	name := "entries/" + key(1).String() + "/alice-1." + sealed.Digest.String()
	if err := server.Client(t).RemoveObject(t.Context(), bucket, name, removeOptions); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Push(t.Context(), []cache.Key{key(1)}, true); err != nil || got.Published != 0 {
		t.Errorf("with hints: %+v, %v", got, err)
	}
	if got, err := m.Push(t.Context(), []cache.Key{key(1)}, false); err != nil || got.Published != 1 {
		t.Errorf("without hints: %+v, %v", got, err)
	}
}

// TestI21_NothingPersonalInTheBucket: no secret, user, host or path of a machine is
// in what is published, in names, bytes or metadata, nor in what is remembered of it.
func TestI21_NothingPersonalInTheBucket(t *testing.T) {
	server := s3test.MinIO(t)
	bucket := server.Bucket(t)
	t.Setenv("USER", "distinctive-user-name")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "distinctive-secret-of-the-environment")
	m := join(t, server, bucket, "alice-1")
	var keys []cache.Key
	for n := range 5 {
		m.publish(t, n, 300+400_000*n)
		keys = append(keys, key(n))
	}
	m.publish(t, 5, 20<<20) // in parts
	keys = append(keys, key(5))
	if got, err := m.Push(t.Context(), keys, false); err != nil || got.Published != len(keys) {
		t.Fatalf("%+v, %v", got, err)
	}
	root, err := s3.Root{Experiment: "experiment", Keys: keys[:1]}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Remote.SetRef(t.Context(), s3.RunsPrefix+"alice-1/x", root); err != nil {
		t.Fatal(err)
	}
	if r, err := m.Remote.GC(t.Context(), s3.GCOptions{MaxSize: 1}); err != nil || r.Condemned.Entries != len(keys)-1 {
		t.Fatalf("%+v, %v", r.Condemned, err) // so there is a tombstone
	}
	if err := m.Team.Close(); err != nil {
		t.Fatal(err)
	}

	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	private := signer("alice-1").Private
	needles := map[string]string{
		"the user": "distinctive-user-name", "the environment's secret": "distinctive-secret-of-the-environment", "the secret": server.SecretKey,
		"the host": host, "the folder of the cache": m.Options.Dir, "the working folder": mustGetwd(t), "the folder for temporary files": os.TempDir() + "/",
		"the key": string(private.Seed()), "the key in hex": hex.EncodeToString(private.Seed()), "the key in base64": base64.StdEncoding.EncodeToString(private.Seed()),
	}
	if len(host) < 6 {
		delete(needles, "the host") // random bytes hold it
	}
	search := func(where string, b []byte) {
		for what, needle := range needles {
			if bytes.Contains(b, []byte(needle)) {
				t.Errorf("%s is in %s", what, where)
			}
		}
	}
	client := server.Client(t)
	kinds := map[string]bool{}
	for o := range client.ListObjects(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true, WithMetadata: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		kind, _, _ := strings.Cut(o.Key, "/")
		kinds[kind] = true
		search("the name "+o.Key, []byte(o.Key))
		search("the metadata of "+o.Key, fmt.Append(nil, o.UserMetadata, o.UserTags, o.ContentType))
		r, err := client.GetObject(t.Context(), bucket, o.Key, minio.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		search(o.Key, b)
	}
	for _, kind := range []string{"blobs", "packs", "entries", "refs", "trash", "store.json"} {
		if !kinds[kind] {
			t.Errorf("there was nothing in %s", kind)
		}
	}
	err = filepath.WalkDir(m.Options.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		search(path, b)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func mustGetwd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
