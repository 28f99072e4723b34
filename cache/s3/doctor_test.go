package s3

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nbpipe/nbpipe/cache"
)

func kinds(r cache.DoctorReport) string {
	var out []string
	for _, f := range r.Findings {
		s := f.Kind
		if f.Repaired {
			s += " repaired"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// A bucket that was harmed is found out; what this machine has is put back, and
// what nobody can use is deleted.
func TestDoctorAndVerify(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			c := config(t, server)
			s, from := initTest(t, c), openLocal(t)
			items := append(artifacts(t, from, 3, 3000, 1), artifacts(t, from, 2, 2<<20, 101)...)
			got, err := s.Push(t.Context(), from, items, nil)
			wantPushed(t, got, err, 5, 0, 0)
			nobody := func(e cache.StoredEntry) error { return errors.New("not trusted") }
			st, err := s.Status(t.Context(), nobody, nil)
			if err != nil || st.Entries != 5 || st.Keys != 5 || st.Packs != 1 || st.Blobs != 5 || len(st.Signers) != 1 || st.Signers[0].Trusted != 0 || st.Lacking != 0 {
				t.Errorf("%+v, %v", st, err)
			}
			check := func(o DoctorOptions, want string) {
				t.Helper()
				c.Dir = t.TempDir()
				r, err := initTest(t, c).Doctor(t.Context(), o)
				if err != nil || kinds(r) != want {
					t.Errorf("doctor: %q, %v; want %q", kinds(r), err, want)
				}
			}
			check(DoctorOptions{}, "")
			v, err := s.Verify(t.Context(), nil, nil)
			if err != nil || v.Blobs != 5 || v.Entries != 5 || len(v.Bad)+len(v.BadEntries)+v.Lost != 0 {
				t.Errorf("%+v, %v", v, err)
			}

			harm := func(name string, b []byte) {
				t.Helper()
				if b == nil {
					err = s.remove(context.Background(), name)
				} else {
					_, err = s.put(context.Background(), name, b, always)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			harm(blobName(items[3].Needs[0]), nil)
			blob, _, err := s.get(t.Context(), blobName(items[4].Needs[0]), 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			blob[len(blob)/2] ^= 1
			harm(blobName(items[4].Needs[0]), blob)
			harm(entryName(items[0].Entry), []byte("nonsense"))
			harm(entriesPrefix+"0stray", []byte("x"))
			harm(refsPrefix+"runs/alice-1/x", []byte("x"))
			check(DoctorOptions{}, "unreadable entry, dangling entry, stray file, unreadable ref")
			c.Dir = t.TempDir()
			fresh := initTest(t, c)
			if v, err = fresh.Verify(t.Context(), nil, nil); err != nil || len(v.Bad) != 1 || len(v.BadEntries) != 1 || v.Lost != 1 || v.Healed != 0 {
				t.Errorf("%+v, %v", v, err)
			}
			if v, err = fresh.Verify(t.Context(), from, nil); err != nil || len(v.Bad) != 1 || v.Healed != 2 {
				t.Errorf("healing: %+v, %v", v, err)
			}
			c.Dir = t.TempDir()
			if v, err = initTest(t, c).Verify(t.Context(), nil, nil); err != nil || len(v.Bad)+v.Lost != 0 {
				t.Errorf("healed: %+v, %v", v, err)
			}
			if err := s.DeleteRef(t.Context(), "runs/alice-1/x"); err != nil {
				t.Fatal(err)
			}
			harm(blobName(items[3].Needs[0]), nil)
			check(DoctorOptions{Repair: true, Local: from}, "unreadable entry repaired, dangling entry repaired, stray file")
			check(DoctorOptions{}, "stray file")
			harm(blobName(items[3].Needs[0]), nil)
			check(DoctorOptions{Repair: true, Local: openLocal(t)}, "dangling entry repaired, stray file")
			check(DoctorOptions{}, "stray file")
			if e, err := s.Entries(t.Context(), items[3].Entry.Key); err != nil || len(e) != 0 {
				t.Errorf("%d entries, %v", len(e), err)
			}
		})
	}
}
