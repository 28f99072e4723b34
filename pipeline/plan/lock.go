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
)

// LockName is the lock file's name, beside the experiment's files.
const LockName = "nbpipe.lock"

const lockHeader = `# Digests of what was fetched without a sha256 in the experiment.
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
	path    string
	Entries map[string]Locked
}

// LoadLock reads the lock file of a folder; a missing one is empty.
func LoadLock(folder string) (*Lock, error) {
	l := &Lock{path: filepath.Join(folder, LockName), Entries: map[string]Locked{}}
	src, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the lock file: %w", err)
	}
	f, diags := hclsyntax.ParseConfig(src, l.path, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("%w; mend or delete the lock file", diags)
	}
	for _, b := range f.Body.(*hclsyntax.Body).Blocks {
		if b.Type != "locked" || len(b.Labels) != 1 {
			return nil, fmt.Errorf("%s: a lock file holds blocks `locked \"address\" {...}` only; mend or delete it", b.DefRange())
		}
		e := Locked{Source: literal(b.Body, "source"), Value: literal(b.Body, "sha256")}
		if len(e.Value) != 64 {
			return nil, fmt.Errorf("%s: sha256 has to have 64 hexadecimal digits; mend or delete the block", b.DefRange())
		}
		l.Entries[b.Labels[0]] = e
	}
	return l, nil
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
func (l *Lock) Path() string { return l.path }

// Pinned returns the digest locked for a node and source.
func (l *Lock) Pinned(address, source string) (string, bool) {
	e, ok := l.Entries[address]
	return e.Value, ok && e.Source == source
}

// Pin records a digest and writes the file, atomically.
func (l *Lock) Pin(address, source, value string) error {
	l.Entries[address] = Locked{Source: source, Value: value}
	f := hclwrite.NewEmptyFile()
	for _, a := range sortedKeys(l.Entries) {
		f.Body().AppendNewline()
		b := f.Body().AppendNewBlock("locked", []string{a}).Body()
		b.SetAttributeValue("source", cty.StringVal(l.Entries[a].Source))
		b.SetAttributeValue("sha256", cty.StringVal(l.Entries[a].Value))
	}
	return writeFile(l.path, append([]byte(lockHeader), f.Bytes()...))
}

// writeFile replaces a file atomically.
func writeFile(path string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	return err
}
