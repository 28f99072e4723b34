package kernel

import "golang.org/x/sys/cpu"

//go:noescape
func tileAVX512(k int, a *float32, off *int, x *float32, in *[MaxVectors]int, c *float32, out *[MaxVectors]int, ldc int, add bool)

//go:noescape
func tileHalvesAVX512(k int, a *float32, off *int, x *float32, in *[MaxVectors]int, c *float32, out *[MaxVectors]int, ldc int, add bool)

// avx512Set is avx2Set with a tile four times as large, or nil where the
// processor has no vectors of 16. Pairs of the tile's vectors of 8 share a
// register, so that rows of 8 pixels waste nothing.
func avx512Set() *Set[float32] {
	s := avx2Set()
	if s == nil || !cpu.X86.HasAVX512F || !cpu.X86.HasAVX512VL {
		return nil
	}
	s.Name = "avx512"
	s.Rows, s.Vectors = 8, 6
	s.Tile = func(a []float32, off []int, x []float32, in *[MaxVectors]int, c []float32, out *[MaxVectors]int, ldc int, add bool) {
		switch {
		case len(off) == 0:
		case paired(in) && paired(out):
			tileAVX512(len(off), &a[0], &off[0], &x[0], in, &c[0], out, ldc, add)
		default:
			tileHalvesAVX512(len(off), &a[0], &off[0], &x[0], in, &c[0], out, ldc, add)
		}
	}
	s.packColumns, s.packRows = packColumns48, packRows8
	return s
}

// paired reports whether each second vector follows the one before it.
func paired(at *[MaxVectors]int) bool {
	return at[1] == at[0]+8 && at[3] == at[2]+8 && at[5] == at[4]+8
}
