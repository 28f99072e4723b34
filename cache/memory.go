package cache

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Memory is a store in memory: for tests, and for running without a folder.
type Memory struct {
	now func() time.Time

	mu      sync.Mutex
	blobs   map[Digest][]byte
	entries map[Key][]StoredEntry
	closed  bool
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store; now stamps its entries.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, blobs: map[Digest][]byte{}, entries: map[Key][]StoredEntry{}}
}

func (m *Memory) begin(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, ErrClosed
	}
	return m.mu.Unlock, nil
}

// PutBlob implements Store.
func (m *Memory) PutBlob(ctx context.Context, d Digest, size int64, src io.Reader) error {
	if have, err := m.HasBlob(ctx, d); err != nil || have {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(&contextReader{ctx, src}, size+1))
	if err != nil {
		return fmt.Errorf("putting blob %s: %w", d.Short(), err)
	}
	if int64(len(b)) != size || DigestOf(b) != d {
		return &CorruptError{Digest: d, Detail: "the bytes to store are others"}
	}
	unlock, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	m.blobs[d] = b
	return nil
}

// OpenBlob implements Store.
func (m *Memory) OpenBlob(ctx context.Context, d Digest) (io.ReadCloser, int64, error) {
	unlock, err := m.begin(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	b, ok := m.blobs[d]
	if !ok {
		return nil, 0, &MissingError{Digest: d}
	}
	if DigestOf(b) != d {
		delete(m.blobs, d)
		return nil, 0, &CorruptError{Digest: d, Detail: "its bytes have another digest"}
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

// HasBlob implements Store.
func (m *Memory) HasBlob(ctx context.Context, d Digest) (bool, error) {
	unlock, err := m.begin(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	_, ok := m.blobs[d]
	return ok, nil
}

// PutEntry implements Store.
func (m *Memory) PutEntry(ctx context.Context, e StoredEntry) error {
	if err := e.Check(); err != nil {
		return err
	}
	unlock, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, old := range m.entries[e.Key] {
		if old.Digest == e.Digest && old.Signer == e.Signer {
			return nil
		}
	}
	if e.Time.IsZero() {
		e.Time = m.now()
	}
	e.Data = bytes.Clone(e.Data)
	m.entries[e.Key] = append(m.entries[e.Key], e)
	return nil
}

// Entries implements Store.
func (m *Memory) Entries(ctx context.Context, k Key) ([]StoredEntry, error) {
	unlock, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	out := slices.Clone(m.entries[k])
	for i := range out {
		out[i].Data = bytes.Clone(out[i].Data)
	}
	return out, nil
}

// Sync implements Store.
func (m *Memory) Sync(ctx context.Context) error {
	unlock, err := m.begin(ctx)
	if err != nil {
		return err
	}
	unlock()
	return nil
}

// Close implements Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.closed = true
	return nil
}
