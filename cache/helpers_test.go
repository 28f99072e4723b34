package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func openTest(t testing.TB, dir string, o Options) *Local {
	t.Helper()
	l, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func closeTest(t testing.TB, l *Local) Fingerprint {
	t.Helper()
	f, err := l.CloseWithFingerprint()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// data returns n reproducible bytes that do not compress.
func data(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)}).Read(b)
	return b
}

// text returns n reproducible bytes that compress well.
func text(seed uint64, n int) []byte {
	b := data(seed, n)
	for i := range b {
		b[i] = "acgt"[b[i]&3]
	}
	return b
}

func testKey(n int) Key { return Key(DigestOf(fmt.Appendf(nil, "key %d", n))) }

// testEntry names the objects in its outputs, so that other content is another output.
func testEntry(k Key, objects ...Object) *Entry {
	names := []string{}
	for _, o := range objects {
		names = append(names, o.Digest.Short())
	}
	out, _ := json.Marshal(names)
	p := NewPreimage()
	p.Add("attribute.seed", FieldNumber, "777")
	return &Entry{Key: k, Kind: "test", Outputs: out, Objects: objects, Preimage: p.Bytes()}
}

func publish(t testing.TB, l *Local, k Key, contents ...[]byte) (StoredEntry, []Object) {
	t.Helper()
	var objects []Object
	for _, c := range contents {
		o, err := l.IngestBytes(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	s, err := l.Publish(t.Context(), testEntry(k, objects...))
	if err != nil {
		t.Fatal(err)
	}
	return s, objects
}

func lookup(t testing.TB, l *Local, k Key) *Entry {
	t.Helper()
	e, err := l.Lookup(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func wantHit(t testing.TB, l *Local, k Key) *Entry {
	t.Helper()
	e := lookup(t, l, k)
	if e == nil {
		t.Fatalf("key %s is a miss: %q", k.Short(), l.MissReasons(k))
	}
	return e
}

func wantMiss(t testing.TB, l *Local, k Key) {
	t.Helper()
	if e := lookup(t, l, k); e != nil {
		t.Fatalf("key %s is a hit", k.Short())
	}
}

func wantBytes(t testing.TB, l *Local, d Digest, want []byte) {
	t.Helper()
	got, err := l.ReadAll(t.Context(), d, -1)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("blob %s: %d bytes, want %d, error %v", d.Short(), len(got), len(want), err)
	}
}

func writeFiles(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
}

// readFiles is the inverse of writeFiles; folders end with a slash.
func readFiles(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		if e.IsDir() {
			out[name+"/"] = ""
			return nil
		}
		b, err := os.ReadFile(path)
		out[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// age makes files old enough for the hash memo.
func age(t testing.TB, dir string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error { return os.Chtimes(path, old, old) })
}

func packFiles(t testing.TB, dir string) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, "packs", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func doctorClean(t testing.TB, l *Local) {
	t.Helper()
	r, err := l.Doctor(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Problems(); len(p) > 0 {
		t.Fatalf("doctor found %+v", p)
	}
}
