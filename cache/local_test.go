package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	publish(t, l, testKey(1), []byte("one"))
	live, err := l.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	publish(t, l, testKey(2), []byte("two"))
	if !l.StillHolds(live) {
		t.Error("growing invalidated a fingerprint")
	}
	first := closeTest(t, l)

	l = openTest(t, dir, Options{})
	if !l.StillHolds(first) || l.StillHolds("") || l.StillHolds("1 x 0") {
		t.Error("the fingerprint of the close before")
	}
	if l.idx != nil {
		t.Error("the index was loaded")
	}
	publish(t, l, testKey(3), []byte("three"))
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	sealed, _ := l.Fingerprint()
	second := closeTest(t, l)
	if sealed != second {
		t.Errorf("Seal gave %q, Close %q", sealed, second)
	}

	l = openTest(t, dir, Options{})
	if !l.StillHolds(first) || !l.StillHolds(second) {
		t.Error("a run that only added invalidated a fingerprint")
	}
	if _, err := l.Forget(t.Context(), testKey(3)); err != nil {
		t.Fatal(err)
	}
	if l.StillHolds(second) {
		t.Error("a deletion was not noticed")
	}
	third := closeTest(t, l)
	other := openTest(t, t.TempDir(), Options{})
	if other.StillHolds(third) {
		t.Error("another store holds it")
	}
	if err := os.Remove(packFiles(t, dir)[0]); err != nil {
		t.Fatal(err)
	}
	if openTest(t, dir, Options{}).StillHolds(third) {
		t.Error("a pack removed by hand was not noticed")
	}
}

func TestForget(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	publish(t, l, testKey(1), []byte("one"))
	publish(t, l, testKey(1), []byte("two"))
	if n, err := l.Forget(t.Context(), testKey(1)); n != 2 || err != nil {
		t.Errorf("forgot %d, %v", n, err)
	}
	wantMiss(t, l, testKey(1))
	closeTest(t, l)
	l = openTest(t, dir, Options{})
	wantMiss(t, l, testKey(1))
	publish(t, l, testKey(1), []byte("one")) // the very entry that was forgotten
	wantHit(t, l, testKey(1))
	closeTest(t, l)
	l = openTest(t, dir, Options{})
	wantHit(t, l, testKey(1))
}

func TestRefsAndState(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	for _, name := range []string{"main", "runs/2026-01-01", "a.b-c_d"} {
		if err := l.SetRef(name, []byte(name)); err != nil {
			t.Fatal(err)
		}
		if b, err := l.Ref(name); err != nil || string(b) != name {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for _, name := range []string{"", ".hidden", "../x", "a/../b", "a//b", "/a", "a b", "é", "a/b/c/d/e"} {
		if err := l.SetRef(name, nil); err == nil {
			t.Errorf("ref %q was accepted", name)
		}
		if err := l.SaveState(name, nil); err == nil {
			t.Errorf("state %q was accepted", name)
		}
	}
	if refs, err := l.Refs(); err != nil || !slices.Equal(refs, []string{"a.b-c_d", "main", "runs/2026-01-01"}) {
		t.Errorf("refs %q, %v", refs, err)
	}
	if err := errors.Join(l.DeleteRef("main"), l.DeleteRef("main")); err != nil {
		t.Error(err)
	}
	if _, err := l.Ref("main"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a deleted ref: %v", err)
	}
	if _, err := l.State("plan"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no state: %v", err)
	}
	if err := l.SaveState("plan", []byte("the plan")); err != nil {
		t.Fatal(err)
	}
	if b, err := l.State("plan"); err != nil || string(b) != "the plan" {
		t.Errorf("%q, %v", b, err)
	}
	corruptFile(t, filepath.Join(l.dir, "plans", "plan"), 42)
	if _, err := l.State("plan"); !errors.Is(err, ErrNotFound) {
		t.Errorf("damaged state: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(t.Context(), dir, Options{ReadOnly: true}); !errors.Is(err, ErrNotFound) {
		t.Errorf("no store: %v", err)
	}
	l := openTest(t, dir, Options{})
	publish(t, l, testKey(1), []byte("one"), data(1, 2<<20))
	closeTest(t, l)
	before := readFiles(t, dir)
	l = openTest(t, dir, Options{ReadOnly: true})
	wantBytes(t, l, wantHit(t, l, testKey(1)).Objects[0].Digest, wantContent(t, l))
	if _, err := l.IngestBytes(t.Context(), []byte("new")); !errors.Is(err, ErrReadOnly) {
		t.Errorf("IngestBytes: %v", err)
	}
	if err := l.MarkBad(t.Context(), DigestOf([]byte("one")), ""); !errors.Is(err, ErrReadOnly) {
		t.Errorf("MarkBad: %v", err)
	}
	if err := l.SaveState("x", nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("SaveState: %v", err)
	}
	l.Touch([]Key{testKey(1)})
	closeTest(t, l)
	if after := readFiles(t, dir); len(after) != len(before) {
		t.Errorf("%d files became %d", len(before), len(after))
	}
}

func wantContent(t *testing.T, l *Local) []byte {
	t.Helper()
	b, err := l.ReadAll(t.Context(), wantHit(t, l, testKey(1)).Objects[0].Digest, -1)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadAllLimit(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	o, err := l.IngestBytes(t.Context(), text(1, 2<<20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.ReadAll(t.Context(), o.Digest, 2<<20-1); err == nil || IsMissing(err) {
		t.Errorf("over the limit: %v", err)
	}
	if b, err := l.ReadAll(t.Context(), o.Digest, 2<<20); err != nil || len(b) != 2<<20 {
		t.Errorf("at the limit: %v", err)
	}
}

func TestPacksAreMergedAtClose(t *testing.T) {
	dir := t.TempDir()
	for i := range maxPacks + 5 {
		l := openTest(t, dir, Options{})
		publish(t, l, testKey(i), fmt.Append(nil, i))
		if i == 3 {
			if err := l.MarkBad(t.Context(), DigestOf([]byte("2")), "test"); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Forget(t.Context(), testKey(1)); err != nil {
				t.Fatal(err)
			}
		}
		closeTest(t, l)
	}
	if n := len(packFiles(t, dir)); n > 10 {
		t.Errorf("%d packs are left", n)
	}
	l := openTest(t, dir, Options{})
	for i := range maxPacks + 5 {
		if i == 1 || i == 2 {
			wantMiss(t, l, testKey(i))
		} else {
			wantHit(t, l, testKey(i))
		}
	}
	doctorClean(t, l)
}

func TestStatus(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	publish(t, l, testKey(1), []byte("one"), text(1, 3<<20))
	publish(t, l, testKey(2), []byte("one"))
	if err := l.SetRef("a", nil); err != nil {
		t.Fatal(err)
	}
	s, err := l.Status(t.Context())
	if err != nil || s.Entries != 2 || s.Keys != 2 || s.Blobs != 2 || s.LogicalBytes != 3<<20+3 || s.Refs != 1 || s.OpenPacks != 1 || s.Oldest.IsZero() {
		t.Errorf("%+v, %v", s, err)
	}
	if s.StoredBytes >= s.LogicalBytes {
		t.Errorf("compressible content takes %d of %d bytes", s.StoredBytes, s.LogicalBytes)
	}
}

func TestVerify(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	_, o := publish(t, l, testKey(1), []byte("one"), data(1, 2<<20))
	publish(t, l, testKey(2), data(2, 2<<20))
	corruptFile(t, l.blobPath(o[1].Digest), 1<<20)
	var calls int
	r, err := l.Verify(t.Context(), VerifyOptions{}, func(done, total int) {
		if calls++; done != calls || total != 3 {
			t.Errorf("progress %d of %d at call %d", done, total, calls)
		}
	})
	if err != nil || r.Blobs != 3 || len(r.Bad) != 1 || r.Bad[0].Digest != o[1].Digest || r.Entries != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	wantMiss(t, l, testKey(1))
	wantHit(t, l, testKey(2))
}

func TestMemo(t *testing.T) {
	store, src := t.TempDir(), t.TempDir()
	later := func() time.Time { return time.Now().Add(time.Minute) }
	writeFiles(t, src, map[string]string{"a": "1", "b/c": "2"})
	l := openTest(t, store, Options{Now: later})
	first, err := l.HashPath(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	closeTest(t, l)
	l = openTest(t, store, Options{Now: later})
	if o, err := l.HashPath(t.Context(), src); err != nil || o != first || len(l.memo.fresh) != 0 {
		t.Errorf("%+v, %v, %d hashed anew", o, err, len(l.memo.fresh))
	}
	writeFiles(t, src, map[string]string{"a": "3"})
	if o, err := l.HashPath(t.Context(), src); err != nil || o == first || len(l.memo.fresh) != 1 {
		t.Errorf("%+v, %v, %d hashed anew", o, err, len(l.memo.fresh))
	}
	closeTest(t, l)
	corruptFile(t, filepath.Join(store, "memo", "files"), 30)
	l = openTest(t, store, Options{Now: later})
	if _, err := l.HashPath(t.Context(), src); err != nil || len(l.memo.fresh) != 2 {
		t.Errorf("a damaged memo was used: %v", err)
	}
}

func TestDamagedStoreFile(t *testing.T) {
	dir := t.TempDir()
	closeTest(t, openTest(t, dir, Options{}))
	for _, content := range []string{"", "{}", `{"format":99,"id":"x"}`} {
		if err := os.WriteFile(filepath.Join(dir, "store.json"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir, Options{}); err == nil {
			t.Errorf("store.json %q was accepted", content)
		}
	}
}

func TestClosed(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	closeTest(t, l)
	if _, err := l.Lookup(t.Context(), testKey(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Lookup: %v", err)
	}
	if err := l.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("Close: %v", err)
	}
}

// A link among the packs is no pack: it neither counts nor makes listings go on
// in the hope that its target comes back.
func TestLinksAreNoPacks(t *testing.T) {
	dir := t.TempDir()
	writer := openTest(t, dir, Options{})
	publish(t, writer, testKey(1), []byte("1"))
	closeTest(t, writer)
	for _, name := range []string{DigestOf(nil).String() + sealedSuffix, strings.Repeat("00", 16) + openSuffix} {
		if err := os.Symlink("nowhere", filepath.Join(packsDir(dir), name)); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(packsDir(dir), old, old); err != nil {
		t.Fatal(err)
	}
	l := openTest(t, dir, Options{})
	wantHit(t, l, testKey(1))
	wantMiss(t, l, testKey(2))
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.idx.settled || len(l.idx.broken) > 0 {
		t.Errorf("settled: %v, broken: %v", l.idx.settled, l.idx.broken)
	}
}
