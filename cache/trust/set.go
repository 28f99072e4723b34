package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// Key is a key of somebody whose results are believed.
type Key struct {
	Name    string    `json:"name"`
	Public  string    `json:"public"` // as Public.String
	Added   time.Time `json:"added"`
	Comment string    `json:"comment,omitempty"`
	Removed bool      `json:"removed,omitempty"` // trusted no more; the name stays bound to its key
}

// Revocation says from when on a key's results are not believed.
type Revocation struct {
	Name   string    `json:"name"`
	Since  time.Time `json:"since"` // by the server's clock
	Reason string    `json:"reason,omitempty"`
}

// Project is a project whose cache settings and executors the user confirmed.
type Project struct {
	Path      string    `json:"path"`
	Digest    string    `json:"digest,omitempty"` // of the cache settings that were confirmed
	Confirmed time.Time `json:"confirmed"`
	// What was confirmed, in lines: of the cache settings, and of executors by name.
	Cache     []string            `json:"cache,omitempty"`
	Executors map[string][]string `json:"executors,omitempty"`
}

// Set is the user's trust.json.
type Set struct {
	Keys     []Key             `json:"keys,omitempty"`
	Revoked  []Revocation      `json:"revoked,omitempty"`
	Stores   map[string]string `json:"stores,omitempty"` // ID by place, of the stores that were used
	Projects []Project         `json:"projects,omitempty"`

	path   string
	noPath error // why there is none
	own    []Key // the user's own keys, not in the file

	mu      sync.Mutex
	checked map[cache.Digest]struct{} // entries whose signatures were found right
	fresh   bool                      // some of them by this process
}

// Nobody is a set that trusts nobody and cannot be saved, for the given reason.
func Nobody(reason error) *Set {
	return &Set{noPath: reason, Stores: map[string]string{}, checked: map[cache.Digest]struct{}{}}
}

// Load reads the set from a file; a missing one is empty.
func Load(path string) (*Set, error) {
	s := &Set{path: path, checked: map[cache.Digest]struct{}{}}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		if err := json.Unmarshal(b, s); err != nil {
			return nil, fmt.Errorf("%s is damaged: %w; mend it, or restore it from a backup", path, err)
		}
	}
	for _, k := range s.Keys {
		if _, err := ParsePublic(k.Public); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if s.Stores == nil {
		s.Stores = map[string]string{}
	}
	return s, nil
}

// Save replaces the file in one step.
func (s *Set) Save() error {
	if s.noPath != nil {
		return s.noPath
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return cache.ReplaceFile(s.path, append(b, '\n'), 0o600, true)
}

// Add trusts a key. A name is bound to one key for ever: another one under it
// would make the results of the two look alike.
func (s *Set) Add(p Public, comment string, now time.Time) error {
	for i := range s.Keys {
		if s.Keys[i].Name != p.Name {
			continue
		}
		if s.Keys[i].Public != p.String() {
			base, n := split(p.Name)
			return fmt.Errorf("%s is the name of another key: a new key gets the next number, such as %s-%d", p.Name, base, n+1)
		}
		s.Keys[i].Removed = false
		return nil
	}
	s.Keys = append(s.Keys, Key{Name: p.Name, Public: p.String(), Added: now.UTC().Truncate(time.Second), Comment: comment})
	slices.SortFunc(s.Keys, func(a, b Key) int { return compareNames(a.Name, b.Name) })
	return nil
}

// AddOwn trusts the user's own keys: what one of the user's machines publishes
// the others take. They do not enter the file.
func (s *Set) AddOwn(r Keyring) error {
	names, err := r.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if slices.ContainsFunc(s.Keys, func(k Key) bool { return k.Name == name }) {
			continue // what the file says of it counts
		}
		k, err := r.Load(name)
		if err != nil {
			return fmt.Errorf("your key %s is passed over: %w", name, err)
		}
		s.own = append(s.own, Key{Name: name, Public: PublicOf(k).String()})
	}
	return nil
}

// Remove trusts a key no more.
func (s *Set) Remove(name string) error {
	for i := range s.Keys {
		if s.Keys[i].Name == name && !s.Keys[i].Removed {
			s.Keys[i].Removed = true
			return nil
		}
	}
	for _, k := range s.own {
		if k.Name == name {
			k.Removed = true
			s.Keys = append(s.Keys, k)
			s.own = slices.DeleteFunc(s.own, func(o Key) bool { return o.Name == name })
			return nil
		}
	}
	return fmt.Errorf("%s is not among the trusted keys; `nbpipe key list` lists them", name)
}

// Revoke makes a key's results from a time on, by the server's clock, misses.
func (s *Set) Revoke(r Revocation) {
	for i := range s.Revoked {
		if s.Revoked[i].Name == r.Name {
			if r.Since.Before(s.Revoked[i].Since) { // never later: that would bring results back
				s.Revoked[i] = r
			}
			return
		}
	}
	s.Revoked = append(s.Revoked, r)
}

// Pin remembers the ID of the store at a place, and refuses another one: results
// of one store are not those of another.
func (s *Set) Pin(place, id string) (fresh bool, err error) {
	known, ok := s.Stores[place]
	switch {
	case !ok:
		s.Stores[place] = id
		return true, nil
	case known != id:
		return false, fmt.Errorf("the team cache at %s has the ID %s, and had %s when you first used it: it was made anew, or somebody exchanges it; if you know that it was made anew, remove its line under \"stores\" in %s", place, id, known, s.path)
	}
	return false, nil
}

// Confirm records what the user agreed to of a project, in the place of what was
// agreed to before.
func (s *Set) Confirm(p Project) {
	s.Projects = slices.DeleteFunc(s.Projects, func(o Project) bool { return o.Path == p.Path })
	s.Projects = append(s.Projects, p)
}

// Confirmed reports whether the user agreed to exactly these cache settings of the
// project.
func (s *Set) Confirmed(path, digest string) bool {
	return s.Agreed(path).Digest == digest
}

// Agreed is what the user agreed to of a project; the zero Project for nothing.
func (s *Set) Agreed(path string) Project {
	if i := slices.IndexFunc(s.Projects, func(p Project) bool { return p.Path == path }); i >= 0 {
		return s.Projects[i]
	}
	return Project{}
}

// Digest identifies what the set believes: a result of "nothing to do" holds
// only as long as it is the same.
func (s *Set) Digest() cache.Digest {
	var b strings.Builder
	for _, k := range slices.Concat(s.Keys, s.own) {
		fmt.Fprintf(&b, "key %s %t\n", k.Public, k.Removed)
	}
	for _, r := range s.Revoked {
		fmt.Fprintf(&b, "revoked %s %d\n", r.Name, r.Since.UnixNano())
	}
	ids := make([]string, 0, len(s.Stores))
	for _, id := range s.Stores {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	fmt.Fprintf(&b, "stores %q\n", ids)
	for _, p := range s.Projects {
		fmt.Fprintf(&b, "project %q %s\n", p.Path, p.Digest)
	}
	return cache.DigestOf([]byte(b.String()))
}

// Check is for cache.Options.Trust: the error, one line, is why the entry is not
// believed (invariant I10).
func (s *Set) Check(e cache.StoredEntry) error {
	if e.Signer == "" {
		return errors.New("it is not signed")
	}
	seal, body, err := cache.ParseSeal(e.Data)
	if err != nil {
		return fmt.Errorf("filed under %s: %w", clip(e.Signer), err)
	}
	if seal.Signer != e.Signer {
		return fmt.Errorf("filed under %s, and signed by %s", clip(e.Signer), seal.Signer)
	}
	if !s.knowsStore(seal.Scope) {
		return fmt.Errorf("signed by %s for another store (%s)", seal.Signer, clip(seal.Scope))
	}
	public, err := s.believed(seal.Signer, e.Time)
	if err != nil {
		return err
	}
	// The digest is that of the seal and the body, but not of the key under which
	// the entry was filed, nor of the public key.
	what := public.String() + e.Key.String() + e.Digest.String()
	if seal.Certificate != nil { // it ends at a time
		what += e.Time.UTC().Format(time.RFC3339Nano)
	}
	id := cache.DigestOf([]byte(what))
	s.mu.Lock()
	_, known := s.checked[id]
	s.mu.Unlock()
	if known {
		return nil
	}
	if err := seal.Verify(public.Key, e.Key, body, e.Time); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checked[id], s.fresh = struct{}{}, true
	return nil
}

// CheckSigner says why nothing is believed that is filed under a signer's name and
// was taken at the given time, by the server's clock; nil means that it depends on
// what is in it. So what a listing shows of an entry may do to pass it over.
func (s *Set) CheckSigner(name string, at time.Time) error {
	if cache.CheckKeyName(name) != nil {
		return fmt.Errorf("filed under %q, which is no name of a key", clip(name))
	}
	_, err := s.believed(name, at)
	return err
}

// RevokedError says that a key was revoked before it signed.
type RevokedError struct {
	Signer    string
	At, Since time.Time // of the entry; of the revocation
}

func (e *RevokedError) Error() string {
	return fmt.Sprintf("signed by %s at %s, and that key is revoked since %s", e.Signer, e.At.UTC().Format(time.RFC3339), e.Since.UTC().Format(time.RFC3339))
}

// believed returns the key of a signer's name, if what it signed at a time is believed.
func (s *Set) believed(name string, at time.Time) (Public, error) {
	all := slices.Concat(s.Keys, s.own)
	i := slices.IndexFunc(all, func(k Key) bool { return k.Name == name && !k.Removed })
	if i < 0 {
		return Public{}, fmt.Errorf("signed by %s, whom you do not trust; if you do, ask for the public key: nbpipe key trust %s:...", name, name)
	}
	for _, r := range s.Revoked {
		if r.Name == name && !at.Before(r.Since) {
			return Public{}, &RevokedError{name, at, r.Since}
		}
	}
	return ParsePublic(all[i].Public)
}

func (s *Set) knowsStore(id string) bool {
	for _, known := range s.Stores {
		if known == id {
			return true
		}
	}
	return false
}

// checksName is the name under which a store keeps what was checked.
const checksName = "signatures"

// maxChecks bounds what is kept: 6 MB.
const maxChecks = 200_000

// LoadChecks takes in which signatures were found right before: checking one
// costs 50 us, and a plan of 10,000 nodes would pay half a second.
func (s *Set) LoadChecks(store *cache.Local) {
	b, err := store.State(checksName)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; len(b) >= len(cache.Digest{}); b = b[len(cache.Digest{}):] {
		s.checked[cache.Digest(b[:len(cache.Digest{})])] = struct{}{}
	}
}

// SaveChecks keeps which signatures were found right.
func (s *Set) SaveChecks(store *cache.Local) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fresh || len(s.checked) > maxChecks {
		return nil
	}
	all := make([]cache.Digest, 0, len(s.checked))
	for d := range s.checked {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b cache.Digest) int { return slices.Compare(a[:], b[:]) })
	b := make([]byte, 0, len(all)*len(cache.Digest{}))
	for _, d := range all {
		b = append(b, d[:]...)
	}
	s.fresh = false
	return store.SaveState(checksName, b)
}
