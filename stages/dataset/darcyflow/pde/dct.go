package pde

import (
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/dsp/fourier"
)

// inverseDCT is the orthonormal inverse DCT-II of any length n,
//
//	x[k] = sum over j of s[j] X[j] cos(pi j (2k+1) / (2n)),
//
// s[0] = sqrt(1/n) and else sqrt(2/n). It comes from a complex transform of n
// values (Makhoul, 1980), which takes two real lines at a time, and that from a
// convolution with a chirp (Bluestein, 1970), since 2jk = j^2 + k^2 - (k-j)^2.
// FFTPACK's own transforms, which gonum has, take n^2 steps where n is prime, and
// 421 is.
type inverseDCT struct {
	fft    *fourier.CmplxFFT
	before []complex128 // times X[j] - i X[n-j]
	kernel []complex128 // the chirp's own transform
	after  []complex128 // times the convolution
	work   []complex128
}

func newInverseDCT(n int) *inverseDCT {
	m := 1
	for m < 2*n-1 {
		m *= 2
	}
	d := &inverseDCT{
		fft: fourier.NewCmplxFFT(m), before: make([]complex128, n), kernel: make([]complex128, m),
		after: make([]complex128, n), work: make([]complex128, m),
	}
	// Angles in units of pi/(2n), reduced while they are whole numbers.
	turn := func(q int) complex128 { return cmplx.Rect(1, math.Pi*float64(q%(4*n))/float64(2*n)) }
	for j := range n {
		scale := math.Sqrt(1 / float64(2*n))
		if j == 0 {
			scale = math.Sqrt(1 / float64(n))
		}
		d.before[j] = complex(scale, 0) * turn(2*j*j+j)
		d.after[j] = complex(1/float64(m), 0) * turn(2*j*j)
		d.kernel[j] = cmplx.Conj(turn(2 * j * j))
		if j > 0 {
			d.kernel[m-j] = d.kernel[j]
		}
	}
	d.fft.Coefficients(d.kernel, d.kernel)
	return d
}

// transform reads two lines of n values and writes their transforms, whose
// values are stride apart.
func (d *inverseDCT) transform(dst1, dst2 []float64, stride int, src1, src2 []float64) {
	n := len(d.before)
	d.work[0] = d.before[0] * complex(src1[0], src2[0])
	for j := 1; j < n; j++ {
		d.work[j] = d.before[j] * complex(src1[j]+src2[n-j], src2[j]-src1[n-j])
	}
	clear(d.work[n:])
	d.fft.Coefficients(d.work, d.work)
	for k, c := range d.kernel {
		d.work[k] *= c
	}
	d.fft.Sequence(d.work, d.work)
	for t, c := range d.after {
		k := 2 * t // even ones come first, then odd ones from behind
		if k >= n {
			k = 2*(n-1-t) + 1
		}
		v := c * d.work[t]
		dst1[k*stride], dst2[k*stride] = real(v), imag(v)
	}
}
