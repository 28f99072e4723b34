package pde

import (
	"fmt"
	"math"
)

// cholesky solves the coarsest grid directly. Its matrix is a band: unknown
// (i, j) couples to unknowns at most m+1 later, m being the inner nodes of a row.
type cholesky struct {
	m, width int
	lower    []float64 // row k holds L[k][k-width] to L[k][k]
	x        []float64
}

func newCholesky(side int) *cholesky {
	m := side - 2
	return &cholesky{m: m, width: m + 1, lower: make([]float64, m*m*(m+2)), x: make([]float64, m*m)}
}

func (c *cholesky) at(i, j int) *float64 { return &c.lower[i*(c.width+1)+j-i+c.width] }

// factor takes the matrix of an operator.
func (c *cholesky) factor(o operator) error {
	clear(c.lower)
	for k := range c.x {
		i, j := k/c.m, k%c.m
		row := o.row(i+1, j+1)
		for q := range 5 { // those before, and itself
			if ni, nj := i+q/3-1, j+q%3-1; ni >= 0 && nj >= 0 && nj < c.m {
				*c.at(k, ni*c.m+nj) = row[q]
			}
		}
	}
	for i := range c.x {
		for j := max(0, i-c.width); j <= i; j++ {
			sum := *c.at(i, j)
			for k := max(0, i-c.width); k < j; k++ {
				if k >= j-c.width {
					sum -= float64(*c.at(i, k) * *c.at(j, k))
				}
			}
			switch {
			case j < i:
				*c.at(i, j) = sum / *c.at(j, j)
			case sum > 0:
				*c.at(i, i) = math.Sqrt(sum)
			default:
				return fmt.Errorf("the coarsest operator is not positive definite: coefficients must be positive and finite")
			}
		}
	}
	return nil
}

// solve sets x to the solution for b; both are on the grid with its border.
func (c *cholesky) solve(x, b []float64) {
	n := c.m + 2
	for k := range c.x {
		sum := b[(k/c.m+1)*n+k%c.m+1]
		for j := max(0, k-c.width); j < k; j++ {
			sum -= float64(*c.at(k, j) * c.x[j])
		}
		c.x[k] = sum / *c.at(k, k)
	}
	for k := len(c.x) - 1; k >= 0; k-- {
		sum := c.x[k]
		for j := k + 1; j <= min(k+c.width, len(c.x)-1); j++ {
			sum -= float64(*c.at(j, k) * c.x[j])
		}
		c.x[k] = sum / *c.at(k, k)
		x[(k/c.m+1)*n+k%c.m+1] = c.x[k]
	}
}
