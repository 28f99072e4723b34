package nas

// NumNeighbours is the number of cells that differ from a given one in exactly
// one edge.
const NumNeighbours = NumEdges * (NumOps - 1)

// Neighbours returns the cells that differ in exactly one edge: edges in their
// order, and per edge the other operations in their order.
func (c Cell) Neighbours() [NumNeighbours]Cell {
	var out [NumNeighbours]Cell
	n := 0
	for i := range c {
		for _, op := range Ops() {
			if op != c[i] {
				out[n] = c
				out[n][i] = op
				n++
			}
		}
	}
	return out
}

// NeighbourIndices returns the numbers of At(i)'s Neighbours, in their order.
func NeighbourIndices(i int) [NumNeighbours]int {
	var out [NumNeighbours]int
	o := official()
	c := o.cells[i]
	own, place, n := lexical(c), Size/NumOps, 0
	for _, op := range c {
		first := own - int(op)*place // with the first operation here
		for other := range NumOps {
			if other != int(op) {
				out[n] = int(o.index[first+other*place])
				n++
			}
		}
		place /= NumOps
	}
	return out
}

// Distance is the number of edges whose operations differ, 0 to 6.
func Distance(a, b Cell) int {
	d := 0
	for i := range a {
		if a[i] != b[i] {
			d++
		}
	}
	return d
}
