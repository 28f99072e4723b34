package cache

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever single byte of a pack or blob file is flipped, no read gives wrong
// bytes, nothing panics, and a store with a damaged pack can still be used.
func TestTamperEveryRegion(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	contents := map[Key][][]byte{
		testKey(1): {[]byte("a small one"), text(1, 5000)},
		testKey(2): {data(2, 100<<10)},
		testKey(3): {text(3, 1500<<10)},
	}
	for k, c := range contents {
		publish(t, l, k, c...)
	}
	closeTest(t, l)
	files := packFiles(t, dir)
	blobs, _ := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	for _, path := range append(files, blobs...) {
		info, _ := os.Stat(path)
		rel, _ := filepath.Rel(dir, path)
		offsets := tamperOffsets(info.Size(), strings.HasPrefix(rel, "packs"))
		for _, off := range offsets {
			tamperOne(t, dir, rel, off, contents)
		}
	}
}

// tamperOffsets covers a pack densely, and a blob file's header and ends.
func tamperOffsets(size int64, pack bool) (out []int64) {
	step := int64(41) // no divisor of any field's width: all fields are hit sooner or later
	if !pack {
		step = size / 7
		for off := int64(0); off < blobHeaderSize; off += 5 {
			out = append(out, off)
		}
	}
	for off := int64(0); off < size; off += step {
		out = append(out, off)
	}
	return append(out, size-1)
}

func tamperOne(t *testing.T, dir, rel string, off int64, contents map[Key][][]byte) {
	t.Helper()
	bad := t.TempDir()
	copyStore(t, dir, bad)
	corruptFile(t, filepath.Join(bad, rel), off)
	l := openTest(t, bad, Options{})
	for k, parts := range contents {
		e, err := l.Lookup(t.Context(), k)
		if err != nil {
			t.Fatalf("%s at %d: looking up: %v", rel, off, err)
		}
		for _, want := range parts {
			got, err := l.ReadAll(t.Context(), DigestOf(want), -1)
			if err == nil && !bytes.Equal(got, want) {
				t.Fatalf("%s at %d: wrong bytes", rel, off)
			}
			if err != nil && !IsMissing(err) {
				t.Fatalf("%s at %d: %v", rel, off, err)
			}
		}
		if e != nil {
			for _, o := range e.Objects {
				if o.Size != int64(len(parts[0])) && o.Size != int64(len(parts[len(parts)-1])) {
					t.Fatalf("%s at %d: another entry", rel, off)
				}
			}
		}
		publish(t, l, k, parts...)
		wantHit(t, l, k)
	}
	if _, err := l.Doctor(t.Context(), true); err != nil {
		t.Fatalf("%s at %d: doctor: %v", rel, off, err)
	}
	if r, err := l.Doctor(t.Context(), false); err != nil || len(r.Problems()) > 0 {
		t.Fatalf("%s at %d: after a repair doctor finds %+v, %v", rel, off, r.Problems(), err)
	}
	for k := range contents {
		wantHit(t, l, k)
	}
	closeTest(t, l)
}

func copyStore(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// Two blobs that changed places are both found out.
func TestTamperSwappedBlobs(t *testing.T) {
	l := openTest(t, t.TempDir(), Options{})
	_, o := publish(t, l, testKey(1), data(1, 2<<20), data(2, 2<<20))
	a, b := l.blobPath(o[0].Digest), l.blobPath(o[1].Digest)
	for _, m := range [][2]string{{a, a + "x"}, {b, a}, {a + "x", b}} {
		if err := os.Rename(m[0], m[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range o {
		if _, err := l.ReadAll(t.Context(), x.Digest, -1); !IsMissing(err) {
			t.Errorf("a swapped blob was read: %v", err)
		}
	}
	wantMiss(t, l, testKey(1))
}

// A header that promises far more, or less, than there is.
func TestTamperLyingHeaders(t *testing.T) {
	c := &codec{}
	body := text(1, 1<<20)
	enc, packed := c.encode(body)
	for _, size := range []int64{0, 1, int64(len(body)) - 1, int64(len(body)) + 1, 1 << 50} {
		l := openTest(t, t.TempDir(), Options{})
		d := DigestOf(body)
		if err := os.MkdirAll(filepath.Dir(l.blobPath(d)), 0o755); err != nil {
			t.Fatal(err)
		}
		file := append(blobHeader{enc, size}.marshal(), packed...)
		if err := os.WriteFile(l.blobPath(d), file, 0o444); err != nil {
			t.Fatal(err)
		}
		if b, err := l.ReadAll(t.Context(), d, -1); !IsMissing(err) {
			t.Errorf("size %d: %d bytes, %v", size, len(b), err)
		}
	}
}

func FuzzDecodePreimage(f *testing.F) {
	p := NewPreimage()
	p.Add("a", FieldString, "b")
	f.Add(p.Bytes())
	f.Add([]byte(preimageMagic + "s\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fields, err := DecodePreimage(b)
		if err != nil {
			return
		}
		p := NewPreimage()
		for _, x := range fields {
			_ = x.Display()
			p.Add(x.Path, x.Type, x.Value)
		}
		again, err := DecodePreimage(p.Bytes())
		if err != nil || len(again) != len(fields) || len(Diff(fields, again)) != 0 && !duplicates(fields) {
			t.Errorf("%v was read back as %v, %v", fields, again, err)
		}
	})
}

func duplicates(fields []Field) bool {
	seen := map[string]bool{}
	for _, f := range fields {
		if seen[f.Path] {
			return true
		}
		seen[f.Path] = true
	}
	return false
}

func FuzzDecodeEntry(f *testing.F) {
	e := testEntry(testKey(1), Object{Digest: DigestOf(nil)})
	b, err := e.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEntry(testKey(1), b)
		if err == nil && (e.Key != testKey(1) || len(e.Outputs) == 0) {
			t.Error("an entry of another key, or without outputs")
		}
	})
}

func FuzzTree(f *testing.F) {
	b, err := EncodeTree([]TreeEntry{{Path: "a", Exec: true}, {Path: "b", Dir: true}, {Path: "c/d", Size: 300}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(treeMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := DecodeTree(b)
		if err != nil {
			return
		}
		for _, e := range entries {
			if !filepath.IsLocal(e.Path) {
				t.Errorf("path %q", e.Path)
			}
		}
		again, err := EncodeTree(entries)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q is not canonical: %q, %v", b, again, err)
		}
	})
}

func FuzzBlobHeader(f *testing.F) {
	f.Add(blobHeader{encZstd, 5}.marshal(), int64(100))
	f.Add(blobHeader{encRaw, 5}.marshal(), int64(rawBodyOffset+5))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		h, err := parseBlobHeader(b, size)
		if err == nil && !bytes.Equal(h.marshal()[:9], b[:9]) {
			t.Errorf("%+v from %x", h, b)
		}
	})
}

// FuzzPack reads any bytes as a sealed and as an open pack.
func FuzzPack(f *testing.F) {
	dir := f.TempDir()
	l := openTest(f, dir, Options{})
	publish(f, l, testKey(1), []byte("x"), text(1, 500))
	if err := l.MarkBad(f.Context(), DigestOf([]byte("x")), "test"); err != nil {
		f.Fatal(err)
	}
	closeTest(f, l)
	b, err := os.ReadFile(packFiles(f, dir)[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-trailerSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		file, size := bytes.NewReader(b), int64(len(b))
		sealed := &pack{end: packHeaderSize}
		if sealed.loadFooter(file, size) != nil && len(sealed.blobs)+len(sealed.entries)+len(sealed.kills) > 0 {
			t.Error("references from a footer that is not valid")
		}
		scanned := &pack{end: packHeaderSize}
		end, err := scanRecords(file, packHeaderSize, size, scanned.add)
		if err != nil || end > max(size, packHeaderSize) {
			t.Errorf("a scan of %d bytes ended at %d, %v", size, end, err)
		}
		for _, r := range scanned.blobs {
			if got, _, err := readRecord(file, r.off, r.stored); err != nil || got.id != r.digest {
				t.Errorf("a record that was scanned cannot be read: %v", err)
			}
		}
		for _, r := range sealed.blobs {
			_, _, _ = readRecord(file, r.off, r.stored)
		}
		x := newIndex()
		x.packs["sealed"], x.packs["scanned"] = sealed, scanned
		x.rebuild()
	})
}

// FuzzRecord reads any bytes as one record.
func FuzzRecord(f *testing.F) {
	f.Add(record{kind: kindBlob, size: 3}.marshal([]byte("abc")))
	f.Add(record{kind: kindEntry}.marshal(marshalEntryPayload(StoredEntry{Signer: "a"})))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, payload, err := parseRecord(b)
		if err != nil {
			return
		}
		_, _ = parseEntryPayload(payload)
		_, _, _ = parseKillPayload(payload)
		c := &codec{}
		_, _ = c.decode(encZstd, payload, 1000)
	})
}

func TestIsPackName(t *testing.T) {
	for name, want := range map[string]bool{
		DigestOf(nil).String() + ".pack": true, hex.EncodeToString(make([]byte, 16)) + ".open": true,
		"x.pack": false, "x.open": false, ".pack": false, DigestOf(nil).String(): false,
	} {
		if got := isPackName(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
