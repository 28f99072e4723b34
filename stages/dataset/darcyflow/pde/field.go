package pde

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// The coefficient's two values (Li et al., Fourier Neural Operator, ICLR 2021).
const (
	High = 12 // where the field is not negative
	Low  = 3  // where it is
)

const tau = 3 // inverse length scale of the field

// Field makes Gaussian random fields on n x n nodes with covariance
// (-laplacian + 9)^-2 under Neumann conditions, up to scale: mode (k1, k2) of an
// orthonormal inverse DCT-II is a normal deviate over pi^2 (k1^2 + k2^2) + 9, and
// the constant mode is zero.
type Field struct {
	n       int
	dct     *inverseDCT
	weights []float64
	work    []float64
}

// NewField makes a Field on n x n nodes, n at least 2.
func NewField(n int) *Field {
	f := &Field{n: n, dct: newInverseDCT(n), weights: make([]float64, n*n), work: make([]float64, n*n)}
	for k1 := range n {
		for k2 := range n {
			f.weights[k1*n+k2] = 1 / (math.Pi*math.Pi*float64(k1*k1+k2*k2) + tau*tau)
		}
	}
	f.weights[0] = 0
	return f
}

// Transform replaces n*n normal deviates, one for each mode, by the field's values.
func (f *Field) Transform(modes []float64) {
	for k, w := range f.weights {
		modes[k] *= w
	}
	f.lines(f.work, modes)
	f.lines(modes, f.work)
}

// lines transforms each row of src into a column of dst.
func (f *Field) lines(dst, src []float64) {
	for i := 0; i < f.n; i += 2 {
		k := min(i, f.n-2) // an odd number of rows: one of them twice
		f.dct.transform(dst[k:], dst[k+1:], f.n, src[k*f.n:(k+1)*f.n], src[(k+1)*f.n:(k+2)*f.n])
	}
}

// Coefficient fills a with the coefficient of sample i of a seed.
func (f *Field) Coefficient(a []float64, seed, i uint64) {
	Normals(a, seed, i)
	f.Transform(a)
	for k, v := range a {
		if v >= 0 {
			a[k] = High
		} else {
			a[k] = Low
		}
	}
}

// Normals fills dst with the normal deviates of sample i of a seed, whatever
// other samples there are: math/rand/v2's NormFloat64 on ChaCha8, whose key is the
// SHA-256 of the text below and of seed and i as 8 bytes each, little endian.
func Normals(dst []float64, seed, i uint64) {
	name := []byte("nbpipe darcy_flow modes 1")
	name = binary.LittleEndian.AppendUint64(name, seed)
	name = binary.LittleEndian.AppendUint64(name, i)
	r := rand.New(rand.NewChaCha8(sha256.Sum256(name)))
	for k := range dst {
		dst[k] = r.NormFloat64()
	}
}
