package s3

import (
	"context"
	"strings"
	"time"

	"github.com/nbpipe/nbpipe/cache"
)

// Status is a summary of a bucket.
type Status struct {
	Place    string        `json:"place"`
	ID       string        `json:"id"`
	Created  time.Time     `json:"created"`
	Grace    time.Duration `json:"grace"`
	Skew     time.Duration `json:"skew"` // the server's clock minus this machine's
	Entries  int           `json:"entries"`
	Keys     int           `json:"keys"`
	Signers  []Signer      `json:"signers"` // sorted by name
	Packs    int           `json:"packs"`
	Blobs    int           `json:"blobs"` // small ones in packs, and large ones
	Stored   int64         `json:"stored_bytes"`
	Oldest   time.Time     `json:"oldest"`
	Newest   time.Time     `json:"newest"` // of entries; zero without any
	Roots    []string      `json:"roots"`  // what refs protect, for people
	Graves   int           `json:"tombstones"`
	Lacking  int           `json:"lacking"` // entries whose content is not all there
	Damaged  int           `json:"damaged"` // entries that nobody can read
	Deleting bool          `json:"deleting"`
}

// Signer is a signer of entries in a bucket.
type Signer struct {
	Name    string `json:"name"` // "" for nobody
	Entries int    `json:"entries"`
	Trusted int    `json:"trusted"`          // of them
	Reason  string `json:"reason,omitempty"` // why others are not, one of the reasons
}

// Status looks at everything in the bucket. trust says whom the user believes.
func (s *Store) Status(ctx context.Context, trust func(cache.StoredEntry) error, progress func(done, total int)) (Status, error) {
	out := Status{Place: s.Place(), ID: s.id, Created: s.created, Grace: s.grace}
	if err := s.begin(ctx); err != nil {
		return out, err
	}
	v, err := s.survey(ctx, trust, progress)
	if err != nil {
		return out, err
	}
	out.Skew, _ = s.serverSkew()
	out.Packs = len(v.packs)
	s.catalogue.mu.Lock()
	out.Blobs = len(s.catalogue.blobs) + len(v.blobs)
	s.catalogue.mu.Unlock()
	for _, objects := range []map[cache.Digest]info{v.packs, v.blobs} {
		for _, i := range objects {
			out.Stored += i.size
		}
	}
	out.countEntries(v)
	for _, r := range v.refs {
		if _, who, err := r.keys(); err == nil {
			out.Roots = append(out.Roots, who)
		} else {
			out.Roots = append(out.Roots, r.Name+" (unreadable)")
		}
	}
	for _, i := range v.trash {
		if strings.HasPrefix(i.name, tombPrefix) {
			out.Graves++
		}
	}
	out.Deleting, err = s.collecting(ctx)
	return out, err
}

func (st *Status) countEntries(v *survey) {
	keys := map[cache.Key]bool{}
	signers := map[string]*Signer{}
	for _, e := range v.entries {
		st.Entries++
		st.Stored += e.size
		keys[e.stored.Key] = true
		if st.Oldest.IsZero() || e.modified.Before(st.Oldest) {
			st.Oldest = e.modified
		}
		if e.modified.After(st.Newest) {
			st.Newest = e.modified
		}
		g := signers[e.stored.Signer]
		if g == nil {
			g = &Signer{Name: e.stored.Signer}
			signers[e.stored.Signer] = g
		}
		g.Entries++
		switch {
		case e.trouble != "":
			st.Damaged++
			g.Reason = e.trouble
			continue
		case e.distrust != nil:
			g.Reason = e.distrust.Error()
		default:
			g.Trusted++
		}
		if len(v.lacking(e.needs)) > 0 {
			st.Lacking++
		}
	}
	st.Keys = len(keys)
	for _, name := range sortedNames(signers) {
		st.Signers = append(st.Signers, *signers[name])
	}
}
