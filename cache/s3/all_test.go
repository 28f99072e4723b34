package s3

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/cache"
)

// TestListEntries: all entries come, page by page, in order; what is no entry does
// not, and what is damaged or gone when it is read is left out.
func TestListEntries(t *testing.T) {
	t.Parallel()
	for name, start := range someServers() {
		t.Run(name, func(t *testing.T) {
			s, from := initTest(t, config(t, start(t))), openLocal(t)
			const n = 1203
			items := artifacts(t, from, n, 20, 1)
			items[7].Entry.Signer = ""
			got, err := s.Push(t.Context(), from, items, nil)
			wantPushed(t, got, err, n, 0, 0)
			damaged, gone := items[3].Entry, items[4].Entry
			for _, name := range []string{"entries/README/of/somebody", entryName(damaged)} {
				if _, err := s.put(t.Context(), name, []byte("not an entry"), always); err != nil {
					t.Fatal(err)
				}
			}

			var all []Listed
			if err := s.ListEntries(t.Context(), func(page []Listed) error {
				if len(page) == 0 || len(page) > 1000 {
					t.Errorf("a page of %d", len(page))
				}
				all = append(all, page...)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if len(all) != n || !slices.IsSortedFunc(all, func(a, b Listed) int { return bytes.Compare(a.Key[:], b.Key[:]) }) {
				t.Fatalf("%d entries, want %d in order", len(all), n)
			}
			for i := range all {
				if all[i].Digest == gone.Digest {
					all[i].name = strings.Replace(all[i].name, "alice", "nobody", 1)
				}
			}
			read, bad, err := s.ReadEntries(t.Context(), all)
			if err != nil || bad != 1 || len(read) != n-2 {
				t.Fatalf("%d read, %d damaged, %v", len(read), bad, err)
			}
			byDigest := map[cache.Digest]cache.StoredEntry{}
			for _, e := range read {
				byDigest[e.Digest] = e
			}
			for _, it := range items {
				e, ok := byDigest[it.Entry.Digest]
				if want := it.Entry.Digest != damaged.Digest && it.Entry.Digest != gone.Digest; ok != want {
					t.Errorf("entry %s is there: %t", it.Entry.Digest.Short(), ok)
				} else if ok && (e.Signer != it.Entry.Signer || e.Time.IsZero() || !bytes.Equal(e.Data, it.Entry.Data)) {
					t.Errorf("entry %s: %+v", it.Entry.Digest.Short(), e)
				}
			}
			enough := errors.New("enough")
			if err := s.ListEntries(t.Context(), func([]Listed) error { return enough }); !errors.Is(err, enough) {
				t.Errorf("the listing goes on: %v", err)
			}
		})
	}
}
