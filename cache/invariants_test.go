package cache

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// I1: a blob is named by its uncompressed bytes; size and encoding stand in its
// header; what is there is never overwritten.
func TestI1_BlobNamesAndHeaders(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	for _, c := range []struct {
		name string
		b    []byte
		enc  encoding
	}{
		{"compressible", text(1, 2<<20), encZstd},
		{"incompressible", data(2, 2<<20), encRaw},
	} {
		o, err := l.IngestBytes(t.Context(), c.b)
		if err != nil {
			t.Fatal(err)
		}
		if o.Digest != DigestOf(c.b) {
			t.Errorf("%s: named %s", c.name, o.Digest)
		}
		path := l.blobPath(o.Digest)
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		h, err := readHeader(path, before.Size())
		if err != nil || h.enc != c.enc || h.size != int64(len(c.b)) {
			t.Errorf("%s: header %+v, %v", c.name, h, err)
		}
		if _, err := l.IngestBytes(t.Context(), c.b); err != nil {
			t.Fatal(err)
		}
		if err := l.PutBlob(t.Context(), o.Digest, 3, strings.NewReader("bad")); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if after, _ := os.Stat(path); !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("%s: the blob was overwritten", c.name)
		}
		wantBytes(t, l, o.Digest, c.b)
	}
}

// The one exception of I1: after a mismatch was seen, verified bytes replace it.
func TestI1_RepairAfterMismatch(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	b := data(1, 2<<20)
	_, objects := publish(t, l, testKey(1), b)
	corruptFile(t, l.blobPath(objects[0].Digest), 100_000)
	if _, err := l.ReadAll(t.Context(), objects[0].Digest, -1); !IsMissing(err) {
		t.Fatalf("a corrupt blob was read: %v", err)
	}
	wantMiss(t, l, testKey(1))
	publish(t, l, testKey(1), b)
	wantHit(t, l, testKey(1))
	wantBytes(t, l, objects[0].Digest, b)
}

func corruptFile(t testing.TB, path string, off int64) {
	t.Helper()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// I2: an entry is refused while a blob is missing, and in a pack it comes after its blobs.
func TestI2_BlobsBeforeEntry(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	nowhere := Object{Digest: DigestOf([]byte("nowhere")), Size: 7}
	var missing *MissingError
	if _, err := l.Publish(t.Context(), testEntry(testKey(1), nowhere)); !errors.As(err, &missing) || missing.Digest != nowhere.Digest {
		t.Errorf("an entry without its blob: %v", err)
	}
	manifest, err := EncodeTree([]TreeEntry{{Path: "a", Digest: nowhere.Digest}})
	if err != nil {
		t.Fatal(err)
	}
	o, err := l.IngestBytes(t.Context(), manifest)
	if err != nil {
		t.Fatal(err)
	}
	o.Tree = true
	if _, err := l.Publish(t.Context(), testEntry(testKey(1), o)); !errors.As(err, &missing) || missing.Digest != nowhere.Digest {
		t.Errorf("an entry with a tree without its member: %v", err)
	}
	wantMiss(t, l, testKey(1))
}

// Whatever prefix of a pack a crash leaves, no entry in it lacks its small blobs.
func TestI2_EveryPrefixIsWhole(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	for i := range 5 {
		publish(t, l, testKey(i), text(uint64(i), 100+i), data(uint64(i), 300))
	}
	whole, err := os.ReadFile(l.own.p.path)
	if err != nil {
		t.Fatal(err)
	}
	for end := 0; end <= len(whole); end += 7 {
		p := &pack{end: packHeaderSize}
		if _, err := scanRecords(bytes.NewReader(whole[:end]), packHeaderSize, int64(end), p.add); err != nil {
			t.Fatal(err)
		}
		have := map[Digest]bool{}
		for _, b := range p.blobs {
			have[b.digest] = true
		}
		for _, ref := range p.entries {
			_, payload, err := parseRecord(whole[ref.off:][:recordHeader+int64(ref.stored)])
			if err != nil {
				t.Fatal(err)
			}
			stored, _ := parseEntryPayload(payload)
			e, err := DecodeEntry(ref.key, stored.data)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range e.Objects {
				if !have[o.Digest] {
					t.Fatalf("the first %d bytes hold an entry without its blob", end)
				}
			}
		}
	}
}

// I3: a blob appears complete, durable and read-only, and in this order.
func TestI3_AtomicDurablePublish(t *testing.T) {
	var steps []string
	var l *Local
	b := data(1, 2<<20)
	visible := func() bool { _, err := os.Stat(l.blobPath(DigestOf(b))); return err == nil }
	l = openTest(t, t.TempDir(), Options{SyncPoint: func(name string) {
		steps = append(steps, name)
		if (name == "blob-written" || name == "blob-synced") && visible() {
			t.Errorf("the blob is visible at %s", name)
		}
	}})
	publish(t, l, testKey(1), b)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"blob-written", "blob-synced", "blob-renamed", "blob-folders-synced", "entry-before", "entry-appended", "pack-synced"}
	at := 0
	for _, s := range steps {
		if at < len(want) && s == want[at] {
			at++
		}
	}
	if at != len(want) {
		t.Errorf("steps %q, want %q in this order", steps, want)
	}
	info, err := os.Stat(l.blobPath(DigestOf(b)))
	if err != nil || info.Mode().Perm() != 0o444 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// I4: an entry whose blob is missing, short or wrong is a miss; the local copy
// is set aside; a newer entry takes over.
func TestI4_BadBlobIsAMiss(t *testing.T) {
	for _, size := range []int{1000, 300 << 10, 2 << 20} {
		for _, harm := range []string{"flip", "truncate", "remove"} {
			t.Run(harm+sizeName(size), func(t *testing.T) { badBlobIsAMiss(t, size, harm) })
		}
	}
}

func sizeName(n int) string { return "/" + time.Duration(n).String() }

func badBlobIsAMiss(t *testing.T, size int, harm string) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	_, objects := publish(t, l, testKey(1), data(1, size))
	publish(t, l, testKey(2), []byte("other"))
	closeTest(t, l)
	l = openTest(t, dir, Options{})
	d := objects[0].Digest
	path, off := l.blobPath(d), int64(rawBodyOffset+size/2)
	if size < maxPackedStored {
		path, off = packFiles(t, dir)[0], packHeaderSize+recordHeader+int64(size/2)
	}
	switch harm {
	case "flip":
		corruptFile(t, path, off)
	case "truncate":
		if err := errors.Join(os.Chmod(path, 0o644), os.Truncate(path, off)); err != nil { // only root writes what is read-only
			t.Fatal(err)
		}
	case "remove":
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := l.ReadAll(t.Context(), d, -1); !IsMissing(err) {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	wantMiss(t, l, testKey(1))
	if harm == "flip" {
		if r := strings.Join(l.MissReasons(testKey(1)), "; "); !strings.Contains(r, "blob "+d.Short()) {
			t.Errorf("the reason does not name the blob: %q", r)
		}
		wantHit(t, l, testKey(2))
	}
	// The stage runs again and, not being deterministic, makes something else.
	publish(t, l, testKey(1), data(9, size))
	if e := wantHit(t, l, testKey(1)); e.Objects[0].Digest == d {
		t.Error("the entry with the bad blob came back")
	}
	closeTest(t, l)
	l = openTest(t, dir, Options{})
	if e := wantHit(t, l, testKey(1)); e.Objects[0].Digest == d {
		t.Error("the entry with the bad blob came back in the next run")
	}
}

// I4: content that the caller found bad is a miss until the same bytes are stored again.
func TestI4_MarkBadAndHeal(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{100, 2 << 20} {
		l := openTest(t, dir, Options{})
		b := data(uint64(size), size)
		_, objects := publish(t, l, testKey(size), b)
		if err := l.MarkBad(t.Context(), objects[0].Digest, "lost in the test"); err != nil {
			t.Fatal(err)
		}
		if have, _ := l.HasBlob(t.Context(), objects[0].Digest); have {
			t.Error("the bad blob is still there")
		}
		wantMiss(t, l, testKey(size))
		closeTest(t, l)
		l = openTest(t, dir, Options{})
		wantMiss(t, l, testKey(size))
		if _, err := l.IngestBytes(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		wantHit(t, l, testKey(size))
		closeTest(t, l)
		l = openTest(t, dir, Options{})
		wantHit(t, l, testKey(size))
		wantBytes(t, l, objects[0].Digest, b)
		closeTest(t, l)
	}
}

// I4: a bad member of a tree makes the tree's entry a miss.
func TestI4_BadTreeMember(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	src := t.TempDir()
	writeFiles(t, src, map[string]string{"a": "one", "b/c": "two"})
	o, err := l.Ingest(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Publish(t.Context(), testEntry(testKey(1), o)); err != nil {
		t.Fatal(err)
	}
	if err := l.MarkBad(t.Context(), DigestOf([]byte("two")), "test"); err != nil {
		t.Fatal(err)
	}
	wantMiss(t, l, testKey(1))
	if _, err := l.Publish(t.Context(), testEntry(testKey(2), o)); !IsMissing(err) {
		t.Errorf("an entry with a bad member was published: %v", err)
	}
	if _, err := l.IngestBytes(t.Context(), []byte("two")); err != nil {
		t.Fatal(err)
	}
	wantHit(t, l, testKey(1))
}

// I5: a reader that sees the end has seen exactly the digest's bytes, and a
// restore shows nothing that was not verified.
func TestI5_VerifiedReads(t *testing.T) {
	for _, b := range [][]byte{data(1, 2<<20), text(1, 8<<20)} {
		l := openTest(t, t.TempDir(), Options{})
		_, objects := publish(t, l, testKey(1), b)
		info, _ := os.Stat(l.blobPath(objects[0].Digest))
		corruptFile(t, l.blobPath(objects[0].Digest), info.Size()-1000)
		r, _, err := l.OpenBlob(t.Context(), objects[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, r)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			t.Errorf("reading a corrupt blob: %v", err)
		}
		_ = r.Close()
	}
	l := openTest(t, t.TempDir(), Options{})
	_, objects := publish(t, l, testKey(1), data(1, 2<<20))
	corruptFile(t, l.blobPath(objects[0].Digest), 9000)
	dest := filepath.Join(t.TempDir(), "out")
	writeFiles(t, filepath.Dir(dest), map[string]string{"out": "as before"})
	if err := l.Restore(t.Context(), objects[0], dest); !IsMissing(err) {
		t.Errorf("restoring a corrupt blob: %v", err)
	}
	if got := readFiles(t, filepath.Dir(dest)); !reflect.DeepEqual(got, map[string]string{"out": "as before"}) {
		t.Errorf("after a failed restore: %v", got)
	}
}

// I6, the cache's share: hashing a path again after a run sees every change,
// also one that keeps size and modification time.
func TestI6_HashSeesChanges(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, t.TempDir(), Options{Now: func() time.Time { return time.Now().Add(time.Hour) }})
	path := filepath.Join(dir, "in")
	writeFiles(t, dir, map[string]string{"in": "first"})
	age(t, dir)
	stamp, _ := os.Stat(path)
	hash := func() Digest {
		o, err := l.HashPath(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return o.Digest
	}
	if d := hash(); d != DigestOf([]byte("first")) {
		t.Fatal(d)
	}
	time.Sleep(20 * time.Millisecond)
	if err := os.WriteFile(path, []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, stamp.ModTime(), stamp.ModTime()); err != nil {
		t.Fatal(err)
	}
	if d := hash(); d != DigestOf([]byte("other")) {
		t.Error("a change that kept size and time was not seen")
	}
}

// A file changed just before it is hashed is not remembered.
func TestI6_RacyFilesAreNotMemoised(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, t.TempDir(), Options{})
	writeFiles(t, dir, map[string]string{"in": "first"})
	for range 2 {
		if _, err := l.HashPath(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.memo.fresh) != 0 {
		t.Error("a file of this very moment is in the memo")
	}
}

// I7: no two traces of fields have the same bytes.
func TestI7_PreimageIsUnambiguous(t *testing.T) {
	type f = Field
	traces := [][]Field{
		{}, {f{"a", 's', "bc"}}, {f{"ab", 's', "c"}}, {f{"a", 's', "b"}, f{"c", 's', ""}}, {f{"a", 's', ""}, f{"bc", 's', ""}},
		{f{"a", 'n', "1"}}, {f{"a", 's', "1"}}, {f{"a", 'b', "true"}}, {f{"a", 's', "true"}}, {f{"a", 'z', ""}}, {f{"a", 's', ""}},
		{f{"a", 'l', "2"}, f{"a[0]", 's', "x"}, f{"a[1]", 's', "y"}}, {f{"a", 'l', "1"}, f{"a[0]", 's', "x"}}, {f{"a", 's', "s\x01b\x01c"}},
	}
	seen := map[string]int{}
	for i, fields := range traces {
		p := NewPreimage()
		for _, x := range fields {
			p.Add(x.Path, x.Type, x.Value)
		}
		if j, dup := seen[string(p.Bytes())]; dup {
			t.Errorf("traces %d and %d have the same bytes", i, j)
		}
		seen[string(p.Bytes())] = i
		got, err := DecodePreimage(p.Bytes())
		if err != nil || len(got) != len(fields) || (len(fields) > 0 && !reflect.DeepEqual(got, fields)) {
			t.Errorf("trace %d read back as %v, %v", i, got, err)
		}
	}
}

// I8, the cache's share: a manifest depends on content alone.
func TestI8_ManifestsArePathIndependent(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	files := map[string]string{"a": "1", "sub/run.sh": "#!/bin/sh", "sub/z": "", "empty/": ""}
	var digests []Digest
	for i := range 2 {
		dir := t.TempDir()
		for name, content := range files {
			if strings.HasSuffix(name, "/") {
				_ = os.MkdirAll(filepath.Join(dir, name), 0o755)
			} else {
				writeFiles(t, dir, map[string]string{name: content})
			}
		}
		if i == 1 {
			age(t, dir)
			_ = os.Chmod(filepath.Join(dir, "a"), 0o600)
		}
		for _, form := range []string{dir, dir + "/", dir + "/./sub/.."} {
			hashed, err := l.HashPath(t.Context(), form)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := l.Ingest(t.Context(), form)
			if err != nil || stored != hashed {
				t.Errorf("Ingest says %+v, HashPath %+v (%v)", stored, hashed, err)
			}
			digests = append(digests, hashed.Digest)
			manifest, err := l.ReadAll(t.Context(), hashed.Digest, -1)
			if err != nil || bytes.Contains(manifest, []byte(filepath.Base(dir))) {
				t.Errorf("the manifest holds the folder's name (%v)", err)
			}
		}
	}
	for _, d := range digests {
		if d != digests[0] {
			t.Errorf("digests differ: %v", digests)
			break
		}
	}
}

// I9, the cache's share: nothing half-written becomes an entry. The disk is full
// as far as the child process is concerned: its files may not grow.
func TestI9_DiskFull(t *testing.T) {
	dir := t.TempDir()
	if out, err := child(t, "diskfull", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l := openTest(t, dir, Options{})
	wantHit(t, l, testKey(1))
	wantHit(t, l, testKey(2))
	doctorClean(t, l)
}

// An entry without outputs is no complete success.
func TestI9_NoOutputsNoEntry(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	if _, err := l.Publish(t.Context(), &Entry{Key: testKey(1)}); err == nil {
		t.Error("an entry without outputs was published")
	}
	if _, err := l.Publish(t.Context(), &Entry{Outputs: []byte("{}")}); err == nil {
		t.Error("an entry without a key was published")
	}
}

// I10, the cache's share: signed entries are hits only if trusted, at each read.
func TestI10_TrustAtEachRead(t *testing.T) {
	trusted := map[string]bool{"alice-1": true}
	trust := func(e StoredEntry) error {
		if !trusted[e.Signer] {
			return errors.New("signer " + e.Signer + " is not trusted")
		}
		return nil
	}
	dir := t.TempDir()
	l := openTest(t, dir, Options{Trust: trust})
	put := func(signer string, n int) { putSigned(t, l, testKey(1), signer, n) }
	put("mallory-1", 1)
	wantMiss(t, l, testKey(1))
	if r := l.MissReasons(testKey(1)); len(r) != 1 || !strings.Contains(r[0], "mallory-1") {
		t.Errorf("reasons %q", r)
	}
	put("alice-1", 3)
	put("alice-1", 2)
	if e := wantHit(t, l, testKey(1)); e.Objects[0].Digest != DigestOf([]byte{2}) {
		t.Error("not the oldest trusted entry")
	}
	delete(trusted, "alice-1")
	wantMiss(t, l, testKey(1))
	reader := openTest(t, dir, Options{ReadOnly: true})
	wantMiss(t, reader, testKey(1))
}

// putSigned stores a signed entry, taken at second n, whose outputs depend on n.
func putSigned(t *testing.T, l *Local, k Key, signer string, n int) {
	t.Helper()
	e := testEntry(k, Object{Digest: DigestOf([]byte{byte(n)}), Size: 1})
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := testSigner(signer).Seal(StoredEntry{Key: e.Key, Digest: DigestOf(b), Data: b}, "scope")
	if err != nil {
		t.Fatal(err)
	}
	sealed.Time = time.Unix(int64(n), 0)
	if err := l.PutEntry(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
}

// testSigner makes a key that depends on nothing but its name.
func testSigner(name string) SigningKey {
	seed := DigestOf([]byte(name))
	return SigningKey{Name: name, Private: ed25519.NewKeyFromSeed(seed[:])}
}

// I11: entries are append-only, and diverging outputs are kept and reported.
func TestI11_Divergence(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	publish(t, l, testKey(1), []byte("one"))
	time.Sleep(2 * time.Millisecond)
	publish(t, l, testKey(1), []byte("two"))
	publish(t, l, testKey(2), []byte("same"))
	all, err := l.LookupAll(t.Context(), testKey(1))
	if err != nil || len(all) != 2 {
		t.Fatalf("%d entries, %v", len(all), err)
	}
	if all[0].Entry.Objects[0].Digest != DigestOf([]byte("two")) {
		t.Error("of this machine's own entries the newest is not the first")
	}
	if len(Divergence(all)) != 2 {
		t.Error("divergence is not reported")
	}
	same, _ := l.LookupAll(t.Context(), testKey(2))
	if Divergence(same) != nil {
		t.Error("divergence of one entry")
	}
	r, err := l.Doctor(t.Context(), false)
	if err != nil || len(r.Findings) != 1 || r.Findings[0].Kind != FindingDivergence {
		t.Errorf("doctor: %+v, %v", r.Findings, err)
	}
}

// I11, who says what: the sides of a divergence name signers and times, and who
// is not trusted has no say.
func TestI11_WhoDiverges(t *testing.T) {
	trust := func(e StoredEntry) error {
		if e.Signer == "mallory-1" {
			return errors.New("not trusted")
		}
		return nil
	}
	l := openTest(t, t.TempDir(), Options{Trust: trust})
	putSigned(t, l, testKey(1), "alice-1", 1)
	putSigned(t, l, testKey(1), "mallory-1", 2)
	all, err := l.LookupAll(t.Context(), testKey(1))
	if err != nil || len(all) != 2 || Divergence(all) != nil {
		t.Errorf("an entry that is not trusted counts: %+v, %v", all, err)
	}
	if r, err := l.Doctor(t.Context(), false); err != nil || len(r.Findings) != 0 {
		t.Errorf("doctor, with an entry that is not trusted: %+v, %v", r.Findings, err)
	}
	putSigned(t, l, testKey(1), "bob-1", 3)
	if all, err = l.LookupAll(t.Context(), testKey(1)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range Divergence(all) {
		got = append(got, s.String())
	}
	want := []string{" by alice-1 at 1970-01-01T00:00:01Z", " by bob-1 at 1970-01-01T00:00:03Z"}
	if len(got) != 2 || !strings.HasSuffix(got[0], want[0]) || !strings.HasSuffix(got[1], want[1]) {
		t.Errorf("sides %q, want %q", got, want)
	}
	r, err := l.Doctor(t.Context(), false)
	if err != nil || len(r.Findings) != 1 {
		t.Fatalf("doctor: %+v, %v", r.Findings, err)
	}
	for _, part := range append(want, "2 entries have 2 different outputs", "no evidence: 1") {
		if f := r.Findings[0]; f.Kind != FindingDivergence || !strings.Contains(f.Detail, part) {
			t.Errorf("doctor says %q, without %q", f.Detail, part)
		}
	}
}

// I19: restores stay inside, and take no path that is not clean.
func TestI19_UnsafeTrees(t *testing.T) {
	d := DigestOf([]byte("x"))
	for name, entries := range map[string][]TreeEntry{
		"absolute":  {{Path: "/etc/passwd", Digest: d}},
		"parent":    {{Path: "a/../../b", Digest: d}},
		"dot":       {{Path: "./a", Digest: d}},
		"empty":     {{Path: "", Digest: d}},
		"slashes":   {{Path: "a//b", Digest: d}},
		"trailing":  {{Path: "a/", Dir: true}},
		"nul":       {{Path: "a\x00b", Digest: d}},
		"twice":     {{Path: "a", Digest: d}, {Path: "a", Digest: d}},
		"both":      {{Path: "a", Digest: d}, {Path: "a/b", Digest: d}},
		"both far":  {{Path: "a", Digest: d}, {Path: "a-b", Digest: d}, {Path: "a/b", Digest: d}},
		"non-empty": {{Path: "a", Dir: true}, {Path: "a/b", Digest: d}},
		"long":      {{Path: strings.Repeat("a/", 5000) + "b", Digest: d}},
	} {
		if _, err := EncodeTree(entries); err == nil {
			t.Errorf("%s: encoded", name)
		}
		raw := []byte(treeMagic)
		for _, e := range entries {
			raw = append(raw, treeType(e))
			raw = appendUvarint(raw, len(e.Path))
			raw = append(raw, e.Path...)
			if !e.Dir {
				raw = append(append(raw, e.Digest[:]...), 1)
			}
		}
		if _, err := DecodeTree(raw); err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
}

func appendUvarint(b []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// I19: links at the destination are replaced, never followed; only the
// executable bit is kept; nothing restored is a link into the store.
func TestI19_RestoreDoesNotFollowLinks(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	src := t.TempDir()
	writeFiles(t, src, map[string]string{"a": "1", "sub/run.sh": "2", "sub/big": string(data(1, 2<<20))})
	if err := os.Mkdir(filepath.Join(src, "void"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(src, "a"), 0o4640); err != nil {
		t.Fatal(err)
	}
	o, err := l.Ingest(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	outside, base := t.TempDir(), t.TempDir()
	writeFiles(t, outside, map[string]string{"a": "untouched"})
	dest := filepath.Join(base, "out")
	if err := os.Symlink(outside, dest); err != nil {
		t.Fatal(err)
	}
	for range 2 { // over a link, then over a full folder
		if err := l.Restore(t.Context(), o, dest); err != nil {
			t.Fatal(err)
		}
		if got, want := readFiles(t, dest), readFiles(t, src); !reflect.DeepEqual(got, want) {
			t.Fatalf("restored %d files, want %d", len(got), len(want))
		}
	}
	if got := readFiles(t, outside); got["a"] != "untouched" || len(got) != 1 {
		t.Errorf("the restore followed a link: %v", got)
	}
	if list, _ := os.ReadDir(base); len(list) != 1 {
		t.Errorf("left-overs beside the destination: %v", list)
	}
	run, _ := os.Stat(filepath.Join(dest, "sub/run.sh"))
	plain, _ := os.Stat(filepath.Join(dest, "a"))
	if run.Mode()&0o100 == 0 || plain.Mode()&0o111 != 0 || plain.Mode()&os.ModeSetuid != 0 {
		t.Errorf("modes %v and %v", run.Mode(), plain.Mode())
	}
	if err := os.WriteFile(filepath.Join(dest, "sub/big"), []byte("scribble"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, l, DigestOf(data(1, 2<<20)), data(1, 2<<20))
}

// I19 for storing: links inside are followed, others refused, special files too.
func TestI19_IngestLinks(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	for name, c := range map[string]struct{ link, want string }{
		"inside file":   {"a", ""},
		"inside folder": {"sub", ""},
		"outside":       {"/etc/hostname", "leads out of the folder"},
		"parent":        {"..", "leads out of the folder"},
		"cycle":         {".", "leads to a folder around it"},
		"nowhere":       {"absent", "leads nowhere"},
	} {
		dir := t.TempDir()
		writeFiles(t, dir, map[string]string{"a": "1", "sub/b": "2"})
		if err := os.Symlink(c.link, filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		o, err := l.Ingest(t.Context(), dir)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case c.want == "" && o.Size <= 2:
			t.Errorf("%s: the link's content is missing", name)
		}
	}
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Skip(err)
	}
	if _, err := l.Ingest(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "neither a file nor a folder") {
		t.Errorf("a pipe: %v", err)
	}
}

// I21, the cache's share: neither user, host nor folder reach what is shared. The
// memo of hashes, which is this machine's own, holds paths only as digests.
func TestI21_NothingPersonalInTheStore(t *testing.T) {
	dir, src := t.TempDir(), t.TempDir()
	l := openTest(t, dir, Options{Now: func() time.Time { return time.Now().Add(time.Hour) }})
	writeFiles(t, src, map[string]string{"a": "1"})
	o, err := l.Ingest(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Publish(t.Context(), testEntry(testKey(1), o)); err != nil {
		t.Fatal(err)
	}
	closeTest(t, l)
	host, _ := os.Hostname()
	for name, content := range readFiles(t, dir) {
		if strings.Contains(content, src) || strings.Contains(content, dir) || (len(host) > 3 && strings.Contains(content, host)) {
			t.Errorf("%s names a folder or the host", name)
		}
	}
}

// I22: a reader whose pack vanished reloads the index once and goes on.
func TestI22_PackVanishes(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	for i := range 3 {
		publish(t, l, testKey(i), []byte{byte(i)})
		if err := l.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	closeTest(t, l)
	reader := openTest(t, dir, Options{})
	wantHit(t, reader, testKey(0))
	reader.mu.Lock()
	for _, p := range reader.idx.packs {
		p.close() // as if it had never been read from
	}
	reader.mu.Unlock()
	_ = reader.lock.Close() // a collection that does not wait for this reader
	r, err := GC(t.Context(), dir, GCOptions{Now: time.Now()})
	if err != nil || r.PacksAfter != 1 || r.EntriesDeleted != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	for i := range 3 {
		wantHit(t, reader, testKey(i))
		wantBytes(t, reader, DigestOf([]byte{byte(i)}), []byte{byte(i)})
	}
	reader.lock, _ = os.Open(filepath.Join(dir, "lock"))
}
