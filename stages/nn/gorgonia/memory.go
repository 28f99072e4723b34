package gorgonia

import "github.com/nbpipe/nbpipe/stages/nn"

// pendingGradients is how many gradients of the largest value's size are held
// at once: those of a cell's nodes, and one more that is being computed.
const pendingGradients = 5

// Memory estimates the bytes that a training with batches of that size holds,
// without its data: all values of the forward pass, pending gradients, and
// five copies of the parameters (values, gradients, velocity, and the result
// in float64).
func Memory(n *nn.Network, batch int, p nn.Precision) (int64, error) {
	shapes, err := n.Shapes()
	if err != nil {
		return 0, err
	}
	layers := fuse(n, shapes)
	var values, largest, weights, largestWeights int64
	for i := range layers {
		size := int64(layers[i].shape.Size())
		values += size
		largest = max(largest, size)
	}
	for _, param := range n.Parameters {
		size := int64(param.Size())
		weights += size
		largestWeights = max(largestWeights, size)
	}
	element := int64(4)
	if p == nn.Float64 {
		element = 8
	}
	elements := int64(batch)*(values+pendingGradients*largest+int64(n.Input.Size())) + 5*weights + parts*largestWeights
	return element*elements + fixedMemory, nil
}

// fixedMemory is what the graph, the machine and the working memory of two
// threads take for any network.
const fixedMemory = 16 << 20
