package s3

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/cache"
)

// RunsPrefix begins the names of refs that say what an experiment used when it
// last ran: runs/<signer>/<random>, see Root. Those of tags begin with cache.TagRefs.
const RunsPrefix = "runs/"

// Root is the content of a ref below RunsPrefix.
type Root struct {
	Version    int         `json:"version"`
	Experiment string      `json:"experiment"` // its folder's own name, for people
	Keys       []cache.Key `json:"keys"`       // sorted, unique
}

const rootVersion = 1

// Encode returns the content of the ref; equal roots give equal bytes.
func (r Root) Encode() ([]byte, error) {
	r.Version = rootVersion
	r.Keys = slices.Clone(r.Keys)
	slices.SortFunc(r.Keys, func(a, b cache.Key) int { return slices.Compare(a[:], b[:]) })
	r.Keys = slices.Compact(r.Keys)
	return json.Marshal(r)
}

// ParseRoot reads what Encode wrote.
func ParseRoot(b []byte) (r Root, err error) {
	if err := json.Unmarshal(b, &r); err != nil {
		return r, err
	}
	if r.Version != rootVersion {
		return r, fmt.Errorf("version %d, this build reads %d", r.Version, rootVersion)
	}
	return r, nil
}

// keys lists the keys that a ref protects, and says for whom.
func (r Ref) keys() (keys []cache.Key, who string, err error) {
	if name, ok := strings.CutPrefix(r.Name, cache.TagRefs); ok {
		return []cache.Key{cache.TagKey(name)}, "tag " + name, nil
	}
	if rest, ok := strings.CutPrefix(r.Name, RunsPrefix); ok {
		root, err := ParseRoot(r.Data)
		signer, _, _ := strings.Cut(rest, "/")
		return root.Keys, fmt.Sprintf("%s of %s", root.Experiment, signer), err
	}
	return nil, "", fmt.Errorf("this build knows no refs of this name")
}
