package cache

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// memo remembers digests of files by path and stat, so that unchanged inputs
// are not read again. It is a hint that may vanish, and it never makes a
// changed file look unchanged: see racy.
type memo struct {
	l     *Local
	mu    sync.Mutex
	known map[memoName]memoValue // nil until loaded
	fresh map[memoName]memoValue // of this process, to be saved
}

type memoName [16]byte // of the absolute path

type memoValue struct {
	size, mtime, ctime int64
	ino, dev           uint64
	digest             Digest
}

const (
	memoMagic      = "nbpmemo1"
	memoRecordSize = 16 + 5*8 + 32
	// maxMemo bounds the file to 23 MB; beyond it the memo starts anew.
	maxMemo = 1 << 18
	// racy is how old a file's last change must be for its digest to be
	// remembered. A change within the same tick of the clock as the hashing would go
	// unseen: ticks are 10 ms on ext4, and 2 s on FAT and some network mounts.
	racy = 2 * time.Second
)

func (m *memo) init(l *Local) { m.l, m.fresh = l, map[memoName]memoValue{} }

func (m *memo) path() string { return filepath.Join(m.l.dir, "memo", "files") }

func memoNameOf(path string) (memoName, bool) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return memoName{}, false
	}
	sum := sha256.Sum256([]byte(abs))
	return memoName(sum[:16]), true
}

func (m *memo) get(path string, info fs.FileInfo) (Digest, bool) {
	name, ok := memoNameOf(path)
	v, known := statOf(info)
	if !ok || !known {
		return Digest{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = m.load()
	}
	old, ok := m.fresh[name]
	if !ok {
		old, ok = m.known[name]
	}
	v.digest = old.digest
	return old.digest, ok && old == v
}

// put remembers the digest of n bytes read from f, if f did not change between
// before and now, nor shortly before.
func (m *memo) put(path string, f *os.File, before fs.FileInfo, d Digest, n int64) {
	after, err := f.Stat()
	if err != nil {
		return
	}
	name, ok := memoNameOf(path)
	v, known := statOf(before)
	if w, _ := statOf(after); !ok || !known || v != w || v.size != n {
		return
	}
	if limit := m.l.opt.Now().Add(-racy).UnixNano(); v.mtime >= limit || v.ctime >= limit {
		return
	}
	v.digest = d
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fresh[name] = v
}

// load reads the saved memo; a damaged one is none.
func (m *memo) load() map[memoName]memoValue {
	out := map[memoName]memoValue{}
	b, err := os.ReadFile(m.path())
	if err != nil || len(b) < len(memoMagic)+4 || string(b[:len(memoMagic)]) != memoMagic {
		return out
	}
	body, sum := b[len(memoMagic):len(b)-4], b[len(b)-4:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(sum) {
		return out
	}
	out = make(map[memoName]memoValue, len(body)/memoRecordSize)
	for ; len(body) >= memoRecordSize; body = body[memoRecordSize:] {
		c := cursor{b: body[16:memoRecordSize]}
		v := memoValue{size: c.i64(), mtime: c.i64(), ctime: c.i64(), ino: uint64(c.i64()), dev: uint64(c.i64())}
		copy(v.digest[:], c.take(32))
		out[memoName(body[:16])] = v
	}
	return out
}

// save merges this process's findings with what others saved meanwhile.
func (m *memo) save() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.fresh) == 0 || m.l.readOnly {
		return nil
	}
	all := m.load()
	if len(all)+len(m.fresh) > maxMemo {
		all = map[memoName]memoValue{}
	}
	maps.Copy(all, m.fresh)
	le := binary.LittleEndian
	b := append(make([]byte, 0, 16+memoRecordSize*len(all)), memoMagic...)
	for name, v := range all {
		b = append(b, name[:]...)
		for _, n := range []uint64{uint64(v.size), uint64(v.mtime), uint64(v.ctime), v.ino, v.dev} {
			b = le.AppendUint64(b, n)
		}
		b = append(b, v.digest[:]...)
	}
	b = le.AppendUint32(b, crc32.Checksum(b[len(memoMagic):], castagnoli))
	m.fresh = map[memoName]memoValue{}
	m.known = nil
	return m.l.replaceFile(m.path(), b, false)
}

// HashPath returns the Object that Ingest would, without storing anything.
func (l *Local) HashPath(ctx context.Context, path string) (Object, error) {
	o, err := object(ctx, path, l.hashFile, func(b []byte) (Digest, error) { return DigestOf(b), nil })
	if err != nil {
		return Object{}, fmt.Errorf("hashing %s: %w", path, err)
	}
	return o, nil
}

// hashBuffers are reused: a fresh buffer a file costs more than hashing a small one.
var hashBuffers = sync.Pool{New: func() any { return new([streamBuffer]byte) }}

func (l *Local) hashFile(ctx context.Context, file leafFile) (Digest, int64, error) {
	if d, ok := l.memo.get(file.path, file.info); ok {
		return d, file.info.Size(), nil
	}
	f, err := os.Open(file.path)
	if err != nil {
		return Digest{}, 0, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return Digest{}, 0, err
	}
	if !before.Mode().IsRegular() {
		return Digest{}, 0, specialFile(file.path)
	}
	d, n, err := hashReader(ctx, f)
	if err != nil {
		return d, n, err
	}
	l.memo.put(file.path, f, before, d, n)
	return d, n, nil
}

func hashReader(ctx context.Context, r io.Reader) (Digest, int64, error) {
	buf := hashBuffers.Get().(*[streamBuffer]byte)
	defer hashBuffers.Put(buf)
	sum := sha256.New()
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return Digest{}, total, err
		}
		n, err := r.Read(buf[:])
		sum.Write(buf[:n])
		total += int64(n)
		if errors.Is(err, io.EOF) {
			return Digest(sum.Sum(nil)), total, nil
		}
		if err != nil {
			return Digest{}, total, err
		}
	}
}
