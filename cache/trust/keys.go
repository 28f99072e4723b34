package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nbpipe/nbpipe/cache"
)

const (
	keySuffix = ".key"
	keyHeader = "nbpipe private key 1"
)

// Public is a public key under its name.
type Public struct {
	Name string
	Key  ed25519.PublicKey
}

// String is the form in which public keys are passed on: NAME:BASE64.
func (p Public) String() string { return p.Name + ":" + base64.StdEncoding.EncodeToString(p.Key) }

// ParsePublic reads what String wrote.
func ParsePublic(s string) (Public, error) {
	name, text, ok := strings.Cut(strings.TrimSpace(s), ":")
	if !ok {
		return Public{}, fmt.Errorf("%q is no public key: it has the form NAME-N:BASE64, as `nbpipe key list` prints it", clip(s))
	}
	if err := cache.CheckKeyName(name); err != nil {
		return Public{}, err
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return Public{}, fmt.Errorf("what follows %s: is no public key of 32 bytes in base64", name)
	}
	return Public{name, key}, nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

// PublicOf is the public half of a key.
func PublicOf(k cache.SigningKey) Public {
	return Public{k.Name, k.Private.Public().(ed25519.PublicKey)}
}

// Keyring is the folder of the user's own keys.
type Keyring struct{ Dir string }

// Generate makes a key under a name without number, with the next number free.
func (r Keyring) Generate(name string) (cache.SigningKey, error) {
	if r.Dir == "" {
		return cache.SigningKey{}, errors.New("there is no folder for keys: set HOME or XDG_CONFIG_HOME")
	}
	names, err := r.Names()
	if err != nil {
		return cache.SigningKey{}, err
	}
	number := 1
	for _, n := range names {
		if base, k := split(n); base == name {
			number = max(number, k+1)
		}
	}
	k := cache.SigningKey{Name: name + "-" + strconv.Itoa(number)}
	if err := cache.CheckKeyName(k.Name); err != nil {
		return k, err
	}
	if _, k.Private, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return k, err
	}
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return k, err
	}
	text := keyHeader + "\n" + base64.StdEncoding.EncodeToString(k.Private.Seed()) + "\n"
	// O_EXCL: a key is never replaced.
	f, err := os.OpenFile(r.path(k.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return k, err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(r.path(k.Name))
		return k, err
	}
	return k, nil
}

// split takes a key's name apart.
func split(name string) (base string, number int) {
	at := strings.LastIndexByte(name, '-')
	if at < 0 {
		return name, 0
	}
	number, err := strconv.Atoi(name[at+1:])
	if err != nil {
		return name, 0
	}
	return name[:at], number
}

func (r Keyring) path(name string) string { return filepath.Join(r.Dir, name+keySuffix) }

// Names lists the user's own keys, sorted by name and number.
func (r Keyring) Names() ([]string, error) {
	if r.Dir == "" {
		return nil, nil
	}
	files, err := os.ReadDir(r.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), keySuffix); ok && cache.CheckKeyName(name) == nil {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, compareNames)
	return out, err
}

func compareNames(a, b string) int {
	baseA, na := split(a)
	baseB, nb := split(b)
	if c := strings.Compare(baseA, baseB); c != 0 {
		return c
	}
	return na - nb
}

// ErrNoKey says that the user has no key to sign with.
var ErrNoKey = errors.New("you have no key to sign with; `nbpipe key generate` makes one")

// Load reads a key; "" takes the newest of the only name there is.
func (r Keyring) Load(name string) (cache.SigningKey, error) {
	if name == "" {
		names, err := r.Names()
		if err != nil {
			return cache.SigningKey{}, err
		}
		if len(names) == 0 {
			return cache.SigningKey{}, ErrNoKey
		}
		name = names[len(names)-1]
		first, _ := split(names[0])
		if last, _ := split(name); first != last {
			return cache.SigningKey{}, fmt.Errorf("you have keys of several names (%s): say which one signs, by the setting remote.key", strings.Join(names, ", "))
		}
	}
	if err := cache.CheckKeyName(name); err != nil {
		return cache.SigningKey{}, err
	}
	info, err := os.Stat(r.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return cache.SigningKey{}, fmt.Errorf("there is no key %s in %s; `nbpipe key list` lists yours", name, r.Dir)
	}
	if err != nil {
		return cache.SigningKey{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return cache.SigningKey{}, fmt.Errorf("the key %s can be read by others than you: chmod 600 %s, and consider a new one", name, r.path(name))
	}
	b, err := os.ReadFile(r.path(name))
	if err != nil {
		return cache.SigningKey{}, err
	}
	header, seed, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	raw, err := base64.StdEncoding.Strict().DecodeString(seed)
	if header != keyHeader || err != nil || len(raw) != ed25519.SeedSize {
		// Neither the file's content nor the decoder's error is shown: they hold the key.
		return cache.SigningKey{}, fmt.Errorf("%s is no private key of this version; restore it from a backup, or generate a new one", r.path(name))
	}
	return cache.SigningKey{Name: name, Private: ed25519.NewKeyFromSeed(raw)}, nil
}
