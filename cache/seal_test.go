package cache

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

func sealed(t testing.TB, signer, scope string, n int) StoredEntry {
	t.Helper()
	e := testEntry(testKey(n), Object{Digest: DigestOf([]byte{byte(n)}), Size: 1})
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s, err := testSigner(signer).Seal(StoredEntry{Key: e.Key, Digest: DigestOf(b), Data: b}, scope)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// I10: the signature covers the exact bytes of the entry, its key, the signer
// and the scope: whatever of them is changed, it is not right any more.
func TestI10_Seal(t *testing.T) {
	public := testSigner("alice-1").Private.Public().(ed25519.PublicKey)
	e := sealed(t, "alice-1", "team", 1)
	if again := sealed(t, "alice-1", "team", 1); !bytes.Equal(again.Data, e.Data) {
		t.Error("sealing is not deterministic")
	}
	s, body, err := ParseSeal(e.Data)
	if err != nil || s.Signer != "alice-1" || s.Scope != "team" {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := s.Verify(public, e.Key, body, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if entry, err := e.Decode(); err != nil || entry.Key != e.Key {
		t.Errorf("Decode: %v", err)
	}
	for name, forge := range map[string]func() error{
		"another key": func() error { return s.Verify(public, testKey(2), body, time.Time{}) },
		"another public key": func() error {
			return s.Verify(testSigner("bob-1").Private.Public().(ed25519.PublicKey), e.Key, body, time.Time{})
		},
		"no public key":  func() error { return s.Verify(nil, e.Key, body, time.Time{}) },
		"another scope":  func() error { f := s; f.Scope = "other"; return f.Verify(public, e.Key, body, time.Time{}) },
		"another signer": func() error { f := s; f.Signer = "bob-1"; return f.Verify(public, e.Key, body, time.Time{}) },
		"moved boundary": func() error {
			f := s
			f.Scope, f.Signer = "teama", "lice-1"
			return f.Verify(public, e.Key, body, time.Time{})
		},
	} {
		if forge() == nil {
			t.Errorf("%s: the signature still holds", name)
		}
	}
	for i := range e.Data {
		data := bytes.Clone(e.Data)
		data[i] ^= 1
		s, body, err := ParseSeal(data)
		if err == nil {
			err = s.Verify(public, e.Key, body, time.Time{})
		}
		if err == nil {
			t.Errorf("byte %d can be flipped", i)
		}
	}
	for n := range e.Data {
		if s, body, err := ParseSeal(e.Data[:n]); err == nil && s.Verify(public, e.Key, body, time.Time{}) == nil {
			t.Errorf("it holds when cut off at byte %d", n)
		}
	}
}

func TestI10_FiledUnderAnotherName(t *testing.T) {
	e := sealed(t, "mallory-1", "team", 1)
	e.Signer = "alice-1"
	if _, err := e.Decode(); err == nil || !strings.Contains(err.Error(), "signed by mallory-1") {
		t.Errorf("%v", err)
	}
}

func TestCheckKeyName(t *testing.T) {
	for name, ok := range map[string]bool{
		"alice-1": true, "a-1": true, "lab.gpu_2-17": true, "alice": false, "alice-0": false, "alice-01": false, "Alice-1": false, "-1": false,
		"../x-1": false, "a b-1": false, "": false, strings.Repeat("a", 80) + "-1": false, "a-1\n": false,
	} {
		if (CheckKeyName(name) == nil) != ok {
			t.Errorf("%q: %v", name, CheckKeyName(name))
		}
	}
}

func FuzzParseSeal(f *testing.F) {
	e := sealed(f, "alice-1", "team", 1)
	f.Add(e.Data)
	f.Add(e.Data[:60])
	f.Add(certified(f, time.Now()).Data)
	f.Add([]byte(sealMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, body, err := ParseSeal(b)
		if err != nil {
			return
		}
		// What is accepted is written in one way only.
		again := &bytes.Buffer{}
		if s.Certificate == nil {
			again.WriteString(sealMagic + "signer " + s.Signer + "\nscope " + s.Scope + "\nsignature ")
		} else {
			again.WriteString(sealMagicCertified + "signer " + s.Signer + "\nscope " + s.Scope + "\ncertificate " +
				base64.StdEncoding.EncodeToString(s.Certificate) + "\nsignature ")
		}
		if !bytes.HasPrefix(b, again.Bytes()) || !bytes.HasSuffix(b, body) {
			t.Errorf("accepted %q", b)
		}
	})
}
