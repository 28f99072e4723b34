package team

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3test"
)

// throughput puts and gets 1 GiB that cannot be compressed, in time and in CPU time.
func (t *bench) throughput(b *testing.B) {
	folder(b)
	const size = 1 << 30
	dir := b.TempDir()
	file, store := filepath.Join(dir, "file"), filepath.Join(dir, "store")
	writeFile(b, file, random(size))
	withStore(b, store, func(l *cache.Local) {
		o, err := l.Ingest(b.Context(), file)
		if err != nil {
			b.Fatal(err)
		}
		result(b, l, 0, o)
	})
	var sha, push, pull, rawPut, rawGet, put, get, tunedPut, tunedGet series
	eachRound(b, func(b *testing.B) []func() {
		server, down := s3test.MinIO(b), filepath.Join(b.TempDir(), "down")
		at := t.place(b, server)
		peers := t.with(at, b.TempDir())
		gone := func() { remove(b, down) }
		copies := func(p peer, name string, put, get *series) func() {
			return func() {
				put.add(p.run(b, "copyto", file, at.remote(name)))
				get.add(p.run(b, "copyto", at.remote(name), down))
				gone()
			}
		}
		return []func(){
			func() { sha.add(job{Do: "sha256", File: file}.run(b)) },
			func() {
				prepare(b, at, store)
				push.add(job{Do: "push", Place: at, Store: store, Keys: 1, Want: 1}.run(b))
				prepare(b, at, down)
				pull.add(job{Do: "pull", Place: at, Store: down, Keys: 1}.run(b))
				gone()
			},
			func() {
				rawPut.add(job{Do: "raw put", Place: at, File: file}.run(b))
				rawGet.add(job{Do: "raw get", Place: at, File: down}.run(b))
				gone()
			},
			copies(peers.rclone, "default", &put, &get),
			copies(peers.tuned, "tuned", &tunedPut, &tunedGet),
		}
	})
	t.atLeast("1 GiB put, beside rclone", push, put, 2)
	t.atLeast("1 GiB put, beside rclone with 16 streams", push, tunedPut, 2)
	t.atLeast("1 GiB get, verified, beside rclone", pull, get, 1.5)
	t.atLeast("1 GiB get, verified, beside rclone with 16 streams", pull, tunedGet, 1.5)
	t.cpuAtMost("CPU of 1 GiB put, beside SHA-256 + minio-go", push, rawPut.plus(sha), 1.3)
	t.cpuAtMost("CPU of 1 GiB get, beside SHA-256 + minio-go", pull, rawGet.plus(sha), 1.3)
}

// small publishes 2,000 results of 4 KiB to a server that is 20 ms away,
// publishes them again, and brings them to another machine.
func (t *bench) small(b *testing.B) {
	folder(b)
	const n, size, away = 2000, 4 << 10, 20 * time.Millisecond
	dir := b.TempDir()
	files, store := filepath.Join(dir, "files"), filepath.Join(dir, "store")
	if err := os.Mkdir(files, 0o755); err != nil {
		b.Fatal(err)
	}
	source := random(n * size)
	withStore(b, store, func(l *cache.Local) {
		for i := range n {
			path := filepath.Join(files, fmt.Sprint(i))
			writeFile(b, path, io.LimitReader(source, size))
			o, err := l.Ingest(b.Context(), path)
			if err != nil {
				b.Fatal(err)
			}
			result(b, l, i, o)
		}
	})
	var ours, restic, rclone, tuned trip
	eachRound(b, func(b *testing.B) []func() {
		proxy := s3test.NewProxy(b, s3test.MinIO(b))
		proxy.Latency(away)
		at, home, down := t.place(b, &proxy.Server), b.TempDir(), filepath.Join(b.TempDir(), "down")
		peers := t.with(at, home)
		copies := func(p peer, name string, of *trip) func() {
			return func() {
				of.push.add(p.run(b, "copy", files, at.remote(name)))
				of.again.add(p.run(b, "copy", files, at.remote(name)))
				of.pull.add(p.run(b, "copy", at.remote(name), down))
				remove(b, down)
			}
		}
		return []func(){
			func() {
				prepare(b, at, store)
				ours.push.add(job{Do: "push", Place: at, Store: store, Keys: n, Want: n}.run(b))
				ours.again.add(job{Do: "push", Place: at, Store: store, Keys: n}.run(b))
				prepare(b, at, down)
				ours.pull.add(job{Do: "pull", Place: at, Store: down, Keys: n}.run(b))
				remove(b, down)
			},
			func() {
				peers.restic.run(b, "init")
				restic.push.add(peers.restic.run(b, "backup", "--no-scan", files))
				restic.again.add(peers.restic.run(b, "backup", "--no-scan", files))
				remove(b, peers.cache(home)) // another machine does not have it
				restic.pull.add(peers.restic.run(b, "restore", "latest", "--target", down))
				remove(b, down)
			},
			copies(peers.rclone, "default", &rclone),
			copies(peers.tuned, "tuned", &tuned),
		}
	})
	t.within("2,000 x 4 KiB push", ours.push, restic.push, rclone.push, tuned.push, 1500*time.Millisecond)
	t.within("2,000 x 4 KiB push with nothing to do", ours.again, restic.again, rclone.again, tuned.again, 250*time.Millisecond)
	t.within("2,000 x 4 KiB pull", ours.pull, restic.pull, rclone.pull, tuned.pull, 1500*time.Millisecond)
}

// trip is what a set of small results goes through.
type trip struct{ push, again, pull series }

func remove(b *testing.B, path string) {
	b.Helper()
	if err := os.RemoveAll(path); err != nil {
		b.Fatal(err)
	}
}

// footprint is the most memory that a process has while it puts and gets a
// large object. Never more than two copies of it are on the disk.
func (t *bench) footprint(b *testing.B) {
	size := int64(2 << 30)
	if *large {
		size = 10 << 30
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, random(size)); err != nil {
		b.Fatal(err)
	}
	o := cache.Object{Digest: cache.Digest(sum.Sum(nil)), Size: size}
	dir := b.TempDir()
	store, down := filepath.Join(dir, "store"), filepath.Join(dir, "down")
	withStore(b, store, func(l *cache.Local) {
		if err := l.PutBlob(b.Context(), o.Digest, size, random(size)); err != nil {
			b.Fatal(err)
		}
		result(b, l, 0, o)
	})
	server := s3test.MinIO(b)
	at := t.place(b, server)
	prepare(b, at, store)
	up := job{Do: "push", Place: at, Store: store, Keys: 1, Want: 1}.run(b)
	remove(b, store)
	prepare(b, at, down)
	got := job{Do: "pull", Place: at, Store: down, Keys: 1}.run(b)
	t.memoryAtMost(fmt.Sprintf("memory while %d GiB are pushed", size>>30), up, 100<<20)
	t.memoryAtMost(fmt.Sprintf("memory while %d GiB are pulled", size>>30), got, 100<<20)
}
