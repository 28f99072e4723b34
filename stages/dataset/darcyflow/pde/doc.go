// Package pde makes the samples of Darcy flow and solves them: a random
// coefficient a on the nodes of a square grid, and the u with
//
//	-div(a grad u) = f on the unit square, u = 0 on its border.
//
// Scheme: nodal values on n x n nodes, the border's among them, spacing
// h = 1/(n-1); at the middle between two nodes a is their arithmetic mean;
// second-order central differences. Everything is row-major; the row is the
// first coordinate.
//
// A Field turns normal deviates into a Gaussian random field and that into a
// coefficient. A Solver solves; its cost grows in proportion to the number of
// nodes. Both hold work space, serve one goroutine, and give the same bits
// whatever they did before.
//
// The Solver rounds products before it adds them, float64(x*y)+z, so that no
// compiler fuses the two, and bits are the same on all processors. The field's
// own last bits may differ between them; its sign, all that is used, does not
// unless a value is within rounding of zero.
//
// It knows no files, no experiments and no other equation.
package pde
