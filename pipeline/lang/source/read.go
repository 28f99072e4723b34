package source

import (
	"errors"
	"io/fs"

	"github.com/nbpipe/nbpipe/cache"
)

// ReadKind says what of a path was read.
type ReadKind string

// The kinds of reads.
const (
	ReadFile    ReadKind = "file"    // digest of the bytes; zero where there was no such file
	ReadListing ReadKind = "listing" // digest of names: of the *.hcl and *.auto.nbvars files, or of what a Pattern matches
	ReadTree    ReadKind = "tree"    // a file or folder given to path(); its digest as an Object
)

// Read is a file or folder that influenced the loaded experiment.
type Read struct {
	Kind    ReadKind     `json:"kind"`
	Path    string       `json:"path"`              // absolute, links resolved
	Pattern string       `json:"pattern,omitempty"` // of a listing made by fileset()
	Digest  cache.Digest `json:"digest"`
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
		return o.Digest, err
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
