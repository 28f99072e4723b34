package trust

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

func load(t testing.TB, path string) *Set {
	t.Helper()
	s, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func generate(t testing.TB, dir, name string) cache.SigningKey {
	t.Helper()
	k, err := Keyring{dir}.Generate(name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func entry(t testing.TB, n int) cache.StoredEntry {
	t.Helper()
	key := cache.Key(cache.DigestOf(fmt.Appendf(nil, "key %d", n)))
	e := cache.Entry{Key: key, Kind: "test", Outputs: []byte(`{}`), Preimage: []byte("x")}
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return cache.StoredEntry{Key: key, Digest: cache.DigestOf(b), Data: b}
}

func seal(t testing.TB, k cache.SigningKey, scope string, n int, at time.Time) cache.StoredEntry {
	t.Helper()
	e, err := k.Seal(entry(t, n), scope)
	if err != nil {
		t.Fatal(err)
	}
	e.Time = at
	return e
}

// TestI10_Check: what is not signed by a trusted key, for a known store, before
// the key was revoked, is a miss, with one line that says why.
func TestI10_Check(t *testing.T) {
	dir := t.TempDir()
	alice, bob := generate(t, dir, "alice"), generate(t, dir, "bob")
	s := load(t, filepath.Join(dir, "trust.json"))
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	if err := s.Add(PublicOf(alice), "", now); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pin("s3://team", "scope"); err != nil {
		t.Fatal(err)
	}
	good := seal(t, alice, "scope", 1, now)
	forged := good
	forged.Data = append([]byte{}, good.Data...)
	forged.Data[len(forged.Data)-3] ^= 1
	forged.Digest = cache.DigestOf(forged.Data)
	moved := good
	moved.Key = entry(t, 2).Key
	renamed := seal(t, bob, "scope", 1, now)
	renamed.Signer = alice.Name
	impostor := seal(t, cache.SigningKey{Name: alice.Name, Private: bob.Private}, "scope", 1, now)
	cut := good
	cut.Data = good.Data[:40]
	for name, c := range map[string]struct {
		e    cache.StoredEntry
		want string
	}{
		"good":          {good, ""},
		"unsigned":      {entry(t, 1), "not signed"},
		"unknown":       {seal(t, bob, "scope", 1, now), "signed by bob-1, whom you do not trust"},
		"another store": {seal(t, alice, "other", 1, now), "for another store"},
		"forged":        {forged, "forged or damaged"},
		"another key":   {moved, "forged or damaged"},
		"renamed":       {renamed, "filed under alice-1, and signed by bob-1"},
		"impostor":      {impostor, "forged or damaged"},
		"cut off":       {cut, "alice-1"},
	} {
		for range 2 { // the second time, some were checked before
			err := s.Check(c.e)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: more than one line: %v", name, err)
			}
		}
	}
	before := s.Digest()
	s.Revoke(Revocation{Name: "alice-1", Since: now})
	if err := s.Check(good); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("revoked: %v", err)
	}
	if err := s.Check(seal(t, alice, "scope", 3, now.Add(-time.Second))); err != nil {
		t.Errorf("before the revocation: %v", err)
	}
	s.Revoke(Revocation{Name: "alice-1", Since: now.Add(time.Hour)})
	if s.Check(good) == nil {
		t.Error("a later revocation has undone an earlier one")
	}
	if s.Digest() == before {
		t.Error("a revocation does not change the digest of the set")
	}
}

// TestI10_CheckSigner: what a listing shows is enough to pass over what cannot be
// believed, with the reason that reading it would give.
func TestI10_CheckSigner(t *testing.T) {
	dir := t.TempDir()
	alice, bob := generate(t, dir, "alice"), generate(t, dir, "bob")
	s := load(t, filepath.Join(dir, "trust.json"))
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	if err := s.Add(PublicOf(alice), "", now); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pin("s3://team", "scope"); err != nil {
		t.Fatal(err)
	}
	s.Revoke(Revocation{Name: "alice-1", Since: now})
	for name, c := range map[string]struct {
		e    cache.StoredEntry
		want string
	}{
		"good":    {seal(t, alice, "scope", 1, now.Add(-time.Second)), ""},
		"revoked": {seal(t, alice, "scope", 1, now), "revoked since 2026-05-01T12:00:00Z"},
		"unknown": {seal(t, bob, "scope", 1, now), "bob-1, whom you do not trust"},
	} {
		listed, read := s.CheckSigner(c.e.Signer, c.e.Time), s.Check(c.e)
		if fmt.Sprint(listed) != fmt.Sprint(read) || (listed == nil) != (c.want == "") || listed != nil && !strings.Contains(listed.Error(), c.want) {
			t.Errorf("%s: listed %v, read %v", name, listed, read)
		}
	}
	if err := s.CheckSigner("\x1b[2J", now); err == nil || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("a name that is none: %v", err)
	}
}

func TestRotationAndNames(t *testing.T) {
	dir := t.TempDir()
	first, second := generate(t, dir, "alice"), generate(t, dir, "alice")
	if first.Name != "alice-1" || second.Name != "alice-2" {
		t.Fatalf("%s, %s", first.Name, second.Name)
	}
	if k, err := (Keyring{dir}).Load(""); err != nil || k.Name != "alice-2" || !k.Private.Equal(second.Private) {
		t.Errorf("the newest is %s, %v", k.Name, err)
	}
	generate(t, dir, "bob")
	if _, err := (Keyring{dir}).Load(""); err == nil {
		t.Error("one of two names was chosen")
	}
	s := load(t, filepath.Join(dir, "trust.json"))
	if err := s.Add(PublicOf(first), "", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("alice-1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(Public{"alice-1", PublicOf(second).Key}, "", time.Now()); err == nil {
		t.Error("a name was given to another key, after it was removed")
	}
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	if again := load(t, filepath.Join(dir, "trust.json")); again.Digest() != s.Digest() {
		t.Error("the file does not hold the set")
	}
	p, err := ParsePublic(PublicOf(first).String())
	if err != nil || p.String() != PublicOf(first).String() {
		t.Errorf("%v, %v", p, err)
	}
}

// TestI21_PrivateKeys: others cannot read them, and no error shows them.
func TestI21_PrivateKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := generate(t, dir, "alice")
	path := filepath.Join(dir, "alice-1.key")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := (Keyring{dir}).Load("alice-1"); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("%v", err)
	}
	text, _ := os.ReadFile(path)
	seed := strings.Split(string(text), "\n")[1]
	for _, damaged := range []string{"x" + string(text), keyHeader + "\n" + seed[:20] + "!" + seed[20:] + "\n", keyHeader + "\n" + seed[:len(seed)-4]} {
		_ = os.WriteFile(path, []byte(damaged), 0o600)
		_ = os.Chmod(path, 0o600)
		_, err := Keyring{dir}.Load("alice-1")
		if err == nil || strings.Contains(err.Error(), seed[:16]) {
			t.Errorf("a damaged key: %v", err)
		}
	}
	_ = k
}

func TestChecksAreKept(t *testing.T) {
	dir := t.TempDir()
	alice := generate(t, dir, "alice")
	store, err := cache.Open(t.Context(), filepath.Join(dir, "cache"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s := load(t, filepath.Join(dir, "trust.json"))
	_ = s.Add(PublicOf(alice), "", time.Now())
	_, _ = s.Pin("s3://team", "scope")
	e := seal(t, alice, "scope", 1, time.Now())
	if err := s.Check(e); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveChecks(store); err != nil {
		t.Fatal(err)
	}
	other := load(t, filepath.Join(dir, "none.json"))
	other.LoadChecks(store)
	if len(other.checked) != 1 {
		t.Errorf("%d checks were kept", len(other.checked))
	}
	if other.Check(e) == nil {
		t.Error("what another set found right is believed by one that does not trust the key")
	}
}

func TestPin(t *testing.T) {
	s := load(t, filepath.Join(t.TempDir(), "trust.json"))
	if fresh, err := s.Pin("s3://team", "a"); !fresh || err != nil {
		t.Error(fresh, err)
	}
	if fresh, err := s.Pin("s3://team", "a"); fresh || err != nil {
		t.Error(fresh, err)
	}
	if _, err := s.Pin("s3://team", "b"); err == nil {
		t.Error("another store at the same place was accepted")
	}
}

// A worker signs in a user's name: what ends the trust in the user ends it for the
// worker, and the certificate's own end does, too, though the result was believed before.
func TestI10_CheckCertified(t *testing.T) {
	dir := t.TempDir()
	alice, worker := generate(t, dir, "alice"), generate(t, dir, "worker")
	s := load(t, filepath.Join(dir, "trust.json"))
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	if err := s.Add(PublicOf(alice), "", now); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pin("s3://team", "scope"); err != nil {
		t.Fatal(err)
	}
	c, err := alice.Certify(cache.Certificate{Scope: "scope", Public: PublicOf(worker).Key, Until: now.Add(time.Hour), Keys: []cache.Key{entry(t, 1).Key}})
	if err != nil {
		t.Fatal(err)
	}
	certified := cache.SigningKey{Name: alice.Name, Private: worker.Private, Certificate: c.Encode()}
	good := seal(t, certified, "scope", 1, now)
	for range 2 {
		if err := s.Check(good); err != nil {
			t.Fatal(err)
		}
	}
	late := good
	late.Time = now.Add(2 * time.Hour)
	if err := s.Check(late); err == nil || !strings.Contains(err.Error(), "that ended at") {
		t.Errorf("after its end: %v", err)
	}
	own, err := worker.Certify(cache.Certificate{Scope: "scope", Public: PublicOf(worker).Key, Until: now.Add(time.Hour), Keys: []cache.Key{entry(t, 1).Key}})
	if err != nil {
		t.Fatal(err)
	}
	self := cache.SigningKey{Name: worker.Name, Private: worker.Private, Certificate: own.Encode()}
	if err := s.Check(seal(t, self, "scope", 1, now)); err == nil || !strings.Contains(err.Error(), "do not trust") {
		t.Errorf("certified by itself: %v", err)
	}
	s.Revoke(Revocation{Name: "alice-1", Since: now})
	if err := s.Check(good); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("revoked: %v", err)
	}
}
