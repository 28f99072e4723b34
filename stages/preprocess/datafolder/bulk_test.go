package datafolder

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/nbpipe/nbpipe/stages/npy"
)

// Samples in runs of any length lie in the same files as one by one.
func TestExtend(t *testing.T) {
	all := make([]int32, 2*11)
	for i := range all {
		all[i] = int32(i)
	}
	for _, samples := range []int{11, Unknown} {
		for run := 1; run <= 11; run++ {
			dir := t.TempDir()
			rows := NewRows[int32](dir, "a", npy.Int32, samples, 2)
			rows.perFile = 4
			for part := range slices.Chunk(all, 2*run) {
				if err := rows.Extend(part); err != nil {
					t.Fatal(err)
				}
			}
			a, err := rows.Close()
			if err != nil {
				t.Fatal(err)
			}
			var got []float64
			var counts []int
			for _, name := range a.Files {
				shape, v := values(t, filepath.Join(dir, name))
				got, counts = append(got, v...), append(counts, shape[0])
			}
			if !slices.Equal(counts, []int{4, 4, 3}) || !slices.Equal(a.Shape, []int{11, 2}) || got[0] != 0 || got[13] != 13 || got[21] != 21 {
				t.Errorf("runs of %d: files of %v samples, %v", run, counts, got)
			}
		}
	}
	rows := NewRows[int32](t.TempDir(), "a", npy.Int32, 2, 2)
	defer rows.Abandon()
	if err := rows.Extend([]int32{1, 2, 3}); err == nil {
		t.Error("half a sample")
	}
	if err := rows.Extend(all); err == nil {
		t.Error("more samples than there are")
	}
	if err := NewRows[int32](t.TempDir(), "a", npy.Int32, 2, 0).Extend([]int32{1}); err == nil {
		t.Error("samples without elements")
	}
}
