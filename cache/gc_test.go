package cache

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var gcStart = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// gcStore has entries made on days 0, 10 and 20, the first with a shared and a
// large blob, and one blob that no entry needs.
func gcStore(t *testing.T) (dir string, now time.Time) {
	t.Helper()
	dir = t.TempDir()
	now = gcStart
	for i := range 3 {
		l := openTest(t, dir, Options{Now: func() time.Time { return now }})
		publish(t, l, testKey(i), []byte("shared"), data(uint64(i), 1000), data(uint64(100+i), 2<<20))
		if i == 0 {
			if _, err := l.IngestBytes(t.Context(), []byte("nobody's")); err != nil {
				t.Fatal(err)
			}
		}
		// The file system's clock is not ours: blob files get their time from here.
		_ = os.Chtimes(l.blobPath(DigestOf(data(uint64(100+i), 2<<20))), now, now)
		closeTest(t, l)
		now = now.Add(10 * 24 * time.Hour)
	}
	return dir, now
}

func collect(t *testing.T, dir string, o GCOptions) GCReport {
	t.Helper()
	r, err := GC(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func checkKeys(t *testing.T, dir string, hits ...bool) {
	t.Helper()
	l := openTest(t, dir, Options{})
	for i, hit := range hits {
		if !hit {
			wantMiss(t, l, testKey(i))
			continue
		}
		wantHit(t, l, testKey(i))
		wantBytes(t, l, DigestOf([]byte("shared")), []byte("shared"))
		wantBytes(t, l, DigestOf(data(uint64(i), 1000)), data(uint64(i), 1000))
		wantBytes(t, l, DigestOf(data(uint64(100+i), 2<<20)), data(uint64(100+i), 2<<20))
	}
	if r, err := l.Doctor(t.Context(), false); err != nil || len(r.Findings) > 0 {
		t.Errorf("doctor: %+v, %v", r.Findings, err)
	}
	closeTest(t, l)
}

func TestGCByAge(t *testing.T) {
	dir, now := gcStore(t)
	o := GCOptions{Now: now, OlderThan: 25 * 24 * time.Hour}
	dry := o
	dry.DryRun = true
	before := readFiles(t, dir)
	r := collect(t, dir, dry)
	if r.EntriesDeleted != 1 || r.BlobsDeleted != 3 || len(r.Doomed) != 1 || r.Doomed[0].Key != testKey(0) {
		t.Errorf("dry run: %+v", r)
	}
	if len(readFiles(t, dir)) != len(before) {
		t.Error("a dry run changed something")
	}
	if r2 := collect(t, dir, o); r2.EntriesDeleted != r.EntriesDeleted || r2.BlobsDeleted != r.BlobsDeleted || r2.BytesFreed != r.BytesFreed || r2.PacksAfter != 1 {
		t.Errorf("%+v, the dry run said %+v", r2, r)
	}
	checkKeys(t, dir, false, true, true)
	if again := collect(t, dir, o); again.EntriesDeleted+again.BlobsDeleted != 0 {
		t.Errorf("a second collection: %+v", again)
	}
}

func TestGCRootsAndUse(t *testing.T) {
	dir, now := gcStore(t)
	l := openTest(t, dir, Options{Now: func() time.Time { return now }})
	l.Touch([]Key{testKey(1)})
	closeTest(t, l)
	collect(t, dir, GCOptions{Now: now, OlderThan: 24 * time.Hour, Roots: roots(testKey(0))})
	checkKeys(t, dir, true, true, false)
	// The use is remembered through the collection.
	collect(t, dir, GCOptions{Now: now.Add(12 * time.Hour), OlderThan: 24 * time.Hour})
	checkKeys(t, dir, false, true, false)
}

func TestGCBySize(t *testing.T) {
	dir, now := gcStore(t)
	r := collect(t, dir, GCOptions{Now: now, MaxSize: 5 << 20})
	if r.EntriesDeleted != 1 {
		t.Errorf("%+v", r)
	}
	checkKeys(t, dir, false, true, true)
	collect(t, dir, GCOptions{Now: now, MaxSize: 1, Roots: roots(testKey(2))})
	checkKeys(t, dir, false, false, true)
}

func TestGCKeepsRootObjectsAndTrees(t *testing.T) {
	dir, src := t.TempDir(), t.TempDir()
	l := openTest(t, dir, Options{})
	writeFiles(t, src, map[string]string{"a": "1", "b": "2"})
	tree, err := l.Ingest(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Publish(t.Context(), testEntry(testKey(1), tree)); err != nil {
		t.Fatal(err)
	}
	kept, _ := l.IngestBytes(t.Context(), []byte("an input"))
	_, _ = l.IngestBytes(t.Context(), []byte("rubbish"))
	closeTest(t, l)
	if r := collect(t, dir, GCOptions{Now: time.Now(), RootObjects: []Object{kept}}); r.BlobsDeleted != 1 {
		t.Errorf("%+v", r)
	}
	l = openTest(t, dir, Options{})
	wantBytes(t, l, kept.Digest, []byte("an input"))
	if err := l.Restore(t.Context(), wantHit(t, l, testKey(1)).Objects[0], filepath.Join(t.TempDir(), "x")); err != nil {
		t.Error(err)
	}
}

func TestGCInvalidatesFingerprints(t *testing.T) {
	dir, now := gcStore(t)
	l := openTest(t, dir, Options{})
	f := closeTest(t, l)
	collect(t, dir, GCOptions{Now: now, OlderThan: 25 * 24 * time.Hour})
	if openTest(t, dir, Options{}).StillHolds(f) {
		t.Error("a fingerprint outlived the entries it stands for")
	}
}

func roots(keys ...Key) func(*Local) ([]Key, error) {
	return func(*Local) ([]Key, error) { return keys, nil }
}

// A collection that may not wait leaves a store alone that somebody uses, and its size
// can be told meanwhile.
func TestGCWithoutWaiting(t *testing.T) {
	dir, now := gcStore(t)
	before, err := Size(dir)
	if err != nil || before < 3*1000 {
		t.Errorf("%d bytes, %v", before, err)
	}
	o := GCOptions{Now: now, MaxSize: 1, NoWait: true}
	l := openTest(t, dir, Options{})
	if _, err := GC(t.Context(), dir, o); !errors.Is(err, ErrInUse) {
		t.Errorf("%v", err)
	}
	if got, err := Size(dir); err != nil || got != before {
		t.Errorf("%d bytes, %v; %d before", got, err, before)
	}
	closeTest(t, l)
	collect(t, dir, o)
	if got, err := Size(dir); err != nil || got > 1000 {
		t.Errorf("%d bytes are left, %v", got, err)
	}
	if got, err := Size(filepath.Join(dir, "none")); err != nil || got != 0 {
		t.Errorf("nothing has %d bytes, %v", got, err)
	}
}
