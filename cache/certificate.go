package cache

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Certificate lets another key sign in a user's name: only results of the named
// keys, for one store, and up to a time. It is what a worker on a borrowed machine
// gets instead of the user's own key, which never leaves the user's machine. It is
// stored as text:
//
//	nbpipe certificate 1
//	signer alice-1
//	scope 0123456789abcdef0123456789abcdef
//	public BASE64
//	until 2026-05-01T12:00:00Z
//	action SHA256
//	for QUEUE/ATTEMPT
//	key SHA256
//	signature BASE64
//
// The signature is the signer's, over all lines above it.
type Certificate struct {
	Signer string // whose name the results bear
	Scope  string // the store's ID
	Public ed25519.PublicKey
	Until  time.Time // by the clock of the store that takes a result; whole seconds
	Action Digest    // of the serialised action that the holder may run
	For    string    // the one occasion at which it may, in the words of whoever certifies; "" for any
	Keys   []Key     // what it may sign results of; sorted, unique, not empty

	signature []byte
}

const (
	certificateMagic = "nbpipe certificate 1\n"
	// maxCertificate bounds what a reader takes: some 500 keys.
	maxCertificate = 48 << 10
	maxOccasion    = 512
)

// Certify lets the holder of c's Public sign; c's Signer and signature are filled in.
func (k SigningKey) Certify(c Certificate) (Certificate, error) {
	switch {
	case len(c.Public) != ed25519.PublicKeySize:
		return c, errors.New("a certificate needs a public key")
	case len(c.Keys) == 0:
		return c, errors.New("a certificate needs the keys whose results it is for")
	case c.Scope == "" || len(c.Scope) > maxSealLine/2 || strings.ContainsAny(c.Scope, "\n "):
		return c, fmt.Errorf("%q cannot be a scope", clip(c.Scope))
	}
	if len(c.For) > maxOccasion || strings.ContainsAny(c.For, "\n ") {
		return c, fmt.Errorf("%q cannot be what a certificate is for", clip(c.For))
	}
	if err := CheckKeyName(k.Name); err != nil {
		return c, err
	}
	c.Signer, c.Until = k.Name, c.Until.UTC().Truncate(time.Second)
	c.Keys = slices.Clone(c.Keys)
	slices.SortFunc(c.Keys, func(a, b Key) int { return bytes.Compare(a[:], b[:]) })
	c.Keys = slices.Compact(c.Keys)
	body := c.body()
	if len(body) > maxCertificate/2 {
		return c, fmt.Errorf("a certificate for %d keys is too long", len(c.Keys))
	}
	c.signature = ed25519.Sign(k.Private, body)
	return c, nil
}

func (c Certificate) body() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%ssigner %s\nscope %s\npublic %s\nuntil %s\naction %s\n", certificateMagic, c.Signer, c.Scope,
		base64.StdEncoding.EncodeToString(c.Public), c.Until.Format(time.RFC3339), c.Action)
	if c.For != "" {
		fmt.Fprintf(&b, "for %s\n", c.For)
	}
	for _, k := range c.Keys {
		fmt.Fprintf(&b, "key %s\n", k)
	}
	return b.Bytes()
}

// Encode returns what ParseCertificate reads.
func (c Certificate) Encode() []byte {
	return fmt.Appendf(c.body(), "signature %s\n", base64.StdEncoding.EncodeToString(c.signature))
}

// ParseCertificate reads a certificate. It accepts exactly what Encode writes, and
// verifies nothing.
func ParseCertificate(b []byte) (c Certificate, err error) {
	rest, ok := bytes.CutPrefix(b, []byte(certificateMagic))
	if !ok || len(b) > maxCertificate {
		return c, errors.New("not a certificate of this version")
	}
	for len(rest) > 0 {
		line, more, ok := bytes.Cut(rest, []byte("\n"))
		name, value, named := strings.Cut(string(line), " ")
		if !ok || !named {
			return c, errors.New("the certificate is cut off")
		}
		if err := c.set(name, value); err != nil {
			return c, err
		}
		rest = more
	}
	if !bytes.Equal(c.Encode(), b) || len(c.signature) != ed25519.SignatureSize || len(c.Public) != ed25519.PublicKeySize {
		return c, errors.New("the certificate is not in the form in which it is written")
	}
	return c, CheckKeyName(c.Signer)
}

func (c *Certificate) set(name, value string) (err error) {
	strict := base64.StdEncoding.Strict()
	switch name {
	case "signer":
		c.Signer = value
	case "scope":
		c.Scope = value
	case "public":
		c.Public, err = strict.DecodeString(value)
	case "until":
		c.Until, err = time.Parse(time.RFC3339, value)
	case "action":
		c.Action, err = ParseDigest(value)
	case "for":
		c.For = value
	case "key":
		var k Key
		k, err = ParseKey(value)
		c.Keys = append(c.Keys, k)
	case "signature":
		c.signature, err = strict.DecodeString(value)
	default:
		return fmt.Errorf("the certificate has an unknown line %q", clip(name))
	}
	if err != nil {
		return fmt.Errorf("the certificate's %s: %w", name, err)
	}
	return nil
}

// Verify reports whether the signer's public key made the certificate.
func (c Certificate) Verify(signer ed25519.PublicKey) error {
	if len(signer) != ed25519.PublicKeySize || !ed25519.Verify(signer, c.body(), c.signature) {
		return fmt.Errorf("the certificate in the name of %s is not right: it was forged or damaged", clip(c.Signer))
	}
	return nil
}

// Allows reports whether a result of the key, taken by the store at a time, may bear
// a signature under the certificate.
func (c Certificate) Allows(k Key, at time.Time) error {
	if !slices.Contains(c.Keys, k) {
		return fmt.Errorf("signed with a certificate of %s that is for other results", clip(c.Signer))
	}
	if at.After(c.Until) {
		return fmt.Errorf("signed at %s with a certificate of %s that ended at %s", at.UTC().Format(time.RFC3339), clip(c.Signer), c.Until.Format(time.RFC3339))
	}
	return nil
}

// sealCertified signs an entry with a certified key. The seal has one line more:
//
//	nbpipe signed entry 2
//	signer alice-1
//	scope 0123456789abcdef0123456789abcdef
//	certificate BASE64
//	signature BASE64
func (k SigningKey) sealCertified(e StoredEntry, scope string) (StoredEntry, error) {
	c, err := ParseCertificate(k.Certificate)
	if err != nil {
		return e, err
	}
	if c.Signer != k.Name || c.Scope != scope || !slices.Contains(c.Keys, e.Key) {
		return e, fmt.Errorf("the certificate of %s is not for the entry of key %s in this store", c.Signer, e.Key.Short())
	}
	signature := ed25519.Sign(k.Private, certifiedBytes(k.Certificate, signedBytes(scope, k.Name, e.Key, e.Data)))
	var b bytes.Buffer
	fmt.Fprintf(&b, "%ssigner %s\nscope %s\ncertificate %s\nsignature %s\n\n", sealMagicCertified, k.Name, scope,
		base64.StdEncoding.EncodeToString(k.Certificate), base64.StdEncoding.EncodeToString(signature))
	b.Write(e.Data)
	return StoredEntry{Key: e.Key, Signer: k.Name, Digest: DigestOf(b.Bytes()), Data: b.Bytes()}, nil
}

func certifiedBytes(certificate, signed []byte) []byte {
	b := append([]byte("nbpipe certified signature 1\n"), signed...)
	b = binary.AppendUvarint(b, uint64(len(certificate)))
	return append(b, certificate...)
}
