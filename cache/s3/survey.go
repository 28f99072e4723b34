package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// survey is what the bucket held while it was being looked at.
type survey struct {
	*Store
	entries []*surveyed
	packs   map[cache.Digest]info
	blobs   map[cache.Digest]info
	refs    []Ref
	trash   []info
	probes  []info
	work    []info // of executors
	strays  []info // names that nothing of a store has
	mu      sync.Mutex

	trust    func(cache.StoredEntry) error // whom the user believes; nil for everybody
	progress func(done, total int)         // of entries; may be nil
	trees    treeMembers
}

// surveyed is an entry in the bucket.
type surveyed struct {
	info
	stored   cache.StoredEntry // without its bytes
	kind     string
	started  time.Time // as its signer says
	outputs  cache.Digest
	needs    []cache.Digest
	trouble  string // why nobody can use it: damaged, or of no known form
	distrust error  // why this user does not believe it
}

// survey looks at everything.
func (s *Store) survey(ctx context.Context, trust func(cache.StoredEntry) error, progress func(done, total int)) (*survey, error) {
	v := &survey{Store: s, packs: map[cache.Digest]info{}, blobs: map[cache.Digest]info{}, trust: trust, progress: progress}
	v.trees.known = map[cache.Digest][]cache.Digest{}
	// Entries first: the content of one that is published meanwhile is there before it.
	if err := v.listAll(ctx, entriesPrefix); err != nil {
		return nil, err
	}
	started := time.Now()
	if err := v.listAll(ctx, packsPrefix, blobsPrefix); err != nil {
		return nil, err
	}
	err := each(ctx, []string{trashPrefix, probePrefix, actionsPrefix, attemptsPrefix}, func(ctx context.Context, _ int, prefix string) error { return v.listOne(ctx, prefix) })
	if err != nil {
		return nil, err
	}
	packs := make([]info, 0, len(v.packs))
	for _, i := range v.packs {
		packs = append(packs, i)
	}
	if err := s.catalogue.take(ctx, packs, started); err != nil {
		return nil, err
	}
	if v.refs, err = s.Refs(ctx, ""); err != nil {
		return nil, err
	}
	return v, v.readEntries(ctx)
}

// listAll lists folders with many names: sixteen parts of each side by side, since
// a listing gives 1,000 names at a time.
func (v *survey) listAll(ctx context.Context, folders ...string) error {
	var parts []string
	for _, folder := range folders {
		for _, digit := range "0123456789abcdef" {
			parts = append(parts, folder+string(digit))
		}
	}
	return each(ctx, parts, func(ctx context.Context, _ int, prefix string) error { return v.listOne(ctx, prefix) })
}

func (v *survey) listOne(ctx context.Context, prefix string) error {
	found, err := v.list(ctx, prefix)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sort(found)
	return err
}

// sort puts names where they belong.
func (v *survey) sort(all []info) {
	for _, i := range all {
		folder, _, _ := strings.Cut(i.name, "/")
		switch folder + "/" {
		case entriesPrefix:
			if e, ok := parseEntryName(i.name); ok {
				v.entries = append(v.entries, &surveyed{info: i, stored: e})
				continue
			}
		case packsPrefix:
			if d, ok := parsePackName(i.name); ok {
				v.packs[d] = i
				continue
			}
		case blobsPrefix:
			if d, ok := parseBlobName(i.name); ok {
				v.blobs[d] = i
				continue
			}
		case trashPrefix:
			v.trash = append(v.trash, i)
			continue
		case probePrefix:
			v.probes = append(v.probes, i)
			continue
		case actionsPrefix, attemptsPrefix:
			v.work = append(v.work, i)
			continue
		}
		v.strays = append(v.strays, i)
	}
}

// readEntries reads all entries; one that was deleted since it was listed is left out.
func (v *survey) readEntries(ctx context.Context) error {
	var mu sync.Mutex
	gone, done := map[*surveyed]bool{}, 0
	err := each(ctx, v.entries, func(ctx context.Context, _ int, e *surveyed) error {
		err := v.read(ctx, e)
		mu.Lock()
		defer mu.Unlock()
		if errors.Is(err, errNotFound) {
			gone[e] = true
			return nil
		}
		if done++; v.progress != nil {
			v.progress(done, len(v.entries))
		}
		return err
	})
	v.entries = slices.DeleteFunc(v.entries, func(e *surveyed) bool { return gone[e] })
	slices.SortFunc(v.entries, func(a, b *surveyed) int { return strings.Compare(a.name, b.name) })
	return err
}

// read reads one entry, and lists what it needs.
func (v *survey) read(ctx context.Context, e *surveyed) error {
	stored, err := v.readEntry(ctx, e.stored, e.info)
	if errors.As(err, new(*cache.CorruptError)) {
		e.trouble = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	entry, err := stored.Decode()
	if err != nil {
		e.trouble = err.Error()
		return nil
	}
	if v.trust != nil {
		e.distrust = v.trust(stored)
	}
	e.kind, e.started, e.outputs = entry.Kind, entry.Record.Started, entry.OutputDigest()
	seen := map[cache.Digest]bool{}
	for _, o := range entry.Content() {
		needs := []cache.Digest{o.Digest}
		if o.Tree {
			members, err := v.members(ctx, o.Digest)
			if err != nil {
				return err
			}
			needs = append(needs, members...)
		}
		for _, d := range needs {
			if !seen[d] {
				seen[d] = true
				e.needs = append(e.needs, d)
			}
		}
	}
	return nil
}

// treeMembers remembers the files of folders.
type treeMembers struct {
	mu    sync.Mutex
	known map[cache.Digest][]cache.Digest
}

// maxManifest bounds what a manifest may make a reader allocate: two million files.
const maxManifest = 256 << 20

// members lists the files of a folder. A manifest that is lost or damaged lists
// none: whoever needs it cannot be served, whatever else is there.
func (v *survey) members(ctx context.Context, d cache.Digest) ([]cache.Digest, error) {
	v.trees.mu.Lock()
	out, ok := v.trees.known[d]
	v.trees.mu.Unlock()
	if ok {
		return out, nil
	}
	r, size, err := v.OpenBlob(ctx, d)
	if err == nil && size > maxManifest {
		err = errors.Join(r.Close(), &cache.CorruptError{Digest: d, Detail: fmt.Sprintf("a manifest of %d bytes", size)})
	}
	if cache.IsMissing(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); cache.IsMissing(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	tree, err := cache.DecodeTree(b)
	if err != nil {
		tree = nil // no reader can restore it
	}
	for _, t := range tree {
		if !t.Dir {
			out = append(out, t.Digest)
		}
	}
	v.trees.mu.Lock()
	defer v.trees.mu.Unlock()
	v.trees.known[d] = out
	return out, nil
}

// lacking lists what of needs is nowhere in the bucket.
func (v *survey) lacking(needs []cache.Digest) (out []cache.Digest) {
	for _, d := range needs {
		if _, large := v.blobs[d]; !large && !v.catalogue.has(d) {
			out = append(out, d)
		}
	}
	return out
}
