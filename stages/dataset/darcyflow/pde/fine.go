package pde

// fine is the finite-difference operator times h^2: five points, held as the
// coefficients between neighbours.
type fine struct {
	n       int
	east    []float64 // between (i, j) and (i, j+1)
	south   []float64 // between (i, j) and (i+1, j)
	inverse []float64 // of the diagonal
}

func newFine(n int) *fine {
	return &fine{n: n, east: make([]float64, n*n), south: make([]float64, n*n), inverse: make([]float64, n*n)}
}

// set takes the coefficient's nodal values.
func (o *fine) set(a []float64) {
	n := o.n
	for i := range n - 1 {
		here, below := a[i*n:(i+1)*n], a[(i+1)*n:(i+2)*n]
		east, south := o.east[i*n:(i+1)*n], o.south[i*n:(i+1)*n]
		for j := range n - 1 {
			east[j] = (here[j] + here[j+1]) / 2
			south[j] = (here[j] + below[j]) / 2
		}
	}
	for i := 1; i < n-1; i++ {
		for k := i*n + 1; k < (i+1)*n-1; k++ {
			o.inverse[k] = 1 / (o.east[k] + o.east[k-1] + o.south[k] + o.south[k-n])
		}
	}
}

// apply sets y to the operator times x. Differences of neighbours are taken
// first: they are nearly exact, and the residual of a solution at high resolution
// is smaller than the rounding of its terms.
func (o *fine) apply(y, x []float64) {
	n := o.n
	for i := 1; i < n-1; i++ {
		above, here, below := x[(i-1)*n:i*n], x[i*n:(i+1)*n], x[(i+1)*n:(i+2)*n]
		east, north, south := o.east[i*n:(i+1)*n], o.south[(i-1)*n:i*n], o.south[i*n:(i+1)*n]
		out := y[i*n : (i+1)*n]
		fromWest := float64(east[0] * (here[1] - here[0])) // what the last column sent is what this one gets
		for j := 1; j < n-1; j++ {
			c := here[j]
			toEast := float64(east[j] * (here[j+1] - c))
			out[j] = fromWest - toEast + float64(north[j]*(c-above[j])) + float64(south[j]*(c-below[j]))
			fromWest = toEast
		}
	}
}

// residual sets r to b minus the operator times x.
func (o *fine) residual(r, b, x []float64) {
	o.apply(r, x)
	n := o.n
	for i := 1; i < n-1; i++ {
		right, out := b[i*n:(i+1)*n], r[i*n:(i+1)*n]
		for j := 1; j < n-1; j++ {
			out[j] = right[j] - out[j]
		}
	}
}

// smooth is one Gauss-Seidel sweep, first the red nodes (i+j even), then the
// black ones; backward in the other order, which is its transpose.
func (o *fine) smooth(x, b []float64, backward bool) {
	first := 0
	if backward {
		first = 1
	}
	o.relax(x, b, first)
	o.relax(x, b, 1-first)
}

func (o *fine) relax(x, b []float64, colour int) {
	n := o.n
	for i := 1; i < n-1; i++ {
		above, here, below := x[(i-1)*n:i*n], x[i*n:(i+1)*n], x[(i+1)*n:(i+2)*n]
		east, north, south := o.east[i*n:(i+1)*n], o.south[(i-1)*n:i*n], o.south[i*n:(i+1)*n]
		right, inverse := b[i*n:(i+1)*n], o.inverse[i*n:(i+1)*n]
		for j := 1 + (i+1+colour)%2; j < n-1; j += 2 {
			sum := right[j] + float64(east[j]*here[j+1]) + float64(east[j-1]*here[j-1])
			sum += float64(north[j]*above[j]) + float64(south[j]*below[j])
			here[j] = inverse[j] * sum
		}
	}
}

// row gives the operator's row of an inner node, as nine points in reading order.
func (o *fine) row(i, j int) [9]float64 {
	k := i*o.n + j
	west, east, north, south := o.east[k-1], o.east[k], o.south[k-o.n], o.south[k]
	return [9]float64{1: -north, 3: -west, 4: west + east + north + south, 5: -east, 7: -south}
}
