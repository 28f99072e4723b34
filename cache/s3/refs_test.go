package s3

import (
	"testing"
)

func TestRefs(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			s := initTest(t, config(t, start(t)))
			for _, r := range [][2]string{{"runs/alice-1/a", "one"}, {"runs/alice-1/b", "two"}, {"tags/x", "three"}, {"runs/alice-1/a", "one again"}} {
				if err := s.SetRef(t.Context(), r[0], []byte(r[1])); err != nil {
					t.Fatal(err)
				}
			}
			for _, bad := range []string{"", "../x", ".x", "a//b", "a b"} {
				if s.SetRef(t.Context(), bad, []byte("x")) == nil {
					t.Errorf("a ref %q was stored", bad)
				}
			}
			got, err := s.Refs(t.Context(), "runs/")
			if err != nil || len(got) != 2 || got[0].Name != "runs/alice-1/a" || string(got[0].Data) != "one again" || got[1].Time.IsZero() {
				t.Fatalf("%+v, %v", got, err)
			}
			for range 2 {
				if err := s.DeleteRef(t.Context(), "runs/alice-1/a"); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := s.Refs(t.Context(), ""); err != nil || len(got) != 2 || got[1].Name != "tags/x" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
