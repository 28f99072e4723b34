package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/nbpipe/nbpipe/cache"
)

// ReadKind says what of a path was read.
type ReadKind string

// The kinds of reads.
const (
	ReadFile    ReadKind = "file"    // digest of the bytes; zero where there was no such file
	ReadListing ReadKind = "listing" // digest of names: of the *.hcl and *.auto.nbvars files, or of what a Pattern matches
	ReadTree    ReadKind = "tree"    // a file or folder given to path(): its content, and whether it is a folder or executable
	ReadLink    ReadKind = "link"    // a path on which there is a symbolic link; digest of the path it leads to
)

// Read is a file or folder that influenced the loaded experiment.
type Read struct {
	Kind    ReadKind     `json:"kind"`
	Path    string       `json:"path"`              // absolute; links resolved but in a ReadLink
	Pattern string       `json:"pattern,omitempty"` // of a listing made by fileset()
	Digest  cache.Digest `json:"digest"`
}

// formDigest is that of an object with its form, which a key has, too.
func formDigest(o cache.Object) cache.Digest {
	return cache.DigestOf(fmt.Appendf(nil, "%s %t %t", o.Digest, o.Tree, o.Exec))
}

// Same reports whether reading again gives the same; hash as in Open.
func (r Read) Same(hash func(string) (cache.Object, error)) bool {
	now, err := r.now(hash)
	return err == nil && now == r.Digest
}

func (r Read) now(hash func(string) (cache.Object, error)) (cache.Digest, error) {
	switch {
	case r.Kind == ReadTree:
		o, err := hash(r.Path)
		return formDigest(o), err
	case r.Kind == ReadLink:
		resolved, err := filepath.EvalSymlinks(r.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return cache.Digest{}, nil
		}
		return cache.DigestOf([]byte(resolved)), err
	case r.Kind == ReadListing && r.Pattern != "":
		names, err := match(r.Path, r.Pattern)
		return namesDigest(names), err
	case r.Kind == ReadListing:
		return listingDigest(r.Path)
	}
	src, err := ReadRegular(r.Path, MaxFileSize)
	if errors.Is(err, fs.ErrNotExist) {
		return cache.Digest{}, nil
	}
	return cache.DigestOf(src), err
}
