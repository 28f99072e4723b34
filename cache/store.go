package cache

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrNotFound is returned for a blob or entry that the store does not hold.
var ErrNotFound = errors.New("not in the store")

// CorruptError says that stored bytes are not those of the digest that names them.
// The copy was set aside; the caller treats the blob as missing (invariant I4).
type CorruptError struct {
	Digest Digest
	Detail string
}

func (e *CorruptError) Error() string { return "blob " + e.Digest.Short() + ": " + e.Detail }

// IsMissing reports whether err means that bytes are not to be had from the
// store (absent, short or wrong), so that their producer must run again.
func IsMissing(err error) bool {
	var corrupt *CorruptError
	return errors.Is(err, ErrNotFound) || errors.As(err, &corrupt)
}

// Lost is the blob that an error says for certain to be absent, short or wrong. Unlike
// with IsMissing, an upstream that could not be asked leaves it open.
func Lost(err error) (d Digest, certain bool) {
	var missing *MissingError
	var corrupt *CorruptError
	switch {
	case errors.As(err, &missing) && missing.Cause == nil:
		return missing.Digest, true
	case errors.As(err, &missing):
		_, certain = Lost(missing.Cause)
		return missing.Digest, certain
	case errors.As(err, &corrupt):
		return corrupt.Digest, true
	}
	return d, false
}

// StoredEntry is an entry as it lies in a store.
type StoredEntry struct {
	Key    Key
	Signer string    // "" for unsigned: this machine's own
	Digest Digest    // of Data
	Data   []byte    // the exact stored bytes, see Entry.Encode
	Time   time.Time // when the store took it, by the store's clock
}

// Upstream is where a local store gets content that it lacks.
type Upstream interface {
	// Fetch stores blobs, verified, in the given store. It returns an error if one
	// of them could not be had; the others are stored all the same.
	Fetch(ctx context.Context, into *Local, want []Digest) error
}

// Store is what a local folder, memory and an object store have in common.
// Implementations are safe for concurrent use and pass storetest.Run.
//
// Contract:
//   - PutBlob returns after the bytes can be read back under their digest; it
//     must not publish anything if src does not have exactly that digest and
//     size (I1), and a blob that is already there is left alone.
//   - OpenBlob verifies while reading: a reader that returns io.EOF has
//     delivered exactly the bytes of the digest; otherwise it returns a
//     *CorruptError instead of io.EOF (I5).
//   - PutEntry must be called after the blobs of the entry were put (I2). Entries
//     are append-only; putting one twice is no error (I11).
//   - Entries returns all entries of a key, oldest first; none is no error.
//   - Sync returns when everything put before is durable.
type Store interface {
	PutBlob(ctx context.Context, d Digest, size int64, src io.Reader) error
	OpenBlob(ctx context.Context, d Digest) (io.ReadCloser, int64, error)
	HasBlob(ctx context.Context, d Digest) (bool, error)
	PutEntry(ctx context.Context, e StoredEntry) error
	Entries(ctx context.Context, k Key) ([]StoredEntry, error)
	Sync(ctx context.Context) error
	Close() error
}
