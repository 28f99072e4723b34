package cache

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"
)

// certifiedKey is a worker's key that alice-1 lets sign results of testKey(1).
func certifiedKey(t testing.TB, until time.Time) SigningKey {
	t.Helper()
	worker := testSigner("worker-1")
	c, err := testSigner("alice-1").Certify(Certificate{
		Scope: "team", Public: worker.Private.Public().(ed25519.PublicKey), Until: until, Keys: []Key{testKey(1)}, Action: DigestOf([]byte("action")), For: "queue/attempt",
	})
	if err != nil {
		t.Fatal(err)
	}
	return SigningKey{Name: "alice-1", Private: worker.Private, Certificate: c.Encode()}
}

func certified(t testing.TB, until time.Time) StoredEntry {
	t.Helper()
	e := testEntry(testKey(1), Object{Digest: DigestOf([]byte{1}), Size: 1})
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s, err := certifiedKey(t, until).Seal(StoredEntry{Key: e.Key, Digest: DigestOf(b), Data: b}, "team")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestI10_CertifiedSeal(t *testing.T) {
	alice := testSigner("alice-1").Private.Public().(ed25519.PublicKey)
	until := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	e := certified(t, until)
	s, body, err := ParseSeal(e.Data)
	if err != nil || s.Signer != "alice-1" {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := s.Verify(alice, e.Key, body, until); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"too late":              s.Verify(alice, e.Key, body, until.Add(time.Second)),
		"another result":        s.Verify(alice, testKey(2), body, until),
		"another user":          s.Verify(testSigner("bob-1").Private.Public().(ed25519.PublicKey), e.Key, body, until),
		"the worker's own name": s.Verify(testSigner("worker-1").Private.Public().(ed25519.PublicKey), e.Key, body, until),
	} {
		if err == nil {
			t.Errorf("%s: it is believed", name)
		}
	}
	for i := range e.Data {
		data := bytes.Clone(e.Data)
		data[i] ^= 1
		if s, body, err := ParseSeal(data); err == nil && s.Verify(alice, e.Key, body, until) == nil {
			t.Errorf("byte %d can be flipped", i)
		}
	}
	for n := range e.Data {
		if s, body, err := ParseSeal(e.Data[:n]); err == nil && s.Verify(alice, e.Key, body, until) == nil {
			t.Errorf("it holds when cut off at byte %d", n)
		}
	}
}

// What the certificate does not say, the worker cannot even seal.
func TestI10_CertificateForOtherResults(t *testing.T) {
	k := certifiedKey(t, time.Now())
	e := testEntry(testKey(2), Object{Digest: DigestOf([]byte{1}), Size: 1})
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Seal(StoredEntry{Key: e.Key, Digest: DigestOf(b), Data: b}, "team"); err == nil || !strings.Contains(err.Error(), "not for the entry") {
		t.Errorf("another key: %v", err)
	}
	if _, err := k.Seal(StoredEntry{Key: testKey(1), Digest: DigestOf(b), Data: b}, "other"); err == nil {
		t.Error("another store")
	}
}

func TestCertify(t *testing.T) {
	public := testSigner("worker-1").Private.Public().(ed25519.PublicKey)
	for name, c := range map[string]Certificate{
		"no public key": {Scope: "team", Keys: []Key{testKey(1)}},
		"no keys":       {Scope: "team", Public: public},
		"no scope":      {Public: public, Keys: []Key{testKey(1)}},
		"bad scope":     {Scope: "a\nb", Public: public, Keys: []Key{testKey(1)}},
	} {
		if _, err := testSigner("alice-1").Certify(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParseCertificate(f *testing.F) {
	f.Add(certifiedKey(f, time.Now()).Certificate)
	f.Add([]byte(certificateMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCertificate(b); err == nil && !bytes.Equal(c.Encode(), b) {
			t.Errorf("accepted %q", b)
		}
	})
}
