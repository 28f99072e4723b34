package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sys/unix"

	"github.com/nbpipe/nbpipe/cache"
)

// LockName is the lock file's name, beside the experiment's files.
const LockName = "nbpipe.lock"

const lockHeader = `# Digests of what was fetched, or taken by a tag, where the experiment states none.
# "nbpipe run" adds to this file and checks against it: keep it under version control.
# To accept new content, delete its block and run again.
`

// Locked is one entry of a lock file.
type Locked struct {
	Source string // the URLs it was made for
	Value  string // such as the SHA-256
}

// Lock is an experiment's lock file: digests of fetched content by address.
// HCL syntax, never loaded as part of the experiment.
type Lock struct {
	folder  string
	Entries map[string]Locked

	seen    cache.Digest // of the bytes that Entries are; zero where there was no file
	foreign bool         // somebody else changed the file since it was loaded
}

// LoadLock reads the lock file of a folder; a missing one is empty.
func LoadLock(folder string) (*Lock, error) {
	l := &Lock{folder: folder}
	src, err := l.read()
	if err != nil {
		return nil, err
	}
	l.seen = contentDigest(src)
	l.Entries, err = parseLock(src, l.Path())
	return l, err
}

// read returns nil for a file that is not there.
func (l *Lock) read() ([]byte, error) {
	src, err := os.ReadFile(l.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the lock file: %w", err)
	}
	return append([]byte{}, src...), nil
}

func parseLock(src []byte, path string) (map[string]Locked, error) {
	entries := map[string]Locked{}
	f, diags := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("%w; mend or delete the lock file", diags)
	}
	for _, b := range f.Body.(*hclsyntax.Body).Blocks {
		if b.Type != "locked" || len(b.Labels) != 1 {
			return nil, fmt.Errorf("%s: a lock file holds blocks `locked \"address\" {...}` only; mend or delete it", b.DefRange())
		}
		e := Locked{Source: literal(b.Body, "source"), Value: literal(b.Body, "sha256")}
		if _, err := cache.ParseDigest(e.Value); err != nil {
			return nil, fmt.Errorf("%s: sha256 has to have 64 hexadecimal digits; mend or delete the block", b.DefRange())
		}
		entries[b.Labels[0]] = e
	}
	return entries, nil
}

func literal(b *hclsyntax.Body, name string) string {
	a, ok := b.Attributes[name]
	if !ok {
		return ""
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.Type() != cty.String || v.IsNull() {
		return ""
	}
	return v.AsString()
}

// Path is where the lock file lies.
func (l *Lock) Path() string { return filepath.Join(l.folder, LockName) }

// Digest identifies the content that was worked with; ok is false where somebody
// else changed the file meanwhile.
func (l *Lock) Digest() (d cache.Digest, ok bool) { return l.seen, !l.foreign }

// contentDigest is zero for a file that is not there.
func contentDigest(src []byte) cache.Digest {
	if src == nil {
		return cache.Digest{}
	}
	return cache.DigestOf(src)
}

// Pinned returns the digest locked for a node and source.
func (l *Lock) Pinned(address, source string) (string, bool) {
	e, ok := l.Entries[address]
	return e.Value, ok && e.Source == source
}

// Pin records a digest and writes the file, atomically. What others have written
// since it was loaded stays.
func (l *Lock) Pin(address, source, value string) error {
	// The file itself is replaced, so its folder is locked. Where that cannot be,
	// two runs at once may lose a pin, and the next run pins it again.
	if folder, err := os.Open(l.folder); err == nil {
		defer folder.Close()
		_ = unix.Flock(int(folder.Fd()), unix.LOCK_EX)
	}
	src, err := l.read()
	if err != nil {
		return err
	}
	l.foreign = l.foreign || contentDigest(src) != l.seen
	entries, err := parseLock(src, l.Path())
	if err != nil {
		return err
	}
	entries[address] = Locked{Source: source, Value: value}
	l.Entries[address] = entries[address]
	f := hclwrite.NewEmptyFile()
	for _, a := range sortedKeys(entries) {
		f.Body().AppendNewline()
		b := f.Body().AppendNewBlock("locked", []string{a}).Body()
		b.SetAttributeValue("source", cty.StringVal(entries[a].Source))
		b.SetAttributeValue("sha256", cty.StringVal(entries[a].Value))
	}
	out := append([]byte(lockHeader), f.Bytes()...)
	if err := cache.ReplaceFile(l.Path(), out, 0o644, true); err != nil {
		return err
	}
	l.seen = contentDigest(out)
	return nil
}
