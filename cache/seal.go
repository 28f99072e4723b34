package cache

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// A signed entry is stored as a few lines of text, an empty line, and then
// exactly the bytes of the entry:
//
//	nbpipe signed entry 1
//	signer alice-1
//	scope 0123456789abcdef0123456789abcdef
//	signature BASE64
//
// The signature covers the scope, the signer's name, the key and the entry's
// bytes, each with its length, so that none can be moved elsewhere (invariant I10).
const (
	sealMagic          = "nbpipe signed entry 1\n"
	sealMagicCertified = "nbpipe signed entry 2\n" // with a certificate
	signatureMagic     = "nbpipe signature 1\n"
	maxSealLine        = 256
	maxCertificateLine = 16 + maxCertificate/3*4
)

// keyNamePattern is what a signing key may be called: a name and, for the day on
// which it is replaced, a number.
var keyNamePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}-[1-9][0-9]{0,5}$`)

// CheckKeyName accepts names such as alice-1.
func CheckKeyName(name string) error {
	if !keyNamePattern.MatchString(name) {
		return fmt.Errorf("%q cannot name a key: lower-case letters, digits, '.', '_' and '-', and a number at the end, as in alice-1", clip(name))
	}
	return nil
}

// SigningKey is a private key with the name under which others trust its public
// half; or, with a Certificate, one that signs in the name of another key.
type SigningKey struct {
	Name        string
	Private     ed25519.PrivateKey
	Certificate []byte // see Certificate.Encode; nil for a key of one's own
}

// Seal signs an unsigned entry for the store with the given ID. Equal input
// gives equal bytes, so the name of the result in a store is known beforehand.
func (k SigningKey) Seal(e StoredEntry, scope string) (StoredEntry, error) {
	switch {
	case e.Signer != "":
		return e, fmt.Errorf("the entry of key %s is signed already, by %s", e.Key.Short(), e.Signer)
	case scope == "" || len(scope) > maxSealLine/2 || strings.ContainsAny(scope, "\n "):
		return e, fmt.Errorf("%q cannot be a scope", clip(scope))
	}
	if err := CheckKeyName(k.Name); err != nil {
		return e, err
	}
	if k.Certificate != nil {
		return k.sealCertified(e, scope)
	}
	signature := ed25519.Sign(k.Private, signedBytes(scope, k.Name, e.Key, e.Data))
	var b bytes.Buffer
	fmt.Fprintf(&b, "%ssigner %s\nscope %s\nsignature %s\n\n", sealMagic, k.Name, scope, base64.StdEncoding.EncodeToString(signature))
	b.Write(e.Data)
	return StoredEntry{Key: e.Key, Signer: k.Name, Digest: DigestOf(b.Bytes()), Data: b.Bytes()}, nil
}

func signedBytes(scope, signer string, key Key, body []byte) []byte {
	b := append(make([]byte, 0, len(body)+256), signatureMagic...)
	for _, part := range [][]byte{[]byte(scope), []byte(signer), key[:], body} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// Seal is what stands before the bytes of a signed entry.
type Seal struct {
	Signer      string
	Scope       string
	Certificate []byte // nil where the signer's own key signed
	Signature   []byte
}

// ParseSeal splits the stored bytes of a signed entry. It accepts exactly what
// SigningKey.Seal writes.
func ParseSeal(data []byte) (s Seal, body []byte, err error) {
	rest, plain := bytes.CutPrefix(data, []byte(sealMagic))
	certified := false
	if !plain {
		rest, certified = bytes.CutPrefix(data, []byte(sealMagicCertified))
	}
	if !plain && !certified {
		return s, nil, errors.New("not a signed entry of this version")
	}
	var signature, certificate string
	for _, field := range []struct {
		name string
		to   *string
		most int
	}{{"signer ", &s.Signer, maxSealLine}, {"scope ", &s.Scope, maxSealLine}, {"certificate ", &certificate, maxCertificateLine}, {"signature ", &signature, maxSealLine}} {
		if field.to == &certificate && !certified {
			continue
		}
		line, _, ok := bytes.Cut(rest[:min(len(rest), field.most)], []byte("\n"))
		value, named := bytes.CutPrefix(line, []byte(field.name))
		if !ok || !named || len(value) == 0 {
			return s, nil, fmt.Errorf("the seal has no %s", strings.TrimSpace(field.name))
		}
		*field.to = string(value)
		rest = rest[len(line)+1:]
	}
	body, ok := bytes.CutPrefix(rest, []byte("\n"))
	if !ok {
		return s, nil, errors.New("the seal does not end")
	}
	if certified {
		if s.Certificate, err = base64.StdEncoding.Strict().DecodeString(certificate); err != nil {
			return s, nil, errors.New("the seal's certificate is none")
		}
	}
	if s.Signature, err = base64.StdEncoding.Strict().DecodeString(signature); err != nil || len(s.Signature) != ed25519.SignatureSize {
		return s, nil, errors.New("the seal's signature is none")
	}
	return s, body, CheckKeyName(s.Signer)
}

// Verify reports whether the signature over the entry of the given key, with the
// given bytes, taken by the store at a time, was made by the private half of public,
// or by a key that it has certified for that.
func (s Seal) Verify(public ed25519.PublicKey, key Key, body []byte, at time.Time) error {
	signed, signer := signedBytes(s.Scope, s.Signer, key, body), public
	if s.Certificate != nil {
		c, err := s.certified(public, key, at)
		if err != nil {
			return err
		}
		signed, signer = certifiedBytes(s.Certificate, signed), c.Public
	}
	if len(signer) != ed25519.PublicKeySize || !ed25519.Verify(signer, signed, s.Signature) {
		return fmt.Errorf("the signature of %s is not right: the entry was forged or damaged", s.Signer)
	}
	return nil
}

func (s Seal) certified(public ed25519.PublicKey, key Key, at time.Time) (Certificate, error) {
	c, err := ParseCertificate(s.Certificate)
	if err == nil {
		err = c.Verify(public)
	}
	if err == nil && (c.Signer != s.Signer || c.Scope != s.Scope) {
		err = fmt.Errorf("the certificate is of %s for the store %s, the entry says %s and %s", c.Signer, clip(c.Scope), s.Signer, clip(s.Scope))
	}
	if err == nil {
		err = c.Allows(key, at)
	}
	return c, err
}

// Body returns the bytes of the entry itself, without the seal of a signed one.
// It verifies no signature.
func (e StoredEntry) Body() ([]byte, error) {
	if e.Signer == "" {
		return e.Data, nil
	}
	s, body, err := ParseSeal(e.Data)
	if err != nil {
		return nil, fmt.Errorf("entry of key %s: %w", e.Key.Short(), err)
	}
	if s.Signer != e.Signer {
		return nil, fmt.Errorf("entry of key %s: it is filed under %s and signed by %s", e.Key.Short(), clip(e.Signer), s.Signer)
	}
	return body, nil
}

// Decode reads the entry; it verifies no signature.
func (e StoredEntry) Decode() (*Entry, error) {
	body, err := e.Body()
	if err != nil {
		return nil, err
	}
	return DecodeEntry(e.Key, body)
}
