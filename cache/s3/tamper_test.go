package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/cache/trust"
)

// bucket is one with results of alice: two large blobs, two packs of three small ones.
type bucket struct {
	c     Config
	s     *Store // may do everything
	from  *cache.Local
	items []Item
	whole map[string][]byte // all objects, as they were
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	c := config(t, s3test.Fake(t))
	s, err := Init(t.Context(), c, DefaultGrace)
	if err != nil {
		t.Fatal(err)
	}
	b := &bucket{c: c, s: s, from: openLocal(t)}
	for i, size := range []int{3 << 19, 3 << 19} {
		b.items = append(b.items, artifacts(t, b.from, 1, size, uint64(100+i))...) // raw, then compressed
	}
	b.items = append(b.items, artifacts(t, b.from, 6, 3000, 200)...)
	for i, it := range b.items {
		body, err := it.Entry.Body()
		if err != nil {
			t.Fatal(err)
		}
		b.items[i].Entry = b.sign(t, "alice-1", it.Entry.Key, body, s.ID())
	}
	for _, part := range [][]Item{b.items[:5], b.items[5:]} {
		if _, err := s.Push(t.Context(), b.from, part, nil); err != nil {
			t.Fatal(err)
		}
	}
	setRoot(t, s, "first", keysOf(b.items)...)
	b.whole = b.objects(t)
	return b
}

// sign signs with the key of that name in newMember's set, or another one.
func (b *bucket) sign(t *testing.T, name string, key cache.Key, body []byte, scope string) cache.StoredEntry {
	t.Helper()
	e, err := tamperKey(name).Seal(cache.StoredEntry{Key: key, Digest: cache.DigestOf(body), Data: body}, scope)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (b *bucket) objects(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	all, err := b.s.list(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if out[i.name], _, err = b.s.get(t.Context(), i.name, 0, -1); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// put puts, or with nil deletes, an object as a thief of credentials does.
func (b *bucket) put(t *testing.T, name string, data []byte) {
	t.Helper()
	var err error
	if data == nil {
		err = b.s.remove(t.Context(), name)
	} else {
		_, err = b.s.put(t.Context(), name, data, always)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// restore makes the bucket what it was.
func (b *bucket) restore(t *testing.T) {
	t.Helper()
	now := b.objects(t)
	for name := range now {
		if b.whole[name] == nil {
			b.put(t, name, nil)
		}
	}
	for name, data := range b.whole {
		if !bytes.Equal(now[name], data) {
			b.put(t, name, data)
		}
	}
}

func (b *bucket) open(t *testing.T) *Store {
	t.Helper()
	return openLater(t, b.c, 0)
}

// member is a machine whose user trusts alice.
type member struct {
	s     *Store
	local *cache.Local
}

func (b *bucket) join(t *testing.T) member {
	t.Helper()
	dir := t.TempDir()
	set, err := trust.Load(filepath.Join(dir, "trust.json"))
	if err == nil {
		err = set.Add(trust.PublicOf(tamperKey("alice-1")), "", time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	set.Stores[b.s.Place()] = b.s.ID()
	s := b.open(t)
	local, err := cache.Open(t.Context(), dir, cache.Options{Trust: set.Check, Upstream: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = local.Close() })
	if err := s.catalogue.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return member{s, local}
}

// take gets all results: each is right, or a miss with a reason. It returns which are misses.
func (m member) take(t *testing.T, b *bucket) (missed []int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	pulled, err := m.s.PullEntries(ctx, m.local, keysOf(b.items))
	if err != nil {
		t.Fatalf("pulling: %v", err)
	}
	for i, it := range b.items {
		e, err := m.local.Lookup(ctx, it.Entry.Key)
		if err != nil {
			t.Fatalf("result %d: %v", i, err)
		}
		if e == nil {
			if _, herr := m.s.head(ctx, entryName(it.Entry)); len(m.local.MissReasons(it.Entry.Key)) == 0 && pulled.Damaged == 0 && herr == nil {
				t.Errorf("result %d is a miss without a reason: %+v", i, pulled)
			}
			missed = append(missed, i)
			continue
		}
		want, err := it.Entry.Decode()
		if err != nil || e.OutputDigest() != want.OutputDigest() || len(e.Objects) != 1 || e.Objects[0].Digest != it.Needs[0] {
			t.Errorf("result %d is a wrong one: %+v, %v", i, e, err)
			continue
		}
		got, err := m.local.ReadAll(ctx, it.Needs[0], -1)
		switch {
		case err == nil && cache.DigestOf(got) != it.Needs[0]:
			t.Errorf("result %d has wrong bytes", i)
		case err != nil && (ctx.Err() != nil || !cache.IsMissing(err)):
			t.Errorf("result %d: %v", i, err)
		case err != nil:
			missed = append(missed, i)
		}
	}
	return missed
}

// heal does what alice can, each as a command of its own, and then all is there.
func (b *bucket) heal(t *testing.T) {
	t.Helper()
	doctor, err := b.open(t).Doctor(t.Context(), DoctorOptions{Repair: true, Local: b.from})
	if err != nil || len(doctor.Problems()) > 0 {
		t.Errorf("doctor: %v, %+v", err, doctor.Problems())
	}
	if _, err := b.open(t).Verify(t.Context(), b.from, nil); err != nil {
		t.Errorf("verify: %v", err)
	}
	if got, err := b.open(t).Push(t.Context(), b.from, b.items, nil); err != nil || len(got.Failed) > 0 {
		t.Errorf("push: %v, %+v", err, got)
	}
	if missed := b.join(t).take(t, b); len(missed) > 0 {
		t.Errorf("after healing, %v are missed", missed)
	}
	again := b.open(t)
	v, err := again.Verify(t.Context(), nil, nil)
	if err != nil || len(v.Bad)+len(v.BadEntries)+v.Lost > 0 {
		t.Errorf("after healing: %+v, %v", v, err)
	}
	if doctor, err = again.Doctor(t.Context(), DoctorOptions{}); err != nil || len(doctor.Problems()) > 0 {
		t.Errorf("after healing: %+v, %v", doctor.Problems(), err)
	}
}

// flips are harms of single bytes at places from the start or, below zero, the end.
func flips(at ...int) map[string]func([]byte) []byte {
	out := map[string]func([]byte) []byte{
		"emptied":           func([]byte) []byte { return []byte{} },
		"one byte":          func(b []byte) []byte { return b[:1] },
		"cut in the middle": func(b []byte) []byte { return b[:len(b)/2] },
		"cut by one":        func(b []byte) []byte { return b[:len(b)-1] },
		"lengthened by one": func(b []byte) []byte { return append(b, 0) },
		"twice":             func(b []byte) []byte { return append(b, b...) },
		"zeros":             func(b []byte) []byte { return make([]byte, len(b)) },
	}
	for _, off := range at {
		out[fmt.Sprintf("flipped at %d", off)] = func(b []byte) []byte {
			if off < 0 {
				b[len(b)+off] ^= 0x10
			} else {
				b[off] ^= 0x10
			}
			return b
		}
	}
	return out
}

// TestI5_TamperTable: whatever somebody with all rights on the bucket does to an
// object, a member gets the right bytes or a miss with a reason; other results are
// not touched; and who has the right bytes can put everything in order. It is seen
// by a machine that comes after the harm, and by one that knew the packs before.
func TestI5_TamperTable(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	packOf := func(item int) string {
		at, ok := locationOf(b.s, b.items[item].Needs[0])
		if !ok {
			t.Fatal("no pack")
		}
		return packName(at.pack)
	}
	raw, zstd, entry := blobName(b.items[0].Needs[0]), blobName(b.items[1].Needs[0]), entryName(b.items[3].Entry)
	pack, index := packOf(2), 3*indexRecord+trailerSize
	for _, kind := range []struct {
		kind, name, other string
		affected          []int
		harms             map[string]func([]byte) []byte
	}{
		{"raw blob", raw, zstd, []int{0}, flips(0, 8, 16, 24, 31, 4096, 700_000, -1)},
		{"compressed blob", zstd, raw, []int{1}, flips(8, 16, 32, 33, 200_000, -1)},
		{"pack", pack, packOf(5), []int{2, 3, 4}, flips(0, 8, 9, 20, 60, 400, -index, -index+33, -index+37, -trailerSize, -trailerSize+1, -trailerSize+4, -1)},
		{"entry", entry, entryName(b.items[4].Entry), []int{3}, flips(0, 25, 40, 90, 130, -100, -10, -1)},
	} {
		for i, name := range sortedNames(kind.harms) {
			if !sampled(i) {
				continue
			}
			t.Run(kind.kind+"/"+name, func(t *testing.T) {
				b.restore(t)
				warm := b.join(t)
				b.put(t, kind.name, kind.harms[name](bytes.Clone(b.whole[kind.name])))
				b.check(t, warm, kind.affected)
			})
		}
		t.Run(kind.kind+"/swapped", func(t *testing.T) {
			b.restore(t)
			warm := b.join(t)
			b.put(t, kind.name, b.whole[kind.other])
			b.put(t, kind.other, b.whole[kind.name])
			b.check(t, warm, nil)
		})
	}
}

// check looks at a harmed bucket. What is not among affected must not be missed;
// nil stands for everything.
func (b *bucket) check(t *testing.T, warm member, affected []int) {
	t.Helper()
	for name, m := range map[string]member{"warm": warm, "fresh": b.join(t)} {
		for _, i := range m.take(t, b) {
			if affected != nil && !slices.Contains(affected, i) {
				t.Errorf("%s: result %d is missed, too", name, i)
			}
		}
		if _, err := m.s.Verify(t.Context(), nil, nil); err != nil {
			t.Errorf("%s: verify: %v", name, err)
		}
		if _, err := m.s.GC(t.Context(), GCOptions{DryRun: true}); err != nil {
			t.Errorf("%s: collection: %v", name, err)
		}
	}
	b.heal(t)
}

// tamperKey is the key of a name; "mallory as alice-1" is another one called alice-1.
func tamperKey(name string) cache.SigningKey {
	k := signingKey(name)
	if _, as, ok := strings.Cut(name, " as "); ok {
		k.Name = as
	}
	return k
}

// TestI10_ForgedEntries: entries that somebody without alice's key puts beside
// hers, or in their place, are not used, and hers are.
func TestI10_ForgedEntries(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	victim := b.items[3]
	lie := cache.Entry{Key: victim.Entry.Key, Kind: "test", Outputs: []byte(`{"n":666}`), Preimage: []byte("x")}
	body, err := lie.Encode()
	if err != nil {
		t.Fatal(err)
	}
	other := b.items[4].Entry
	for name, e := range map[string]cache.StoredEntry{
		"unsigned":               {Key: lie.Key, Digest: cache.DigestOf(body), Data: body},
		"by a stranger":          b.sign(t, "mallory-1", lie.Key, body, b.s.ID()),
		"with a wrong key":       b.sign(t, "mallory as alice-1", lie.Key, body, b.s.ID()),
		"for another store":      b.sign(t, "alice-1", lie.Key, body, "0123456789abcdef0123456789abcdef"),
		"replayed":               {Key: lie.Key, Signer: "alice-1", Digest: other.Digest, Data: other.Data},
		"under another signer":   {Key: lie.Key, Signer: "alice-1", Digest: b.sign(t, "mallory-1", lie.Key, body, b.s.ID()).Digest, Data: b.sign(t, "mallory-1", lie.Key, body, b.s.ID()).Data},
		"no seal":                {Key: lie.Key, Signer: "alice-1", Digest: cache.DigestOf(body), Data: body},
		"large":                  {Key: lie.Key, Signer: "alice-1", Digest: cache.DigestOf(make([]byte, 1<<20)), Data: make([]byte, 1<<20)},
		"hers, moved to mallory": {Key: lie.Key, Signer: "mallory-1", Digest: victim.Entry.Digest, Data: victim.Entry.Data},
	} {
		t.Run(name, func(t *testing.T) {
			b.restore(t)
			b.put(t, entryName(e), e.Data)
			if missed := b.join(t).take(t, b); len(missed) > 0 {
				t.Errorf("beside hers: %v are missed", missed)
			}
			b.put(t, entryName(victim.Entry), nil)
			if missed := b.join(t).take(t, b); !slices.Equal(missed, []int{3}) {
				t.Errorf("in place of hers: %v are missed", missed)
			}
			b.put(t, entryName(victim.Entry), e.Data) // under her name
			if heavy() {
				b.check(t, b.join(t), []int{3})
			} else if missed := b.join(t).take(t, b); len(missed) > 0 && !slices.Equal(missed, []int{3}) {
				t.Errorf("under her name: %v are missed", missed)
			}
		})
	}
}

// Tombstones are believed only in what is garbage anyway; one that is damaged
// condemns nothing, and none stops a collection.
func TestI13_TamperedTombstones(t *testing.T) {
	b := newBucket(t)
	live, err := json.Marshal(tombstone{Version: tombVersion, Condemned: append(sortedNames(b.whole), "../x", "", "store.json", "lease/gc")})
	if err != nil {
		t.Fatal(err)
	}
	harms := flips(1, 5, 14, 30, -2)
	harms["names what is live"] = func([]byte) []byte { return live }
	harms["deep"] = func([]byte) []byte { return bytes.Repeat([]byte("["), 100_000) }
	for i, name := range sortedNames(harms) {
		if !sampled(i) && name != "names what is live" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b.restore(t)
			b.put(t, tombPrefix+"0123456789ab.json", harms[name](bytes.Clone(live)))
			for _, by := range []time.Duration{day, 5 * day, 10 * day} {
				collect(t, openLater(t, b.c, by), GCOptions{})
			}
			if missed := b.join(t).take(t, b); len(missed) > 0 {
				t.Errorf("%v are missed", missed)
			}
			if v := wantWhole(t, b.open(t)); len(v.entries) != len(b.items) || len(v.trash) != 0 || len(v.refs) != 1 {
				t.Errorf("%d entries, trash %v", len(v.entries), v.trash)
			}
		})
	}
}

// A lease that somebody forged keeps others waiting for minutes, not for ever.
func TestI15_TamperedLease(t *testing.T) {
	b := newBucket(t)
	forever := []byte(`{"holder":"x","beat":1,"lease_seconds":999999999}`)
	harms := flips(0, 12, 30, -2)
	harms["for ever"] = func([]byte) []byte { return forever }
	harms["negative"] = func([]byte) []byte { return []byte(`{"holder":"x","lease_seconds":-5}`) }
	for _, name := range sortedNames(harms) {
		t.Run(name, func(t *testing.T) {
			b.restore(t)
			b.put(t, leaseName, harms[name](bytes.Clone(forever)))
			b.put(t, markerPrefix+"x", []byte("{}\n"))
			if _, err := b.open(t).GC(t.Context(), GCOptions{}); !errors.As(err, new(*BusyError)) {
				t.Errorf("at once: %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			s := b.open(t)
			running, err := s.collecting(ctx)
			if !running || err != nil {
				t.Errorf("at once: %v, %v", running, err)
			}
			if f, i, err := s.readLease(ctx); err != nil || !f.ranOut(i, time.Now().Add(10*time.Minute)) {
				t.Errorf("a writer waits, ten minutes later: %+v, %v", f, err)
			}
			l, err := takeOverAt(ctx, s, time.Now().Add(10*time.Minute))
			if err != nil {
				t.Fatalf("a collection, ten minutes later: %v", err)
			}
			l.release(ctx)
			collect(t, s, GCOptions{})
			if missed := b.join(t).take(t, b); len(missed) > 0 {
				t.Errorf("%v are missed", missed)
			}
		})
	}
}

// A ref that cannot be read stops collections, with its name; readers do not care.
// An older version of one may cost what it does not name, which then is a miss.
func TestI13_TamperedRefs(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	ref := refsPrefix + RunsPrefix + "alice-1/first"
	older, err := Root{Experiment: "first", Keys: keysOf(b.items[:2])}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	harms := flips(0, 3, 12, 30, 60, -3, -1)
	harms["older"] = func([]byte) []byte { return older }
	harms["newer than this build"] = func([]byte) []byte { return []byte(`{"version":9}`) }
	for i, name := range sortedNames(harms) {
		if !sampled(i) && name != "older" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b.restore(t)
			b.put(t, ref, harms[name](bytes.Clone(b.whole[ref])))
			if missed := b.join(t).take(t, b); len(missed) > 0 {
				t.Errorf("%v are missed", missed)
			}
			for _, by := range []time.Duration{day, 5 * day} {
				_, err := openLater(t, b.c, by).GC(t.Context(), GCOptions{MaxSize: 1})
				if err != nil && !strings.Contains(err.Error(), "alice-1/first") {
					t.Error(err)
				}
				if (err == nil) != (name == "older" || strings.HasPrefix(name, "flipped at 30") || strings.HasPrefix(name, "flipped at 12")) {
					t.Logf("a collection: %v", err)
				}
			}
			wantWhole(t, b.open(t))
			missed := b.join(t).take(t, b)
			if name == "older" && !slices.Equal(missed, []int{2, 3, 4, 5, 6, 7}) {
				t.Errorf("%v are missed", missed)
			}
			b.put(t, ref, b.whole[ref])
			b.heal(t)
		})
	}
}

// A store.json that was changed is refused, or makes another store, whose entries
// are not believed; nothing is used that is not alice's.
func TestI10_TamperedStoreFile(t *testing.T) {
	b := newBucket(t)
	good := b.whole[storeName]
	harms := map[string]func([]byte) []byte{}
	for at := range good {
		harms[fmt.Sprintf("flipped at %d", at)] = func(b []byte) []byte { b[at] ^= 1; return b }
	}
	for name, f := range flips() {
		harms[name] = f
	}
	refused, other := 0, 0
	for _, name := range sortedNames(harms) {
		b.put(t, storeName, harms[name](bytes.Clone(good)))
		c := b.c
		c.Dir = t.TempDir()
		s, err := Open(t.Context(), c)
		if err != nil {
			refused++
			continue
		}
		set, err := trust.Load(filepath.Join(t.TempDir(), "trust.json"))
		if err != nil {
			t.Fatal(err)
		}
		set.Stores[b.s.Place()] = b.s.ID()
		if _, err := set.Pin(s.Place(), s.ID()); (err == nil) != (s.ID() == b.s.ID()) {
			t.Errorf("%s: ID %s where %s was: %v", name, s.ID(), b.s.ID(), err)
		} else if err != nil {
			other++
		}
	}
	t.Logf("of %d harms, %d are refused, %d make another store", len(harms), refused, other)
	if refused < 20 || other < 16 {
		t.Error("too few were noticed")
	}
}
