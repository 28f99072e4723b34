package adaproxy

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/nbpipe/nbpipe/stages/nas"
)

// width is the length of an encoded cell.
const width = nas.NumEdges*nas.NumOps + 1

// relativeCut is the share of the largest singular value below which one counts as
// zero.
const relativeCut = 1e-8

// encode writes cells one-hot, a row a cell: five places an edge, and a constant 1.
func encode(cells []int) *mat.Dense {
	x := mat.NewDense(len(cells), width, nil)
	for row, number := range cells {
		for edge, op := range nas.At(number) {
			x.Set(row, edge*nas.NumOps+int(op), 1)
		}
		x.Set(row, width-1, 1)
	}
	return x
}

// rows takes rows of a matrix.
func rows(x *mat.Dense, at []int) *mat.Dense {
	out := mat.NewDense(len(at), width, nil)
	for i, r := range at {
		out.SetRow(i, x.RawRowView(r))
	}
	return out
}

// fit gives the shortest of the vectors that minimise ||X w - y||: pinv(X) y.
func fit(x *mat.Dense, y []float64) ([]float64, error) {
	var svd mat.SVD
	if !svd.Factorize(x, mat.SVDThin) {
		return nil, fmt.Errorf("the singular values of the encoded cells do not converge")
	}
	rank := svd.Rank(relativeCut)
	if rank == 0 {
		return make([]float64, width), nil
	}
	var w mat.VecDense
	svd.SolveVecTo(&w, mat.NewVecDense(len(y), y), rank)
	return w.RawVector().Data, nil
}

// predict is X w + c.
func predict(x *mat.Dense, w []float64, c float64) []float64 {
	n, _ := x.Dims()
	out := make([]float64, n)
	for i := range out {
		out[i] = dot(x.RawRowView(i), w) + c
	}
	return out
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// deviation is the standard deviation with divisor n.
func deviation(y []float64) float64 {
	mean, squares := 0.0, 0.0
	for _, v := range y {
		mean += v / float64(len(y))
	}
	for _, v := range y {
		squares += (v - mean) * (v - mean) / float64(len(y))
	}
	return math.Sqrt(squares)
}
