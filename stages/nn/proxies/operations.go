package proxies

import (
	"fmt"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// known reports the first live operation that neither the linear flow nor the
// second derivative has.
func known(n *nn.Network) error {
	for _, node := range n.Live() {
		switch node.Op {
		case nn.OpConv2d, nn.OpBatchNorm, nn.OpReLU, nn.OpAvgPool, nn.OpAdd, nn.OpGlobalAvgPool, nn.OpLinear, nn.OpZero:
		default:
			return fmt.Errorf("network %q: node %q: %s is none of the operations that synflow and grasp know", n.Name, node.Name, node.Op)
		}
	}
	return nil
}

// eachWindow calls visit for each cell of the result of an average pool, with
// the cells of the plane that it averages: rows and columns, ends excluded.
func eachWindow(n *nn.Node, in, out nn.Shape, visit func(cell, top, bottom, left, right int)) {
	for y := range out.Height {
		top := y*n.Stride[0] - n.Padding.Top
		bottom := min(top+n.Kernel[0], in.Height)
		top = max(top, 0)
		for x := range out.Width {
			left := x*n.Stride[1] - n.Padding.Left
			right := min(left+n.Kernel[1], in.Width)
			visit(y*out.Width+x, top, bottom, max(left, 0), right)
		}
	}
}

// averagePool pools planes, one after the other in both slices.
func averagePool(n *nn.Node, in, out nn.Shape, x, y []float64) {
	for p := range len(x) / in.Area() {
		from, to := x[p*in.Area():(p+1)*in.Area()], y[p*out.Area():(p+1)*out.Area()]
		eachWindow(n, in, out, func(cell, top, bottom, left, right int) {
			var sum float64
			for row := top; row < bottom; row++ {
				for _, v := range from[row*in.Width+left : row*in.Width+right] {
					sum += v
				}
			}
			to[cell] = sum / float64((bottom-top)*(right-left))
		})
	}
}

// averagePoolBack adds the gradient of the pool's input to dx.
func averagePoolBack(n *nn.Node, in, out nn.Shape, dx, dy []float64) {
	for p := range len(dx) / in.Area() {
		to, from := dx[p*in.Area():(p+1)*in.Area()], dy[p*out.Area():(p+1)*out.Area()]
		eachWindow(n, in, out, func(cell, top, bottom, left, right int) {
			share := from[cell] / float64((bottom-top)*(right-left))
			for row := top; row < bottom; row++ {
				for i := left; i < right; i++ {
					to[row*in.Width+i] += share
				}
			}
		})
	}
}

// planeMeans averages planes of a size.
func planeMeans(area int, x, y []float64) {
	for p := range y {
		var sum float64
		for _, v := range x[p*area : (p+1)*area] {
			sum += v
		}
		y[p] = sum / float64(area)
	}
}

// addLinear adds to y the linear layer of x at each pixel; both hold channels
// of area elements.
func addLinear(weight []float64, area int, x, y []float64) {
	in := len(x) / area
	for o := range len(y) / area {
		for i := range in {
			axpy(weight[o*in+i], x[i*area:(i+1)*area], y[o*area:(o+1)*area])
		}
	}
}
