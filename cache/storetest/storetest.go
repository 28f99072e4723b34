package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// Run checks a store. open returns a fresh, empty one each time; Run closes it.
func Run(t *testing.T, open func(t *testing.T) cache.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, s cache.Store)
	}{
		{"BlobRoundTrip", blobRoundTrip},
		{"BlobMissing", blobMissing},
		{"BlobWrongDigest", blobWrongDigest},
		{"BlobWrongSize", blobWrongSize},
		{"BlobSourceFails", blobSourceFails},
		{"BlobTwice", blobTwice},
		{"BlobReadInPieces", blobReadInPieces},
		{"EntryRoundTrip", entryRoundTrip},
		{"EntryOrder", entryOrder},
		{"EntryTwice", entryTwice},
		{"EntrySigners", entrySigners},
		{"EntryWrongDigest", entryWrongDigest},
		{"EntryTimeKept", entryTimeKept},
		{"EntriesOfNobody", entriesOfNobody},
		{"CancelledContext", cancelledContext},
		{"Concurrent", concurrent},
		{"Sync", syncs},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			c.test(t, s)
		})
	}
}

// sizes go over every boundary that a store may have: nothing, packed, large.
var sizes = []int{0, 1, 63, 64, 4096, 64 << 10, 64<<10 + 1, 1 << 20, 1<<20 + 1, 3 << 20}

// Bytes returns n reproducible bytes; every other stream compresses well.
func Bytes(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), 1})
	b := make([]byte, n)
	_, _ = r.Read(b)
	if seed%2 == 1 {
		for i := range b {
			b[i] = "0123456789abcdef"[b[i]&3]
		}
	}
	return b
}

// Put stores b and returns its digest.
func Put(t testing.TB, s cache.Store, b []byte) cache.Digest {
	t.Helper()
	d := cache.DigestOf(b)
	if err := s.PutBlob(t.Context(), d, int64(len(b)), bytes.NewReader(b)); err != nil {
		t.Fatalf("PutBlob of %d bytes: %v", len(b), err)
	}
	return d
}

// Get reads a blob whole.
func Get(ctx context.Context, s cache.Store, d cache.Digest) ([]byte, error) {
	r, size, err := s.OpenBlob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err == nil && int64(len(b)) != size {
		err = fmt.Errorf("%d bytes read, %d announced", len(b), size)
	}
	return b, err
}

// Entry makes a small entry of a key, distinct for each n.
func Entry(t testing.TB, k cache.Key, n int) cache.StoredEntry {
	t.Helper()
	e := cache.Entry{Key: k, Kind: "test", Outputs: fmt.Appendf(nil, `{"n":%d}`, n), Preimage: []byte("x")}
	data, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return cache.StoredEntry{Key: k, Digest: cache.DigestOf(data), Data: data}
}

func key(n int) cache.Key { return cache.Key(cache.DigestOf(fmt.Appendf(nil, "key %d", n))) }

func blobRoundTrip(t *testing.T, s cache.Store) {
	for i, n := range sizes {
		for _, seed := range []uint64{uint64(2 * i), uint64(2*i + 1)} {
			want := Bytes(seed, n)
			d := Put(t, s, want)
			if ok, err := s.HasBlob(t.Context(), d); !ok || err != nil {
				t.Errorf("HasBlob of %d bytes: %v, %v", n, ok, err)
			}
			got, err := Get(t.Context(), s, d)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("blob of %d bytes: read %d, %v", n, len(got), err)
			}
		}
	}
}

func blobMissing(t *testing.T, s cache.Store) {
	d := cache.DigestOf([]byte("nowhere"))
	if ok, err := s.HasBlob(t.Context(), d); ok || err != nil {
		t.Errorf("HasBlob: %v, %v", ok, err)
	}
	_, _, err := s.OpenBlob(t.Context(), d)
	if !errors.Is(err, cache.ErrNotFound) || !cache.IsMissing(err) {
		t.Errorf("OpenBlob of a missing blob: %v", err)
	}
}

func blobWrongDigest(t *testing.T, s cache.Store) {
	for _, n := range sizes {
		b := Bytes(1, n)
		d := cache.DigestOf(append(bytes.Clone(b), 'x'))
		if err := s.PutBlob(t.Context(), d, int64(n), bytes.NewReader(b)); err == nil {
			t.Errorf("%d bytes of another digest were accepted", n)
		}
		if ok, _ := s.HasBlob(t.Context(), d); ok {
			t.Errorf("%d bytes of another digest were published", n)
		}
	}
}

func blobWrongSize(t *testing.T, s cache.Store) {
	for _, n := range sizes {
		b := Bytes(2, n+2)
		d := cache.DigestOf(b)
		for _, wrong := range []int{n, n + 1, n + 3, 4 << 20} {
			if err := s.PutBlob(t.Context(), d, int64(wrong), bytes.NewReader(b)); err == nil {
				t.Errorf("%d bytes were accepted as %d", len(b), wrong)
			}
			if ok, _ := s.HasBlob(t.Context(), d); ok {
				t.Fatalf("%d bytes were published as %d", len(b), wrong)
			}
		}
	}
}

func blobSourceFails(t *testing.T, s cache.Store) {
	broken := errors.New("the source broke")
	for _, n := range sizes {
		b := Bytes(4, n+1)
		d := cache.DigestOf(b)
		src := io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(broken))
		if err := s.PutBlob(t.Context(), d, int64(n+1), src); !errors.Is(err, broken) {
			t.Errorf("PutBlob from a broken source: %v", err)
		}
		if ok, _ := s.HasBlob(t.Context(), d); ok {
			t.Errorf("half a blob of %d bytes was published", n+1)
		}
	}
}

func blobTwice(t *testing.T, s cache.Store) {
	b := Bytes(5, 100<<10)
	d := Put(t, s, b)
	Put(t, s, b)
	// A blob that is there is left alone, whatever is offered under its name.
	_ = s.PutBlob(t.Context(), d, 3, strings.NewReader("bad"))
	if got, err := Get(t.Context(), s, d); err != nil || !bytes.Equal(got, b) {
		t.Errorf("after putting twice: %d bytes, %v", len(got), err)
	}
}

func blobReadInPieces(t *testing.T, s cache.Store) {
	for _, n := range []int{10, 2 << 20} {
		want := Bytes(7, n)
		r, _, err := s.OpenBlob(t.Context(), Put(t, s, want))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(iotest.HalfReader(r))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes in pieces: %d, %v", n, len(got), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func putEntry(t *testing.T, s cache.Store, e cache.StoredEntry) {
	t.Helper()
	if err := s.PutEntry(t.Context(), e); err != nil {
		t.Fatalf("PutEntry: %v", err)
	}
}

func entries(t *testing.T, s cache.Store, k cache.Key) []cache.StoredEntry {
	t.Helper()
	out, err := s.Entries(t.Context(), k)
	if err != nil {
		t.Fatalf("Entries: %v", err)
	}
	return out
}

func entryRoundTrip(t *testing.T, s cache.Store) {
	e := Entry(t, key(1), 1)
	putEntry(t, s, e)
	got := entries(t, s, e.Key)
	if len(got) != 1 || !bytes.Equal(got[0].Data, e.Data) || got[0].Digest != e.Digest || got[0].Key != e.Key || got[0].Signer != "" {
		t.Errorf("got %+v", got)
	}
	if len(got) == 1 && got[0].Time.IsZero() {
		t.Error("the store stamped no time")
	}
	if len(entries(t, s, key(2))) != 0 {
		t.Error("another key has the entry, too")
	}
}

func entryOrder(t *testing.T, s cache.Store) {
	var want []cache.Digest
	for n := range 5 {
		e := Entry(t, key(1), n)
		putEntry(t, s, e)
		want = append(want, e.Digest)
		time.Sleep(2 * time.Millisecond)
	}
	got := entries(t, s, key(1))
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	// Where the store's clock has coarse ticks (S3: a second), equal times may come in any order.
	for i := 1; i < len(got); i++ {
		if got[i].Time.Before(got[i-1].Time) {
			t.Errorf("entry %d is older than the one before it", i)
		}
	}
	for i := range want {
		if got[i].Digest != want[i] && got[0].Time != got[len(got)-1].Time {
			t.Errorf("entry %d is not the one put as number %d", i, i)
		}
	}
}

func entryTwice(t *testing.T, s cache.Store) {
	e := Entry(t, key(1), 1)
	putEntry(t, s, e)
	putEntry(t, s, e)
	if got := entries(t, s, e.Key); len(got) != 1 {
		t.Errorf("%d entries after putting one twice", len(got))
	}
}

func entrySigners(t *testing.T, s cache.Store) {
	for _, signer := range []string{"", "alice-1", "bob-2"} {
		e := Entry(t, key(1), 1)
		e.Signer = signer
		putEntry(t, s, e)
	}
	seen := map[string]bool{}
	for _, e := range entries(t, s, key(1)) {
		seen[e.Signer] = true
	}
	if len(seen) != 3 {
		t.Errorf("signers: %v", seen)
	}
}

func entryWrongDigest(t *testing.T, s cache.Store) {
	e := Entry(t, key(1), 1)
	e.Digest[0] ^= 1
	if err := s.PutEntry(t.Context(), e); err == nil {
		t.Error("an entry under a wrong digest was accepted")
	}
	e = Entry(t, key(1), 1)
	e.Signer = "../evil"
	if err := s.PutEntry(t.Context(), e); err == nil {
		t.Error("a signer with a slash was accepted")
	}
	if got := entries(t, s, key(1)); len(got) != 0 {
		t.Errorf("%d entries were published", len(got))
	}
}

func entryTimeKept(t *testing.T, s cache.Store) {
	e := Entry(t, key(1), 1)
	putEntry(t, s, e)
	first := entries(t, s, e.Key)
	time.Sleep(2 * time.Millisecond)
	if again := entries(t, s, e.Key); len(first) != 1 || len(again) != 1 || !again[0].Time.Equal(first[0].Time) {
		t.Errorf("the time of an entry changed: %v, %v", first, again)
	}
}

func entriesOfNobody(t *testing.T, s cache.Store) {
	if got := entries(t, s, key(99)); len(got) != 0 {
		t.Errorf("%d entries of an unknown key", len(got))
	}
}

func cancelledContext(t *testing.T, s cache.Store) {
	b := Bytes(9, 2<<20)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.PutBlob(ctx, cache.DigestOf(b), int64(len(b)), bytes.NewReader(b)); !errors.Is(err, context.Canceled) {
		t.Errorf("PutBlob: %v", err)
	}
	if _, _, err := s.OpenBlob(ctx, cache.DigestOf(b)); !errors.Is(err, context.Canceled) {
		t.Errorf("OpenBlob: %v", err)
	}
	if err := s.PutEntry(ctx, Entry(t, key(1), 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("PutEntry: %v", err)
	}
	if _, err := s.Entries(ctx, key(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Entries: %v", err)
	}
}

func concurrent(t *testing.T, s cache.Store) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 20 {
				size := 100 * n
				if n == 19 {
					size = 2 << 20
				}
				b := Bytes(uint64(n), size) // all write the same blobs
				d := cache.DigestOf(b)
				if err := s.PutBlob(t.Context(), d, int64(size), bytes.NewReader(b)); err != nil {
					t.Errorf("PutBlob: %v", err)
					return
				}
				if got, err := Get(t.Context(), s, d); err != nil || !bytes.Equal(got, b) {
					t.Errorf("blob %d: %v", n, err)
				}
				e := Entry(t, key(n), g)
				if err := s.PutEntry(t.Context(), e); err != nil {
					t.Errorf("PutEntry: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for n := range 20 {
		if got := entries(t, s, key(n)); len(got) != 8 {
			t.Errorf("key %d has %d entries", n, len(got))
		}
	}
}

func syncs(t *testing.T, s cache.Store) {
	Put(t, s, Bytes(1, 1000))
	Put(t, s, Bytes(2, 2<<20))
	putEntry(t, s, Entry(t, key(1), 1))
	if err := s.Sync(t.Context()); err != nil {
		t.Errorf("Sync: %v", err)
	}
}
