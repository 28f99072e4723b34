package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest is the SHA-256 of the uncompressed bytes of a blob.
type Digest [sha256.Size]byte

// Key is the SHA-256 of a Preimage: it names how a result is made.
type Key [sha256.Size]byte

// DigestOf returns the digest of b.
func DigestOf(b []byte) Digest { return sha256.Sum256(b) }

// ParseDigest reads 64 hexadecimal digits.
func ParseDigest(s string) (Digest, error) {
	b, err := parseHash("digest", s)
	return Digest(b), err
}

// ParseKey reads 64 hexadecimal digits.
func ParseKey(s string) (Key, error) {
	b, err := parseHash("key", s)
	return Key(b), err
}

func parseHash(what, s string) (out [sha256.Size]byte, err error) {
	if len(s) != hex.EncodedLen(len(out)) {
		return out, fmt.Errorf("a SHA-256 %s has 64 hexadecimal digits, %q has %d characters", what, clip(s), len(s))
	}
	if _, err := hex.Decode(out[:], []byte(s)); err != nil {
		return out, fmt.Errorf("%q is no SHA-256 %s: %w", clip(s), what, err)
	}
	return out, nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

// String returns 64 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Short returns the first 12 digits, for people.
func (d Digest) Short() string { return hex.EncodeToString(d[:6]) }

// IsZero reports whether d was never set.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDigest(string(b))
	return err
}

// String returns 64 lower-case hexadecimal digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Short returns the first 12 digits, for people.
func (k Key) Short() string { return hex.EncodeToString(k[:6]) }

// IsZero reports whether k was never set.
func (k Key) IsZero() bool { return k == Key{} }

// MarshalText implements encoding.TextMarshaler.
func (k Key) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Key) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKey(string(b))
	return err
}
