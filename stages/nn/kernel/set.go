package kernel

// Float is an element type.
type Float interface{ float32 | float64 }

// MaxVectors is the largest number of vectors of a tile.
const MaxVectors = 6

// Shifts is the number of shifted rows that Dots multiplies with.
const Shifts = 3

// Set is the loops for one element type on one kind of processor. Slices that
// a loop walks together must have the length of the first.
type Set[T Float] struct {
	Name    string // of the instructions, such as "avx2"
	Rows    int    // rows of a tile
	Vectors int    // vectors of a tile, at most MaxVectors
	Lanes   int    // elements of a vector
	DotRows int    // rows that Dots takes together

	// Tile computes c[row ldc + out[v] + lane] = sum over k of
	// a[k Rows + row] x[off[k] + in[v] + lane], or adds it to c. It reads and
	// writes whole vectors.
	Tile func(a []T, off []int, x []T, in *[MaxVectors]int, c []T, out *[MaxVectors]int, ldc int, add bool)

	// Dots adds to out[j DotRows + row] the sum over images i and p < n of
	// a[i strideA + row lda + p] x[i strideX + off[j] + p]. n is a multiple of
	// Lanes.
	Dots func(n, images int, a []T, lda, strideA int, x []T, off *[Shifts]int, strideX int, out []T)

	Sum               func(x []T) float64
	SquaredDeviations func(x []T, mean T) float64                    // sum of (x - mean)^2
	GradientSums      func(dy, z []T, mean T) (sum, product float64) // sums of dy and of dy (z - mean)

	Affine     func(dst, x []T, scale, shift T) // dst = scale x + shift
	AddAffine  func(dst, x []T, scale, shift T) // dst += scale x + shift
	Add        func(dst, x []T)                 // dst += x
	AddWhere   func(dst, x, mask []T)           // dst += x where mask > 0
	Rectify    func(dst, x []T)                 // dst = max(x, 0)
	ZeroUnless func(dst, mask []T)              // dst = 0 where mask <= 0
	AddThree   func(dst, a, b, c []T)           // dst = a + b + c
	AddProduct func(dst, x, y []T)              // dst += x y

	// packColumns copies k rows of a whole panel's columns, packRows turns k
	// columns of a whole panel's rows: see Product.
	packColumns func(dst, b []T, ldb, k int)
	packRows    func(dst, a []T, lda, k int)

	// PadRows copies rows of a plane to rows that lie stride apart, negative
	// values as zero if rectify.
	PadRows func(dst []T, stride int, src []T, rows, width int, rectify bool)
	// PadCombine writes a dy + b z + c in the same way.
	PadCombine func(dst []T, stride int, dy, z []T, rows, width int, a, b, c T)

	// Descend is a step of SGD: v = momentum v + (g + decay w), then
	// w -= rate v, or w -= rate (g + decay w + momentum v) with nesterov.
	Descend func(w, g, v []T, rate, momentum, decay T, nesterov bool)
}
