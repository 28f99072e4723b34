package s3

import (
	"bytes"
	"errors"
	"testing"
)

// An object whose name follows from its bytes is put right; others of a name that is
// taken are only compared, and no more is read of them than was to be written.
func TestI1_WorkIsPutRight(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			s := initTest(t, config(t, start(t)))
			w := s.Work()
			right, large := []byte("right"), bytes.Repeat([]byte("x"), 1<<20)
			for _, there := range [][]byte{right, []byte("wrong"), []byte("ri"), large, nil} {
				if err := w.Put(t.Context(), "actions/a", there); err != nil {
					t.Fatal(err)
				}
				before := s.Traffic().BytesIn
				if err := w.Create(t.Context(), "actions/a", right); (err == nil) != bytes.Equal(there, right) || err != nil && !errors.Is(err, ErrExists) {
					t.Errorf("creating it where there are %d bytes: %v", len(there), err)
				}
				if read := s.Traffic().BytesIn - before; read > 10_000 {
					t.Errorf("%d bytes were read", read)
				}
				if err := w.Keep(t.Context(), "actions/a", right); err != nil {
					t.Fatal(err)
				}
				if got, err := w.Get(t.Context(), "actions/a", 100); err != nil || !bytes.Equal(got, right) {
					t.Errorf("%q, %v", got, err)
				}
			}
			if err := w.Put(t.Context(), "actions/a", large); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Get(t.Context(), "actions/a", 100); !errors.Is(err, ErrObject) {
				t.Errorf("more than is wanted: %v", err)
			}
		})
	}
}
