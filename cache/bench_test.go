package cache

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func benchFolder(b *testing.B, n, size int) string {
	b.Helper()
	dir := b.TempDir()
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("d%02d", i%20), fmt.Sprintf("f%05d", i))
		_ = os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, text(uint64(i), size), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// BenchmarkIngest1000 stores 1,000 files of 4 KiB in a fresh store, durably.
func BenchmarkIngest1000(b *testing.B) {
	src := benchFolder(b, 1000, 4096)
	for b.Loop() {
		b.StopTimer()
		l := openTest(b, b.TempDir(), Options{})
		b.StartTimer()
		if _, err := l.Ingest(b.Context(), src); err != nil {
			b.Fatal(err)
		}
		closeTest(b, l)
	}
}

// BenchmarkRestore1000 writes 1,000 files of 4 KiB.
func BenchmarkRestore1000(b *testing.B) {
	l := openTest(b, b.TempDir(), Options{})
	o, err := l.Ingest(b.Context(), benchFolder(b, 1000, 4096))
	if err != nil {
		b.Fatal(err)
	}
	dest := b.TempDir()
	n := 0
	for b.Loop() {
		n++
		if err := l.Restore(b.Context(), o, filepath.Join(dest, fmt.Sprint(n))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPlainRestore1000 is what there is to compare with: a loop that writes
// the same files.
func BenchmarkPlainRestore1000(b *testing.B) {
	dest := b.TempDir()
	n := 0
	for b.Loop() {
		n++
		for i := range 1000 {
			path := filepath.Join(dest, fmt.Sprint(n), fmt.Sprintf("d%02d", i%20), fmt.Sprintf("f%05d", i))
			_ = os.MkdirAll(filepath.Dir(path), 0o755)
			if err := os.WriteFile(path, text(uint64(i), 4096), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func publishMany(b *testing.B, l *Local, n int) {
	b.Helper()
	for i := range n {
		publish(b, l, testKey(i), fmt.Appendf(nil, "result %d", i))
	}
}

// BenchmarkPublish10000 publishes 10,000 entries, each with a small output, durably.
func BenchmarkPublish10000(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		l := openTest(b, b.TempDir(), Options{})
		b.StartTimer()
		publishMany(b, l, 10000)
		closeTest(b, l)
	}
}

// BenchmarkLoadIndex20000 opens a store of 10,000 entries and 10,000 blobs, and
// looks one key up.
func BenchmarkLoadIndex20000(b *testing.B) {
	dir := b.TempDir()
	l := openTest(b, dir, Options{})
	publishMany(b, l, 10000)
	closeTest(b, l)
	for b.Loop() {
		l := openTest(b, dir, Options{})
		wantHit(b, l, testKey(5000))
		b.StopTimer()
		closeTest(b, l)
		b.StartTimer()
	}
}

// BenchmarkLookup10000 looks 10,000 keys up in an open store.
func BenchmarkLookup10000(b *testing.B) {
	l := openTest(b, b.TempDir(), Options{})
	publishMany(b, l, 10000)
	for b.Loop() {
		for i := range 10000 {
			wantHit(b, l, testKey(i))
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	l := openTest(b, dir, Options{})
	publishMany(b, l, 100)
	closeTest(b, l)
	for b.Loop() {
		l, err := Open(b.Context(), dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		_ = l.Close()
	}
}

// BenchmarkStillHolds checks a fingerprint against 100 packs.
func BenchmarkStillHolds(b *testing.B) {
	dir := b.TempDir()
	l := openTest(b, dir, Options{})
	for i := range 100 {
		publish(b, l, testKey(i), fmt.Appendf(nil, "result %d", i))
		if err := l.Seal(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	f, err := l.Fingerprint()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if !l.StillHolds(f) {
			b.Fatal("does not hold")
		}
	}
}

func benchHash(b *testing.B, n, size int, hash func(path string) error) {
	dir := benchFolder(b, n, size)
	now := time.Now()
	_ = filepath.WalkDir(dir, func(p string, _ os.DirEntry, _ error) error { return os.Chtimes(p, now, now) })
	b.SetBytes(int64(n * size))
	for b.Loop() {
		if err := hash(dir); err != nil {
			b.Fatal(err)
		}
	}
}

// The memo is of no use here: the files are too young for it.
func hashPath(b *testing.B) func(string) error {
	l := openTest(b, b.TempDir(), Options{Now: func() time.Time { return time.Unix(0, 0) }})
	return func(dir string) error {
		_, err := l.HashPath(context.Background(), dir)
		return err
	}
}

// plainHash is what there is to compare with: one goroutine, io.Copy.
func plainHash(dir string) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(sha256.New(), f)
		return err
	})
}

func BenchmarkHashLarge(b *testing.B)      { benchHash(b, 1, 256<<20, hashPath(b)) }
func BenchmarkPlainHashLarge(b *testing.B) { benchHash(b, 1, 256<<20, plainHash) }
func BenchmarkHashSmall(b *testing.B)      { benchHash(b, 2000, 4096, hashPath(b)) }
func BenchmarkPlainHashSmall(b *testing.B) { benchHash(b, 2000, 4096, plainHash) }
func BenchmarkHashMemo2000(b *testing.B)   { benchMemo(b) }
func BenchmarkSHA256InMemory(b *testing.B) { benchSHA(b) }

func benchSHA(b *testing.B) {
	buf := data(1, 64<<20)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		sha256.Sum256(buf)
	}
}

func benchMemo(b *testing.B) {
	dir := benchFolder(b, 2000, 4096)
	old := time.Now().Add(time.Hour)
	l := openTest(b, b.TempDir(), Options{Now: func() time.Time { return old }})
	for b.Loop() {
		if _, err := l.HashPath(b.Context(), dir); err != nil {
			b.Fatal(err)
		}
	}
}
